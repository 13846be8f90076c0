"""The canvas: where things lie on it."""

import torch

from blending.shadow.canvas import Canvas, object_size


def canvas():
    silhouette = torch.arange(1.0, 7.0).view(1, 1, 2, 3)
    return Canvas(silhouette, top=1, bottom=2, left=3, right=4)


def test_the_silhouette_lies_in_its_room():
    whole = canvas()
    assert whole.shape == (5, 10)
    assert torch.equal(whole.plane[..., 1:3, 3:6], whole.silhouette)
    assert whole.plane.sum() == whole.silhouette.sum()
    assert whole.laid(torch.tensor([7.0, 8.0, 9.0])).tolist() == [[0, 0, 0, 7, 8, 9, 0, 0, 0, 0]]


def test_places_are_counted_from_the_silhouette():
    whole = canvas()
    assert whole.rows[:, 0].tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
    assert whole.columns[0, :4].tolist() == [-2.5, -1.5, -0.5, 0.5]


def test_samples_at_the_pixels_are_the_pixels_and_half_way_their_mean():
    whole = canvas()
    torch.testing.assert_close(
        whole.sampled(whole.plane, whole.rows, whole.columns), whole.plane, rtol=0, atol=1e-5
    )
    found = whole.sampled(whole.plane, torch.tensor([[1.0]]), torch.tensor([[1.0, 99.0]]))
    torch.testing.assert_close(found[0, 0], torch.tensor([[(1 + 2 + 4 + 5) / 4, 0]]))


def test_the_size_is_the_geometric_mean():
    assert object_size(4, 9) == 6

"""Sums over feature vectors: by hand, by parts, by differences."""

import pytest
import torch

from blending.deep.feature_statistics import Content, outer_sum


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_outer_sum_by_hand():
    # Two pixels, (1, 3) and (2, −1): their outer products added up.
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    assert outer_sum(features).tolist() == [[[5.0, 1.0], [1.0, 10.0]]]
    first = torch.tensor([[[[1.0, 0.0]]]])
    assert outer_sum(features, first).tolist() == [[[1.0, 3.0], [3.0, 9.0]]]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_outer_sums_of_parts_add_up(layout):
    features = random(2, 3, 4, 5).contiguous(memory_format=layout)
    parts = outer_sum(features[..., :2, :]) + outer_sum(features[..., 2:, :])
    torch.testing.assert_close(outer_sum(features), parts)


def test_the_slope_of_the_outer_sum_is_that_of_differences():
    assert torch.autograd.gradcheck(outer_sum, random(2, 3, 4, 2).requires_grad_())


def test_parts_of_the_content_distance_add_up_to_it_and_its_scale_is_that_of_nothing():
    wanted, weight, features = (
        random(2, 3, 4, 6),
        random(2, 1, 4, 6, seed=1),
        random(2, 3, 4, 6, seed=2),
    )
    content = Content(wanted, weight)
    boxes = [(slice(0, 4), slice(0, 2)), (slice(0, 4), slice(2, 6))]
    parts = sum(content.part(*box).distance(features[(..., *box)]) for box in boxes)
    torch.testing.assert_close(content.distance(features), parts)
    torch.testing.assert_close(content.scale, (weight * wanted**2).sum((1, 2, 3)))

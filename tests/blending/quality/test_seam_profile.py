"""Profiles across edges whose distances are known."""

import numpy as np
import pytest
import torch

from blending.quality.seam_profile import seam_profile


def half_plane(height=9, width=20, edge=12):
    support = torch.zeros(1, 1, height, width, dtype=torch.bool)
    support[..., edge:] = True
    return support


def test_each_column_of_a_half_plane_is_one_distance():
    residual = torch.arange(20.0).expand(1, 3, 9, 20) / 255
    profile = seam_profile(residual, -2 * residual, half_plane())
    assert profile.distances == [column - 12 + 0.5 for column in range(20)]
    assert profile.result == pytest.approx(list(range(20)))
    assert profile.paste == pytest.approx([2 * column for column in range(20)])


def test_a_seam_is_a_peak_at_0():
    residual = torch.zeros(1, 3, 9, 20)
    residual[..., 11:13] = 10 / 255
    profile = seam_profile(residual, residual, half_plane())
    peak = [d for d, size in zip(profile.distances, profile.result, strict=True) if size > 0]
    assert peak == [-0.5, 0.5]
    assert max(profile.result) == pytest.approx(10)


def test_sizes_are_means_over_channels_and_pixels():
    residual = torch.zeros(1, 3, 9, 20)
    residual[0, :, 0, 12] = torch.tensor([9.0, -6.0, 3.0]) / 255
    profile = seam_profile(residual, residual, half_plane())
    assert profile.result[12] == pytest.approx((9 + 6 + 3) / 3 / 9)


def test_it_reaches_24_pixels_out_and_48_in():
    profile = seam_profile(*(torch.zeros(1, 3, 5, 200),) * 2, half_plane(5, 200, 100))
    assert (profile.distances[0], profile.distances[-1]) == (-23.5, 47.5)


@pytest.mark.parametrize("value", [True, False])
def test_a_mask_without_an_edge_has_no_profile(value):
    support = torch.full((1, 1, 5, 6), value)
    assert seam_profile(*(torch.zeros(1, 3, 5, 6),) * 2, support).distances == []


def test_distances_are_to_the_nearest_pixel_of_the_other_side(noise):
    support = noise(1, 1, 17, 23, seed=4) > 0.8
    support[..., 3:12, 5:16] = True
    residual, pasted = noise(1, 3, 17, 23) - 0.5, noise(1, 3, 17, 23, seed=1)
    profile = seam_profile(residual, pasted, support)
    inside = support[0, 0].numpy()
    places = np.argwhere(np.ones_like(inside))
    sizes = {}
    for row, column in places:
        other = places[inside.ravel() != inside[row, column]]
        nearest = np.hypot(*(other - (row, column)).T).min()
        # From 1 to below 2: the first pixel, half a pixel from the edge.
        off = (np.floor(nearest) - 0.5) * (1 if inside[row, column] else -1)
        sizes.setdefault(off, []).append((row, column))
    assert profile.distances == sorted(sizes)
    assert len(sizes) > 6
    for got, field in ((profile.result, residual), (profile.paste, pasted)):
        levels = 255 * field[0].abs().mean(0).double().numpy()
        wanted = [np.mean([levels[place] for place in sizes[off]]) for off in profile.distances]
        assert got == pytest.approx(wanted, rel=1e-6)

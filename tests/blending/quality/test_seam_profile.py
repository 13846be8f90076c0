"""Profiles across edges whose distances are known."""

import numpy as np
import pytest
import torch

from blending.placement.place import place
from blending.quality.laplacian_panels import laplacian_panels
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


def test_a_plain_pastes_profile_is_its_own(photo, disc):
    placed = place(photo(40, 40), photo(90, 90, 250, 20), disc(40, 40, 14), 20, 25)
    (profile,) = laplacian_panels(placed.paste, placed).profiles
    assert profile.result == profile.paste
    # The steps across the edge are in the pixels on either side and nowhere else.
    far = [size for d, size in zip(profile.distances, profile.paste, strict=True) if abs(d) > 3]
    assert max(far) < 1e-3
    assert np.argmax(profile.paste) in (23, 24)


def test_changes_outside_the_mask_are_seen(photo, disc):
    placed = place(photo(40, 40), photo(90, 90, 250, 20), disc(40, 40, 14), 20, 25)
    image = placed.paste
    image[..., 20, :] = 0.9
    (profile,) = laplacian_panels(image, placed).profiles
    assert max(profile.result[:10]) > 1

"""The growing blur, against the error function and sums."""

import math

import pytest
import torch

from blending.shadow.penumbra import penumbra, spread


def half_plane(height=96, width=128, edge=64):
    plane = torch.zeros(1, 1, height, width, dtype=torch.float64)
    plane[..., :edge] = 1
    return plane


def blurred_edge(sigma, edge=64, width=128):
    """What a Gaussian makes of that half plane, by the error function."""
    places = torch.arange(width, dtype=torch.float64) + 0.5 - edge
    return 0.5 * torch.erfc(places / (math.sqrt(2) * sigma))


@pytest.mark.parametrize("sigma", [0.7, 1.3, 3.0, 6.0, 11.0])
def test_a_straight_edge_becomes_an_error_function(sigma):
    found = spread(half_plane(), sigma)[0, 0, 48]
    inside = slice(40, 88)  # the frame's own edge is far away
    difference = (found - blurred_edge(sigma))[inside].abs().max()
    assert difference < 0.03  # a pixel's own width, and the thinned grid


def test_the_other_axis_is_blurred_by_its_own_width():
    across = spread(half_plane(), 8.0, tilt=0.25)[0, 0, 48]
    down = spread(half_plane(128, 96).mT.contiguous(), 8.0, tilt=0.25)[0, 0, :, 48]
    assert (across - blurred_edge(8.0))[40:88].abs().max() < 0.02
    assert (down[40:88] - blurred_edge(2.0)[40:88]).abs().max() < 0.04


@pytest.mark.parametrize("sigma", [1.0, 5.0, 20.0])
def test_nothing_is_gained_or_lost_inside_the_frame(sigma):
    plane = torch.zeros(1, 1, 160, 160)
    plane[..., 76:83, 78:85] = 0.5
    assert spread(plane, sigma).sum().item() == pytest.approx(plane.sum().item(), rel=5e-3)


def test_the_width_is_the_one_wanted_at_each_place():
    """Two Gaussians of widths 1 : 2 mixed to the variance of one differ from it by 0.04 at most."""
    for sigma in (1.0, 2.1, 4.2, 8.0):
        found = penumbra(half_plane(), torch.full((1, 1, 96, 128), sigma).double(), 1.0)[0, 0, 48]
        assert (found - blurred_edge(sigma))[40:88].abs().max() < 0.05


def test_the_blur_grows_from_place_to_place():
    sigma = torch.linspace(1, 9, 96, dtype=torch.float64)[None, None, :, None].expand(1, 1, 96, 128)
    found = penumbra(half_plane(), sigma, 1.0)[0, 0]
    widths = [((row > 0.1) & (row < 0.9)).sum().item() for row in found[8:88:16, 16:112]]
    assert widths == sorted(widths) and widths[-1] > 3 * widths[0]
    assert found.min() >= 0 and found.max() <= 1 + 1e-9

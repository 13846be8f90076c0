"""Each figure against its definition in NumPy and SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from blending.quality.metrics import (
    background_error,
    gradient_error,
    seam_error,
    seam_peak,
    seam_ring,
    seam_share,
)


def blob(height=26, width=31):
    """A disc with a hole, a bar on the frame's edge, a lone pixel; (H, W), bool."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - 13, columns - 14)
    mask = (distance < 10) & (distance > 1.5)
    mask[20:, :3] = True
    mask[2, 27] = True
    return mask


def expected_ring(mask):
    """Grown and not shrunk by 2 pixels (a 5 x 5 square), the frame's outermost pixels left out."""
    square = np.ones((5, 5), bool)
    grown = ndimage.binary_dilation(mask, square)
    shrunk = ndimage.binary_erosion(mask, square, border_value=1)
    ring = grown & ~shrunk
    ring[[0, -1]] = False
    ring[:, [0, -1]] = False
    return ring


def expected_residual(blend, guidance):
    """Squared difference of Laplacians in levels, mean over the channels; (B, C, H, W) arrays."""
    field = np.stack(
        [[-ndimage.laplace(plane, mode="nearest") for plane in picture] for picture in blend]
    )
    return ((255 * (field - guidance)) ** 2).mean(1)


def as_mask(mask):
    return torch.from_numpy(mask).float()[None, None]


@pytest.fixture
def case(noise):
    """Blend, guidance and the blob's mask, float64, two pictures."""
    mask = torch.cat([as_mask(blob()), as_mask(np.roll(blob(), 3, 0))]).double()
    return noise(2, 3, 26, 31).double(), noise(2, 3, 26, 31, seed=1).double() - 0.5, mask


def test_the_ring_is_two_pixels_on_either_side_of_an_edge():
    mask = torch.zeros(1, 1, 7, 12)
    mask[..., 6:] = 1
    expected = torch.zeros(1, 1, 7, 12, dtype=torch.bool)
    expected[:, :, 1:-1, 4:8] = True
    assert torch.equal(seam_ring(mask), expected)


def test_the_ring_is_dilation_less_erosion():
    assert np.array_equal(seam_ring(as_mask(blob()))[0, 0], expected_ring(blob()))


def test_the_ring_of_a_soft_mask_lies_where_it_passes_one_half():
    soft = as_mask(blob()) * 0.5
    soft[soft == 0] = 0.49
    assert torch.equal(seam_ring(soft), seam_ring(as_mask(blob())))


def test_a_full_mask_has_no_ring():
    assert not seam_ring(torch.ones(1, 1, 8, 8)).any()


def test_the_seam_is_the_mean_squared_residual_on_the_ring(case):
    blend, guidance, mask = case
    residual = expected_residual(blend.numpy(), guidance.numpy())
    ring = np.stack([expected_ring(plane) for plane in mask[:, 0].numpy() > 0])
    expected = residual[ring].mean()
    assert seam_error(blend, guidance, mask) == pytest.approx(expected, rel=1e-10)


def test_the_gradient_figure_leaves_the_ring_and_the_frames_edge_out(case):
    blend, guidance, mask = case
    residual = expected_residual(blend.numpy(), guidance.numpy())
    inside = mask[:, 0].numpy() > 0
    inside &= ~np.stack([expected_ring(plane) for plane in inside])
    inside[:, [0, -1]] = False
    inside[:, :, [0, -1]] = False
    expected = residual[inside].mean()
    assert gradient_error(blend, guidance, mask) == pytest.approx(expected, rel=1e-10)


def test_one_level_of_one_pixel_has_a_known_residual():
    # On a flat picture the stencil is 4 at the pixel and 1 at each of its neighbours: 16 + 4 = 20.
    blend = torch.full((1, 3, 20, 20), 0.5, dtype=torch.float64)
    blend[:, :, 10, 10] += 1 / 255
    guidance = torch.zeros_like(blend)
    mask = torch.ones(1, 1, 20, 20, dtype=torch.float64)
    assert gradient_error(blend, guidance, mask) == pytest.approx(20 / 18**2, rel=1e-9)


def test_a_peak_is_what_the_ring_has_more_than_the_inside(case):
    blend, guidance, mask = case
    ring, inside = (error(blend, guidance, mask) for error in (seam_error, gradient_error))
    assert seam_peak(blend, guidance, mask) == max(0, ring - inside)
    stepped = blend + 3 * mask
    ring, inside = (error(stepped, guidance, mask) for error in (seam_error, gradient_error))
    assert seam_peak(stepped, guidance, mask) == ring - inside > 0
    small = torch.zeros_like(mask)
    small[..., 4, 4] = 1  # all ring, no inside
    assert seam_peak(blend, guidance, small) == seam_error(blend, guidance, small)


def test_an_empty_area_gives_nan():
    picture = torch.zeros(1, 3, 8, 8)
    assert math.isnan(seam_peak(picture, picture, torch.ones(1, 1, 8, 8)))
    assert math.isnan(seam_share(picture, picture, torch.ones(1, 1, 8, 8)))
    assert math.isnan(seam_error(picture, picture, torch.ones(1, 1, 8, 8)))
    small = torch.zeros(1, 1, 8, 8)
    small[..., 4, 4] = 1
    assert math.isnan(gradient_error(picture, picture, small))


def test_a_flat_blend_shows_no_seam_whatever_its_guidance_was():
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:6, 2:6] = 1
    flat, guidance = torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    guidance[..., 2:6, 2:6] = 0.1  # on the ring, too: it was cut at white
    guidance[..., 3:5, 3:5] = 0
    assert seam_peak(flat, guidance, mask) > 0
    assert seam_share(flat, guidance, mask) == 0


def test_the_background_is_the_largest_difference_outside_the_mask_in_levels():
    target = torch.full((1, 4, 6, 6), 0.5, dtype=torch.float64)
    blend, mask = target.clone(), torch.zeros(1, 1, 6, 6)
    mask[..., 2:4, 2:4], mask[..., 0, 0] = 0.5, 0.49
    blend[:, 1, 2:4, 2:4] = 0
    assert background_error(blend, target, mask) == 0
    blend[:, 3, 5, 5] -= 3 / 255
    blend[:, 0, 0, 0] += 2 / 255
    assert background_error(blend, target, mask) == pytest.approx(3, rel=1e-12)


def test_the_background_of_a_full_mask_is_zero(noise):
    mask = torch.full((1, 1, 5, 5), 0.5)
    assert background_error(noise(1, 3, 5, 5), noise(1, 3, 5, 5, seed=1), mask) == 0

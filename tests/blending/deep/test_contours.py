"""Where a mask's edge is the object's own contour: by the colours on both sides, near the edge."""

import pytest
import torch

from blending.deep.contours import BESIDE, OTHER, SAME, contour_share
from blending.placement.box import Box
from blending.placement.window import Window


def make_window(source, mask, valid=None):
    valid = torch.ones_like(mask) if valid is None else valid
    return Window(source, mask, valid, torch.zeros_like(source), Box(0, 0, *mask.shape[2:]))


@pytest.fixture
def half():
    """The left half of 32 x 40 pixels, as a mask."""
    mask = torch.zeros(1, 1, 32, 40)
    mask[..., :20] = 1
    return mask


def two_colours(mask, step):
    """Grey 0.4 under the mask and 0.4 + step beside it."""
    return (0.4 + step * (1 - mask)).expand(1, 3, -1, -1).clone()


@pytest.mark.parametrize(
    ("step", "share"),
    [(0, 0), (SAME / 3**0.5, 0), ((SAME + OTHER) / 2 / 3**0.5, 0.5), (OTHER / 3**0.5, 1), (0.5, 1)],
)
def test_the_share_rises_with_the_difference_of_the_colours(step, share, half):
    found = contour_share(make_window(two_colours(half, step), half))
    assert found.shape == half.shape
    assert torch.allclose(found[..., 18:22], torch.tensor(float(share)), atol=0.02)
    assert (found[..., :8] == 0).all() and (found[..., 32:] == 0).all()  # away from the edge


def test_texture_that_goes_on_across_the_edge_is_no_contour(noise, half):
    assert contour_share(make_window(noise(1, 3, 32, 40, seed=3), half))[..., 15:25].mean() < 0.05


def test_a_soft_edge_counts_like_a_hard_one(half):
    soft = half.clone()
    soft[..., 18:22] = torch.tensor([0.8, 0.6, 0.4, 0.2])
    assert (contour_share(make_window(two_colours(half, 0.5), soft))[..., 16:24] == 1).all()


def test_cleaned_pixels_beside_the_mask_do_not_hide_the_contour(half):
    source = two_colours(half, 0.5)
    source[..., 20 : 20 + BESIDE] = 0.4
    assert (contour_share(make_window(source, half))[..., 18:22] > 0.99).all()


def test_where_the_source_has_nothing_outside_nothing_is_known(half):
    source = two_colours(half, 0.5)
    assert (contour_share(make_window(source, half, half)) == 0).all()


def test_a_mask_over_everything_has_no_contour(half):
    whole = torch.ones_like(half)
    assert (contour_share(make_window(two_colours(half, 0.5), whole)) == 0).all()

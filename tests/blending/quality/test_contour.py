"""Steps of known height between an object and what lies beside it."""

import math

import pytest
import torch
from skimage import color

from blending.quality.contour import contour_kept
from blending.quality.object_view import object_view


@pytest.fixture
def step(flat, disc):
    """step(L inside, L outside): a grey disc of radius 30 on a grey picture, 100 x 110."""

    def make(inside, outside=30):
        colours = flat(100, 110, inside, 0, 0), flat(100, 110, outside, 0, 0)
        return torch.where(disc(100, 110, 30) > 0, *colours)

    return make


@pytest.fixture
def kept(disc, step):
    """kept(result, paste, mask): the figure; the target is the paste's ground."""

    def make(result, paste, mask=None):
        mask = disc(100, 110, 30) if mask is None else mask
        return contour_kept(object_view(result, paste, step(30), mask))

    return make


@pytest.mark.parametrize("share", [0.0, 0.27, 0.5, 1.0, 1.4])
def test_a_faded_contour_keeps_its_share(share, step, kept):
    assert kept(step(30 + 40 * share), step(70)) == pytest.approx(share, abs=2e-3)


def test_a_step_of_colour_counts_as_one_of_lightness(step, kept, flat, disc):
    red = torch.where(disc(100, 110, 30) > 0, flat(100, 110, 30, 20, 0), step(30))
    assert kept(red, step(70)) == pytest.approx(0.5, abs=2e-3)


def test_what_is_far_from_the_outline_does_not_count(step, kept, disc):
    spoilt = torch.where(disc(100, 110, 22) > 0, torch.zeros(()).double(), step(70))
    assert kept(spoilt, step(70)) == pytest.approx(1, abs=1e-3)


def test_a_faint_step_is_no_contour(step, kept):
    assert math.isnan(kept(step(35), step(30 + 11.5)))
    assert kept(step(36), step(30 + 12.5)) == pytest.approx(6 / 12.5, rel=0.01)


def test_most_of_the_outline_decides(step, kept):
    """A quarter of the contour at the right, then four fifths of it, are lost."""
    result = step(70)
    result[..., 75:] = step(30)[..., 75:]
    assert kept(result, step(70)) == pytest.approx(1, abs=0.01)
    result[..., 30:] = step(30)[..., 30:]
    assert kept(result, step(70)) == pytest.approx(0, abs=0.05)


def test_the_frame_is_no_outline(flat, step):
    """A band over the full width: its outline is above and below only."""
    mask = torch.zeros(1, 1, 100, 110)
    mask[..., 40:70, :] = 1
    ground = flat(100, 110, 30, 0, 0)
    paste, result = (
        torch.where(mask > 0, flat(100, 110, lightness, 0, 0), ground) for lightness in (70, 54)
    )
    assert contour_kept(object_view(result, paste, ground, mask)) == pytest.approx(0.6, abs=2e-3)
    above = torch.zeros(1, 1, 100, 110)
    above[..., :9, :] = 1  # its only outline is nearer to the frame than 10 pixels
    paste = torch.where(above > 0, flat(100, 110, 70, 0, 0), ground)
    assert math.isnan(contour_kept(object_view(paste, paste, ground, above)))


@pytest.mark.parametrize("mask", [torch.ones(1, 1, 100, 110), torch.zeros(1, 1, 100, 110)])
def test_a_mask_without_an_outline_has_no_figure(mask, step, kept):
    assert math.isnan(kept(step(70), step(70), mask))


def test_few_pixels_have_no_figure(step, kept, disc):
    small = disc(100, 110, 6)  # of 38 pixels around; a Gaussian of 4 finds no two bands in it
    assert math.isnan(kept(step(70), step(70), small))


def test_strips_change_nothing(scene, view_of, in_strips):
    paste, target, _ = scene
    view = view_of(0.7 * paste + 0.3 * target)
    expected = contour_kept(view)
    assert 0.5 < expected < 0.9
    assert in_strips(contour_kept, view) == pytest.approx(expected, rel=1e-9)


def test_the_steps_are_those_of_cielab(of_lab):
    lab = color.rgb2lab([[[0.5, 0.5, 0.5]]])[0, 0]
    assert of_lab(lab[:, None, None]).flatten().tolist() == pytest.approx([0.5] * 3, abs=1e-3)

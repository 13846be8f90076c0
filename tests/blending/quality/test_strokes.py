"""Local contrast of an object against its surroundings: doubled, halved, blurred; and in SciPy."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import ndimage

from blending.quality.object_view import object_view
from blending.quality.strokes import strokes


@pytest.fixture
def painted(of_lab, disc, noise):
    """painted(contrast): everywhere the same grain, with a contrast of its own in the object."""
    grain = noise(240, 250, seed=4).double().numpy() - 0.5
    target = of_lab(np.stack((50 + 20 * grain, 0 * grain, 0 * grain)))
    mask = disc(240, 250, 40)

    def make(contrast):
        own = of_lab(np.stack((50 + 20 * contrast * grain, 0 * grain, 0 * grain)))
        result = torch.where(mask > 0, own, target)
        return object_view(result, result, target, mask)

    return make


@pytest.mark.parametrize(("contrast", "octaves"), [(1, 0), (2, 1), (0.5, 1)])
def test_twice_the_contrast_is_one_octave(contrast, octaves, painted):
    assert strokes(painted(contrast)) == pytest.approx(octaves, abs=0.06)


def test_the_blurrier_the_less_alike(scene, view_of):
    _, itself, _ = scene
    found = [strokes(view_of(itself))]
    for sigma in (1, 2, 4):
        blurred = ndimage.gaussian_filter(itself.numpy(), (0, 0, sigma, sigma))
        found.append(strokes(view_of(torch.from_numpy(blurred))))
    assert found == sorted(found)
    assert found[-1] > found[0] + 1.5


def test_the_formula_in_scipy(scene, view_of):
    paste, _, mask = scene
    view = view_of(paste)
    inside = mask[0, 0].numpy() > 0
    outer = ndimage.distance_transform_edt(~inside)
    areas = (
        (view.result, ndimage.distance_transform_edt(inside) > 6),
        (view.target, (outer > 3) & (outer <= 80)),
    )
    octaves = []
    for lab, area in areas:
        lightness = lab[0, 0].numpy()
        planes = [
            lightness,
            *(ndimage.gaussian_filter(lightness, s, mode="nearest") for s in (1, 2, 4)),
        ]
        squares = [(finer - coarser) ** 2 for finer, coarser in pairwise(planes)]
        contrasts = [
            np.sqrt(ndimage.gaussian_filter(square, near, mode="nearest"))
            for square, near in zip(squares, (4, 6, 10), strict=True)
        ]
        octaves.append([np.log2(np.median(contrast[area])) for contrast in contrasts])
    expected = np.abs(np.subtract(*octaves)).mean()
    assert strokes(view) == pytest.approx(expected, rel=2e-3)
    assert expected > 0.1


def test_two_flat_areas_are_alike(flat, disc):
    grey = flat(120, 130, 40, 0, 0)
    assert strokes(object_view(grey, grey, grey, disc(120, 130, 30))) == pytest.approx(0, abs=1e-3)


def test_few_pixels_have_no_figure(photo, disc):
    picture = photo(60, 70)
    for mask in (disc(60, 70, 13), torch.ones(1, 1, 60, 70), torch.zeros(1, 1, 60, 70)):
        assert math.isnan(strokes(object_view(picture, picture, picture, mask)))
    assert not math.isnan(strokes(object_view(picture, picture, picture, disc(60, 70, 16))))

"""Washed-out and harsh objects of known contrast."""

import math

import numpy as np
import pytest
import torch

from blending.quality.object_view import object_view
from blending.quality.tone import tone_kept


@pytest.fixture
def kept(of_lab, flat, disc):
    """kept(share): an object of waves whose lightness varies by that share of the paste's."""
    columns = np.arange(100)
    waves = np.broadcast_to(np.sin(columns / 7), (90, 100))
    neutral = np.zeros_like(waves)

    def make(share, height=20.0, mask=None):
        paste, result = (
            of_lab(np.stack((50 + contrast * waves, neutral, neutral)))
            for contrast in (height, height * share)
        )
        mask = disc(90, 100, 35) if mask is None else mask
        return tone_kept(object_view(result, paste, flat(90, 100, 20, 0, 0), mask))

    return make


@pytest.mark.parametrize("share", [0.0, 0.53, 0.8, 1.0, 1.3])
def test_the_share_of_the_contrast_that_is_left(share, kept):
    assert kept(share) == pytest.approx(share, abs=2e-3)


def test_another_mean_lightness_is_no_change(of_lab, flat, disc):
    waves = np.broadcast_to(20 * np.sin(np.arange(100) / 7), (90, 100))
    pictures = [of_lab(np.stack((mean + waves, 0 * waves, 0 * waves))) for mean in (65, 45)]
    view = object_view(*pictures, flat(90, 100, 20, 0, 0), disc(90, 100, 35))
    assert tone_kept(view) == pytest.approx(1, abs=2e-3)


def test_grain_is_not_tone(scene, view_of, noise):
    paste, _, _ = scene
    grain = 0.1 * (noise(*paste.shape, seed=3).double() - 0.5)
    assert tone_kept(view_of(paste + grain)) == pytest.approx(1, abs=0.03)


def test_an_object_of_one_lightness_has_no_contrast_to_keep(kept):
    assert math.isnan(kept(30, height=0.1))
    assert not math.isnan(kept(1, height=2))


def test_few_pixels_have_no_figure(kept):
    mask = torch.zeros(1, 1, 90, 100)
    mask[..., 40, :49] = 1
    assert math.isnan(kept(1, mask=mask))
    mask[..., 40, 49] = 1
    assert kept(1, mask=mask) == pytest.approx(1)
    assert math.isnan(kept(1, mask=0 * mask))


def test_strips_change_nothing(scene, view_of, in_strips):
    view = view_of(0.5 * scene[0])
    assert in_strips(tone_kept, view) == pytest.approx(tone_kept(view), rel=1e-9)

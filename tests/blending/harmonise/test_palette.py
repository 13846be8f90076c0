"""Palettes against NumPy's weighted statistics, and by hand; the ring around a mask."""

import math

import numpy as np
import pytest
import torch

from blending.harmonise import palette as module
from blending.harmonise.palette import RING, Palette, mixed, palette, place_weight
from blending.image.colour import to_oklab

NAMES = ("lightness", "spread", "chroma", "covariance", "highlights", "highlights_from", "pixels")


def whole(picture):
    return palette(picture, torch.ones_like(picture[:, :1]))


def test_black_and_white_by_hand():
    picture = torch.tensor([0.0, 1.0])[None, None, None].expand(1, 3, 1, 2)
    found = palette(picture, torch.tensor([1.0, 3.0])[None, None, None])
    assert found.lightness.item() == pytest.approx(0.75, abs=1e-6)
    assert found.spread.item() == pytest.approx(math.sqrt(0.75 * 0.25), abs=1e-6)
    assert found.highlights_from.item() == pytest.approx(1, abs=1e-6)
    assert found.chroma.abs().max() < 1e-6
    assert found.pixels.tolist() == [2]
    assert not found.is_empty


def test_statistics_are_numpys(noise):
    picture, weight = noise(1, 3, 12, 9, seed=1).double(), noise(1, 1, 12, 9, seed=2).double()
    weight[..., :4] = 0
    found = palette(picture, weight)
    colours = to_oklab(picture)[0].flatten(1).numpy()
    shares = weight.flatten().numpy()
    mean = np.average(colours, axis=1, weights=shares)
    covariance = np.cov(colours, aweights=shares, bias=True)
    np.testing.assert_allclose(found.lightness, mean[:1])
    np.testing.assert_allclose(found.chroma[0], mean[1:])
    np.testing.assert_allclose(found.spread, covariance[0, 0] ** 0.5)
    np.testing.assert_allclose(found.covariance[0], covariance[1:, 1:])
    assert found.pixels.item() == 12 * 5


def test_highlights_are_the_brightest_tenth():
    levels = torch.arange(1, 101) / 100
    picture = levels[None, None, None].repeat(1, 3, 1, 1)
    picture[:, 2, :, 90:] *= 0.5  # the brightest are yellow, and still the brightest
    found = whole(picture)
    bright = to_oklab(picture)[0, :, 0]
    order = bright[0].argsort()[-11:]  # the tenth and the pixel at which it begins
    assert found.highlights_from.item() == pytest.approx(bright[0, order].min().item(), abs=1e-6)
    np.testing.assert_allclose(found.highlights[0], bright[1:, order].mean(1), atol=1e-6)


def test_nothing_that_counts_gives_an_empty_palette(noise):
    found = palette(noise(1, 3, 5, 4), torch.zeros(1, 1, 5, 4))
    assert found.is_empty
    assert all(getattr(found, name).abs().sum() == 0 for name in NAMES)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_numbers_are_float64_of_one_row(noise, dtype):
    found = whole(noise(1, 3, 6, 5).to(dtype))
    shapes = [tuple(getattr(found, name).shape) for name in NAMES]
    assert shapes == [(1,), (1,), (1, 2), (1, 2, 2), (1, 2), (1,), (1,)]
    assert {getattr(found, name).dtype for name in NAMES} == {torch.float64}


def test_a_large_picture_is_read_of_evenly_spaced_pixels(noise, monkeypatch):
    picture = noise(1, 3, 20, 30)
    full = whole(picture)
    monkeypatch.setattr(module, "SAMPLES", 150)
    found = whole(picture)
    torch.testing.assert_close(found.pixels, full.pixels)
    flat = picture.flatten(2)[:, :, None, ::4]
    np.testing.assert_allclose(found.lightness, whole(flat).lightness)
    # 150 of uniform noise: four standard errors of a mean of spread 0.2.
    assert abs(found.lightness - full.lightness) < 4 * 0.2 / 150**0.5


def test_a_mixture_is_the_palette_of_all_pixels(noise):
    first, second = noise(1, 3, 8, 6, seed=1).double(), noise(1, 3, 8, 6, seed=2).double() * 0.5
    found = mixed((whole(first), whole(second)))
    expected = whole(torch.cat((first, second), 3))
    for name in ("lightness", "spread", "chroma", "covariance", "pixels"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))
    halves = (whole(first).highlights + whole(second).highlights) / 2
    torch.testing.assert_close(found.highlights, halves)


def test_shares_of_a_mixture_count(noise):
    first, second = whole(noise(1, 3, 8, 6, seed=1)), whole(noise(1, 3, 8, 6, seed=2))
    found = mixed((first, second), (3, 1))
    torch.testing.assert_close(found.lightness, (3 * first.lightness + second.lightness) / 4)
    assert mixed((first, second), (1, 0)) is first


def test_an_empty_part_does_not_count(noise):
    full, empty = (
        whole(noise(1, 3, 4, 4)),
        palette(torch.zeros(1, 3, 1, 1), torch.zeros(1, 1, 1, 1)),
    )
    assert mixed((empty, full)) is full
    assert mixed((empty, empty)).is_empty
    assert isinstance(mixed([empty]), Palette)


def test_a_mixture_needs_palettes_and_as_many_shares(noise):
    one = whole(noise(1, 3, 2, 2))
    with pytest.raises(ValueError, match="got 0 and 0 shares"):
        mixed([])
    with pytest.raises(ValueError, match="got 1 and 2 shares"):
        mixed([one], (1, 2))


def test_the_ring_ends_at_80_pixels_and_leaves_the_mask_out():
    mask = torch.zeros(1, 1, 3, 200)
    mask[..., :10] = 0.004  # 1/255: the object covers it, though hardly
    weight = place_weight(mask)
    row = weight[0, 0, 1]
    assert not row[:10].any()
    assert row[10 : 10 + RING].min() > 0
    assert not row[10 + RING :].any()
    assert (row[10 : 10 + RING].diff() < 0).all()  # what is nearer counts more


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (40, 3)])
def test_without_a_mask_all_of_the_target_is_the_place(size):
    torch.testing.assert_close(place_weight(torch.zeros(1, 1, *size)), torch.ones(1, 1, *size))


def test_an_object_everywhere_leaves_no_place():
    assert not place_weight(torch.ones(1, 1, 5, 6)).any()


def test_a_half_mask_gives_a_float32_weight():
    assert place_weight(torch.ones(1, 1, 2, 2, dtype=torch.float16)).dtype == torch.float32

"""Distances, frames and strips on small masks whose numbers are plain to see."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from blending.placement.box import Box, crop
from blending.quality import object_view as module
from blending.quality.object_view import REACH, RING, object_view, surroundings


def square(height=9, width=9, rows=slice(2, 7), columns=slice(2, 7)):
    mask = torch.zeros(1, 1, height, width)
    mask[..., rows, columns] = 1
    return mask


def view(mask, **more):
    picture = torch.zeros(1, 3, *mask.shape[2:])
    return object_view(picture, picture, picture, mask, **more)


def test_distances_are_from_centre_to_centre():
    looked_at = view(square())
    assert looked_at.depth[0, 0, 4].tolist() == [0, 0, 1, 2, 3, 2, 1, 0, 0]
    assert looked_at.distance[0, 0, 4].tolist() == [2, 1, 0, 0, 0, 0, 0, 1, 2]
    assert looked_at.distance[0, 0, 0, 0] == pytest.approx(math.sqrt(8))


def test_the_frame_is_not_outside():
    assert view(square(rows=slice(0, 3))).depth[0, 0, :3, 4].tolist() == [3, 2, 1]
    assert (view(torch.ones(1, 1, 2, 3)).depth == math.inf).all()


def test_the_object_begins_at_one_half():
    mask = torch.tensor([0, 0.49, 0.5, 1]).view(1, 1, 1, 4)
    assert view(mask).is_object.flatten().tolist() == [False, False, True, True]


def test_the_frame_of_the_whole_picture_counts_not_that_of_the_crop():
    mask = square(40, 50)
    looked_at = view(mask)
    assert looked_at.off_frame.sum() == (40 - 20) * (50 - 20)
    assert looked_at.off_frame[0, 0, 10, 10]
    assert not looked_at.off_frame[0, 0, 9, 25]
    cropped = view(mask, whole=Box(-30, -30, 300, 300))
    assert cropped.off_frame.all()
    left = view(mask, whole=Box(-30, -3, 300, 300))
    assert left.off_frame[0, 0].all(0).tolist() == [False] * 7 + [True] * 43
    assert not view(square(15, 18)).off_frame.any()


def test_the_surroundings_are_the_object_and_what_is_near():
    mask = torch.zeros(1, 1, 400, 500)
    mask[..., 150:180, 20:60] = 0.5
    expected = Box(150 - REACH, 0, 30 + 2 * REACH, 60 + REACH)
    assert surroundings(mask) == expected
    assert surroundings(mask * 0.9) is None


def test_distances_of_the_surroundings_are_those_of_the_whole_picture(noise):
    mask = torch.zeros(1, 1, 300, 310)
    mask[..., 140:170, 150:175] = (noise(30, 25) > 0.4).float()
    box = surroundings(mask)
    assert box is not None
    whole = distance_transform_edt(mask[0, 0].numpy() == 0)
    found = view(crop(mask, box)).distance[0, 0].numpy()
    assert np.allclose(found, np.where(whole > RING, np.inf, whole)[box.slices], rtol=1e-6)


@pytest.mark.parametrize("pixels", [1, 60, 2**18])
def test_strips_hold_each_pixel_of_the_object_once(pixels, noise, monkeypatch):
    monkeypatch.setattr(module, "STRIP_PIXELS", pixels)
    monkeypatch.setattr(module, "MOST_STRIPS", 100)
    mask = torch.zeros(1, 1, 33, 40)
    mask[..., 4:30, 9:40] = (noise(26, 31) > 0.6).float()
    picture = torch.arange(33 * 40.0).reshape(1, 1, 33, 40).expand(1, 3, 33, 40) / 1e4
    looked_at = object_view(picture, picture, picture, mask)
    found = [
        strip.result[:, :1][strip.is_object & own] for strip, own in looked_at.strips(3, overlap=5)
    ]
    expected = looked_at.result[:, :1][looked_at.is_object]
    assert torch.equal(torch.cat(found), expected)


def test_a_strip_has_its_margin(monkeypatch):
    monkeypatch.setattr(module, "STRIP_PIXELS", 1)
    monkeypatch.setattr(module, "MOST_STRIPS", 5)
    sizes = [tuple(s.depth.shape[2:]) for s, _ in view(square(20, 20)).strips(1, overlap=2)]
    # The object's box is 5 x 5, 7 x 7 with its margin, and a strip one row and 2 on either side.
    assert sizes == [(4, 7), (5, 7), (5, 7), (5, 7), (4, 7)]


def test_four_strips_stand_for_a_large_object(monkeypatch):
    monkeypatch.setattr(module, "STRIP_PIXELS", 1)
    mask = square(24, 9, slice(2, 18))
    row = torch.arange(24.0).view(1, 1, 24, 1).expand(1, 1, 24, 9) / 24
    looked_at = object_view(*[row.expand(1, 3, -1, -1)] * 3, mask)
    middles = [looked_at.result[0, 0, n, 4].item() for n in range(24)]
    found = [s.result[:, :1][own & s.is_object][0].item() for s, own in looked_at.strips(1)]
    assert [middles.index(value) for value in found] == [2, 7, 12, 17]


def test_without_an_object_there_is_no_strip():
    assert list(view(torch.zeros(1, 1, 5, 6)).strips(3)) == []


def test_halves_are_looked_at_in_float32(noise):
    half = noise(1, 3, 9, 9).half()
    assert object_view(half, half, half, square().half()).result.dtype == torch.float32
    wide = half.double()
    assert object_view(wide, wide, wide, square()).result.dtype == torch.float64

"""Frames of a film: what moves along with the object, and what a frame has of its own."""

from dataclasses import replace

import pytest
import torch

from blending.placement.box import Box
from blending.placement.window import Window
from blending.stages.film import frame_of, object_centre, steadied


def window(top, left, box):
    """A square object of 8 x 8 pixels at a place of the target, seen through a box."""
    mask = torch.zeros(1, 1, box.height, box.width)
    mask[..., top - box.top : top - box.top + 8, left - box.left : left - box.left + 8] = 1
    plane = torch.zeros(1, 3, box.height, box.width)
    return Window(plane, mask, mask, plane, box)


@pytest.fixture
def change(noise):
    return noise(1, 3, 24, 30) + 0.1


def test_the_centre_is_the_object_s_on_the_target():
    assert object_centre(window(12, 14, Box(5, 6, 24, 30))) == (16, 18)


def test_a_change_comes_along_with_the_object(change):
    first = frame_of(window(10, 10, Box(4, 4, 24, 30)), change)
    same_window = window(13, 12, Box(4, 4, 24, 30))
    moved = first.moved_to(same_window)
    assert torch.equal(moved[..., 3:, 2:], change[..., :-3, :-2])
    assert (moved[..., :3, :] == 0).all() and (moved[..., :2] == 0).all()
    along = first.moved_to(window(13, 12, Box(7, 6, 24, 30)))
    assert torch.equal(along, change)


def test_a_frame_far_away_has_nothing_to_say(change):
    first = frame_of(window(10, 10, Box(4, 4, 24, 30)), change)
    assert (first.moved_to(window(210, 210, Box(204, 204, 24, 30))) == 0).all()


def test_a_texture_stays_the_frame_s_before_and_new_pixels_have_their_own(change, noise):
    here = window(10, 10, Box(4, 4, 24, 30))
    assert steadied(change, here, None) is change
    covered = change * here.mask
    wider = replace(here, mask=torch.nn.functional.max_pool2d(here.mask, 3, 1, 1))
    own = noise(1, 3, 24, 30, seed=2)
    found = steadied(own, wider, frame_of(here, covered))
    before = here.support.expand_as(found)
    assert torch.equal(found[before], change[before])
    assert torch.equal(found[~before], own[~before])

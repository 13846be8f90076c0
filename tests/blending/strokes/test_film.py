"""The matches of the frame before: where the object and the windows have moved to."""

import pytest
import torch

from blending.placement.box import Box
from blending.strokes.film import MatchedFrame, carried
from blending.strokes.matching import NOWHERE, Matches, find_matches


def frame(places, width=10, box=None, corner=(0, 0), centre=(20, 20)):
    return MatchedFrame(Matches(places, width), box or Box(0, 0, 24, 32), corner, centre)


@pytest.fixture
def places():
    """6 x 8 positions, each with a place of its own on a grid of 9 x 10; one without."""
    found = torch.arange(48).view(6, 8) + 13
    found[2, 3] = NOWHERE
    return found


def test_what_has_not_moved_has_its_matches(places):
    own = frame(places)
    found = carried(own, own.box, own.corner, own.centre, (6, 8), (9, 10))
    assert torch.equal(found, places)


def test_the_object_takes_its_matches_along(places):
    """8 pixels down, 4 to the right, in the same window: what it took stays where it is."""
    own = frame(places)
    found = carried(own, own.box, own.corner, (28, 24), (6, 8), (9, 10))
    assert torch.equal(found[2:, 1:], places[:4, :7])
    assert (found[:2] == NOWHERE).all() and (found[:, 0] == NOWHERE).all()


def test_a_window_that_comes_along_sees_the_object_where_it_was_and_the_target_moved(places):
    own = frame(places, box=Box(16, 16, 24, 32), corner=(16, 16))
    found = carried(own, Box(24, 20, 24, 32), (24, 20), (28, 24), (6, 8), (9, 10))
    row, column = places // 10 - 2, places % 10 - 1
    known = (places != NOWHERE) & (row >= 0) & (column >= 0)
    assert torch.equal(found[known], (row * 10 + column)[known])
    assert (found[~known] == NOWHERE).all()


def test_half_a_position_goes_to_the_nearest(places):
    own = frame(places)
    found = carried(own, own.box, own.corner, (21, 20), (6, 8), (9, 10))
    assert torch.equal(found, places)  # one pixel is nothing
    assert carried(own, own.box, (400, 400), own.centre, (6, 8), (9, 10)).max() == NOWHERE


def test_a_match_of_the_frame_before_stays_against_noise(noise):
    """Flat features with noise: alone, each frame matches anew."""

    def units(seed, height, width):
        features = 1 + 0.02 * noise(1, 8, height, width, seed=seed)[0]
        return torch.nn.functional.normalize(features, dim=0)

    own, free = torch.ones(8, 9, dtype=torch.bool), torch.ones(7, 8, dtype=torch.bool)
    offered = units(3, 7, 8)
    first = find_matches(units(1, 8, 9), offered, own, free)
    alone = find_matches(units(2, 8, 9), offered, own, free)
    after = find_matches(units(2, 8, 9), offered, own, free, first.places)
    same = [(x.places == first.places).float().mean() for x in (alone, after)]
    assert same[0] < 0.5 < 0.9 < same[1]

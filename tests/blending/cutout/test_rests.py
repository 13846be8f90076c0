import numpy as np
import pytest

from blending.cutout.mask_edge import MaskEdge
from blending.cutout.rests import FAR, beside, deep_rests, distance, rests

SHAPE = (64, 64)
ROW, COLUMN = np.mgrid[0:64, 0:64]


def square(top, left, bottom, right):
    return (top <= ROW) & (bottom > ROW) & (left <= COLUMN) & (right > COLUMN)


def picture(own, inside=0.8, beyond=0.2):
    return np.where(own, inside, beyond)[None].repeat(3, 0).astype(np.float32)


def found_rests(image, inside, own, width, ratio=None):
    """With ratios that are sure of the labels, if none are given."""
    ratio = np.where(own, 3.0, -3.0) * inside if ratio is None else ratio
    return rests(image, ~inside, own, ratio, MaskEdge(inside), width)


def deep(removed, mask):
    return deep_rests(removed, mask, MaskEdge(mask > 0))


MASK = square(10, 10, 54, 54)
OBJECT = square(15, 15, 49, 49)


def test_distances():
    pixels = np.ones((1, 5), bool)
    assert (distance(pixels) == FAR).all()
    pixels[0, 0] = False
    assert distance(pixels).tolist() == [[0, 1, 2, 3, 4]]


def test_beside_is_three_by_three():
    pixels = np.zeros((5, 5), bool)
    pixels[0, 2] = True
    expected = np.zeros((5, 5), bool)
    expected[:2, 1:4] = True
    assert (beside(pixels) == expected).all()


def test_a_rest_around_an_object_is_one():
    found = found_rests(picture(OBJECT), MASK, OBJECT, 8)
    assert (found == MASK & ~OBJECT).all()
    assert (deep(found, MASK * 1.0) == found).all()


def test_a_part_whose_step_is_the_mask_s_edge_is_none():
    """The ring is of the object's colour: only the label calls it background."""
    found = found_rests(picture(MASK), MASK, OBJECT, 8)
    assert not found.any()


def test_what_goes_on_beyond_the_band_is_none():
    core = square(30, 30, 34, 34)
    found = found_rests(picture(core), MASK, core, 8)
    assert not found.any()


def test_what_is_not_joined_to_the_outside_is_none():
    spot = square(20, 20, 24, 24)
    found = found_rests(picture(MASK & ~spot), MASK, MASK & ~spot, 16)
    assert not found.any()


def test_a_part_of_the_mask_that_would_be_gone_stays():
    mast = square(4, 5, 60, 8)
    inside = MASK | mast
    found = found_rests(picture(OBJECT), inside, OBJECT, 6)
    assert not found[mast & (COLUMN < 6) & (ROW < 30)].any()
    assert found[30, 51]


def test_a_thin_edge_of_the_mask_s_own_is_not_deep():
    ring = MASK & ~square(11, 11, 53, 53)
    assert not deep(ring, MASK * 1.0).any()
    soft = np.where(ring, 0.4, MASK * 1.0)
    wide = MASK & ~square(12, 12, 52, 52)
    assert not deep(wide, soft).any()


def test_small_rests_are_none_and_specks_among_rests_are_rests():
    small = square(10, 10, 13, 14)
    assert not deep(small, MASK * 1.0).any()
    ring = MASK & ~OBJECT
    speck = square(12, 30, 14, 32)
    assert (deep(ring & ~speck, MASK * 1.0) == ring).all()


@pytest.mark.parametrize("own", [MASK, MASK & False])
def test_all_or_nothing_labelled(own):
    found = found_rests(picture(MASK), MASK, own, 8)
    assert not found.any()


def test_an_object_that_the_outside_explains_as_well_is_left_alone():
    own = OBJECT
    ratio = np.where(own, 0.5, -1.0) * MASK
    assert not found_rests(picture(own), MASK, own, 8, ratio).any()


def test_a_rest_that_goes_on_deeper_ends_straight_across_the_mask_s_edge():
    """5 pixels of a rest all around, but at the lower left it has no end within the band."""
    own = OBJECT & ~square(32, 10, 54, 32)
    found = found_rests(picture(own), MASK, own, 8)
    ends = [int(np.flatnonzero(found[:30, column]).max()) for column in range(10, 15)]
    assert found[10:15, 15:49].all()
    assert found[15:49, 49:54].all()
    assert max(ends) - min(ends) <= 1
    assert not found[34:50, 10:30].any()

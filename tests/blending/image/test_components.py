"""Holes and specks against masks drawn by hand."""

import numpy as np
import pytest
import torch

from blending.image.components import connected_parts, drop_specks, fill_holes
from blending.placement.box import Box


def drawn(text):
    """A mask from rows of digits, tenths; 'X' is 1, '.' is 0."""
    rows = [["0123456789X".index(c.replace(".", "0")) for c in row] for row in text.split()]
    return torch.tensor(rows, dtype=torch.float64)[None, None] / 10


def equal(mask, text):
    return torch.equal(mask, drawn(text))


HOLES = """
XXXXXXX
X.XX..X
XXXX..X
XXXXXXX
X.XXXX.
"""
ONE_FILLED = """
XXXXXXX
XXXX..X
XXXX..X
XXXXXXX
X.XXXX.
"""
ALL_FILLED = """
XXXXXXX
XXXXXXX
XXXXXXX
XXXXXXX
X.XXXX.
"""


@pytest.mark.parametrize(
    ("area", "expected"), [(0, HOLES), (1, ONE_FILLED), (3, ONE_FILLED), (4, ALL_FILLED)]
)
def test_holes_to_an_area_are_filled_but_not_what_reaches_the_frame(area, expected):
    assert equal(fill_holes(drawn(HOLES), area), expected)


SPECKS = """
X......
....XX.
....XX.
.X.....
..X....
"""


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        (1, SPECKS),
        (2, SPECKS.replace("X......", ".......")),
        (4, "....... ....XX. ....XX. ....... ......."),  # the diagonal pair is one part of 2
        (5, "....... ....... ....... ....... ......."),
    ],
)
def test_parts_below_an_area_are_dropped_and_corners_join_them(area, expected):
    assert equal(drop_specks(drawn(SPECKS), area), expected)


def test_a_hole_does_not_leak_between_pixels_that_join_at_a_corner():
    ring = "..X.. .X.X. ..X.. ....."
    assert equal(fill_holes(drawn(ring), 1), "..X.. .XXX. ..X.. .....")


def test_half_is_taken():
    # 0.5 joins the two pixels into one part of 3; 0.4 would leave two of 1.
    assert equal(drop_specks(drawn("X5X.."), 3), "X5X..")
    assert equal(drop_specks(drawn("X4X.."), 2), ".....")


def test_the_soft_edge_of_a_speck_goes_with_it():
    assert equal(drop_specks(drawn("..137X731.."), 4), "...........")


def test_the_soft_edge_of_a_hole_is_filled_with_it():
    rows = "XXXXXXXX X975259X X97..79X X975559X XXXXXXXX"
    # The hole is '2' and '..'; what rises from it is its edge.
    assert equal(fill_holes(drawn(rows), 3), " ".join(["X" * 8] * 5))


def test_soft_parts_elsewhere_stay():
    # Glass of 0.7 beside a hole; its plateau does not rise.
    glass = "XXXXXXX X777X.X X777XXX XXXXXXX"
    assert equal(fill_holes(drawn(glass), 1), "XXXXXXX X777XXX X777XXX XXXXXXX")


def test_the_edge_of_a_large_part_stays_where_a_speck_in_it_goes():
    # From 7 it falls to 4 and 1; the next 1 does not fall.
    assert equal(drop_specks(drawn("XXX31147.."), 2), "XXX31.....")


def test_haze_stays_but_for_the_step_down_to_it():
    haze = drawn("3333333 3333333 333X333 3333333")
    assert equal(drop_specks(haze, 2), "3333333 33...33 33...33 33...33")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_dtype_batch_and_input_are_kept(dtype):
    masks = torch.cat((drawn(SPECKS), 1 - drawn(SPECKS))).to(dtype)
    before = masks.clone()
    result = drop_specks(masks, 3)
    assert result.dtype == dtype
    assert torch.equal(masks, before)
    assert torch.equal(result[1], masks[1])  # one large part
    assert result[0].sum() == 4


def test_specks_of_one_mask_are_holes_of_its_inverse_inside_a_frame(noise):
    inner = (noise(1, 1, 30, 40, seed=3) > 0.8).double()
    mask = torch.zeros(1, 1, 32, 42, dtype=torch.float64)
    mask[..., 1:-1, 1:-1] = inner
    for area in (1, 2, 5):
        labels, areas = components(mask[0, 0].numpy() > 0, corners=False)
        expected = 1 - mask.clone()
        for label in range(1, len(areas)):
            if areas[label] <= area:
                expected[0, 0][torch.from_numpy(labels == label)] = 1
        assert torch.equal(fill_holes(1 - mask, area), expected)


def components(pixels, corners):
    """Flood fill, pixel by pixel: nothing shared with the code under test."""
    steps = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if corners or abs(r) + abs(c) == 1]
    labels, areas = np.zeros(pixels.shape, int), [0]
    for start in zip(*np.nonzero(pixels), strict=True):
        if labels[start]:
            continue
        areas.append(0)
        queue = [start]
        labels[start] = len(areas) - 1
        while queue:
            row, column = queue.pop()
            areas[-1] += 1
            for down, across in steps:
                place = row + down, column + across
                inside = 0 <= place[0] < pixels.shape[0] and 0 <= place[1] < pixels.shape[1]
                if inside and pixels[place] and not labels[place]:
                    labels[place] = len(areas) - 1
                    queue.append(place)
    return labels, areas


def test_an_empty_and_a_full_mask_come_back():
    for value in (0.0, 1.0):
        mask = torch.full((1, 1, 5, 6), value)
        assert torch.equal(drop_specks(fill_holes(mask, 100), 3), mask)


def test_parts_come_one_by_one_with_their_greys():
    parts = connected_parts(drawn("5..X .X.. ...2"), 9)
    assert [box for box, _ in parts] == [Box(0, 0, 2, 2), Box(0, 3, 1, 1), Box(2, 3, 1, 1)]
    assert equal(parts[0][1], "5. .X")  # joined at a corner
    assert equal(parts[1][1], "X")
    assert equal(parts[2][1], "2")
    assert len(connected_parts(drawn("5..X .X.. ...2"), 2)) == 2
    assert connected_parts(drawn("... ..."), 9) == []


def test_a_part_s_box_does_not_show_its_neighbour():
    (_, ring), (_, dot) = connected_parts(drawn("XXXXX X...X X.5.X X...X XXXXX"), 9)
    assert equal(ring, "XXXXX X...X X...X X...X XXXXX")
    assert equal(dot, "5")

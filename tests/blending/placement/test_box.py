"""Boxes as sets of pixels, written out one by one; cutting pictures by them."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from blending.placement.box import Box, bounding_box, crop, full_box

BOX = Box(top=3, left=-2, height=4, width=7)
# Small ones, empty ones, some that stick out of a frame at 0 on every side.
BOXES = [
    Box(top, left, height, width)
    for top, left in itertools.product((-3, 0, 2, 5), (-2, 1, 4))
    for height, width in ((0, 3), (1, 1), (2, 5), (9, 4))
]


def pixels(box):
    """Every pixel of a box."""
    rows = range(box.top, box.top + box.height)
    return set(itertools.product(rows, range(box.left, box.left + box.width)))


def test_sides_size_and_slices_by_hand():
    assert (BOX.bottom, BOX.right) == (7, 5)
    assert BOX.size == (4, 7)
    assert Box(1, 2, 3, 4).slices == (slice(1, 4), slice(2, 6))


def test_the_slices_cut_the_boxs_pixels_out():
    numbers = np.arange(8 * 9).reshape(8, 9)
    for top, left, height, width in itertools.product((0, 2, 5), (0, 3), (0, 1, 3), (1, 6)):
        box = Box(top, left, height, width)
        assert set(numbers[box.slices].ravel()) == {9 * row + col for row, col in pixels(box)}


def test_a_box_cannot_be_changed_and_is_equal_to_another_of_its_sides():
    with pytest.raises(dataclasses.FrozenInstanceError):
        BOX.top = 0
    assert Box(3, -2, 4, 7) == BOX
    assert len({BOX, Box(3, -2, 4, 7), Box(-2, 3, 4, 7), Box(3, -2, 7, 4)}) == 3


@pytest.mark.parametrize("margin", [0, 1, 3])
def test_a_grown_box_holds_what_is_that_near_to_a_pixel_of_it(margin):
    steps = range(-margin, margin + 1)
    for box in BOXES:
        near = {(r + i, c + j) for r, c in pixels(box) for i in steps for j in steps}
        if near:
            assert pixels(box.grown(margin)) == near


def test_a_clipped_box_holds_its_pixels_in_the_frame():
    frame = set(itertools.product(range(6), range(4)))
    for box in BOXES:
        clipped = box.clipped((2, 3, 6, 4))
        assert pixels(clipped) == pixels(box) & frame
        assert min(clipped.size) >= 0
    assert Box(1, 1, 3, 2).clipped((6, 4)) == Box(1, 1, 3, 2)


def test_an_intersection_holds_the_pixels_of_both():
    for one, other in itertools.product(BOXES, repeat=2):
        both = one.intersection(other)
        assert pixels(both) == pixels(one) & pixels(other)
        assert min(both.size) >= 0
    assert Box(0, 0, 4, 4).intersection(Box(2, 1, 9, 2)) == Box(2, 1, 2, 2)


def test_a_shifted_box_lies_further_down_and_to_the_right():
    for box, (rows, columns) in itertools.product(BOXES, ((0, 0), (2, 0), (0, -3), (-1, 5))):
        moved = {(row + rows, column + columns) for row, column in pixels(box)}
        assert pixels(box.shifted(rows, columns)) == moved


def test_a_box_relative_to_another_cuts_the_same_pixels_out_of_that_ones_picture():
    picture = np.arange(20 * 30).reshape(20, 30)
    outer = Box(4, 7, 12, 15)
    inner = picture[outer.slices]
    for box in (outer, Box(4, 7, 1, 1), Box(6, 11, 5, 9), Box(15, 21, 1, 1)):
        assert np.array_equal(inner[box.relative_to(outer).slices], picture[box.slices])
    assert Box(1, 2, 3, 4).relative_to(Box(5, 9, 1, 1)) == Box(-4, -7, 3, 4)


@pytest.mark.parametrize("stride", [1, 2, 8])
def test_a_pooled_box_holds_the_map_pixels_that_its_pixels_are_pooled_into(stride):
    for top, left, height, width in itertools.product((-2, 0, 3), (-1, 0, 4), (1, 2), (1, 3)):
        box = Box(stride * top, stride * left, stride * height, stride * width)
        into = {(row // stride, column // stride) for row, column in pixels(box)}
        assert pixels(box.pooled(stride)) == into
        assert box.pooled(stride) == Box(top, left, height, width)


@pytest.mark.parametrize("stride", [1, 3, 8])
def test_an_aligned_box_is_the_smallest_on_the_grid_around_it(stride):
    for box in BOXES:
        if not pixels(box):
            continue
        # Every cell of the grid that has a pixel of the box, in full.
        cells = {(row // stride, column // stride) for row, column in pixels(box)}
        inside = set(itertools.product(range(stride), repeat=2))
        wanted = {(stride * r + i, stride * c + j) for r, c in cells for i, j in inside}
        assert pixels(box.aligned(stride)) == wanted


def test_a_box_on_the_grid_is_aligned_already():
    assert Box(-8, 16, 24, 8).aligned(8) == Box(-8, 16, 24, 8)
    assert Box(-1, 15, 2, 2).aligned(8) == Box(-8, 8, 16, 16)


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (2, 3, 5, 7)])
def test_the_full_box_of_a_picture_is_all_of_it(shape):
    assert full_box(shape) == Box(0, 0, 5, 7)


def test_the_bounding_box_holds_every_true_pixel_and_no_more():
    rng = np.random.default_rng(0)
    for _ in range(30):
        support = rng.random((7, 9)) < 0.06
        support[rng.integers(7), rng.integers(9)] = True
        rows, columns = np.nonzero(support)
        top, left = rows.min(), columns.min()
        wanted = Box(top, left, rows.max() - top + 1, columns.max() - left + 1)
        assert bounding_box(torch.from_numpy(support)[None, None]) == wanted


def test_crop_is_a_view_of_rows_and_columns():
    picture = torch.arange(12.0).reshape(1, 1, 3, 4)
    window = crop(picture, Box(1, 2, 2, 1))
    assert window.tolist() == [[[[6.0], [10.0]]]]
    window.zero_()
    assert picture[0, 0, 1:, 2].tolist() == [0, 0]


@pytest.mark.parametrize("leading", [(), (2,), (4, 3)])
def test_crop_takes_any_leading_dimensions(leading):
    picture = torch.arange(float(6 * 5)).reshape(6, 5).expand(*leading, 6, 5)
    wanted = torch.arange(float(6 * 5)).reshape(6, 5)[2:5, 1:3].expand(*leading, 3, 2)
    assert torch.equal(crop(picture, Box(2, 1, 3, 2)), wanted)


def test_a_box_without_rows_or_columns_is_empty():
    assert Box(3, 4, 0, 5).is_empty
    assert Box(3, 4, 5, 0).is_empty
    assert not Box(-3, -4, 1, 1).is_empty

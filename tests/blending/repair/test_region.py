"""Shaped masks, their parts, and the boxes cut out around them, by hand-checked numbers."""

import pytest
import torch

from blending.placement.box import Box
from blending.repair.region import CropSettings, fitted_regions, masked_parts

FRAME = 100, 200


def mask_of(*boxes: Box) -> torch.Tensor:
    mask = torch.zeros(1, 1, *FRAME)
    for box in boxes:
        mask[(..., *box.slices)] = 1
    return mask


def boxes(*taken: Box, **settings) -> tuple[list[Box], tuple[int, int]]:
    wanted = CropSettings(**{"grow": 0, "context": 0.0, "context_pixels": 0, **settings})
    parts, _ = masked_parts(mask_of(*taken), wanted, 1)
    regions, size = fitted_regions(parts, wanted, FRAME)
    return [region.box for region in regions], size


@pytest.mark.parametrize(
    ("settings", "box", "size"),
    [
        # Rows 40 to 55, columns 80 to 103: 16 x 24 around the centre 48, 92.
        ({}, Box(40, 80, 16, 24), (16, 24)),
        ({"context": 0.5}, Box(32, 68, 32, 48), (32, 48)),
        ({"context_pixels": 3}, Box(36, 76, 24, 32), (24, 32)),
        ({"grow": 4}, Box(36, 76, 24, 32), (24, 32)),
        ({"multiple": 64}, Box(16, 60, 64, 64), (64, 64)),
        ({"multiple": 1, "context": 0.25}, Box(36, 74, 24, 36), (24, 36)),
        # 100 rows have 96 in multiples of 8, and the mask fits into them: context is given up.
        ({"context": 5.0}, Box(0, 0, 96, 200), (96, 200)),
        # A size is named: 2 by 1 around 16 x 24 is 16 x 32, then 24 x 48 with half of it around.
        ({"height": 64, "width": 128}, Box(40, 76, 16, 32), (64, 128)),
        ({"height": 64, "width": 128, "context": 0.5}, Box(32, 60, 32, 64), (64, 128)),
        # One side is named: the other keeps the box's proportions, 16 by 24.
        ({"width": 96}, Box(40, 80, 16, 24), (64, 96)),
        ({"height": 96}, Box(40, 80, 16, 24), (96, 144)),
        # Twice as high as wide does not fit with all its context: 100 x 50 does.
        ({"height": 128, "width": 64, "context": 4.0}, Box(0, 67, 100, 50), (128, 64)),
    ],
)
def test_a_box_around_a_mask(settings, box, size):
    assert boxes(Box(40, 80, 16, 24), **settings) == ([box], size)


@pytest.mark.parametrize(
    ("taken", "box"),
    [
        (Box(0, 0, 16, 24), Box(0, 0, 32, 48)),
        (Box(84, 176, 16, 24), Box(68, 152, 32, 48)),
        (Box(0, 90, 10, 10), Box(0, 83, 24, 24)),
    ],
)
def test_at_the_frame_a_box_moves_inwards(taken, box):
    assert boxes(taken, context=0.5)[0] == [box]


def test_a_box_sticks_out_only_where_the_picture_is_too_small_for_the_mask():
    # 97 of 100 rows are taken: the next multiple of 8 is 104, 2 rows above and 2 below.
    assert boxes(Box(0, 80, 97, 24))[0] == [Box(-2, 80, 104, 24)]
    # A square around 200 columns of 100 rows.
    assert boxes(Box(0, 0, 100, 200), height=64, width=64)[0] == [Box(-50, 0, 200, 200)]


def test_parts_are_cut_out_apart_with_crops_of_one_size():
    small, large = Box(10, 20, 8, 8), Box(60, 120, 16, 32)
    assert boxes(small, large)[0] == [Box(7, 18, 72, 136)]
    assert boxes(small, large, split=True) == ([Box(6, 8, 16, 32), large], (16, 32))


def test_a_soft_mask_reaches_as_far_as_it_is_solved():
    # Blurred by 16 / 4 pixels it falls below 1/256 at 2.66 times that: 11 pixels beside the edge.
    assert boxes(Box(40, 80, 16, 24), feather=16, multiple=1)[0] == [Box(29, 69, 38, 46)]


def test_masks_that_take_nothing_are_counted():
    masks = torch.cat((mask_of(), mask_of(Box(1, 1, 9, 9)), mask_of()))
    parts, empty = masked_parts(masks, CropSettings(), 3)
    assert ([part.sample for part in parts], empty) == ([1], [0, 2])
    parts, empty = masked_parts(masks, CropSettings(), 1)
    assert ([part.sample for part in parts], empty) == ([0], [0, 2])


def test_what_is_shrunk_to_nothing_or_falls_into_specks_is_refused():
    with pytest.raises(ValueError, match="nothing left with grow -9"):
        masked_parts(mask_of(Box(40, 80, 16, 16)), CropSettings(grow=-9), 1)
    specks = mask_of(
        *(Box(row, column, 1, 1) for row in range(0, 90, 9) for column in range(0, 90, 9))
    )
    with pytest.raises(ValueError, match="at most 64 connected parts"):
        masked_parts(specks, CropSettings(grow=0, split=True), 1)
    assert len(masked_parts(specks, CropSettings(grow=0), 1)[0]) == 1


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"context": -0.1}, ValueError, "context must be in"),
        ({"context_pixels": 1.5}, TypeError, "context_pixels must be a whole number"),
        ({"multiple": 0}, ValueError, "multiple must be in"),
        ({"width": 500}, ValueError, "width must be a multiple of 8 .*496 and 504"),
        ({"height": 9000}, ValueError, "height must be in"),
        ({"grow": 300}, ValueError, "grow must be in"),
        ({"feather": -1}, ValueError, "feather must be in"),
        ({"fill_holes": -1}, ValueError, "fill_holes must be in"),
        ({"split": 1}, TypeError, "split must be bool"),
    ],
)
def test_settings_out_of_range_are_named(settings, error, words):
    with pytest.raises(error, match=words):
        CropSettings(**settings)

"""Plans: which there are, in what order, what fits; the estimate for a stage."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

from blending.placement.place import place
from blending.settings import PoissonSettings, RefineSettings
from blending.stages.memory import (
    EXACT,
    HISTOGRAM,
    PASS,
    TILES,
    Extent,
    Plan,
    estimated_memory,
    free_memory,
    is_out_of_memory,
    pass_plans,
    planned_bytes,
    plans,
)

LARGE = Extent((3000, 2000), (2500, 1500), False)
EVERYTHING = math.inf


def sizes(extent, found):
    return [planned_bytes(extent, plan) for plan in found]


def test_a_large_window_is_worked_on_by_fewer_rows_and_then_in_ever_smaller_tiles():
    expected = [Plan(8, None), Plan(4, None), Plan(2, None), Plan(1, None)]
    expected += [Plan(1, side) for side in (1024, 512, 256)]
    found = plans(LARGE, 8, EVERYTHING)
    assert found == expected
    assert sizes(LARGE, found) == sorted(sizes(LARGE, found), reverse=True)


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_rows_are_halved_down_to_one(rows):
    counts = [plan.rows for plan in plans(LARGE, rows, EVERYTHING) if plan.tile is None]
    assert counts == {1: [1], 3: [3, 1], 5: [5, 2, 1]}[rows]


@pytest.mark.parametrize(
    "extent",
    [
        Extent((200, 200), (80, 80), False),
        Extent((1100, 1100), (40, 40), False),
        Extent((600, 300), (560, 260), True),
        LARGE,
    ],
)
def test_every_plan_takes_less_than_the_one_before(extent):
    found = sizes(extent, plans(extent, 4, EVERYTHING))
    assert all(after < before for before, after in itertools.pairwise(found))


def test_a_window_within_a_tile_is_not_cut():
    assert plans(Extent((256, 200), (256, 200), False), 1, 0) == [Plan(1, None)]


@pytest.mark.parametrize("last", range(7))
def test_only_what_fits_is_tried(last):
    every = plans(LARGE, 8, EVERYTHING)
    memory = planned_bytes(LARGE, every[last])
    assert plans(LARGE, 8, memory) == every[last:]


def test_the_smallest_is_tried_whatever_the_memory():
    assert plans(LARGE, 8, 0) == plans(LARGE, 8, 1) == [Plan(1, min(TILES))]


def test_a_picture_that_is_only_looked_at_takes_a_pass_of_what_is_seen_at_once():
    assert pass_plans((1000, 3000), EVERYTHING) == [Plan(1, side) for side in (None, *TILES)]
    assert pass_plans((300, 300), 0) == [Plan(1, None)]  # a tile would see all of it
    for side in TILES:  # with 48 pixels around
        memory = PASS * min(side + 96, 1000) * (side + 96)
        assert pass_plans((1000, 3000), memory)[0] == Plan(1, side)
        assert pass_plans((1000, 3000), memory - 1)[0].tile == (side // 2 if side > 256 else 256)


def test_rows_multiply_what_is_planned():
    assert planned_bytes(LARGE, Plan(8, None)) == 8 * planned_bytes(LARGE, Plan(1, None))


@pytest.mark.parametrize("plan", [Plan(1, None), Plan(1, 512)])
def test_more_pixels_and_the_histogram_take_more(plan):
    least = planned_bytes(LARGE, plan)
    assert planned_bytes(replace(LARGE, window=(3000, 2100)), plan) > least
    assert planned_bytes(replace(LARGE, changing=(2600, 1500)), plan) > least
    more = planned_bytes(replace(LARGE, has_histogram=True), plan) - least
    assert more == HISTOGRAM * 3000 * 2000


def test_the_canvas_around_the_window_takes_nothing():
    mask = torch.ones(1, 1, 30, 40)
    near, far = (
        place(torch.zeros(1, 3, 30, 40), torch.zeros(1, 3, side, side), mask, 64, 64)
        for side in (200, 800)
    )
    settings = PoissonSettings(margin=64)
    assert estimated_memory(near, settings) == estimated_memory(far, settings) > 0


def placed_masks():
    """Three masks of 40 x 50 pixels on 300 x 400 at row 20, column 350; one of them is empty."""
    masks = torch.zeros(3, 1, 40, 50)
    masks[0, :, 5:15, 10:20] = 1
    masks[1, :, 2:38, 3:45] = 1
    masks[2, :, 0, 0] = 0.4
    return place(torch.zeros(1, 3, 40, 50), torch.zeros(1, 3, 300, 400), masks, 20, 350)


# Of the largest mask, rows 22 to 58 and columns 353 to 395 of 300 x 400.
@pytest.mark.parametrize(
    ("settings", "window", "changing"),
    [
        (PoissonSettings(margin=16), (36 + 32, 42 + 16 + 5), (36, 42)),
        (PoissonSettings(margin=64), (22 + 36 + 64, 64 + 42 + 5), (36, 42)),
        (PoissonSettings(margin=None), (300, 400), (36, 42)),
        (RefineSettings(margin=16), (36 + 32, 42 + 16 + 5), (36, 42)),
        (RefineSettings(margin=16, region="band", band=4), (44 + 32, 50 + 16 + 1), (44, 50)),
        (RefineSettings(margin=16, region="picture"), (300, 400), (300, 400)),
    ],
)
def test_the_estimate_is_the_largest_pictures_all_at_once(settings, window, changing):
    expected = planned_bytes(Extent(window, changing, False), Plan(1, None))
    assert estimated_memory(placed_masks(), settings) == expected
    weights = replace(settings.weights, histogram=1.0)
    more = estimated_memory(placed_masks(), replace(settings, weights=weights)) - expected
    assert more == HISTOGRAM * window[0] * window[1]


def test_without_the_network_the_solve_of_the_largest_masks_box_is_estimated():
    wanted = estimated_memory(placed_masks(), PoissonSettings(method="exact"))
    assert wanted == EXACT * 36 * 42


def test_what_the_processor_says_when_memory_is_short_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_part_of_what_is_free_may_be_taken(monkeypatch):
    import psutil

    memory = type("Memory", (), {"available": 1000})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert free_memory(torch.device("cpu")) == pytest.approx(800)
    assert free_memory(torch.device("meta")) == math.inf

"""Plans: which there are, in what order, what fits; the estimate for a stage."""

import itertools
import math
import re
from dataclasses import replace

import pytest
import torch

from blending.placement.place import place
from blending.presets import PRESETS
from blending.settings import BlendSettings, Compute, PoissonSettings, RefineSettings
from blending.stages import memory
from blending.stages.memory import (
    COMPARED,
    EVALUATION,
    EXACT,
    HISTOGRAM,
    KEPT,
    MATCHING,
    PASS,
    PLANES,
    TILES,
    UNSHARED,
    WANTED,
    WANTED_KEPT,
    Extent,
    Plan,
    check_memory,
    estimated_memory,
    first_that_fits,
    largest_bytes,
    pass_plans,
    planned_bytes,
    plans,
    result_bytes,
    rows_at_once,
)
from blending.stages.refine import region_mask

GRAM = RefineSettings(style_form="gram")
OBJECT = replace(GRAM, margin=16)
LARGE = Extent((3000, 2000), (2500, 1500), False)
EVERYTHING = math.inf
SPREAD, HALO = 49, 48  # pixels by which a change spreads at most; that a tile sees around it


def sizes(extent, found):
    return [planned_bytes(extent, plan) for plan in found]


def test_a_large_window_is_worked_on_by_fewer_rows_and_then_in_ever_smaller_tiles():
    expected = [Plan(8, None), Plan(4, None), Plan(2, None), Plan(1, None)]
    expected += [Plan(1, side) for side in (1024, 512, 256, 128)]
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
    assert plans(Extent((128, 100), (128, 100), False), 1, 0) == [Plan(1, None)]


@pytest.mark.parametrize("last", range(8))
def test_only_what_fits_is_tried(last):
    every = plans(LARGE, 8, EVERYTHING)
    memory = planned_bytes(LARGE, every[last])
    assert plans(LARGE, 8, memory) == every[last:]


def test_the_smallest_is_tried_whatever_the_memory():
    assert plans(LARGE, 8, 0) == plans(LARGE, 8, 1) == [Plan(1, min(TILES))]


def test_a_picture_that_is_only_looked_at_takes_a_pass_of_what_is_seen_at_once():
    assert pass_plans((1000, 3000), EVERYTHING) == [Plan(1, side) for side in (None, *TILES)]
    assert pass_plans((200, 200), 0) == [Plan(1, None)]  # a tile would see all of it
    for side in TILES:  # with 48 pixels around
        memory = PASS * min(side + 96, 1000) * (side + 96)
        assert pass_plans((1000, 3000), memory)[0] == Plan(1, side)
        assert pass_plans((1000, 3000), memory - 1)[0].tile == max(side // 2, 128)


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
        (OBJECT, (36 + 32, 42 + 16 + 5), (36, 42)),
        (replace(OBJECT, region="band", band=4), (44 + 32, 50 + 16 + 1), (44, 50)),
        (replace(OBJECT, region="picture"), (300, 400), (300, 400)),
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


@pytest.fixture
def placed():
    """A disc's box of 11 x 11 pixels on 160 x 200, near the left edge."""
    mask = torch.zeros(1, 1, 160, 200)
    mask[..., 60:71, 10:21] = 1
    picture = torch.zeros(1, 3, 160, 200)
    return place(picture, picture, mask)


@pytest.mark.parametrize("settings", [replace(OBJECT, region="band", band=40), OBJECT])
def test_a_region_wants_what_its_mask_wants(placed, settings):
    grown = place(placed.source, placed.target, region_mask(placed.mask, settings))
    wanted = estimated_memory(placed, settings)
    assert wanted == estimated_memory(grown, OBJECT)
    assert (wanted > estimated_memory(placed, OBJECT)) == (settings.region == "band")


def test_a_whole_picture_wants_as_much_whatever_its_mask(placed):
    settings = replace(OBJECT, region="picture")
    whole = planned_bytes(Extent((160, 200), (160, 200), False), Plan(1, None))
    assert estimated_memory(placed, settings) == whole
    nothing = replace(placed, mask=torch.zeros_like(placed.mask))
    assert estimated_memory(nothing, settings) == whole


def test_a_large_style_picture_counts(placed):
    style = torch.zeros(2, 3, 900, 1200)
    assert estimated_memory(placed, OBJECT, style) == PASS * 900 * 1200
    assert estimated_memory(placed, OBJECT, style[..., :8, :8]) == estimated_memory(placed, OBJECT)


def test_strength_0_wants_nothing(placed):
    assert estimated_memory(placed, replace(OBJECT, strength=0), placed.target) == 0


def test_the_exact_method_wants_planes_of_the_masks_box(placed):
    settings = PoissonSettings(method="exact")
    assert estimated_memory(placed, settings) == EXACT * 11 * 11


@pytest.mark.parametrize(
    ("window", "changing", "has_histogram"),
    [((900, 800), (60, 70), False), ((300, 200), (280, 190), True), ((120, 500), (10, 480), False)],
)
def test_what_is_planned_by_hand(window, changing, has_histogram):
    area = window[0] * window[1]
    reached = math.prod(
        min(side + 2 * SPREAD, most) for side, most in zip(changing, window, strict=True)
    )
    tile = math.prod(min(256 + 2 * HALO, most) for most in window)
    common = (PLANES + (HISTOGRAM if has_histogram else 0)) * area
    # The pass over the surroundings is over when the evaluations begin.
    whole = common + max(PASS * area, EVALUATION * reached)
    tiled = common + KEPT * reached + PASS * tile + EVALUATION * tile + UNSHARED
    extent = Extent(window, changing, has_histogram)
    assert planned_bytes(extent, Plan(3, None)) == 3 * whole
    assert planned_bytes(extent, Plan(1, 256)) == tiled
    # With matched style what is wanted stays, and the maps that it is found in are over before.
    matched = replace(extent, is_matched=True)
    found = MATCHING * area + COMPARED
    rest = WANTED * area
    assert planned_bytes(matched, Plan(1, None)) == rest + max(common + found, whole)
    kept = WANTED_KEPT * reached
    assert planned_bytes(matched, Plan(1, 256)) == rest + max(common + found, tiled + kept)


def test_matched_style_counts_where_it_is_asked_for(placed):
    forms = (replace(OBJECT, style_form=form) for form in ("gram", "matched"))
    plain, matched = (estimated_memory(placed, form) for form in forms)
    assert matched > plain
    none = replace(OBJECT, style_form="matched", weights=replace(OBJECT.weights, style=0.0))
    assert estimated_memory(placed, none) == plain


@pytest.mark.parametrize("kind", [PoissonSettings, RefineSettings])
def test_a_processor_takes_one_picture_at_once_a_gpu_eight_and_a_film_its_frames_in_turn(kind):
    found = [
        rows_at_once(kind(sequence=is_film), torch.device(device))
        for device in ("cpu", "cuda", "mps")
        for is_film in (False, True)
    ]
    assert found == [1, 1, 8, 1, 8, 1]


SHORT = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."


@pytest.mark.parametrize("error", [RuntimeError(SHORT), MemoryError("std::bad_alloc")])
def test_plans_are_tried_until_one_fits(error):
    tried, forgotten = [], []

    def work(plan):
        tried.append(plan.tile)
        if plan.tile != 512:
            raise error
        return "done"

    choices = [Plan(1, None), Plan(1, 1024), Plan(1, 512), Plan(1, 256)]
    assert first_that_fits(choices, work, lambda: forgotten.append(len(tried))) == "done"
    assert tried == [None, 1024, 512]
    assert forgotten == [1, 2]


@pytest.mark.parametrize("count", [1, 3])
def test_the_last_plan_s_error_is_handed_on(count):
    def work(plan):
        raise RuntimeError(f"{SHORT} {plan.tile}")

    choices = [Plan(1, side) for side in (1024, 512, 256)[-count:]]
    with pytest.raises(RuntimeError, match=r"8 bytes\. 256$"):
        first_that_fits(choices, work, lambda: None)


def test_another_error_tries_no_other_plan():
    tried = []

    def work(plan):
        tried.append(plan)
        raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError, match="of ours"):
        first_that_fits([Plan(1, None), Plan(1, 256)], work, lambda: None)
    assert tried == [Plan(1, None)]


# --- whether to begin


@pytest.fixture
def large(monkeypatch):
    """An object of 900 x 900 pixels in 1100 x 1100, worked on at this size."""
    monkeypatch.setattr(memory, "WORKING", 1000)
    source, mask = torch.zeros(1, 3, 900, 900), torch.ones(1, 1, 900, 900)
    return place(source, torch.zeros(1, 3, 1100, 1100), mask, 100, 100)


def leave(monkeypatch, size):
    monkeypatch.setattr(memory, "free_memory", lambda device: 0.8 * size)


BOTH = BlendSettings(refine=GRAM)
POISSON_ALONE = replace(BOTH, refine=None)
CPU = torch.device("cpu")
MEBIBYTE = 2**20
# Of the 1100 x 1100 target in float32: the result and the mask laid out; with a refine stage the
# Poisson stage's result, and the masks: laid out, solved, grown. Bool planes are quarters.
RESULTS = {False: (3 + 1.25) * 4 * 1100**2, True: (2 * 3 + 3 + 3.5) * 4 * 1100**2}
WINDOW = 500 * 1028**2 + 4000 * (900 + 2 * 49) ** 2  # planes of the window, an evaluation
ALL_AT_ONCE = RESULTS[True] + WINDOW


@pytest.mark.parametrize("settings", [BOTH, POISSON_ALONE])
def test_a_blend_begins_where_its_plan_has_room_and_not_with_a_byte_less(
    large, settings, monkeypatch
):
    exactly = RESULTS[settings.refine is not None] + WINDOW
    leave(monkeypatch, exactly + 1)
    check_memory(large, settings, CPU)
    leave(monkeypatch, exactly - 1)
    needed = math.ceil(exactly / MEBIBYTE)
    with pytest.raises(
        ValueError, match=rf"memory must be {needed} MB .*, got {needed - 1} MB free"
    ):
        check_memory(large, settings, CPU)


def test_the_memory_that_is_named_would_do_and_is_the_most_that_would(large, monkeypatch):
    for free in (3 * 2**30, 2 * 2**30):
        leave(monkeypatch, free)
        with pytest.raises(ValueError, match="--memory") as refused:
            check_memory(large, BOTH, CPU)
        named = MEBIBYTE * int(re.search(r"--memory (\d+) would do", str(refused.value))[1])
        left = check_memory(large, replace(BOTH, compute=Compute(memory=named)), CPU)
        assert estimated_memory(large, BOTH.poisson, memory=left) <= left
        assert left + RESULTS[True] == named <= free + MEBIBYTE


def least_bytes(settings):
    extent = Extent((1028, 1028), (900, 900), False)
    results = RESULTS[settings.refine is not None]
    return results + min(planned_bytes(extent, Plan(1, tile)) for tile in TILES)


def test_where_no_tile_is_small_enough_the_least_is_said(large, monkeypatch):
    leave(monkeypatch, 2**29)
    words = rf"{math.ceil(least_bytes(BOTH) / MEBIBYTE)} MB free or a smaller object would do$"
    with pytest.raises(ValueError, match=words):
        check_memory(large, BOTH, CPU)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("settings", [BOTH, POISSON_ALONE])
def test_named_memory_that_no_plan_keeps_is_refused_with_the_least_that_would_do(
    large, settings, device
):
    device = torch.device(device)
    own = least_bytes(settings) - (0 if device == CPU else RESULTS[settings.refine is not None])
    least = math.ceil(own / MEBIBYTE)
    for named in (0, 200, least - 1):
        compute = Compute(memory=named * MEBIBYTE)
        words = rf"at least {least} MB for this blend, got {named} MB; --memory {least} would do$"
        with pytest.raises(ValueError, match=words):
            check_memory(large, replace(settings, compute=compute), device)
    compute = Compute(memory=least * MEBIBYTE)
    left = check_memory(large, replace(settings, compute=compute), device)
    assert estimated_memory(large, settings.poisson, memory=left) <= left < least * MEBIBYTE + 1


def test_of_a_large_object_the_network_sees_a_reduced_window(large, monkeypatch):
    monkeypatch.setattr(memory, "WORKING", 450)  # half of its 900 pixels
    settings = PoissonSettings(grain=0.0)
    expected = 500 * (1028**2 + 514**2) + 4000 * 514**2
    assert estimated_memory(large, settings) == expected
    assert estimated_memory(large, replace(settings, sequence=True)) == WINDOW  # a film is not


def test_results_grow_with_channels_batch_and_dtype(large):
    rgba = replace(large, target=torch.zeros(1, 4, 1100, 1100))
    batch = replace(large, target=torch.zeros(3, 3, 1100, 1100))
    double = replace(large, target=large.target.double())
    plane = 4 * 1100**2
    for settings, channels in ((BOTH, 2), (POISSON_ALONE, 1)):
        own = result_bytes(large, settings)
        assert own == RESULTS[settings.refine is not None]
        assert result_bytes(rgba, settings) == own + channels * plane
        assert result_bytes(batch, settings) == 3 * own
        assert result_bytes(double, settings) == 2 * own


@pytest.mark.parametrize("settings", [BOTH, POISSON_ALONE])
def test_of_a_vicinity_the_result_on_the_whole_counts_once_in_its_own_bytes(large, settings):
    near, has_refine = large.vicinity(50), settings.refine is not None
    own = RESULTS[has_refine] * 1000**2 / 1100**2  # of 900 and twice 50 pixels
    whole = 3 * 1100**2
    assert result_bytes(near, settings) == own + 4 * whole
    levels = replace(large, target=torch.zeros(1, 3, 1100, 1100, dtype=torch.uint8))
    floats = 3 * 4 * 1000**2  # the levels of the vicinity
    assert result_bytes(levels.vicinity(50), settings) == own + floats + whole
    deep = replace(large, target=torch.zeros(1, 3, 1100, 1100, dtype=torch.uint16))
    assert result_bytes(deep.vicinity(50), settings) == own + floats + 2 * whole
    assert result_bytes(large.vicinity(None), settings) == RESULTS[has_refine]


def test_every_stage_that_will_run_counts(large, monkeypatch):
    leave(monkeypatch, 2 * ALL_AT_ONCE)
    whole = replace(GRAM, region="picture", margin=None)
    check_memory(large, replace(BOTH, refine=replace(whole, strength=0.0)), CPU)
    leave(monkeypatch, ALL_AT_ONCE + 1)
    with pytest.raises(ValueError, match="memory"):
        check_memory(large, replace(BOTH, refine=whole), CPU)
    check_memory(large, replace(BOTH, refine=replace(whole, strength=0.0)), CPU)
    exact = BlendSettings(PoissonSettings(method="exact"), None)
    leave(monkeypatch, RESULTS[False] + 400 * 900**2 + 1)
    check_memory(large, exact, CPU)
    leave(monkeypatch, RESULTS[False] + 400 * 900**2 - 1)
    with pytest.raises(ValueError, match="a smaller object would do"):
        check_memory(large, exact, CPU)


def test_what_is_free_on_other_devices_is_not_asked(large, monkeypatch):
    leave(monkeypatch, 0)
    check_memory(large, BOTH, torch.device("meta"))


def test_the_estimate_within_a_memory_is_that_of_the_plan_that_will_be_tried(large):
    extent = Extent((1028, 1028), (900, 900), False)
    for limit in (0, 2 * 2**30, 3 * 2**30, math.inf):
        planned = planned_bytes(extent, plans(extent, 1, limit)[0])
        assert estimated_memory(large, BOTH.poisson, memory=limit) == planned


@pytest.mark.parametrize("name", ["painting", "photograph", "seam repair"])
@pytest.mark.parametrize("at", [(0, 0), (40, 50), (-9, 130)])
def test_the_most_that_sizes_alone_tell_is_no_less_than_the_estimate(name, at):
    source, target = torch.rand(1, 4, 50, 60), torch.rand(1, 3, 150, 170)
    settings = PRESETS[name]
    placed = place(source, target, None, *at)
    stages = [stage for stage in (settings.poisson, settings.refine) if stage]
    estimate = max(estimated_memory(placed, stage) for stage in stages)
    most = largest_bytes((50, 60), tuple(target.shape), settings, math.inf)
    assert estimate + result_bytes(placed, settings) <= most
    larger = largest_bytes((500, 600), tuple(target.shape), settings, math.inf)
    assert most <= larger == largest_bytes((150, 170), tuple(target.shape), settings, math.inf)


def test_a_region_of_the_whole_picture_counts_in_what_sizes_tell():
    settings = PRESETS["painting"]
    whole = replace(settings, refine=replace(settings.refine, region="picture"))
    sizes = (9, 9), (1, 3, 300, 300)
    assert largest_bytes(*sizes, whole, math.inf) > 2 * largest_bytes(*sizes, settings, math.inf)

"""Either stage over a batch: what it must leave alone, what it tells, what its pictures give."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from blending.optimize.minimize import RowEvaluation
from blending.placement.box import Box, crop
from blending.placement.place import place
from blending.settings import PoissonSettings, RefineSettings
from blending.stages.batch import Evaluation, Job, Solved, announcing
from blending.stages.poisson import poisson_stage
from blending.stages.refine import refine_stage
from tests.plain import PLAIN

LEVEL = 1 / 255
EXACT = PoissonSettings(method="exact")
DEEP = PoissonSettings(max_evaluations=5, margin=16, **PLAIN)
OBJECT_STAGES = ("deep", "prepared", "exact", "refine", "gram")


class Cancelled(Exception):
    """What a caller raises to stop."""


@pytest.mark.parametrize("name", OBJECT_STAGES)
def test_pixels_outside_the_mask_keep_the_targets_bits(name, scenery, stage, on_target):
    source, target, mask, row, column = scenery
    image = stage(name, source, target, mask, row, column).image
    inside = torch.from_numpy(on_target(mask, target, row, column))
    assert torch.equal(image[..., ~inside], target[..., ~inside])
    assert (image[..., inside] != target[..., inside]).float().mean() > 0.5


@pytest.mark.parametrize("name", OBJECT_STAGES)
def test_pixels_whose_mask_is_below_a_level_keep_the_targets_bits(name, scenery, stage, on_target):
    source, target, mask, row, column = scenery
    soft = torch.where(mask == 1, 0.75, 0.9 / 256)
    image = stage(name, source, target, soft, row, column).image
    inside = torch.from_numpy(on_target(mask, target, row, column))
    assert torch.equal(image[..., ~inside], target[..., ~inside])


@pytest.mark.parametrize("name", OBJECT_STAGES)
def test_the_thinnest_mask_changes_little_and_as_much_as_it_is(name, scenery, stage, on_target):
    source, target, mask, row, column = scenery
    inside = torch.from_numpy(on_target(mask, target, row, column))
    for level in (1, 25):
        image = stage(name, source, target, level / 255 * mask, row, column).image
        assert torch.equal(image[..., ~inside], target[..., ~inside])
        change = (image - target).abs()[..., inside].max()
        assert 0 < change < 2 * level / 255


@pytest.mark.parametrize("name", OBJECT_STAGES)
def test_overshoot_of_the_target_is_clipped_under_the_mask_alone(name, scenery, stage, on_target):
    source, target, mask, row, column = scenery
    target = 1.5 * target - 0.2  # resampled pictures leave [0, 1]; so do these
    image = stage(name, source, target, mask, row, column).image
    inside = torch.from_numpy(on_target(mask, target, row, column))
    assert target[..., ~inside].max() > 1
    assert torch.equal(image[..., ~inside], target[..., ~inside])
    assert 0 <= image[..., inside].min() <= image[..., inside].max() <= 1


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
@pytest.mark.parametrize("soft", [False, True])
def test_identical_source_and_target_come_back_bit_for_bit(
    name, soft, photo, disc, noise, network, stage_settings
):
    target = photo(40, 48)
    source, mask = target[..., 5:37, 8:40], disc(32, 32, 12)
    if soft:
        mask = mask * (0.5 + 0.5 * noise(1, 1, 32, 32))
    placed = place(source, target, mask, 5, 8)
    settings = stage_settings[name]
    if name in ("deep", "prepared", "exact"):
        image = poisson_stage(placed, settings, network).image
    else:
        image = refine_stage(target, target, placed.full_mask, settings, network).image
    assert torch.equal(image, target)


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
def test_two_runs_give_the_same_bytes(name, scenery, stage):
    first, second = (stage(name, *scenery).image for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
def test_inference_mode_changes_nothing(name, scenery, stage):
    expected = stage(name, *scenery).image
    with torch.inference_mode():
        inside = stage(name, *(x.clone() if isinstance(x, torch.Tensor) else x for x in scenery))
    assert torch.equal(inside.image, expected)


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
def test_a_mask_over_the_whole_frame_works_in_inference_mode(name, photo, stage):
    with torch.inference_mode():
        source, target = photo(24, 32), photo(24, 32, 250, 20)
        image = stage(name, source, target, torch.ones(1, 1, 24, 32)).image
    assert torch.isfinite(image).all()


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
def test_inputs_are_left_as_they_were(name, scenery, network, stage_settings):
    source, target, mask, row, column = scenery
    placed = place(source, target, mask, row, column)
    paste, full = placed.paste, placed.full_mask
    given = (source, target, mask, paste, full)
    before = [tensor.clone() for tensor in given]
    if name in ("deep", "prepared", "exact"):
        poisson_stage(placed, stage_settings[name], network)
    else:
        refine_stage(paste, target, full, stage_settings[name], network)
    assert all(torch.equal(tensor, kept) for tensor, kept in zip(given, before, strict=True))


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_targets_dtype_comes_back(name, dtype, scenery, stage, on_target):
    source, target, mask, row, column = scenery
    single = stage(name, source, target, mask, row, column)
    other = stage(name, source.to(dtype), target.to(dtype), mask.to(dtype), row, column)
    assert other.image.dtype == dtype
    assert other.mask.dtype == dtype
    outside = torch.from_numpy(~on_target(mask, target, row, column))
    if name != "picture":
        assert torch.equal(other.image[..., outside], target.to(dtype)[..., outside])
    # bfloat16 has 8 bits: pictures differ by 1/256 before the stage and by as much after it
    assert (other.image.float() - single.image).abs().mean() < 4 * LEVEL


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
def test_the_targets_alpha_comes_back_bit_for_bit(name, scenery, stage, noise):
    source, target, mask, row, column = scenery
    alpha = noise(1, 1, 32, 32)
    image = stage(name, source, torch.cat((target, alpha), 1), mask, row, column).image
    assert torch.equal(image[:, 3:], alpha)
    assert torch.equal(image[:, :3], stage(name, source, target, mask, row, column).image)


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
def test_a_batch_gives_exactly_what_its_pictures_give(name, scenery, stage, photo, disc):
    source, target, mask, row, column = scenery
    sources = torch.cat((source, photo(24, 26, 300, 100)))
    masks = torch.cat((mask, disc(24, 26, 5)))
    batch = stage(name, sources, target, masks, row, column)
    assert batch.image.shape == (2, 3, 32, 32)
    for sample in (0, 1):
        one = slice(sample, sample + 1)
        single = stage(name, sources[one], target, masks[one], row, column)
        assert torch.equal(batch.image[one], single.image)
        terms = [
            run.report["pictures"][n].get("terms_end") for run, n in ((batch, sample), (single, 0))
        ]
        assert terms[0] == terms[1]


@pytest.mark.parametrize("name", ["deep", "refine"])
def test_a_batch_of_four_gives_what_single_runs_give(name, photo, disc, stage):
    sources = torch.cat([photo(18, 20, 40 + 60 * n, 150 - 30 * n) for n in range(4)])
    targets = torch.cat([photo(26, 28, 250 - 50 * n, 20 + 90 * n) for n in range(4)])
    masks = torch.cat([disc(18, 20, radius) for radius in (4, 6, 8, 9)])
    batch = stage(name, sources, targets, masks, 3, 4).image
    for n in range(4):
        one = slice(n, n + 1)
        single = stage(name, sources[one], targets[one], masks[one], 3, 4).image
        assert (batch[one] - single).abs().max() <= LEVEL


@pytest.mark.parametrize("name", OBJECT_STAGES)
def test_an_empty_picture_of_a_batch_is_its_target_and_the_report_says_so(name, scenery, stage):
    source, target, mask, row, column = scenery
    masks = torch.cat((torch.zeros_like(mask), mask, torch.full_like(mask, 0.003)))
    result = stage(name, source, target, masks, row, column)
    assert torch.equal(result.image[[0, 2]], target.expand(2, -1, -1, -1))
    assert torch.equal(result.image[1:2], stage(name, *scenery).image)
    told = [picture.get("empty", False) for picture in result.report["pictures"]]
    assert told == [True, False, True]


@pytest.mark.parametrize("name", ["deep", "refine", "picture"])
def test_evaluations_are_numbered_up_to_the_budget_with_live_pictures(
    name, scenery, stage, on_target
):
    source, target, mask, row, column = scenery
    seen: list[Evaluation] = []
    pictures = []

    def look(evaluation):
        seen.append(evaluation)
        pictures.append(evaluation.picture())

    result = stage(name, source, target, mask, row, column, on_evaluation=look)
    assert [evaluation.number for evaluation in seen] == list(range(len(seen)))
    assert torch.equal(pictures.pop(0), pictures[0])  # while it is prepared: the start
    seen.pop(0)
    assert {evaluation.budget for evaluation in seen} == {5}
    assert {evaluation.stage for evaluation in seen} == {"poisson" if name == "deep" else "refine"}
    assert {(evaluation.sample, evaluation.samples) for evaluation in seen} == {(0, 1)}
    figures = result.report["pictures"][0]
    assert figures["evaluations"] == len(seen) <= 5
    assert figures["trace"] == [evaluation.terms for evaluation in seen]
    outside = torch.from_numpy(~on_target(mask, target, row, column))
    for picture in pictures:
        assert picture.shape == (1, 3, 32, 32)
        assert 0 <= picture.min() <= picture.max() <= 1
        if name != "picture":
            assert torch.equal(picture[..., outside], target[..., outside])
    best = min(seen, key=lambda evaluation: sum(evaluation.terms.values())).number - 1
    assert torch.equal(pictures[best], result.image)


class Copies(TorchDispatchMode):
    """The largest tensor that is made, not merely looked at, in numbers."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        given = {each.untyped_storage().data_ptr() for each in args if torch.is_tensor(each)}
        if torch.is_tensor(made) and made.untyped_storage().data_ptr() not in given:
            self.largest = max(self.largest, made.numel())
        return made


@pytest.mark.parametrize("step", [1, 2, 3, 7, 31])
def test_a_sampled_live_picture_is_the_whole_ones_rows_and_columns(scenery, network, step):
    placed = place(*scenery[:3], *scenery[3:])
    within = placed.object_box(0)
    boxes = (
        None,
        within,
        within.grown(1),
        Box(within.top + 3, 2, 11, within.left),
        Box(0, 0, 2, 2),
    )

    def compare(evaluation):
        for box in boxes:
            part = evaluation.picture() if box is None else crop(evaluation.picture(), box)
            assert torch.equal(evaluation.picture(step, box), part[..., ::step, ::step])

    poisson_stage(placed, DEEP, network, on_evaluation=compare)
    poisson_stage(placed, EXACT, on_evaluation=compare)


def test_a_sampled_live_picture_of_a_large_target_copies_no_more_than_it_shows(photo, disc):
    """A copy of 4K for every live picture would cost a tenth of a run."""
    target = photo(64, 64).repeat(1, 1, 16, 16)
    placed = place(photo(24, 26), target, disc(24, 26, 8), 500, 300)

    def look(evaluation):
        for box, pixels in ((None, 256**2), (Box(450, 250, 160, 120), 40 * 30)):
            with Copies() as copies:
                shown = evaluation.picture(4, box)
            assert copies.largest <= shown.numel() == 3 * pixels

    poisson_stage(placed, EXACT, on_evaluation=look)


def test_evaluations_of_a_batch_name_their_picture(scenery, stage):
    source, target, mask, row, column = scenery
    seen = []
    stage("deep", source, target.repeat(2, 1, 1, 1), mask, row, column, on_evaluation=seen.append)
    assert {evaluation.samples for evaluation in seen} == {2}
    assert [e.sample for e in seen] == sorted(e.sample for e in seen)
    for sample in (0, 1):
        numbers = [e.number for e in seen if e.sample == sample]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > 1


@pytest.mark.parametrize("name", ["deep", "refine", "picture"])
@pytest.mark.parametrize("when", [1, 3])
def test_cancelling_passes_through_and_leaves_the_inputs_alone(name, when, scenery, stage):
    before = [x.clone() for x in scenery[:3]]

    def cancel(evaluation):
        if evaluation.number == when:
            raise Cancelled(when)

    with pytest.raises(Cancelled, match=str(when)):
        stage(name, *scenery, on_evaluation=cancel)
    assert all(torch.equal(x, kept) for x, kept in zip(scenery[:3], before, strict=True))


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
def test_the_report_is_json_and_tells_what_was_done(name, scenery, stage, stage_settings):
    source, target, mask, row, column = scenery
    result = stage(name, source, target, mask, row, column)
    report = json.loads(json.dumps(result.report, allow_nan=False))
    assert report["stage"] == ("poisson" if name in ("deep", "prepared", "exact") else "refine")
    settings = stage_settings[name]
    assert report["settings"]["max_evaluations"] == settings.max_evaluations
    assert report["settings"]["weights"]["gradient"] == settings.weights.gradient
    (figures,) = report["pictures"]
    whole = target.shape[2] * target.shape[3]
    assert figures["pixels"] == (whole if name == "picture" else int(mask.sum()))
    assert 0 <= figures["clipped_share"] <= 1
    assert 0 <= figures["seconds"] <= report["seconds"] + 0.001


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
@pytest.mark.parametrize(
    ("source_size", "target_size", "row", "column"),
    [
        ((9, 9), (37, 611), 20, 300),
        ((64, 70), (40, 33), -10, -20),
        ((30, 30), (48, 56), -12, 40),
        ((30, 30), (48, 56), 30, -11),
        ((5, 5), (1, 1), -2, -2),
        ((8, 8), (3, 50), -3, 20),
    ],
)
def test_odd_sizes_and_overhang_work(name, source_size, target_size, row, column, photo, stage):
    height, width = target_size
    source, half = photo(*source_size, 300, 100), photo(height, 400, 200, 0)
    target = torch.cat((half, half), 3)[..., :width]
    mask = torch.ones(1, 1, *source_size)
    image = stage(name, source, target, mask, row, column).image
    assert image.shape == target.shape
    assert torch.isfinite(image).all()
    inside = torch.zeros(target_size, dtype=torch.bool)
    bottom, right = row + source_size[0], column + source_size[1]
    inside[max(row, 0) : max(bottom, 0), max(column, 0) : max(right, 0)] = True
    if name != "picture":
        assert torch.equal(image[..., ~inside], target[..., ~inside])
    assert 0 <= image[..., inside].min() <= image[..., inside].max() <= 1


@pytest.mark.parametrize("name", ["deep", "exact", "refine"])
def test_a_mask_of_one_pixel_changes_that_pixel_alone(name, photo, stage):
    source, target = photo(24, 24), photo(24, 24, 250, 20)
    mask = torch.zeros(1, 1, 24, 24)
    mask[..., 7, 11] = 1
    image = stage(name, source, target, mask).image
    assert (image != target).any(1).nonzero().tolist() == [[0, 7, 11]]
    if name == "exact":  # four known neighbours: one equation
        step = 4 * source[0, :, 7, 11] - sum(
            source[0, :, r, c] for r, c in ((6, 11), (8, 11), (7, 10), (7, 12))
        )
        around = sum(target[0, :, r, c] for r, c in ((6, 11), (8, 11), (7, 10), (7, 12)))
        expected = ((step + around) / 4).clamp(0, 1)
        assert (image[0, :, 7, 11] - expected).abs().max() <= 0.1 * LEVEL


@pytest.mark.parametrize("name", OBJECT_STAGES)
def test_the_layout_in_memory_does_not_show(name, scenery, stage):
    source, target, mask, row, column = scenery

    def interleaved(picture):
        return picture.movedim(1, -1).contiguous().movedim(-1, 1)

    def transposed(plane):
        return plane.mT.contiguous().mT

    expected = stage(name, *scenery).image
    for layout in (interleaved, transposed):
        pictures = layout(source), layout(target), transposed(mask)
        assert torch.equal(stage(name, *pictures, row, column).image, expected)


@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_without_a_margin_the_window_is_the_picture(name, photo, network):
    target = photo(24, 130, 200, 20)
    mask = torch.zeros(1, 1, 24, 130)
    mask[..., 9:15, 100:106] = 1
    placed = place(photo(24, 130), target, mask)
    if name == "poisson":
        settings = PoissonSettings(margin=None, max_evaluations=1, **PLAIN)
        result = poisson_stage(placed, settings, network)
    else:
        settings = RefineSettings(margin=None, max_evaluations=1)
        result = refine_stage(placed.paste, target, mask, settings, network)
    expected = {"row": 0, "column": 0, "height": 24, "width": 130}
    assert result.report["pictures"][0]["window"] == expected


def embedded(picture, side, row, column):
    """The picture in the middle of nowhere: set into one that its own mirror images fill."""
    height, width = picture.shape[2:]
    padding = (column, side - width - column, row, side - height - row)
    rows, columns = (
        np.pad(np.arange(size), before_after, mode="symmetric")
        for size, before_after in ((height, padding[2:]), (width, padding[:2]))
    )
    return picture[..., torch.from_numpy(rows)[:, None], torch.from_numpy(columns)].clone()


@pytest.mark.weights
@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_the_canvas_does_not_matter(name, photo, disc, bundled):
    scene, source, mask = photo(128, 128, 200, 20), photo(28, 28, 60, 200), disc(28, 28, 14)
    margin, objects = 32, []
    # The object at the middle, whose surroundings are the same for 50 pixels; the last place is off
    # the grid of 8 that the network pools by.
    for side, row, column in ((128, 0, 0), (256, 64, 64), (512, 195, 189)):
        target = embedded(scene, side, row, column)
        placed = place(source, target, mask, row + 50, column + 50)
        if name == "poisson":
            settings = PoissonSettings(max_evaluations=4, margin=margin, **PLAIN)
            image = poisson_stage(placed, settings, bundled).image
        else:
            more = replace(RefineSettings().weights, style=60.0)  # so that much changes
            settings = RefineSettings(max_evaluations=4, margin=margin, weights=more)
            image = refine_stage(placed.paste, target, placed.full_mask, settings, bundled).image
        objects.append(image[..., row + 50 : row + 78, column + 50 : column + 78])
    assert (objects[0] - source)[mask.expand_as(source) > 0].abs().mean() > 2 * LEVEL
    for other in objects[1:]:  # the same window: the same sums, perhaps in another order
        change = (other - objects[0])[mask.expand_as(source) > 0] / LEVEL
        assert change.abs().max() < 0.1


def job(placed, rows=1, margin=2, on_evaluation=None, base=None):
    base = placed.target if base is None else base
    return Job("refine", placed, base, margin, torch.device("cpu"), rows, on_evaluation)


def squares(*corners):
    """A source of ones on a target of eighths, 12 x 14, masked by squares of 3 x 3."""
    masks = torch.zeros(len(corners), 1, 12, 14)
    for mask, corner in zip(masks, corners, strict=True):
        if corner:
            mask[:, corner[0] : corner[0] + 3, corner[1] : corner[1] + 3] = 1
    target = torch.full((1, 3, 12, 14), 0.125)
    return place(torch.ones(1, 3, 12, 14), target, masks)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (1, [(0, 1), (1, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1)]),
        (2, [(0, 2), (3, 2), (5, 1), (6, 2)]),
        (8, [(0, 2), (3, 3), (6, 2)]),
    ],
)
def test_neighbours_of_one_window_are_solved_together_up_to_so_many(rows, expected):
    here, there = (4, 5), (1, 9)
    placed = squares(here, here, None, here, here, here, there, there)
    seen = []

    def solve(first, windows, tell):
        assert tell is None
        assert len({window.box for window in windows}) == 1
        seen.append((first, len(windows)))
        numbers = range(first, first + len(windows))
        return [
            Solved(w.source * n / 10, w.source, {"n": n})
            for n, w in zip(numbers, windows, strict=True)
        ]

    result = job(placed, rows).run(RefineSettings(), solve)
    assert seen == expected
    told = [picture.get("n") for picture in result.report["pictures"]]
    assert told == [0, 1, None, 3, 4, 5, 6, 7]
    assert result.report["pictures"][2] == {"empty": True, "seconds": 0.0}
    for n in range(8):  # each has its own, written at its own place
        wanted = torch.where(placed.full_mask[n] > 0, n / 10, 0.125).expand(3, -1, -1)
        assert torch.allclose(result.image[n], wanted)


def test_a_soft_mask_is_composited_and_clipped_once_by_hand():
    mask = torch.tensor([[[[0.0, 0.5, 1.0, 0.75, 0.0]]]])
    placed = place(torch.ones(1, 3, 1, 5), torch.full((1, 3, 1, 5), 0.5), mask)
    base = torch.tensor([1.25, 0.25, 0.25, 0.375, -0.5]).expand(1, 3, 1, 5)  # not the target
    x = torch.tensor([9.0, 1.25, -0.5, 1.25, 9.0]).expand(1, 3, 1, 5)

    def solve(_, windows, __):
        box = windows[0].box
        assert (box.top, box.left, box.size) == (0, 0, (1, 5))
        return [Solved(x, windows[0].source, {})]

    result = job(placed, base=base).run(RefineSettings(), solve)
    # Half of 1.25 and half of 0.25 are 0.75; -0.5 is clipped; 0.75 of 1.25 and a quarter of 0.375,
    # 1.03, are clipped. Where the mask is 0 the base stays, beyond [0, 1] as it is.
    assert result.image[0, 0, 0].tolist() == [1.25, 0.75, 0, 1, -0.5]
    (figures,) = result.report["pictures"]
    assert figures["pixels"] == 3
    assert figures["clipped_share"] == pytest.approx(2 / 3)
    assert figures["window"] == {"row": 0, "column": 0, "height": 1, "width": 5}


def test_progress_of_a_group_is_counted_for_the_stage_and_never_falls():
    seen = []
    placed = squares(None, (4, 5), (4, 5), (1, 9))
    settings = RefineSettings(max_evaluations=10)

    def solve(first, windows, tell):
        x = torch.full_like(windows[0].source, 0.5)
        for row, number, done in ((0, 1, 2), (1, 1, 2), (0, 2, 4), (0, 1, 1), (1, 1, 11)):
            if row < len(windows):
                tell(RowEvaluation(row, number, done, {"style": 1.0 * number}, x))
        return [Solved(x, x, {})] * len(windows)

    job(placed, 4, on_evaluation=seen.append).run(settings, solve)
    told = [(now.sample, now.number, now.done) for now in seen]
    # The third evaluation begins anew with a smaller plan: what is over stays over.
    first = [(1, 0, 10), (2, 0, 10), (1, 1, 12), (2, 1, 12), (1, 2, 14), (1, 1, 14), (2, 1, 21)]
    assert told == [*first, (3, 0, 30), (3, 1, 32), (3, 2, 34), (3, 1, 34)]
    assert {(now.stage, now.samples, now.budget) for now in seen} == {("refine", 4, 10)}
    assert [now.terms.get("style") for now in seen[:5]] == [None, None, 1, 1, 2]
    for now in seen:
        if not now.number:
            assert torch.equal(now.picture(), placed.paste[now.sample : now.sample + 1])
            continue
        wanted = torch.where(placed.full_mask[now.sample] > 0, 0.5, 0.125).expand(1, 3, -1, -1)
        assert torch.equal(now.picture(), wanted)


def test_what_a_stage_held_is_kept_at_its_place_and_laid_on_the_target():
    here, there = (4, 5), (1, 9)
    placed = squares(here, None, there)

    def solve(first, windows, tell):
        return [Solved(w.source, 0.5 * w.source, {}) for w in windows]

    result = job(placed).run(RefineSettings(), solve)
    inside = placed.full_mask > 0
    held = result.source
    for n in (0, 2):
        half = 0.5 * placed.paste[n]
        assert torch.equal(held[n][inside[n].expand(3, -1, -1)], half[inside[n].expand(3, -1, -1)])
    outside = ~inside.expand(-1, 3, -1, -1)
    assert torch.equal(held[outside], placed.target.expand_as(held)[outside])
    assert torch.equal(placed.source, squares(here, None, there).source)  # the input stays


@pytest.mark.parametrize(("factor", "clipped"), [(1.25, 1), (-0.25, 0)])
def test_what_a_stage_held_is_clipped_to_the_range_of_pictures(factor, clipped):
    placed = squares((4, 5))

    def solve(first, windows, tell):
        return [Solved(w.source, factor * w.source, {}) for w in windows]  # the source is 1

    result = job(placed).run(RefineSettings(), solve)
    inside = (placed.full_mask[0] > 0).expand(3, -1, -1)
    for held in (result.source, result.held_source):
        assert held[0][inside].unique().tolist() == [clipped]


def test_what_is_prepared_is_announced_as_evaluation_0():
    seen, placed = [], squares((4, 5), (1, 9))
    announcing("poisson", placed, 7, seen.append)(1, 2)
    (now,) = seen
    assert (now.stage, now.sample, now.samples, now.number) == ("poisson", 1, 2, 0)
    assert (now.budget, now.done, now.terms) == (7, 0, {})
    assert torch.equal(now.picture(3), placed.target[-1:, :3, ::3, ::3])
    assert torch.equal(now.picture(2, Box(3, 4, 5, 6)), placed.target[-1:, :3, 3:8:2, 4:10:2])
    assert announcing("poisson", placed, 7, None) is None

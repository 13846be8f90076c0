"""Both stages: what they must leave alone, what they must reach, what they tell and refuse."""

import json
import re
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve
from torch.utils._python_dispatch import TorchDispatchMode

from blending.deep import vgg16
from blending.placement.place import place
from blending.settings import PoissonSettings, RefineSettings, Weights
from blending.stages.batch import Evaluation
from blending.stages.stages import poisson_stage, refine_stage

LEVEL = 1 / 255
EXACT = PoissonSettings(method="exact")
DEEP = PoissonSettings(max_evaluations=5, margin=16)
REFINE = RefineSettings(max_evaluations=5, margin=16)
PICTURE = RefineSettings(region="picture", max_evaluations=5, margin=16)
OBJECT_STAGES = ("deep", "exact", "refine")
TERMS = tuple(field.name for field in fields(Weights))


class Cancelled(Exception):
    """What a caller raises to stop."""


@pytest.fixture
def scenery(photo, disc):
    """A source with a mask, its place on a target: 24 x 26 on 32 x 32 pixels."""
    return photo(24, 26), photo(32, 32, 250, 20), disc(24, 26, 8), 3, 5


@pytest.fixture
def stage(network):
    """stage(name, source, target, mask, row, column, ...): run one, on what the name says."""

    def run(name, source, target, mask, row=0, column=0, **options):
        placed = place(source, target, mask, row, column)
        if name in ("deep", "exact"):
            settings = DEEP if name == "deep" else EXACT
            return poisson_stage(placed, settings, network, **options)
        settings = REFINE if name == "refine" else PICTURE
        return refine_stage(placed.paste, target, placed.full_mask, settings, network, **options)

    return run


def on_target(mask, target, row, column):
    """The mask laid out by hand: (H, W), bool."""
    full = np.zeros(target.shape[2:], bool)
    height, width = mask.shape[2:]
    full[row : row + height, column : column + width] = mask[0, 0].numpy() >= 0.5
    return full


def sparse_solution(source, known, target, inside):
    """Poisson's equation, edge by edge, by SciPy's direct solver; (3, H, W) arrays, float64.

    A neighbour outside the frame drops out; one that the source does not know has zero guidance.
    """
    height, width = inside.shape
    number = np.cumsum(inside).reshape(inside.shape) - 1
    size = int(inside.sum())
    matrix, right = sparse.lil_matrix((size, size)), np.zeros((size, 3))
    for row, column in zip(*np.nonzero(inside), strict=True):
        here = number[row, column]
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if not (0 <= r < height and 0 <= c < width):
                continue
            matrix[here, here] += 1
            if known[r, c] and known[row, column]:
                right[here] += source[:, row, column] - source[:, r, c]
            if inside[r, c]:
                matrix[here, number[r, c]] -= 1
            else:
                right[here] += target[:, r, c]
    solution = target.copy()
    solution[:, inside] = spsolve(matrix.tocsc(), right).T
    return solution


def laid_out(source, target, row, column):
    """Source and where it is known on the target's frame, as float64 arrays."""
    known = np.zeros(target.shape[2:], bool)
    canvas = np.zeros((3, *target.shape[2:]))
    place_ = (slice(row, row + source.shape[2]), slice(column, column + source.shape[3]))
    canvas[(slice(None), *place_)], known[place_] = source[0].numpy(), True
    return canvas, known


@pytest.mark.parametrize("whole", [False, True])
def test_the_exact_stage_equals_a_sparse_solve(whole, scenery):
    source, target, mask, row, column = scenery
    if whole:  # the mask reaches the source's own edge: its outer neighbours are unknown
        mask = torch.ones_like(mask)
    result = poisson_stage(place(source, target, mask, row, column), EXACT)
    inside = on_target(mask, target, row, column)
    canvas, known = laid_out(source, target, row, column)
    expected = sparse_solution(canvas, known, target[0].double().numpy(), inside)
    assert expected[:, inside].min() < 0.15  # a real case: not flat
    # the solver promises a tenth of a grey level
    assert np.abs(result.image[0].numpy() - expected.clip(0, 1)).max() <= 0.1 * LEVEL


def test_the_share_of_clipped_samples_is_that_of_the_sparse_solution(noise, disc):
    source, target, mask = noise(1, 3, 24, 24), noise(1, 3, 24, 24, seed=1), disc(24, 24, 8)
    figures = poisson_stage(place(source, target, mask), EXACT).report["pictures"][0]
    inside = mask[0, 0].numpy() == 1
    known = np.ones_like(inside)
    expected = sparse_solution(source[0].double().numpy(), known, target[0].numpy(), inside)
    samples = expected[:, inside]
    outside = (samples < 0) | (samples > 1)
    near = np.minimum(np.abs(samples), np.abs(samples - 1)) < 0.1 * LEVEL
    assert outside.mean() > 0.01
    assert abs(figures["clipped_share"] - outside.mean()) <= near.mean()


@pytest.mark.parametrize("name", OBJECT_STAGES)
def test_pixels_outside_the_mask_keep_the_targets_bits(name, scenery, stage):
    source, target, mask, row, column = scenery
    image = stage(name, source, target, mask, row, column).image
    inside = torch.from_numpy(on_target(mask, target, row, column))
    assert torch.equal(image[..., ~inside], target[..., ~inside])
    assert (image[..., inside] != target[..., inside]).float().mean() > 0.5


@pytest.mark.parametrize("name", OBJECT_STAGES)
def test_pixels_whose_mask_is_below_one_half_keep_the_targets_bits(name, scenery, stage):
    source, target, mask, row, column = scenery
    soft = torch.where(mask == 1, 0.75, 0.49)
    image = stage(name, source, target, soft, row, column).image
    inside = torch.from_numpy(on_target(mask, target, row, column))
    assert torch.equal(image[..., ~inside], target[..., ~inside])


@pytest.mark.parametrize("name", OBJECT_STAGES)
def test_overshoot_of_the_target_is_clipped_under_the_mask_alone(name, scenery, stage):
    source, target, mask, row, column = scenery
    target = 1.5 * target - 0.2  # resampled pictures leave [0, 1]; so do these
    image = stage(name, source, target, mask, row, column).image
    inside = torch.from_numpy(on_target(mask, target, row, column))
    assert target[..., ~inside].max() > 1
    assert torch.equal(image[..., ~inside], target[..., ~inside])
    assert 0 <= image[..., inside].min() <= image[..., inside].max() <= 1


def test_refining_starts_from_the_blend_however_soft_the_mask(scenery, network):
    source, target, mask, row, column = scenery
    blend = place(source, target, mask, row, column).paste
    starts = []
    for opacity in (1.0, 0.6):
        full = opacity * torch.from_numpy(on_target(mask, target, row, column)).float()[None, None]
        figures = refine_stage(blend, target, full, REFINE, network).report["pictures"][0]
        starts.append(figures["terms_start"])
    assert starts[1] == pytest.approx(starts[0], rel=1e-5)
    assert starts[0]["style"] > 0


def test_refining_the_picture_may_change_every_pixel(scenery, stage):
    source, target, mask, row, column = scenery
    image = stage("picture", source, target, mask, row, column).image
    outside = torch.from_numpy(~on_target(mask, target, row, column))
    assert (image[..., outside] != target[..., outside]).float().mean() > 0.5


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
@pytest.mark.parametrize("soft", [False, True])
def test_identical_source_and_target_come_back_bit_for_bit(name, soft, photo, disc, noise, network):
    target = photo(40, 48)
    source, mask = target[..., 5:37, 8:40], disc(32, 32, 12)
    if soft:
        mask = mask * (0.5 + 0.5 * noise(1, 1, 32, 32))
    placed = place(source, target, mask, 5, 8)
    settings = {"deep": DEEP, "exact": EXACT, "refine": REFINE, "picture": PICTURE}[name]
    if name in ("deep", "exact"):
        image = poisson_stage(placed, settings, network).image
    else:
        image = refine_stage(target, target, placed.full_mask, settings, network).image
    assert torch.equal(image, target)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_offset_of_the_source_vanishes(dtype, photo, disc):
    target = (0.2 + 0.5 * photo(40, 48)).to(dtype)
    image = poisson_stage(place(target + 0.2, target, disc(40, 48, 15)), EXACT).image
    assert (image - target).abs().max() <= 0.1 * LEVEL


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
def test_inputs_are_left_as_they_were(name, scenery, network):
    source, target, mask, row, column = scenery
    placed = place(source, target, mask, row, column)
    paste, full = placed.paste, placed.full_mask
    given = (source, target, mask, paste, full)
    before = [tensor.clone() for tensor in given]
    if name in ("deep", "exact"):
        poisson_stage(placed, DEEP if name == "deep" else EXACT, network)
    else:
        refine_stage(paste, target, full, REFINE if name == "refine" else PICTURE, network)
    assert all(torch.equal(tensor, kept) for tensor, kept in zip(given, before, strict=True))


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_targets_dtype_comes_back(name, dtype, scenery, stage):
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


def test_float64_is_solved_in_float64(photo, disc):
    source, target, mask = photo(24, 24), photo(24, 24, 250, 20), disc(24, 24, 8)
    wide = place(source.double(), target.double(), mask.double())
    image = poisson_stage(wide, EXACT).image
    assert not torch.equal(image, image.float().double())


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


@pytest.mark.parametrize("name", OBJECT_STAGES)
def test_an_empty_picture_of_a_batch_is_its_target_and_the_report_says_so(name, scenery, stage):
    source, target, mask, row, column = scenery
    masks = torch.cat((torch.zeros_like(mask), mask, torch.full_like(mask, 0.4)))
    result = stage(name, source, target, masks, row, column)
    assert torch.equal(result.image[[0, 2]], target.expand(2, -1, -1, -1))
    assert torch.equal(result.image[1:2], stage(name, *scenery).image)
    told = [picture.get("empty", False) for picture in result.report["pictures"]]
    assert told == [True, False, True]


@pytest.mark.parametrize("name", ["deep", "refine", "picture"])
def test_evaluations_are_numbered_up_to_the_budget_with_live_pictures(name, scenery, stage):
    source, target, mask, row, column = scenery
    seen: list[Evaluation] = []
    pictures = []

    def look(evaluation):
        seen.append(evaluation)
        pictures.append(evaluation.picture())

    result = stage(name, source, target, mask, row, column, on_evaluation=look)
    assert [evaluation.number for evaluation in seen] == list(range(1, len(seen) + 1))
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

    def compare(evaluation):
        assert torch.equal(evaluation.picture(step), evaluation.picture()[..., ::step, ::step])

    poisson_stage(placed, DEEP, network, on_evaluation=compare)
    poisson_stage(placed, EXACT, on_evaluation=compare)


def test_a_sampled_live_picture_of_a_large_target_copies_no_more_than_it_shows(photo, disc):
    """A copy of 4K for every live picture would cost a tenth of a run."""
    target = photo(64, 64).repeat(1, 1, 16, 16)
    placed = place(photo(24, 26), target, disc(24, 26, 8), 500, 300)

    def look(evaluation):
        with Copies() as copies:
            shown = evaluation.picture(4)
        assert copies.largest <= shown.numel() == 3 * 256**2

    poisson_stage(placed, EXACT, on_evaluation=look)


def test_the_first_live_picture_of_the_deep_stage_is_the_paste(scenery, network):
    placed = place(*scenery[:3], *scenery[3:])
    pictures = []
    poisson_stage(placed, DEEP, network, on_evaluation=lambda now: pictures.append(now.picture()))
    assert torch.equal(pictures[0], placed.paste)


def test_the_first_live_picture_from_an_exact_start_is_the_exact_stages(scenery, network):
    placed = place(*scenery[:3], *scenery[3:])
    pictures = []
    settings = PoissonSettings(start="exact", max_evaluations=1, margin=16)
    poisson_stage(placed, settings, network, on_evaluation=lambda e: pictures.append(e.picture()))
    # windows of two sizes: the same equation, each solved to a tenth of a level
    expected = poisson_stage(placed, replace(EXACT, bleed=0.5)).image
    assert (pictures[0] - expected).abs().max() <= 0.2 * LEVEL


def test_evaluations_of_a_batch_name_their_picture(scenery, stage):
    source, target, mask, row, column = scenery
    seen = []
    stage("deep", source, target.repeat(2, 1, 1, 1), mask, row, column, on_evaluation=seen.append)
    assert {evaluation.samples for evaluation in seen} == {2}
    assert [e.sample for e in seen] == sorted(e.sample for e in seen)
    for sample in (0, 1):
        numbers = [e.number for e in seen if e.sample == sample]
        assert numbers == list(range(1, len(numbers) + 1))
        assert numbers


def test_the_exact_stage_tells_before_every_picture_and_has_no_evaluations(scenery):
    source, target, mask, row, column = scenery
    seen = []
    placed = place(source, target.repeat(3, 1, 1, 1), mask, row, column)
    result = poisson_stage(placed, EXACT, on_evaluation=seen.append)
    told = [(now.sample, now.number, now.done) for now in seen]
    assert told == [(sample, 0, sample * EXACT.max_evaluations) for sample in range(3)]
    assert "evaluations" not in result.report["pictures"][0]


def test_an_exact_batch_can_be_cancelled_between_pictures(scenery):
    source, target, mask, row, column = scenery
    placed = place(source, target.repeat(3, 1, 1, 1), mask, row, column)
    seen = []

    def cancel(now):
        seen.append(now.sample)
        if now.sample == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        poisson_stage(placed, EXACT, on_evaluation=cancel)
    assert seen == [0, 1]


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


@pytest.mark.parametrize("budget", [1, 2, 7])
@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_the_budget_is_never_exceeded(budget, name, scenery, network):
    placed = place(*scenery)
    seen = []
    if name == "poisson":
        settings = PoissonSettings(max_evaluations=budget, margin=16)
        result = poisson_stage(placed, settings, network, on_evaluation=seen.append)
    else:
        settings = RefineSettings(max_evaluations=budget, margin=16)
        given = (placed.paste, placed.target, placed.full_mask)
        result = refine_stage(*given, settings, network, on_evaluation=seen.append)
    figures = result.report["pictures"][0]
    assert figures["evaluations"] == len(seen) <= budget
    assert (figures["stop_reason"] == "budget spent") == (len(seen) == budget)


@pytest.mark.parametrize("name", ["deep", "refine", "picture"])
def test_the_objective_is_lowered(name, scenery, stage):
    figures = stage(name, *scenery).report["pictures"][0]
    start, end = (sum(figures[key].values()) for key in ("terms_start", "terms_end"))
    assert end < 0.9 * start
    assert figures["terms_start"]["content"] == 0
    assert figures["terms_start"]["luminance"] == figures["terms_start"]["chroma"] == 0


@pytest.mark.parametrize("name", [*OBJECT_STAGES, "picture"])
def test_the_report_is_json_and_tells_what_was_done(name, scenery, stage):
    source, target, mask, row, column = scenery
    result = stage(name, source, target, mask, row, column)
    report = json.loads(json.dumps(result.report, allow_nan=False))
    assert report["stage"] == ("poisson" if name in ("deep", "exact") else "refine")
    settings = {"deep": DEEP, "exact": EXACT, "refine": REFINE, "picture": PICTURE}[name]
    assert report["settings"]["max_evaluations"] == settings.max_evaluations
    assert report["settings"]["weights"]["gradient"] == settings.weights.gradient
    (figures,) = report["pictures"]
    whole = target.shape[2] * target.shape[3]
    assert figures["pixels"] == (whole if name == "picture" else int(mask.sum()))
    assert 0 <= figures["clipped_share"] <= 1
    assert 0 <= figures["seconds"] <= report["seconds"] + 0.001


@pytest.mark.parametrize(("settings", "margin"), [(EXACT, 4), (DEEP, 16)])
def test_the_window_is_the_masks_box_with_its_margin(settings, margin, network, photo):
    target = photo(96, 96, 200, 20)
    mask = torch.zeros(1, 1, 96, 96)
    mask[..., 45:52, 30:60] = 1
    result = poisson_stage(place(photo(96, 96), target, mask), settings, network)
    top, left = 45 - margin, 30 - margin
    expected = {
        "row": top,
        "column": left,
        "height": 52 + margin - top,
        "width": 60 + margin - left,
    }
    assert result.report["pictures"][0]["window"] == expected


def test_far_away_pixels_of_the_target_do_not_matter(photo, network):
    source, target, mask = photo(16, 16), photo(24, 96, 250, 20), torch.ones(1, 1, 16, 16)
    other = target.clone()
    other[..., 60:] = 0  # beyond the window: 0 to 20 + 16 pixels and the margin
    first, second = (
        poisson_stage(place(source, t, mask, 4, 4), DEEP, network).image for t in (target, other)
    )
    assert torch.equal(first[..., :60], second[..., :60])


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


def test_an_exact_blend_over_the_whole_frame_is_the_source(photo):
    source = photo(32, 40)
    placed = place(source, photo(32, 40, 250, 20), torch.ones(1, 1, 32, 40))
    # No boundary: the source's own Laplacian and mean leave one solution, the source.
    assert (poisson_stage(placed, EXACT).image - source).abs().max() <= 0.1 * LEVEL


def test_a_soft_mask_mixes_the_solution_with_the_target(scenery):
    source, target, mask, row, column = scenery
    full = poisson_stage(place(source, target, mask, row, column), EXACT).image
    half = poisson_stage(place(source, target, 0.5 * mask, row, column), EXACT).image
    # where nothing was clipped, half the mask is half the change
    free = (full > 0) & (full < 1)
    expected = target + 0.5 * (full - target)
    assert (half - expected)[free].abs().max() <= 0.1 * LEVEL


def test_channels_last_pictures_give_the_same_blend(scenery, stage):
    source, target, mask, row, column = scenery

    def interleaved(picture):
        return picture.movedim(1, -1).contiguous().movedim(-1, 1)

    for name in OBJECT_STAGES:
        expected = stage(name, *scenery).image
        image = stage(name, interleaved(source), interleaved(target), mask, row, column).image
        # the same sums, possibly in another order
        assert (image - expected).abs().max() < 0.5 * LEVEL


def test_inputs_that_record_gradients_are_accepted(scenery, stage):
    source, target, mask, row, column = scenery
    source.requires_grad_(True)
    target.requires_grad_(True)
    for name in ("deep", "exact"):
        image = stage(name, source, target, mask, row, column).image
        assert not image.requires_grad
    assert source.grad is None


def test_a_network_that_fails_hands_on_the_start_and_says_so(scenery, network):
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    placed = place(*scenery)
    result = poisson_stage(placed, DEEP, network)
    assert torch.equal(result.image, placed.paste)
    assert result.report["pictures"][0]["stop_reason"] == "non-finite"


def test_weights_without_feature_terms_need_no_style(scenery, network):
    plain = Weights(**(dict.fromkeys(TERMS, 0.0) | {"gradient": 1000.0}))
    settings = PoissonSettings(start="exact", max_evaluations=4, weights=plain, margin=16)
    result = poisson_stage(place(*scenery), settings, network)
    assert set(result.report["pictures"][0]["terms_end"]) == {"gradient"}


def test_holding_keeps_the_object_nearer_to_its_source(scenery, network):
    source, target, mask, row, column = scenery
    inside = mask.numpy()[0, 0] > 0
    # a pixel's lightness is its channels' mean; what is left is its chroma
    parts = {"luminance": lambda d: d.mean(0), "chroma": lambda d: d - d.mean(0)}

    def distance(part, weight):
        given = {"gradient": 1000.0, "content": 1.0, "style": 0.6, part: weight}
        held = Weights(**(dict.fromkeys(TERMS, 0.0) | given))
        settings = replace(DEEP, start="exact", bleed=0.5, weights=held, rim=0)
        image = poisson_stage(place(source, target, mask, row, column), settings, network).image
        difference = (image[..., row : row + 24, column : column + 26] - source)[0].numpy()
        return np.abs(parts[part](difference)[..., inside]).mean()

    for part in parts:
        assert distance(part, 10_000.0) < 0.5 * distance(part, 0.0)


@pytest.mark.parametrize("gradients", ["mixed", "monochrome"])
def test_other_gradients_start_from_their_exact_blend(gradients, scenery, network):
    placed, pictures = place(*scenery), []
    settings = replace(DEEP, gradients=gradients)
    result = poisson_stage(
        placed, settings, network, on_evaluation=lambda now: pictures.append(now.picture())
    )
    expected = poisson_stage(placed, replace(EXACT, gradients=gradients)).image
    assert (pictures[0] - expected).abs().max() <= 0.2 * LEVEL  # of two windows, as above
    figures = result.report["pictures"][0]
    assert figures["bleed"] == 1
    assert "luminance" not in figures["terms_start"]  # at a bleed of 1 nothing is held
    start, end = (sum(figures[key].values()) for key in ("terms_start", "terms_end"))
    assert end < start
    assert 0 < figures["evaluations"] <= 5
    inside = torch.from_numpy(on_target(scenery[2], placed.target, *scenery[3:]))
    assert torch.equal(result.image[..., ~inside], placed.target[..., ~inside])
    plain = poisson_stage(placed, DEEP, network).image
    assert (result.image - plain)[..., inside].abs().mean() > 2 * LEVEL


@pytest.mark.parametrize("settings", [DEEP, EXACT])
def test_the_report_has_the_bleed_and_what_was_matched(settings, photo, disc, network):
    target, mask = photo(48, 48), disc(48, 48, 10)
    placed = place(0.9 * target, target, mask)
    figures = poisson_stage(placed, settings, network).report["pictures"][0]
    assert figures["bleed"] == settings.own_bleed
    assert "match" not in figures
    result = poisson_stage(placed, replace(settings, match=True), network)
    figures = json.loads(json.dumps(result.report))["pictures"][0]
    assert figures["match"]["confidence"] == figures["bleed"] == 1
    assert figures["match"]["gain"] == pytest.approx([1 / 0.9] * 3, abs=0.02)


def test_one_scene_starts_from_the_exact_blend_and_keeps_to_it(photo, disc, network):
    target, mask, pictures = photo(48, 48), disc(48, 48, 10), []
    # darker to the left: no gain undoes that, the Poisson equation does
    placed = place(0.8 * target + torch.linspace(0, 0.2, 48), target, mask)
    settings = replace(DEEP, match=True)
    result = poisson_stage(
        placed, settings, network, on_evaluation=lambda now: pictures.append(now.picture())
    )
    assert set(result.report["pictures"][0]["terms_start"]) == {"gradient"}
    expected = poisson_stage(placed, replace(EXACT, match=True)).image
    assert (pictures[0] - expected).abs().max() <= 0.2 * LEVEL  # of two windows, as above


def test_a_tightly_cut_object_does_not_glow(disc, network):
    # A black disc cut out of white, on grey: the step of the cut is not painted a second time.
    mask = disc(48, 48, 12)
    source, target = (1 - mask).expand(-1, 3, -1, -1), torch.full((1, 3, 48, 48), 0.5)
    plain = Weights(content=0.0, style=0.0)
    settings = PoissonSettings(weights=plain, margin=16)
    image = poisson_stage(place(source, target, mask), settings, network).image
    inside = image[mask.expand_as(image) > 0]
    assert inside.max() <= 0.5 + 0.5 * LEVEL
    assert inside.min() < 0.05  # it is still a dark object


def refined(scenery, network, **changes):
    """The paste refined, its target and mask."""
    placed = place(*scenery)
    given = (placed.paste, placed.target, placed.full_mask)
    return refine_stage(*given, replace(REFINE, **changes), network), *given


@pytest.mark.parametrize("region", ["object", "band", "picture"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_without_strength_the_input_comes_back_bit_for_bit(region, soft, dtype, photo, disc, noise):
    image, target = photo(32, 32).to(dtype), photo(32, 32, 250, 20).to(dtype)
    mask = disc(32, 32, 10) * (0.5 + 0.5 * noise(1, 1, 32, 32) if soft else 1)
    seen = []
    settings = RefineSettings(region=region, band=3, strength=0)
    result = refine_stage(image, target, mask.to(dtype), settings, on_evaluation=seen.append)
    assert torch.equal(result.image, image)
    assert seen == []
    assert result.report["pictures"][0]["evaluations"] == 0


def test_without_strength_overshoot_comes_back_too(photo, disc):
    image = 1.5 * photo(32, 32) - 0.2  # resampled pictures leave [0, 1]
    settings = RefineSettings(strength=0)
    result = refine_stage(image, image.clamp(0, 1), disc(32, 32, 10), settings)
    assert torch.equal(result.image, image)


def test_without_strength_no_weights_are_needed(scenery, monkeypatch, tmp_path):
    monkeypatch.setattr(vgg16, "BUNDLED", tmp_path / "none.safetensors")
    result, paste, *_ = refined(scenery, None, strength=0.0)
    assert torch.equal(result.image, paste)


def test_half_the_strength_is_half_way(scenery, network):
    (whole, paste, *_), (half, *_) = (refined(scenery, network, strength=s) for s in (1.0, 0.5))
    free = (whole.image > 0) & (whole.image < 1)  # where nothing was clipped
    expected = (paste + whole.image) / 2
    assert (half.image - expected)[free].abs().max() <= 1e-6
    assert (whole.image - paste).abs().max() > 5 * LEVEL
    assert half.report["pictures"][0]["trace"] == whole.report["pictures"][0]["trace"]


def test_live_pictures_show_the_strength(scenery, network):
    placed, pictures = place(*scenery), []
    result = refine_stage(
        placed.paste,
        placed.target,
        placed.full_mask,
        replace(REFINE, strength=0.25),
        network,
        on_evaluation=lambda now: pictures.append((now.terms, now.picture())),
    )
    best = min(pictures, key=lambda seen: sum(seen[0].values()))[1]
    assert (best - result.image).abs().max() <= 1e-6


@pytest.mark.parametrize("band", [1, 4])
def test_the_band_may_change_and_nothing_beyond(band, photo, disc, network):
    image, target, mask = photo(48, 48), photo(48, 48, 250, 20), disc(48, 48, 10)
    settings = replace(REFINE, region="band", band=band)
    result = refine_stage(image, target, mask, settings, network)
    away = ndimage.distance_transform_edt(mask[0, 0].numpy() == 0)
    allowed = torch.from_numpy(away <= band)
    assert torch.equal(result.mask[0, 0] > 0, allowed)
    changed = (result.image != image).any(1)[0]
    assert not changed[~allowed].any()
    ring = allowed & (mask[0, 0] == 0)
    assert changed[ring].float().mean() > 0.9
    assert result.report["pictures"][0]["pixels"] == allowed.sum()


@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_without_a_margin_the_window_is_the_picture(name, photo, network):
    target = photo(24, 130, 200, 20)
    mask = torch.zeros(1, 1, 24, 130)
    mask[..., 9:15, 100:106] = 1
    placed = place(photo(24, 130), target, mask)
    if name == "poisson":
        settings = PoissonSettings(margin=None, max_evaluations=1)
        result = poisson_stage(placed, settings, network)
    else:
        settings = RefineSettings(margin=None, max_evaluations=1)
        result = refine_stage(placed.paste, target, mask, settings, network)
    expected = {"row": 0, "column": 0, "height": 24, "width": 130}
    assert result.report["pictures"][0]["window"] == expected


def test_the_exact_stage_needs_no_weights(scenery, monkeypatch, tmp_path):
    monkeypatch.setattr(vgg16, "BUNDLED", tmp_path / "none.safetensors")
    assert torch.isfinite(poisson_stage(place(*scenery), EXACT).image).all()


def test_missing_bundled_weights_are_named(scenery, monkeypatch, tmp_path):
    missing = tmp_path / "none.safetensors"
    monkeypatch.setattr(vgg16, "BUNDLED", missing)
    placed = place(*scenery)
    with pytest.raises(FileNotFoundError, match=re.escape(str(missing))):
        poisson_stage(placed, DEEP)
    with pytest.raises(FileNotFoundError, match=re.escape(str(missing))):
        refine_stage(placed.paste, placed.target, placed.full_mask, REFINE)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"image": torch.zeros(1, 2, 8, 8)}, ValueError, r"image must be \(B, 3 or 4, H, W\)"),
        ({"image": torch.zeros(1, 3, 8, 9)}, ValueError, "target must have the size of image"),
        ({"target": torch.zeros(1, 3, 9, 8)}, ValueError, "target must have the size of image"),
        ({"target": torch.full((1, 3, 8, 8), 255.0)}, ValueError, r"target must be in \[0, 1\]"),
        ({"target": torch.full((1, 3, 8, 8), torch.nan)}, ValueError, "target must be finite"),
        ({"target": torch.zeros(1, 3, 8, 8).byte()}, TypeError, "target must be a float tensor"),
        ({"target": torch.zeros(1, 5, 8, 8)}, ValueError, r"target must be \(B, 3 or 4, H, W\)"),
        ({"mask": torch.ones(1, 1, 8, 9)}, ValueError, "mask must have the size of image"),
        ({"mask": torch.ones(1, 3, 8, 8)}, ValueError, r"mask must be \(B, 1, H, W\)"),
        ({"mask": torch.full((1, 1, 8, 8), 2.0)}, ValueError, r"mask must be in \[0, 1\]"),
        ({"mask": torch.full((1, 1, 8, 8), 0.49)}, ValueError, "mask must reach 0.5"),
        ({"mask": torch.ones(2, 1, 8, 8), "image": torch.zeros(3, 3, 8, 8)}, ValueError, "batch"),
    ],
)
def test_the_refine_stage_refuses(change, error, message, network):
    given = {
        "image": torch.zeros(1, 3, 8, 8),
        "target": torch.zeros(1, 3, 8, 8),
        "mask": torch.ones(1, 1, 8, 8),
    }
    with pytest.raises(error, match=message):
        refine_stage(**(given | change), settings=REFINE, network=network)


def test_the_refine_stage_names_a_target_that_is_not_a_batch_of_pictures():
    with pytest.raises(ValueError, match=r"target must be \(B, 3 or 4, H, W\)"):
        refine_stage(torch.zeros(1, 3, 8, 8), torch.zeros(8, 8), torch.ones(1, 1, 8, 8), REFINE)


@pytest.mark.weights
def test_refining_brings_the_style_nearer_and_keeps_the_edges(scenery, bundled):
    from blending.quality.metrics import style_error

    placed = place(*scenery)
    settings = RefineSettings(margin=16)
    result = refine_stage(placed.paste, placed.target, placed.full_mask, settings, bundled)
    before, after = (
        style_error(image, placed.target, bundled) for image in (placed.paste, result.image)
    )
    assert after < 0.7 * before
    inside = placed.full_mask[0, 0].numpy() > 0
    edges = [
        np.stack([ndimage.laplace(plane) for plane in image[0].numpy()])[:, inside].ravel()
        for image in (placed.paste, result.image)
    ]
    assert np.corrcoef(*edges)[0, 1] > 0.8


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
            settings = PoissonSettings(max_evaluations=6, margin=margin)
            image = poisson_stage(placed, settings, bundled).image
        else:
            settings = RefineSettings(max_evaluations=6, margin=margin)
            image = refine_stage(placed.paste, target, placed.full_mask, settings, bundled).image
        objects.append(image[..., row + 50 : row + 78, column + 50 : column + 78])
    assert (objects[0] - source)[mask.expand_as(source) > 0].abs().mean() > 2 * LEVEL
    for other in objects[1:]:  # the same window: the same sums, perhaps in another order
        change = (other - objects[0])[mask.expand_as(source) > 0] / LEVEL
        assert change.abs().max() < 0.1


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


def test_a_matched_patch_of_the_same_scene_is_restored_over_a_blanked_target(noise, network):
    smooth = torch.nn.functional.avg_pool2d(noise(1, 3, 64, 64), 5, 1, 2)
    scene = 0.2 + 0.6 * smooth
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:40, 22:44] = 1
    source = scene * torch.tensor([1.1, 0.9, 1.05]).view(1, 3, 1, 1)
    placed = place(source, torch.where(mask > 0, 0.5, scene), mask)
    settings = PoissonSettings(match=True, max_evaluations=5, margin=16)
    found = poisson_stage(placed, settings, network)
    assert found.report["pictures"][0]["match"]["confidence"] > 0.9
    difference = (found.image - scene)[..., 24:40, 22:44]
    assert difference.square().mean() < 1e-4 * (source - scene).square().mean()

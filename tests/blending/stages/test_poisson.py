"""The Poisson stage: the exact method against SciPy, the deep method's start, what it reaches."""

import json
import re
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import sparse
from scipy.sparse.linalg import spsolve

from blending.network import vgg16
from blending.placement.place import place
from blending.settings import PoissonSettings, Weights
from blending.stages.cleaned import cleaned
from blending.stages.poisson import poisson_stage
from tests.plain import PLAIN

LEVEL = 1 / 255
EXACT = PoissonSettings(method="exact")
DEEP = PoissonSettings(max_evaluations=5, margin=16, **PLAIN)
TERMS = tuple(field.name for field in fields(Weights))


class Cancelled(Exception):
    """What a caller raises to stop."""


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
def test_the_exact_stage_equals_a_sparse_solve(whole, scenery, on_target):
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_offset_of_the_source_vanishes(dtype, photo, disc):
    target = (0.2 + 0.5 * photo(40, 48)).to(dtype)
    image = poisson_stage(place(target + 0.2, target, disc(40, 48, 15)), EXACT).image
    assert (image - target).abs().max() <= 0.1 * LEVEL


def test_float64_is_solved_in_float64(photo, disc):
    source, target, mask = photo(24, 24), photo(24, 24, 250, 20), disc(24, 24, 8)
    wide = place(source.double(), target.double(), mask.double())
    image = poisson_stage(wide, EXACT).image
    assert not torch.equal(image, image.float().double())


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


def test_the_exact_stage_needs_no_weights(scenery, monkeypatch, tmp_path):
    monkeypatch.setattr(vgg16, "BUNDLED", tmp_path / "none.safetensors")
    assert torch.isfinite(poisson_stage(place(*scenery), EXACT).image).all()


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


def test_the_first_live_picture_of_the_deep_stage_is_the_paste(scenery, network):
    placed = place(*scenery[:3], *scenery[3:])
    pictures = []
    poisson_stage(placed, DEEP, network, on_evaluation=lambda now: pictures.append(now.picture()))
    assert torch.equal(pictures[0], placed.paste)


def test_the_first_live_picture_from_an_exact_start_is_the_exact_stages(scenery, network):
    placed = place(*scenery[:3], *scenery[3:])
    pictures = []
    settings = PoissonSettings(start="exact", max_evaluations=1, margin=16, **PLAIN)
    poisson_stage(placed, settings, network, on_evaluation=lambda e: pictures.append(e.picture()))
    # windows of two sizes: the same equation, each solved to a tenth of a level
    expected = poisson_stage(placed, replace(EXACT, bleed=0.5)).image
    assert (pictures[1] - expected).abs().max() <= 0.2 * LEVEL


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


def test_inputs_that_record_gradients_are_accepted(scenery, stage):
    source, target, mask, row, column = scenery
    source.requires_grad_(True)
    target.requires_grad_(True)
    for name in ("deep", "exact"):
        image = stage(name, source, target, mask, row, column).image
        assert not image.requires_grad
    assert source.grad is None


def test_weights_without_feature_terms_need_no_style(scenery, network):
    plain = Weights(**(dict.fromkeys(TERMS, 0.0) | {"gradient": 1000.0}))
    settings = replace(DEEP, start="exact", max_evaluations=4, weights=plain)
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
def test_other_gradients_start_from_their_exact_blend(gradients, scenery, network, on_target):
    placed, pictures = place(*scenery), []
    settings = replace(DEEP, gradients=gradients)
    result = poisson_stage(
        placed, settings, network, on_evaluation=lambda now: pictures.append(now.picture())
    )
    expected = poisson_stage(placed, replace(EXACT, gradients=gradients)).image
    assert (pictures[1] - expected).abs().max() <= 0.2 * LEVEL  # of two windows, as above
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
    assert figures["bleed"] == settings.resolved_bleed
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
    assert (pictures[1] - expected).abs().max() <= 0.2 * LEVEL  # of two windows, as above


def test_a_tightly_cut_object_does_not_glow(disc, network):
    # A black disc cut out of white, on grey: the step of the cut is not painted a second time.
    mask = disc(48, 48, 12)
    source, target = (1 - mask).expand(-1, 3, -1, -1), torch.full((1, 3, 48, 48), 0.5)
    plain = Weights(content=0.0, style=0.0)
    settings = PoissonSettings(weights=plain, margin=16, clean=0, harmonise=0)
    image = poisson_stage(place(source, target, mask), settings, network).image
    inside = image[mask.expand_as(image) > 0]
    assert inside.max() <= 0.5 + 0.5 * LEVEL
    assert inside.min() < 0.05  # it is still a dark object


def test_a_matched_patch_of_the_same_scene_is_restored_over_a_blanked_target(noise, network):
    smooth = torch.nn.functional.avg_pool2d(noise(1, 3, 64, 64), 5, 1, 2)
    scene = 0.2 + 0.6 * smooth
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:40, 22:44] = 1
    source = scene * torch.tensor([1.1, 0.9, 1.05]).view(1, 3, 1, 1)
    placed = place(source, torch.where(mask > 0, 0.5, scene), mask)
    settings = PoissonSettings(match=True, max_evaluations=5, margin=16, **PLAIN)
    found = poisson_stage(placed, settings, network)
    assert found.report["pictures"][0]["match"]["confidence"] > 0.9
    difference = (found.image - scene)[..., 24:40, 22:44]
    assert difference.square().mean() < 1e-4 * (source - scene).square().mean()


def test_missing_bundled_weights_are_named(scenery, monkeypatch, tmp_path):
    missing = tmp_path / "none.safetensors"
    monkeypatch.setattr(vgg16, "BUNDLED", missing)
    with pytest.raises(FileNotFoundError, match=re.escape(str(missing))):
        poisson_stage(place(*scenery), DEEP)


# --- cleaning


@pytest.fixture
def rough_cut():
    """A dark disc on a bright ground with a mask 4 pixels too large, for a grey place."""
    rows, columns = torch.meshgrid(torch.arange(72), torch.arange(72), indexing="ij")
    away = ((rows - 35.5) ** 2 + (columns - 35.5) ** 2).sqrt()
    source = torch.where(away < 20, 0.2, 0.9).expand(1, 3, -1, -1).clone()
    mask = (away < 24).float()[None, None]
    return place(source, torch.full((1, 3, 90, 90), 0.5), mask, 8, 9), (away < 20)[None, None]


def test_a_cleaned_cut_out_has_no_rest_and_keeps_its_object(rough_cut):
    placed, disc = rough_cut
    found, figures = cleaned(placed, PoissonSettings(clean=10))
    assert figures["width"] == 10 and figures["confidence"][0] > 0.5
    within = torch.nn.functional.max_pool2d((~disc).float(), 5, 1, 2) == 0
    assert found.mask[within].mean() > 0.98  # its edge is smoothed
    assert found.mask[disc].mean() > 0.9
    rest = (placed.mask > 0) & ~disc
    assert found.mask[rest].mean() < 0.1
    assert torch.equal(found.source[..., :4, :], placed.source[..., :4, :])  # to tell its contour
    assert (found.source[:, :, 35, 35] == 0.2).all()


def test_without_cleaning_what_was_placed_is_blended_as_it_is(rough_cut):
    placed, _ = rough_cut
    assert cleaned(placed, PoissonSettings(clean=0)) == (placed, {})


def test_the_stage_hands_out_what_it_blended_and_touches_nothing_beside_it(rough_cut, network):
    placed, _ = rough_cut
    result = poisson_stage(placed, replace(DEEP, clean=10, harmonise=0.5), network)
    found, figures = cleaned(placed, PoissonSettings(clean=10))
    assert result.report["clean"] == figures
    assert torch.equal(result.mask, found.full_mask)
    inside = (found.full_mask > 0).expand_as(result.image)
    assert torch.equal(result.held_source[inside], result.source[inside])
    outside = (found.full_mask == 0).expand_as(result.image)
    assert torch.equal(result.image[outside], placed.target[outside])


@pytest.mark.weights
def test_a_tight_dark_object_stays_dark_up_to_its_contour(rough_cut, bundled):
    placed, disc = rough_cut
    settings = replace(PoissonSettings(max_evaluations=12), clean=10)
    kept, melted = (
        poisson_stage(placed, replace(settings, contours=how), bundled).image[..., 8:80, 9:81]
        for how in (True, False)
    )
    rim = disc & ~erode(disc, 3)
    assert kept[:, :1][rim].mean() < 0.3 < melted[:, :1][rim].mean()


def erode(where, pixels):
    return F.max_pool2d((~where).float(), 2 * pixels + 1, 1, pixels) == 0

"""What the Poisson stage does before it solves: bleed to weights, screen, match, guidance."""

import json
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import ndimage

from blending.deep.fidelity import edge_emphasis, edge_ramp
from blending.deep.problem import Painted
from blending.harmonise.place_colours import harmonised, place_colours
from blending.image.filters import gaussian_blur, laplacian, stencil_region
from blending.placement.box import full_box
from blending.placement.window import Window
from blending.poisson.boundary_match import match_boundary
from blending.poisson.guidance import guidance_field, without_contours
from blending.poisson.solver import solve_poisson
from blending.settings import GRADIENTS, PoissonSettings, RefineSettings, Weights
from blending.stages.prepare import (
    fidelity_scale,
    poisson_start,
    prepare,
    refine_reference,
    refine_start,
)

LEVEL = 1 / 255
EXACT = PoissonSettings(method="exact")
NOT_HELD = ("gradient", "content", "style", "histogram", "tv")


def make_window(source, target, mask, valid=None):
    valid = torch.ones_like(mask) if valid is None else valid
    return Window(source, mask, valid, target, full_box(mask.shape))


@pytest.fixture
def window(photo, disc):
    return make_window(photo(32, 40), photo(32, 40, 250, 20), disc(32, 40, 11))


@pytest.fixture
def one_scene(noise, disc):
    """A source that is its target but for exposure, as of a repaired crop."""
    rough = gaussian_blur(noise(1, 3, 48, 48), 2.0, 6)
    target = 0.5 + 0.08 * (rough - rough.mean()) / rough.std()
    return make_window((target - 0.1) / 0.8, target, disc(48, 48, 15))


def test_the_fidelity_scale_by_the_bleed():
    # (1 − b) / (b + 1/64), in units of its value at a half: 0.5 / (33/64) = 32/33; at 0 it is 64.
    assert fidelity_scale(1) == 0
    assert fidelity_scale(0.5) == pytest.approx(1)
    assert fidelity_scale(0) == pytest.approx(64 * 33 / 32)
    assert fidelity_scale(0.25) == pytest.approx(0.75 / (17 / 64) * 33 / 32)
    factors = [fidelity_scale(bleed / 100) for bleed in range(101)]
    assert all(more > less for more, less in pairwise(factors))


@pytest.mark.parametrize("bleed", [0, 0.3, 0.5, 1])
def test_the_colours_alone_are_held_by_the_bleed(bleed, window):
    weights = Weights(histogram=0.5, tv=0.25)
    found = prepare(window, PoissonSettings(bleed=bleed)).joint_weights(weights)
    factor = fidelity_scale(bleed)
    expected = {
        name: value if name in NOT_HELD else factor * value
        for name, value in asdict(weights).items()
    }
    assert found == Weights(**expected)
    assert found.luminance == factor * weights.luminance
    assert found.chroma == factor * weights.chroma


@pytest.mark.parametrize("gradients", GRADIENTS)
def test_an_exact_blend_with_a_bleed_of_1_is_the_plain_solve_bit_for_bit(gradients, window):
    prepared = prepare(window, replace(EXACT, gradients=gradients))
    assert prepared.figures == {"bleed": 1.0}
    assert prepared.window is window
    arguments = (window.source, window.source_valid, window.target, window.support)
    guidance = guidance_field(*arguments, gradients)
    assert torch.equal(prepared.guidance, guidance)
    boundary = torch.where(window.support, window.source, window.target)
    assert torch.equal(prepared.exact, solve_poisson(guidance, window.support, boundary))


@pytest.mark.parametrize("gradients", ["import", "monochrome"])
def test_a_long_strip_held_at_one_end_is_the_source_and_the_step_at_that_end(gradients, noise):
    # Beside the first column the frame ends, so that nothing but the target there, 0.1 above the
    # source, decides the constant by which the solution differs from the (grey) source.
    source = noise(1, 1, 2, 2048).expand(-1, 3, -1, -1)
    mask = torch.ones(1, 1, 2, 2048)
    mask[..., 0] = 0
    strip = make_window(source, source + 0.1, mask)
    found = prepare(strip, replace(EXACT, gradients=gradients)).exact
    assert 255 * (found - source - 0.1).abs().max() < 0.1  # levels, the solve's tolerance


@pytest.mark.parametrize(("bleed", "screen"), [(0.5, 1 / 256), (0, 66 / 256), (0.9, None)])
def test_the_targets_colours_seep_in_as_a_chains_solution_says(bleed, screen):
    # A band over the whole height of a flat source, 0.3 brighter than its flat target: each row is
    # u'' = screen · u with 0.3 less at both ends, solved by hyperbolic functions of the discrete k.
    screen = screen or (0.1 / (0.9 + 1 / 64)) * (33 / 32) / 256
    columns, first, last = 80, 10, 69
    mask = torch.zeros(1, 1, 5, columns, dtype=torch.float64)
    mask[..., first : last + 1] = 1
    target = torch.full((1, 3, 5, columns), 0.4, dtype=torch.float64)
    found = prepare(make_window(target + 0.3, target, mask), replace(EXACT, bleed=bleed)).exact
    k = np.arccosh(1 + screen / 2)
    middle, half = (first + last) / 2, (last - first) / 2 + 1
    places = np.arange(first, last + 1)
    expected = 0.7 - 0.3 * np.cosh(k * (places - middle)) / np.cosh(k * half)
    difference = found[0, :, 2, first : last + 1].numpy() - expected
    assert np.abs(difference).max() <= 0.1 * LEVEL  # what the solver promises
    assert torch.equal(found[..., :first], target[..., :first])


def test_less_bleed_is_nearer_to_the_source(window, disc):
    deep_inside = (disc(32, 40, 3) > 0).expand_as(window.source)  # 8 pixels from the edge

    def distance(bleed, where):
        difference = prepare(window, replace(EXACT, bleed=bleed)).exact - window.source
        return difference[where].abs().mean().item()

    support = window.support.expand_as(window.source)
    distances = [distance(bleed, support) for bleed in (0, 0.25, 0.5, 0.75, 1)]
    assert all(less < more for less, more in pairwise(distances))
    # Seeping in sinks by e every 2 pixels: to 2 % there.
    assert distance(0, deep_inside) < 0.05 * distance(1, deep_inside)


def test_the_joint_guidance_cuts_contours_beyond_a_quarter(window):
    bright = replace(window, source=torch.where(window.support, 0.1, 1.0) * window.source)
    prepared = prepare(bright, PoissonSettings())
    arguments = (bright.source, bright.source_valid, bright.target, bright.support)
    expected = without_contours(prepared.guidance, *arguments, contrast=0.25)
    assert torch.equal(prepared.joint_guidance(), expected)
    assert not torch.equal(expected, prepared.guidance)


@pytest.mark.parametrize("method", ["deep", "exact"])
@pytest.mark.parametrize("bleed", [None, 0.25])
def test_one_scene_is_matched_bleeds_freely_and_the_figures_say_so(method, bleed, one_scene):
    settings = PoissonSettings(method=method, bleed=bleed, match=True)
    prepared = prepare(one_scene, settings)
    assert (prepared.window.source - one_scene.target).abs().max() < 2 * LEVEL
    figures = json.loads(json.dumps(prepared.figures))
    assert set(figures) == {"match", "bleed"}
    assert figures["match"]["gain"] == pytest.approx([0.8] * 3, abs=0.01)
    # At the boundary's middle, not at black: T − 0.8 · S there is the 0.1 of the making.
    assert figures["match"]["offset"] == pytest.approx([0.1] * 3, abs=0.01)
    assert figures["match"]["confidence"] == figures["bleed"] == prepared.match_confidence == 1
    assert prepared.fidelity_scale == 0
    weights = prepared.joint_weights(Weights())
    assert weights.style == weights.luminance == weights.chroma == 0
    assert torch.equal(prepared.guidance, guidance_of(prepared.window))


def guidance_of(window):
    return guidance_field(window.source, window.source_valid, window.target, window.support)


def test_a_half_trusted_match_bleeds_half_the_way_more(one_scene, noise):
    # Rough surroundings of its own make the two windows resemble each other less.
    other = gaussian_blur(noise(1, 3, 48, 48, seed=5), 2.0, 6)
    other = 0.08 * (other - other.mean()) / other.std()
    mixed = replace(one_scene, target=one_scene.target + other)
    trust = match_boundary(mixed).confidence
    assert 0.1 < trust < 0.9
    for bleed in (0.0, 0.5):
        prepared = prepare(mixed, PoissonSettings(bleed=bleed, match=True))
        assert prepared.figures["bleed"] == pytest.approx(bleed + trust * (1 - bleed))
        assert prepared.fidelity_scale == pytest.approx(fidelity_scale(prepared.figures["bleed"]))
        assert prepared.joint_weights(Weights(style=3.0)).style == pytest.approx(3 * (1 - trust))


def test_another_scene_is_left_as_it_is(one_scene, noise):
    other = gaussian_blur(noise(1, 3, 48, 48, seed=5), 2.0, 6)
    foreign = replace(one_scene, target=0.5 + 0.15 * (other - other.mean()) / other.std())
    prepared = prepare(foreign, PoissonSettings(match=True))
    assert prepared.figures["match"]["confidence"] == prepared.match_confidence == 0
    assert prepared.figures["bleed"] == 0.5
    assert torch.equal(prepared.window.source, foreign.source)


def test_nothing_is_matched_unless_asked(one_scene):
    prepared = prepare(one_scene, PoissonSettings())
    assert prepared.window is one_scene
    assert prepared.match_confidence == 0
    assert prepared.figures == {"bleed": 0.5}
    assert prepared.fidelity_scale == pytest.approx(1)


def test_weights_raised_by_a_small_bleed_stay_within_what_weights_may_be(window):
    largest = Weights(luminance=1e9, chroma=1e8)
    found = prepare(window, PoissonSettings(bleed=0)).joint_weights(largest)
    assert found.luminance == found.chroma == 1e9
    found = prepare(window, PoissonSettings(bleed=0.25)).joint_weights(largest)
    assert found.luminance == 1e9
    assert found.chroma == pytest.approx(1e8 * 0.75 / (17 / 64) * 33 / 32)


def minus_laplace(image):
    """The 5-point stencil with 4 in the middle, by SciPy; at the frame as if continued."""
    planes = [-ndimage.laplace(plane.double().numpy(), mode="nearest") for plane in image[0]]
    return torch.from_numpy(np.stack(planes))[None]


def test_a_new_object_sees_the_target_that_it_hides(window):
    prepared = prepare(window, PoissonSettings())
    found = prepared.joint_guidance()
    away = ndimage.binary_dilation(window.support[0, 0].numpy())  # and its ring
    beyond = torch.from_numpy(~away).expand_as(found[0])
    wanted = minus_laplace(window.target)[0][beyond]
    torch.testing.assert_close(found[0][beyond].double(), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("confidence", [1.0, 0.25])
def test_the_surer_the_match_the_more_the_ring_sees_of_the_exact_blend(confidence, window):
    plain = prepare(window, PoissonSettings(bleed=1))
    sure = replace(plain, match_confidence=confidence)
    found, unsure = sure.joint_guidance(), plain.joint_guidance()
    inside = window.support.expand_as(found)
    assert torch.equal(found[inside], unsure[inside])
    blend = minus_laplace(plain.exact)  # outside the mask that is the target
    wanted = (1 - confidence) * unsure.double() + confidence * blend
    torch.testing.assert_close(found[~inside].double(), wanted[~inside], atol=1e-5, rtol=0)
    assert (found - unsure)[~inside].abs().max() > 0.05 * confidence


def test_an_import_starts_from_the_paste_and_an_exact_start_from_the_solution(window):
    for bleed in (0.25, 1.0):
        settings = PoissonSettings(bleed=bleed, rim=7, contours=False)
        prepared = prepare(window, settings)
        for start, x0 in (("paste", window.source), ("exact", prepared.exact)):
            found = poisson_start(prepared, replace(settings, start=start))
            assert torch.equal(found.x0, x0)
            problem = found.problem
            assert problem.window is window
            assert problem.background is window.target
            assert problem.style is None
            assert torch.equal(problem.guidance, prepared.joint_guidance())
            assert problem.weights == prepared.joint_weights(settings.weights)
            ramp = edge_ramp(window, 7)
            assert torch.equal(problem.fidelity.luminance, ramp.luminance)
            assert torch.equal(problem.fidelity.chroma, ramp.chroma)


@pytest.mark.parametrize(("confidence", "is_new"), [(0.0, True), (0.49, True), (0.5, False)])
def test_what_continues_the_target_more_likely_than_not_starts_from_the_solution(
    confidence, is_new, window
):
    settings = PoissonSettings()
    prepared = replace(prepare(window, settings), match_confidence=confidence)
    expected = window.source if is_new else prepared.exact
    assert torch.equal(poisson_start(prepared, settings).x0, expected)


@pytest.mark.parametrize("gradients", ["mixed", "monochrome"])
def test_with_other_gradients_the_solution_is_start_and_reference(gradients, window):
    # A source that is brighter than its place by far: the solution leaves [0, 1].
    window = replace(
        window, source=1.5 * window.source, source_valid=(window.source[:, :1] > 0.2) * 1.0
    )
    settings = PoissonSettings(gradients=gradients, start="paste")
    prepared = prepare(window, settings)
    found = poisson_start(prepared, settings)
    assert torch.equal(found.x0, prepared.exact)
    assert torch.equal(found.problem.window.source, prepared.exact.clamp(0, 1))
    assert found.x0.max() > 1 or found.x0.min() < 0
    assert (found.problem.window.source_valid == 1).all()
    assert torch.equal(found.problem.window.mask, window.mask)
    assert torch.equal(found.problem.guidance, prepared.guidance)  # its contours are no cut's


def test_refining_starts_from_the_blend_with_its_own_laplacian_under_the_mask(window):
    settings = RefineSettings(weights=Weights(tv=3.0), contours=False)
    style = {"relu1_2": torch.zeros(1, 2, 2)}
    found = refine_start(window, settings, style)
    assert found.x0 is window.source
    assert found.problem.window is window
    assert found.problem.background is window.source
    assert found.problem.weights is settings.weights
    assert found.problem.style is style
    assert refine_start(window, settings, None).problem.style is None
    inside = window.support
    wanted = torch.where(inside, minus_laplace(window.source), minus_laplace(window.target))
    torch.testing.assert_close(found.problem.guidance.double(), wanted, atol=1e-5, rtol=0)
    edge = edge_emphasis(window)
    assert torch.equal(found.problem.fidelity.luminance, edge.luminance)
    assert found.problem.fidelity.texture == edge.texture > 0


def tight(disc):
    """A dark disc cut out tightly from a bright ground, for a grey place."""
    mask = disc(60, 60, 18)
    source = (0.9 - 0.7 * mask).expand(-1, 3, -1, -1).clone()
    return make_window(source, torch.full((1, 3, 60, 60), 0.5), mask)


def test_the_gradient_term_leaves_a_tight_object_s_contour_alone_and_its_colours_count(disc):
    window = tight(disc)
    kept, flat = (
        poisson_start(prepare(window, settings), settings).problem
        for settings in (PoissonSettings(contours=True), PoissonSettings(contours=False))
    )
    assert flat.seam is None
    edge = stencil_region(window.support) & stencil_region(~window.support)
    assert (kept.seam[edge] == 0).all()
    assert kept.seam[..., 30, 30] == 1 and kept.seam[..., 0, 0] == 1
    assert (kept.fidelity.luminance[edge & window.support] == 1).all()
    assert kept.fidelity.luminance[~window.support].max() == 0


def test_an_object_pasted_before_keeps_all_of_its_edge(noise, disc):
    """A bar as thin as a leg, of little contrast to its place, beside a disc of much."""
    place, mask = 0.4 + 0.2 * gaussian_blur(noise(1, 3, 60, 60), 2.0, 6), disc(60, 60, 18)
    mask[..., 50:52, 10:50] = 1
    source = torch.where(mask > 0, 0.95, place)
    source[..., 50:52, 10:50] = place[..., 50:52, 10:50] - 0.05
    settings = PoissonSettings()
    problem = poisson_start(prepare(make_window(source, place, mask), settings), settings).problem
    assert problem.seam is not None and problem.seam.max() < 0.01


def test_a_loosely_cut_object_still_melts(disc, noise):
    place, mask = 0.4 + 0.4 * gaussian_blur(noise(1, 3, 60, 60), 1.0, 3), disc(60, 60, 18)
    window = make_window(place, 0.8 * place, mask)
    settings = PoissonSettings(contours=True)
    assert poisson_start(prepare(window, settings), settings).problem.seam.mean() > 0.9


def test_the_refine_stage_keeps_its_input_s_contour_if_told(disc):
    window = tight(disc)
    kept = refine_start(window, RefineSettings(contours=True), None).problem
    assert kept.seam.min() == 0
    assert refine_start(window, RefineSettings(contours=False), None).problem.seam is None


def test_a_soft_edge_s_guidance_is_part_source_part_target(window):
    soft = replace(window, mask=0.25 * window.mask)
    settings = PoissonSettings()
    hard, mixed = (prepare(w, settings).joint_guidance() for w in (window, soft))
    inside = window.support.expand_as(hard)
    wanted = torch.lerp(laplacian(window.target), hard, 0.25)
    torch.testing.assert_close(mixed[inside], wanted[inside])
    assert torch.equal(mixed[~inside], hard[~inside])


def test_harmonised_colours_are_what_the_stage_holds(window):
    settings = PoissonSettings(harmonise=0.5)
    colours = place_colours(window.source, window.mask, window.target)
    prepared = prepare(window, settings, lambda: colours)
    moved = harmonised(window.source, window.mask, window.target, 0.5)
    assert torch.equal(prepared.window.source, moved.source)
    assert prepared.figures["harmonise"] == {"strength": 0.5} | moved.figures
    start = poisson_start(prepared, settings)
    assert torch.equal(start.x0, moved.source)
    assert torch.equal(prepare(window, settings).window.source, window.source)  # by no palettes


def test_what_continues_the_target_is_not_harmonised(one_scene):
    def asked():
        raise AssertionError("no palettes are needed")

    for match in (True, False):
        prepared = prepare(one_scene, PoissonSettings(match=match, harmonise=0.5), asked)
        assert "harmonise" not in prepared.figures
        assert prepared.match_confidence == (1 if match else 0)


def test_the_refine_stage_holds_the_blend_s_border_and_the_source_behind_it(disc, noise):
    blend, mask = 0.3 + 0.4 * noise(1, 3, 120, 120), disc(120, 120, 50)
    window = make_window(blend, blend, mask)
    source = blend + 0.2
    found = refine_reference(window, source)
    outside = ~window.support.expand_as(found)
    assert torch.equal(found[outside], blend[outside])
    assert torch.equal(refine_reference(window, None), blend)
    share = ((found - blend) / 0.2)[0].mean(0)[60, 10:60]  # from the edge to the middle
    assert share[0] < 0.1 and share[-1] > 0.85
    assert (share[1:] >= share[:-1] - 1e-5).all()


def test_the_refine_stage_holds_a_tight_object_from_its_contour_on(disc):
    window = tight(disc)
    blend = replace(window, source=torch.where(window.support, 0.2, window.target))
    blend = replace(blend, source_valid=torch.ones_like(blend.mask))
    source = torch.full_like(blend.source, 0.1)
    found = refine_reference(blend, source)
    assert (found - source).abs()[window.support.expand_as(found)].max() < 0.01


def test_what_matched_style_wants_is_asked_for_by_its_strength(window):
    settings = RefineSettings(weights=Weights(style=8.0, content=2.0))
    features = {"relu2_2": torch.zeros(1, 128, 16, 20)}
    problem = refine_start(window, settings, painted=Painted(features, 0.25)).problem
    assert problem.wanted is features
    assert problem.weights == replace(settings.weights, style=2.0)
    nothing = refine_start(window, settings, painted=Painted(None, 0.0)).problem
    assert nothing.wanted == {}
    assert nothing.weights == replace(settings.weights, style=0.0, content=0.0)
    assert refine_start(window, settings).problem.wanted is None

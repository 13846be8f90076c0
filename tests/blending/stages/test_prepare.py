"""What the Poisson stage does before it solves: bleed to weights, screen, match, guidance."""

import json
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from blending.image.filters import gaussian_blur
from blending.placement.window import Window
from blending.poisson.boundary_match import match_boundary
from blending.poisson.guidance import guidance_field, without_contours
from blending.poisson.solver import solve_poisson
from blending.settings import GRADIENTS, PoissonSettings, Weights
from blending.stages.prepare import fidelity_scale, prepare

LEVEL = 1 / 255
EXACT = PoissonSettings(method="exact")
NOT_HELD = ("gradient", "content", "style", "histogram", "tv")


def make_window(source, target, mask, known=None):
    known = torch.ones_like(mask) if known is None else known
    return Window(source, mask, known, target, (0, 0, *mask.shape[2:]))


@pytest.fixture
def window(photo, disc):
    return make_window(photo(32, 40), photo(32, 40, 250, 20), disc(32, 40, 11))


@pytest.fixture
def one_scene(noise, disc):
    """A source that is its target but for exposure, as of a repaired crop."""
    rough = gaussian_blur(noise(1, 3, 48, 48), 2.0, 6)
    target = 0.5 + 0.15 * (rough - rough.mean()) / rough.std()
    return make_window((target - 0.1) / 0.8, target, disc(48, 48, 15))


def test_the_hold_by_the_bleed():
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
    assert prepared.hold == 0
    weights = prepared.joint_weights(Weights())
    assert weights.style == weights.luminance == weights.chroma == 0
    assert torch.equal(prepared.guidance, guidance_of(prepared.window))


def guidance_of(window):
    return guidance_field(window.source, window.source_valid, window.target, window.support)


def test_a_half_trusted_match_bleeds_half_the_way_more(one_scene, noise):
    # Rough surroundings of its own make the two windows resemble each other less.
    other = gaussian_blur(noise(1, 3, 48, 48, seed=5), 2.0, 6)
    other = 0.15 * (other - other.mean()) / other.std()
    mixed = replace(one_scene, target=one_scene.target + other)
    trust = match_boundary(mixed).confidence
    assert 0.1 < trust < 0.9
    for bleed in (0.0, 0.5):
        prepared = prepare(mixed, PoissonSettings(bleed=bleed, match=True))
        assert prepared.figures["bleed"] == pytest.approx(bleed + trust * (1 - bleed))
        assert prepared.hold == pytest.approx(fidelity_scale(prepared.figures["bleed"]))
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
    assert prepared.hold == pytest.approx(1)

"""The refine stage with a style picture of its own: whose style is wanted, and what is refused."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from blending.stages.stages import refine_stage

from blending.deep.vgg16 import STYLE_LAYERS
from blending.settings import Compute, RefineSettings
from blending.stages import deep_solver

LEVEL = 1 / 255
REFINE = RefineSettings(max_evaluations=4, margin=16)


@pytest.fixture
def double(network):
    return network.double()


@pytest.fixture
def given(photo, disc):
    """An image, its target and its mask, 32 x 40, in float64."""
    image, target = photo(32, 40, 60, 200), photo(32, 40, 250, 20)
    mask = disc(32, 40, 10)
    return tuple(t.double() for t in (torch.where(mask > 0, image, target), target, mask))


@pytest.fixture
def asked(monkeypatch):
    """The Gram matrices that each problem wants."""
    seen = []
    joint_objective = deep_solver.joint_objective

    def watched(problems, network, **options):
        seen.extend(problem.style for problem in problems)
        return joint_objective(problems, network, **options)

    monkeypatch.setattr(deep_solver, "joint_objective", watched)
    return seen


def grams(network, picture):
    """By NumPy, of the picture continued by its edge to multiples of 8."""
    rows, columns = (-size % 8 for size in picture.shape[2:])
    padded = np.pad(picture.numpy(), ((0, 0), (0, 0), (0, rows), (0, columns)), mode="edge")
    found = {}
    for name, tap in network(torch.from_numpy(padded), STYLE_LAYERS).items():
        vectors = tap[0].flatten(1).numpy()
        found[name] = vectors @ vectors.T / vectors.size
    return found


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(24, 48), (21, 35), (5, 70), (64, 8)])
def test_the_styles_wanted_are_the_pictures_own(size, channels, given, double, asked, photo, noise):
    style = photo(*size, 100, 100).double()
    expected = grams(double, style)
    if channels == 4:  # an alpha does not count
        style = torch.cat((style, noise(1, 1, *size).double()), 1)
    refine_stage(*given, replace(REFINE, max_evaluations=1), double, style=style)
    (wanted,) = asked
    assert set(wanted) == set(STYLE_LAYERS)
    for name, gram in wanted.items():
        np.testing.assert_allclose(gram[0].numpy(), expected[name], rtol=1e-9, atol=1e-12)


def test_in_tiles_they_are_the_same(given, double, asked, photo, monkeypatch):
    from blending.stages import memory

    monkeypatch.setattr(memory, "TILES", (64,))
    style = photo(16, 260, 300, 40).double()
    once = replace(REFINE, max_evaluations=1)
    refine_stage(*given, once, double, style=style)
    monkeypatch.setattr(deep_solver, "picture_grams", watched := Watched(deep_solver.picture_grams))
    refine_stage(*given, once, double, compute=Compute(memory=1), style=style)
    assert watched.tiles == [64]
    for name, gram in asked[0].items():
        torch.testing.assert_close(asked[1][name], gram, rtol=1e-9, atol=1e-12)


class Watched:
    """A function of Gram matrices that remembers its tiles."""

    def __init__(self, call):
        self.call, self.tiles = call, []

    def __call__(self, network, image, tile):
        self.tiles.append(tile)
        return self.call(network, image, tile)


def test_many_styles_of_one_image_give_a_picture_each(given, double, photo):
    styles = torch.cat([photo(24, 24, 80 * n, 90 * n) for n in range(3)]).double()
    result = refine_stage(*given, REFINE, double, style=styles)
    assert result.image.shape == (3, 3, 32, 40)
    assert result.mask.shape[0] in (1, 3)
    for n in range(3):
        alone = refine_stage(*given, REFINE, double, style=styles[n : n + 1])
        assert (result.image[n] - alone.image[0]).abs().max() < 1e-6 * LEVEL
    outside = given[2][0, 0] == 0
    assert torch.equal(result.image[..., outside], given[0].expand(3, -1, -1, -1)[..., outside])
    pairs = ((0, 1), (0, 2), (1, 2))
    assert all((result.image[a] - result.image[b]).abs().max() > LEVEL for a, b in pairs)


def test_one_style_serves_many_images(given, double, photo):
    image, target, mask = given
    images = torch.cat((image, image.flip(3)))
    style = photo(24, 24, 80, 90).double()
    result = refine_stage(images, target, mask, REFINE, double, style=style)
    for n in range(2):
        alone = refine_stage(images[n : n + 1], target, mask, REFINE, double, style=style)
        assert (result.image[n] - alone.image[0]).abs().max() < 1e-6 * LEVEL


def test_the_target_as_style_pulls_the_same_way_and_another_picture_does_not(given, double, noise):
    _, target, mask = given
    inside = (mask > 0).expand_as(target)

    def change(style):
        result = refine_stage(*given, REFINE, double, style=style)
        return (result.image - given[0])[inside]

    own, as_style, other = change(None), change(target), change(noise(1, 3, 32, 40).double())
    # The target's own counts its visible part a quarter: not the same, but the same way.
    assert (own - as_style).norm() < 0.5 * own.norm()
    assert (other - as_style).norm() > (own - as_style).norm()
    assert (other - as_style).abs().mean() > LEVEL


def test_the_style_comes_nearer_to_the_picture_that_is_wanted(given, double, noise):
    style = noise(1, 3, 40, 40).double()
    wanted = grams(double, style)

    def distance(image):
        found = grams(double, image)
        return sum(((found[n] - g) ** 2).mean() / (g**2).mean() for n, g in wanted.items())

    plain, styled = (
        refine_stage(*given, REFINE, double, style=picture).image for picture in (None, style)
    )
    assert distance(styled) < distance(plain)


def test_a_style_that_is_not_wanted_with_no_strength_needs_no_network(given, photo):
    styles = photo(16, 16).double().repeat(2, 1, 1, 1)
    result = refine_stage(*given, RefineSettings(strength=0), style=styles)
    assert torch.equal(result.image, given[0].repeat(2, 1, 1, 1))


@pytest.mark.parametrize(
    ("style", "error", "words"),
    [
        (torch.zeros(1, 2, 8, 8), ValueError, "style must be (B, 3 or 4, H, W)"),
        (torch.zeros(3, 8, 8), ValueError, "style must be (B, 3 or 4, H, W)"),
        (torch.zeros(1, 3, 0, 8), ValueError, "style must be (B, 3 or 4, H, W)"),
        (torch.full((1, 3, 8, 8), 255.0), ValueError, "style must be in [0, 1]"),
        (torch.full((1, 3, 8, 8), torch.nan), ValueError, "style must be finite"),
        (torch.zeros(1, 3, 8, 8).byte(), TypeError, "style must be a float tensor"),
        ("dots.png", TypeError, "style must be a torch.Tensor, got str"),
        (torch.zeros(3, 3, 8, 8), ValueError, "image 2, target 1, mask 1, style 3"),
    ],
)
def test_a_style_that_cannot_be_read_is_named(style, error, words, given, network):
    image, target, mask = given
    with pytest.raises(error, match=re.escape(words)):
        refine_stage(image.repeat(2, 1, 1, 1), target, mask, REFINE, network, style=style)

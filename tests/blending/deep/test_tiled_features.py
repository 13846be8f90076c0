"""Features in tiles: the local ones' and the whole network's, values and slopes, in float64."""

import pytest
import torch
import torch.nn.functional as F

from blending.deep.cropped_features import cropped_features
from blending.deep.feature_statistics import CONTENT_LAYER, Content
from blending.deep.losses import gram_matrix
from blending.deep.tiled_features import tiled_features
from blending.deep.vgg16 import STYLE_LAYERS

HEIGHT, WIDTH = 24, 168  # multiples of 8, not of a tile's side; few pixels, wider than two halos
BOXES = {
    "inside": (slice(9, 14), slice(73, 90)),
    "in a corner": (slice(0, 5), slice(160, 168)),
    "across": (slice(0, 24), slice(31, 32)),
    "all": (slice(0, 24), slice(0, 168)),
}
CASES = [("inside", 40), ("in a corner", 40), ("across", 24), ("all", 64), ("all", 1024)]
EXACT = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture
def double(network):
    return network.double()


@pytest.fixture
def pictures(noise):
    """What surrounds the box in both, and what is in it in each of two pictures."""
    behind, *inside = (noise(1, 3, HEIGHT, WIDTH, seed=seed).double() for seed in (1, 2, 3))

    def make(box):
        made = behind.repeat(2, 1, 1, 1)
        for row, other in enumerate(inside):
            made[row][(..., *box)] = other[0][(..., *box)]
        return behind, made

    return make


def contents(noise, box):
    """Weights that differ by picture, 0 beyond a layer's box, and features to compare with."""
    height, width = HEIGHT // 2, WIDTH // 2
    weight = torch.zeros(2, 1, height, width, dtype=torch.float64)
    rows, columns = (slice(side.start // 2, -(-side.stop // 2)) for side in box)
    weight[..., rows, columns] = noise(2, 1, height, width, seed=4).double()[..., rows, columns]
    return Content(noise(2, 128, height, width, seed=5).double(), weight)


def whole(network, image, content):
    """Grams, content distance and taps by the whole network."""
    taps = network(image, STYLE_LAYERS)
    distance = (content.weight * (taps[CONTENT_LAYER] - content.wanted) ** 2).sum((1, 2, 3))
    return {name: gram_matrix(tap) for name, tap in taps.items()}, distance, taps


def total(grams, distance, taps):
    """A number that reads all of them, each picture's and each layer's by another weight."""
    rows = torch.tensor([1.0, 3.0], dtype=torch.float64)
    parts = [1e-3 * distance]
    parts += [n * (10 * gram).sin().sum((1, 2)) for n, gram in enumerate(grams.values(), 1)]
    parts += [n * tap.sin().mean((1, 2, 3)) for n, tap in enumerate(taps.values(), 2)]
    return (rows * torch.stack(parts).sum(0)).sum()


@pytest.mark.parametrize(
    ("name", "side", "keep_taps"), [(*case, True) for case in CASES] + [("inside", 64, False)]
)
def test_statistics_and_slopes_are_those_of_the_whole_and_of_the_local_network(
    name, side, keep_taps, double, pictures, noise
):
    box = BOXES[name]
    behind, image = pictures(box)
    content = contents(noise, box)
    tiled = tiled_features(double, behind, box, side, keep_taps).expand_batch(2)
    local = cropped_features(double, behind, box, STYLE_LAYERS, keep_taps)[0].expand_batch(2)

    def seen(features, x):
        part = content.part(*features.content_box)
        found = features.statistics(x, part, keep_taps)
        return found.grams, found.content, found.taps

    ways = {
        "whole": lambda x: whole(double, x, content)[: 3 if keep_taps else 2],
        "tiled": lambda x: seen(tiled, x),
        "local": lambda x: seen(local, x),
    }
    values, slopes = {}, {}
    for way, read in ways.items():
        leaf = image.clone().requires_grad_()
        grams, distance, *rest = read(leaf)
        taps = rest[0] if rest else {}
        assert set(taps) == (set(STYLE_LAYERS) if keep_taps else set())
        values[way] = [*grams.values(), distance, *taps.values()]
        slopes[way] = torch.autograd.grad(total(grams, distance, taps), leaf)[0][(..., *box)]
    assert slopes["whole"].abs().max() > 1e-6
    for way in ("tiled", "local"):
        torch.testing.assert_close(values[way], values["whole"], **EXACT)
        size = slopes["whole"].abs().max().item()
        torch.testing.assert_close(slopes[way], slopes["whole"], rtol=1e-9, atol=1e-9 * size)


@pytest.mark.parametrize(("name", "side"), CASES)
def test_the_survey_is_that_of_the_whole_network(name, side, double, pictures):
    box = BOXES[name]
    behind, image = pictures(box)
    tiled = tiled_features(double, behind, box, side).expand_batch(2)
    grams, content = tiled.gram_and_content(image)
    taps = double(image, STYLE_LAYERS)
    for layer, gram in grams.items():
        torch.testing.assert_close(gram, gram_matrix(taps[layer]), **EXACT)
    expected = taps[CONTENT_LAYER][(..., *tiled.content_box)]
    torch.testing.assert_close(content, expected, **EXACT)


def test_what_changes_is_within_what_is_run(double, pictures):
    # Beyond the tiled box both pictures have the same features, so that the rest may be kept.
    box = BOXES["inside"]
    behind, image = pictures(box)
    rows, columns = tiled_features(double, behind, box, 32).box
    before, after = (double(x, STYLE_LAYERS) for x in (behind, image))
    for name, scale in zip(STYLE_LAYERS, (1, 2, 4, 8), strict=True):
        differs = (before[name] != after[name]).any(0).any(0)
        inside = torch.zeros_like(differs)
        inside[rows.start // scale : rows.stop // scale] = True
        inside[:, : columns.start // scale] = inside[:, columns.stop // scale :] = False
        assert differs.any()
        assert not (differs & ~inside).any()


def test_only_one_tile_is_run_at_a_time(double, pictures, monkeypatch):
    box = BOXES["all"]
    behind, image = pictures(box)
    tiled = tiled_features(double, behind, box, 64)
    areas = []
    forward = type(double).forward

    def counted(network, seen, layers):
        areas.append(seen.shape[2] * seen.shape[3])
        return forward(network, seen, layers)

    monkeypatch.setattr(type(double), "forward", counted)
    leaf = image[:1].requires_grad_()
    content = Content(torch.zeros(1, 128, 12, 84).double(), torch.ones(1, 1, 12, 84).double())
    tiled.statistics(leaf, content, False).content.sum().backward()
    assert areas == 2 * [24 * 112, 24 * 152, 24 * 88]  # once to add up, once for the slopes


def test_pooling_at_the_edge_of_the_continued_picture_is_covered(double, noise):
    # A window beside the grid: what the caller continues by its edge changes with the edge.
    image = noise(1, 3, 21, 27, seed=6).double()
    grown = F.pad(image, (0, 5, 0, 3), mode="replicate")
    tiled = tiled_features(double, grown, (slice(8, 24), slice(16, 32)), 8)
    other = image.clone()
    other[..., 9:, 20:] = 1 - other[..., 9:, 20:]
    other = F.pad(other, (0, 5, 0, 3), mode="replicate")
    for name, gram in tiled.gram_and_content(other)[0].items():
        expected = gram_matrix(double(other, STYLE_LAYERS)[name])
        torch.testing.assert_close(gram, expected, **EXACT)

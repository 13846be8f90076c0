"""Tiles: where they lie, their sums and maps; features in tiles against the cropped and the whole.

All in float64.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from blending.deep.cropped_features import cropped_features
from blending.deep.feature_statistics import (
    CONTENT_LAYER,
    ContextRequest,
    FeatureReference,
    FeatureReferences,
)
from blending.deep.losses import gram_matrix
from blending.deep.tiled_features import (
    Tile,
    tiled_context,
    tiled_features,
    tiled_maps,
    tiled_sums,
    tiles,
    with_halo,
)
from blending.network.vgg16 import STYLE_LAYERS, Features
from blending.placement.box import Box, crop
from tests.narrow import WIDTHS

STRIDES = dict(zip(STYLE_LAYERS, (1, 2, 4, 8), strict=True))
SHAPE = (88, 120)
PARTS = {
    "all": Box(0, 0, 88, 120),
    "inside": Box(16, 24, 40, 56),
    "in a corner": Box(64, 96, 24, 24),
}
HEIGHT, WIDTH = 24, 168  # multiples of 8, not of a tile's side; few pixels, wider than two halos
BOXES = {
    "inside": Box(9, 73, 5, 17),
    "in a corner": Box(0, 160, 5, 8),
    "across": Box(0, 31, 24, 1),
    "all": Box(0, 0, 24, 168),
}
CASES = [("inside", 40), ("in a corner", 40), ("across", 24), ("all", 64), ("all", 1024)]
EXACT = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture
def double(network):
    return network.double()


@pytest.fixture
def forwards(monkeypatch):
    """The sizes, (H, W), of what the network is run on."""
    sizes, forward = [], Features.forward

    def counted(network, seen, layers):
        sizes.append(tuple(seen.shape[2:]))
        return forward(network, seen, layers)

    monkeypatch.setattr(Features, "forward", counted)
    return sizes


@pytest.fixture(scope="module")
def picture(noise):
    return noise(1, 3, *SHAPE, seed=1).double()


@pytest.mark.parametrize("box", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("side", [8, 24, 64, 256])
def test_tiles_cover_the_box_once_and_see_the_halo_inside_the_picture(box, side):
    covered = np.zeros(SHAPE, int)
    for tile in tiles(box, SHAPE, side):
        covered[tile.own.slices] += 1
        pairs = zip(tile.own.slices, tile.seen.slices, SHAPE, strict=True)
        for own, seen, size in pairs:
            assert 0 < own.stop - own.start <= side
            assert seen.start == max(own.start - 48, 0)
            assert seen.stop == min(own.stop + 48, size)
            assert not any(n % 8 for n in (own.start, own.stop, seen.start, seen.stop))
    expected = np.zeros(SHAPE, int)
    expected[box.slices] = 1
    assert np.array_equal(covered, expected)


@pytest.mark.parametrize("box", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("is_counted", [False, True])
def test_sums_of_outer_products_are_those_of_the_whole_map(
    box, side, is_counted, double, picture, noise
):
    counted = {
        name: (noise(1, 1, SHAPE[0] // s, SHAPE[1] // s, seed=s) > 0.5).double()
        for name, s in STRIDES.items()
    }
    (found,) = tiled_sums(double, picture, box, side, [counted if is_counted else None])
    for name, activation in double(picture, STYLE_LAYERS).items():
        s = STRIDES[name]
        part = tuple(slice(edge.start // s, edge.stop // s) for edge in box.slices)
        vectors = activation[0][(..., *part)].flatten(1).numpy()
        taken = counted[name][0, 0][part].flatten().numpy() if is_counted else 1
        expected = (vectors * taken) @ vectors.T
        np.testing.assert_allclose(found[name][0].numpy(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("side", [40, 64])
def test_maps_are_those_of_the_whole_picture(side, double, picture):
    found = tiled_maps(double, picture, side)
    for name, expected in double(picture, STYLE_LAYERS).items():
        torch.testing.assert_close(found[name], expected, **EXACT)


def test_several_sets_of_sums_take_one_pass_and_each_counts_its_own_pixels(
    double, picture, forwards
):
    box = PARTS["inside"]
    every = {
        name: torch.ones(1, 1, SHAPE[0] // s, SHAPE[1] // s).double() for name, s in STRIDES.items()
    }
    nothing = {name: torch.zeros_like(where) for name, where in every.items()}
    found = tiled_sums(double, picture, box, 32, [None, every, nothing])
    assert len(forwards) == 4  # 40 x 56 in tiles of 32: two by two, seen once
    for name in STYLE_LAYERS:
        torch.testing.assert_close(found[1][name], found[0][name], **EXACT)
        assert found[0][name].abs().max() > 0
        assert (found[2][name] == 0).all()


def test_a_tile_lies_on_each_layers_map_by_the_side_of_its_pixels():
    tile = Tile(Box(16, 24, 8, 16), Box(0, 8, 56, 64))
    assert tile.place("relu1_2", Box(0, 8, 56, 64)) == Box(16, 16, 8, 16)
    assert tile.place("relu2_2", Box(8, 0, 80, 80)) == Box(4, 12, 4, 8)
    assert tile.place("relu4_3", Box(0, 0, 80, 80)) == Box(2, 3, 1, 2)
    seen = torch.arange(28 * 32.0).view(1, 1, 28, 32)  # relu2_2 of what the tile sees
    assert torch.equal(tile.owned(seen, "relu2_2"), seen[..., 8:12, 8:16])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(64, 96, 8, 16), Box(16, 48, 104, 112)),
        (Box(0, 40, 8, 8), Box(0, 0, 56, 96)),  # cut off above and on the left
        (Box(160, 240, 40, 60), Box(112, 192, 88, 108)),  # below and on the right
    ],
)
def test_the_halo_is_48_pixels_inside_the_picture(box, expected):
    assert with_halo(box, (1, 3, 200, 300)) == expected


@pytest.fixture
def pictures(noise):
    """What surrounds the box in both, and what is in it in each of two pictures."""
    behind, *inside = (noise(1, 3, HEIGHT, WIDTH, seed=seed).double() for seed in (1, 2, 3))

    def make(box):
        made = behind.repeat(2, 1, 1, 1)
        for row, other in enumerate(inside):
            crop(made[row], box).copy_(crop(other[0], box))
        return behind, made

    return make


def contents(noise, box):
    """Weights that differ by picture, 0 beyond a layer's box, and features to compare with."""
    height, width = HEIGHT // 2, WIDTH // 2
    weight = torch.zeros(2, 1, height, width, dtype=torch.float64)
    part = box.aligned(2).pooled(2)
    crop(weight, part).copy_(crop(noise(2, 1, height, width, seed=4).double(), part))
    return FeatureReference(noise(2, WIDTHS[CONTENT_LAYER], height, width, seed=5).double(), weight)


def whole(network, image, content):
    """Grams, content distance and activations by the whole network."""
    activations = network(image, STYLE_LAYERS)
    squares = content.weight * (activations[CONTENT_LAYER] - content.features) ** 2
    grams = {name: gram_matrix(activation) for name, activation in activations.items()}
    return grams, squares.sum((1, 2, 3)), activations


def total(grams, distance, activations):
    """A number that reads all of them, each picture's and each layer's by another weight."""
    rows = torch.tensor([1.0, 3.0], dtype=torch.float64)
    parts = [1e-3 * distance]
    parts += [n * (10 * gram).sin().sum((1, 2)) for n, gram in enumerate(grams.values(), 1)]
    parts += [n * a.sin().mean((1, 2, 3)) for n, a in enumerate(activations.values(), 2)]
    return (rows * torch.stack(parts).sum(0)).sum()


@pytest.mark.parametrize(
    ("name", "side", "keep_maps"), [(*case, True) for case in CASES] + [("inside", 64, False)]
)
def test_statistics_and_slopes_are_those_of_the_whole_and_of_the_cropped_network(
    name, side, keep_maps, double, pictures, noise
):
    box = BOXES[name]
    behind, image = pictures(box)
    content = contents(noise, box)
    tiled = tiled_features(double, behind, box, side, keep_maps).expand_batch(2)
    cropped = cropped_features(double, behind, box, STYLE_LAYERS, keep_maps)[0].expand_batch(2)

    def seen(features, x):
        part = content.part(features.map_box(CONTENT_LAYER))
        found = features.statistics(x, FeatureReferences(part), keep_maps)
        assert found.wanted is None
        return found.grams, found.content, found.activations

    ways = {
        "whole": lambda x: whole(double, x, content)[: 3 if keep_maps else 2],
        "tiled": lambda x: seen(tiled, x),
        "cropped": lambda x: seen(cropped, x),
    }
    values, slopes = {}, {}
    for way, read in ways.items():
        leaf = image.clone().requires_grad_()
        grams, distance, *rest = read(leaf)
        activations = rest[0] if rest else {}
        assert set(activations) == (set(STYLE_LAYERS) if keep_maps else set())
        values[way] = [*grams.values(), distance, *activations.values()]
        slopes[way] = crop(torch.autograd.grad(total(grams, distance, activations), leaf)[0], box)
    assert slopes["whole"].abs().max() > 1e-6
    for way in ("tiled", "cropped"):
        torch.testing.assert_close(values[way], values["whole"], **EXACT)
        size = slopes["whole"].abs().max().item()
        torch.testing.assert_close(slopes[way], slopes["whole"], rtol=1e-9, atol=1e-9 * size)


@pytest.mark.parametrize(("name", "side"), CASES)
def test_the_distance_to_wanted_features_is_that_of_the_whole_network(
    name, side, double, pictures, noise
):
    box = BOXES[name]
    behind, image = pictures(box)
    layers = ("relu2_2", "relu3_3", "relu4_3")
    maps = {layer: x for layer, x in double(image, STYLE_LAYERS).items() if layer in layers}
    wanted = {
        layer: FeatureReference(
            noise(*x.shape, seed=8).double(), noise(2, 1, *x.shape[2:], seed=9).double()
        )
        for layer, x in maps.items()
    }
    tiled = tiled_features(double, behind, box, side).expand_batch(2)
    cropped = cropped_features(double, behind, box, STYLE_LAYERS)[0].expand_batch(2)
    for features in (tiled, cropped):
        weights = {layer: torch.zeros_like(one.weight) for layer, one in wanted.items()}
        for layer, weight in weights.items():  # beyond what changes nothing is compared
            crop(weight, features.map_box(layer)).fill_(1.0)
            weight *= wanted[layer].weight
        expected = sum(
            (weights[layer] * (maps[layer] - wanted[layer].features) ** 2).sum((1, 2, 3))
            for layer in layers
        )
        leaf = image.clone().requires_grad_()
        parts = {layer: one.part(features.map_box(layer)) for layer, one in wanted.items()}
        content = contents(noise, box).part(features.map_box(CONTENT_LAYER))
        found = features.statistics(leaf, FeatureReferences(content, parts, False), False)
        assert found.grams == {}
        torch.testing.assert_close(found.wanted, expected)
        assert torch.autograd.grad(found.wanted.sum(), leaf)[0].abs().max() > 1e-6
        for layer, x in features.maps(image, layers).items():
            torch.testing.assert_close(x, crop(maps[layer], features.map_box(layer)))


@pytest.mark.parametrize(("name", "side"), CASES)
def test_grams_and_content_are_those_of_the_whole_network(name, side, double, pictures):
    box = BOXES[name]
    behind, image = pictures(box)
    tiled = tiled_features(double, behind, box, side).expand_batch(2)
    grams, content = tiled.gram_and_content(image)
    activations = double(image, STYLE_LAYERS)
    for layer, gram in grams.items():
        torch.testing.assert_close(gram, gram_matrix(activations[layer]), **EXACT)
    expected = crop(activations[CONTENT_LAYER], tiled.map_box(CONTENT_LAYER))
    torch.testing.assert_close(content, expected, **EXACT)


def test_what_changes_is_within_what_is_run(double, pictures):
    # Beyond the tiled box both pictures have the same features, so that their sums may be kept.
    box = BOXES["inside"]
    behind, image = pictures(box)
    rows, columns = tiled_features(double, behind, box, 32).box.slices
    before, after = (double(x, STYLE_LAYERS) for x in (behind, image))
    for name, scale in zip(STYLE_LAYERS, (1, 2, 4, 8), strict=True):
        differs = (before[name] != after[name]).any(0).any(0)
        inside = torch.zeros_like(differs)
        inside[rows.start // scale : rows.stop // scale] = True
        inside[:, : columns.start // scale] = inside[:, columns.stop // scale :] = False
        assert differs.any()
        assert not (differs & ~inside).any()


def test_only_one_tile_is_run_at_a_time(double, pictures, forwards):
    box = BOXES["all"]
    behind, image = pictures(box)
    tiled = tiled_features(double, behind, box, 64)
    forwards.clear()
    leaf = image[:1].requires_grad_()
    zero, one = torch.zeros(1, WIDTHS[CONTENT_LAYER], 12, 84), torch.ones(1, 1, 12, 84)
    tiled.statistics(
        leaf, FeatureReferences(FeatureReference(zero.double(), one.double())), False
    ).content.sum().backward()
    # once to add up, once for the slopes
    assert forwards == 2 * [(24, 112), (24, 152), (24, 88)]


def test_pooling_at_the_edge_of_the_continued_picture_is_covered(double, noise):
    # A window beside the grid: what the caller continues by its edge changes with the edge.
    image = noise(1, 3, 21, 27, seed=6).double()
    grown = F.pad(image, (0, 5, 0, 3), mode="replicate")
    tiled = tiled_features(double, grown, Box(8, 16, 16, 16), 8)
    other = image.clone()
    other[..., 9:, 20:] = 1 - other[..., 9:, 20:]
    other = F.pad(other, (0, 5, 0, 3), mode="replicate")
    for name, gram in tiled.gram_and_content(other)[0].items():
        expected = gram_matrix(double(other, STYLE_LAYERS)[name])
        torch.testing.assert_close(gram, expected, **EXACT)


@pytest.mark.parametrize("keep_maps", [False, True])
def test_a_request_is_answered_by_the_targets_sums_and_the_bases_surroundings(
    keep_maps, double, pictures, noise
):
    box = BOXES["inside"]
    base, image = pictures(box)
    target = noise(1, 3, HEIGHT, WIDTH, seed=7).double()
    visible = {
        name: (noise(1, 1, HEIGHT // s, WIDTH // s, seed=s) > 0.5).double()
        for name, s in STRIDES.items()
    }
    request = ContextRequest(base, target, box, visible, keep_maps, STYLE_LAYERS)
    features, found = tiled_context(double, request, 32)
    for name, activation in double(target, STYLE_LAYERS).items():
        vectors = activation[0].flatten(1).numpy()
        seen = visible[name].flatten().numpy()
        for sums, part in ((found.whole, vectors), (found.visible, vectors[:, seen > 0])):
            np.testing.assert_allclose(sums[name][0], part @ part.T, rtol=1e-9, atol=1e-9)
        if keep_maps:
            torch.testing.assert_close(found.maps[name], activation, **EXACT)
    grams, _ = features.gram_and_content(image[:1])
    for name, activation in double(image[:1], STYLE_LAYERS).items():
        torch.testing.assert_close(grams[name], gram_matrix(activation), **EXACT)
    stored = set(STYLE_LAYERS) if keep_maps else set()
    assert set(found.maps) == set(features.fixed_maps) == stored

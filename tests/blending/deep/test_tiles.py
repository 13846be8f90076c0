"""Tiles: where they lie, that their halo is enough and no more than the grid asks, their sums."""

import numpy as np
import pytest
import torch

from blending.deep.tiled_features import GRID, HALO, outward, tiled_maps, tiled_sums, tiles
from blending.deep.vgg16 import STYLE_LAYERS

STRIDES = dict(zip(STYLE_LAYERS, (1, 2, 4, 8), strict=True))
# Of one pixel of the deepest tap: the 3 x 3 convolutions of each block, by the side of its pixels.
RADIUS = 2 * 1 + 2 * 2 + 3 * 4 + 3 * 8
SHAPE = (88, 120)
BOXES = {
    "all": (slice(0, 88), slice(0, 120)),
    "inside": (slice(16, 56), slice(24, 80)),
    "in a corner": (slice(64, 88), slice(96, 120)),
}


@pytest.fixture
def double(network):
    return network.double()


@pytest.fixture(scope="module")
def picture(noise):
    return noise(1, 3, *SHAPE, seed=1).double()


def test_a_features_reach_is_42_pixels_and_the_halo_the_next_multiple_of_8():
    assert RADIUS == 42
    assert HALO == -(-RADIUS // GRID) * GRID == 48


def widest(network):
    """The same network with all weights positive: nothing cancels, no activation is cut."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.abs())
    return network


@pytest.mark.parametrize("axis", [2, 3])
def test_a_pixel_just_within_reach_changes_a_feature_and_one_further_does_not(axis, network):
    # One feature's own 8 pixels and 42 on either side: by a slope, to which every path adds.
    size = [8, 8]
    size[axis - 2] = 152
    image = torch.full((1, 3, *size), 0.9).double().requires_grad_()
    tap = widest(network.double())(image, ("relu4_3",))["relu4_3"]
    middle = tap.shape[axis] // 2
    slope = torch.autograd.grad(tap.select(axis, middle).sum(), image)[0]
    seen = slope.abs().sum([d for d in range(4) if d != axis]).nonzero().flatten()
    # Pooling hands a slope to one pixel of two, so the outermost may get none: 7 at the most.
    first, last = 8 * middle - 42, 8 * middle + 7 + 42
    assert first <= seen.min() <= first + 7
    assert last - 7 <= seen.max() <= last


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_change_beyond_the_halo_changes_nothing_and_one_within_reach_does(side, double, noise):
    image = noise(1, 3, 8, 200, seed=3).double()
    own = slice(96, 104)
    start = {"before": own.start - 1, "after": own.stop}[side]
    away = -1 if side == "before" else 1
    here = double(image, STYLE_LAYERS)["relu4_3"][..., 12]

    def changed(distance):
        other = image.clone()
        column = start + away * (distance - 1)
        beyond = slice(0, column + 1) if side == "before" else slice(column, None)
        other[..., beyond] = 1 - other[..., beyond]
        return double(other, STYLE_LAYERS)["relu4_3"][..., 12]

    assert torch.equal(changed(RADIUS + 1), here)
    # Of 512 channels and 4 rows of pooling, one at least takes the outermost pixel.
    assert not torch.equal(changed(RADIUS), here)


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("side", [8, 24, 64, 256])
def test_tiles_cover_the_box_once_and_see_the_halo_inside_the_picture(box, side):
    covered = np.zeros(SHAPE, int)
    for tile in tiles(box, SHAPE, side):
        covered[tile.own] += 1
        for own, seen, size in zip(tile.own, tile.seen, SHAPE, strict=True):
            assert own.stop - own.start <= side
            assert seen.start == max(own.start - 48, 0)
            assert seen.stop == min(own.stop + 48, size)
            assert not any(n % 8 for n in (own.start, own.stop, seen.start, seen.stop))
    expected = np.zeros(SHAPE, int)
    expected[box] = 1
    assert np.array_equal(covered, expected)


def test_outward_is_the_smallest_box_on_the_grid():
    assert outward((slice(7, 9), slice(8, 16))) == (slice(0, 16), slice(8, 16))
    assert outward((slice(0, 1), slice(23, 88))) == (slice(0, 8), slice(16, 88))


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
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
    for name, tap in double(picture, STYLE_LAYERS).items():
        s = STRIDES[name]
        part = tuple(slice(edge.start // s, edge.stop // s) for edge in box)
        vectors = tap[0][(..., *part)].flatten(1).numpy()
        taken = counted[name][0, 0][part].flatten().numpy() if is_counted else 1
        expected = (vectors * taken) @ vectors.T
        np.testing.assert_allclose(found[name][0].numpy(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("side", [40, 64])
def test_maps_are_those_of_the_whole_picture(side, double, picture):
    found = tiled_maps(double, picture, side)
    for name, wanted in double(picture, STYLE_LAYERS).items():
        torch.testing.assert_close(found[name], wanted, rtol=1e-9, atol=1e-9)

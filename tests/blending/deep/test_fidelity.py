"""Where colours are held: the way from the mask's edge, measured through the source."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from blending.deep.fidelity import (
    CONTOUR,
    EDGE,
    HUE,
    NOISE,
    TEXTURE,
    FidelityWeights,
    edge_emphasis,
    edge_ramp,
    raised,
)
from blending.placement.box import Box
from blending.placement.window import Window


def make_window(source, mask, valid=None):
    """A window whose target does not matter."""
    valid = torch.ones_like(mask) if valid is None else valid
    return Window(source, mask, valid, torch.zeros_like(source), Box(0, 0, *mask.shape[2:]))


def strip(columns=60, first=10, height=3):
    """A mask from column `first` to the frame's right edge, (1, 1, H, W), float64."""
    mask = torch.zeros(1, 1, height, columns, dtype=torch.float64)
    mask[..., first:] = 1
    return mask


def grey(mask, level=0.5):
    return torch.full((1, 3, *mask.shape[2:]), level, dtype=mask.dtype)


def held(way, rim):
    """The hold at a way in pixels, of which the first half lies outside the first pixel."""
    return math.erf((way - 0.5) / (rim * math.sqrt(2)))


def shortest_ways(window, reach):
    """By Dijkstra's algorithm on the graph of pixels, from a point that all outside are."""
    height, width = window.mask.shape[2:]
    number = np.arange(height * width).reshape(height, width)
    valid, source = window.source_valid[0, 0].numpy(), window.source[0].numpy()
    starts, ends, costs = [], [], []
    for axis in (0, 1):
        first, second = (np.delete(number, end, axis) for end in (-1, 0))
        step = np.abs(np.diff(source, axis=axis + 1)).max(0)
        both = np.delete(valid, -1, axis) * np.delete(valid, 0, axis)
        cost = 1 + CONTOUR * both * np.maximum(step - NOISE, 0)
        starts += [first, second]
        ends += [second, first]
        costs += [cost, cost]
    flat = [np.concatenate([part.ravel() for part in parts]) for parts in (costs, starts, ends)]
    graph = coo_matrix((flat[0], (flat[1], flat[2])), shape=(number.size,) * 2).tocsr()
    outside = number[window.mask[0, 0].numpy() == 0]
    # From the nearest outside pixel; ways through outside pixels are shorter from these.
    ways = dijkstra(graph, indices=outside).min(0) if outside.size else np.full(number.size, np.inf)
    return np.minimum(ways, reach).reshape(height, width)


def test_without_a_rim_the_hold_is_the_mask(noise, disc):
    mask = disc(20, 30, 7)
    hold = edge_ramp(make_window(noise(1, 3, 20, 30), 0.75 * mask), 0)
    assert torch.equal(hold.luminance, mask)  # however soft the mask is
    assert torch.equal(hold.chroma, mask)


@pytest.mark.parametrize("rim", [1, 4, 16])
def test_on_a_flat_source_the_hold_rises_as_the_error_function_from_half_a_pixel(rim):
    mask = strip()
    hold = edge_ramp(make_window(grey(mask), mask), rim)
    expected = [0.0] * 10 + [held(min(way, 3 * rim), rim) for way in range(1, 51)]
    for found in (hold.luminance, hold.chroma):  # a grey source has no hue
        for row in range(3):
            assert found[0, 0, row].tolist() == pytest.approx(expected, abs=1e-12)


def test_the_hold_is_two_thirds_at_the_rim_and_nearly_whole_at_its_triple():
    mask = strip(130)
    found = edge_ramp(make_window(grey(mask), mask), 32).luminance[0, 0, 0]
    assert found[10 + 32] == pytest.approx(0.683, abs=0.01)  # a normal deviation of one
    assert found[-1] == pytest.approx(0.997, abs=1e-3)


def test_a_contour_inside_counts_as_many_pixels():
    mask, rim = strip(), 32
    source = grey(mask)
    source[..., 20:] = 0.9  # from 0.5: after 10 pixels of the mask
    found = edge_ramp(make_window(source, mask), rim).luminance[0, 0, 1]
    before, behind = 10, 11 + CONTOUR * (0.4 - NOISE)
    assert found[19] == pytest.approx(held(before, rim))
    assert found[20] == pytest.approx(held(behind, rim))
    assert found[59] == pytest.approx(held(behind + 39, rim))


def test_a_contour_on_the_masks_edge_holds_from_the_first_pixel_on():
    mask, rim = strip(), 32
    source = grey(mask, 1.0)
    source[..., 10:] = 0.0  # cut out tightly
    found = edge_ramp(make_window(source, mask), rim).luminance[0, 0, 1]
    assert found[10] == pytest.approx(held(1 + CONTOUR * (1 - NOISE), rim))
    assert found[10] > 0.6
    assert held(1, rim) < 0.02  # what it is without one


def test_differences_within_the_noise_cost_nothing(noise):
    mask = strip()
    source = grey(mask) + 0.99 * NOISE * (noise(1, 3, 3, 60).double() - 0.5)
    rough, flat = (edge_ramp(make_window(x, mask), 8).luminance for x in (source, grey(mask)))
    torch.testing.assert_close(rough, flat, rtol=0, atol=1e-12)


def test_the_channel_with_the_largest_step_counts():
    mask, rim = strip(), 32
    source = grey(mask)
    source[:, 1, :, 20:] = 0.7
    source[:, 2, :, 20:] = 0.4
    found = edge_ramp(make_window(source, mask), rim).luminance[0, 0, 1]
    assert found[20] == pytest.approx(held(11 + CONTOUR * (0.2 - NOISE), rim))


def test_pixels_that_the_source_does_not_know_cost_nothing(noise):
    mask, rim = strip(), 8
    valid = mask.clone()  # the source ends with the mask
    valid[..., 30:40] = 0  # and has a gap
    rough = torch.where(valid > 0, grey(mask), noise(1, 3, 3, 60).double())
    found = edge_ramp(make_window(rough, mask, valid), rim).luminance
    expected = edge_ramp(make_window(grey(mask), mask), rim).luminance
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_the_frame_is_no_edge_of_the_mask():
    full = torch.ones(1, 1, 9, 13, dtype=torch.float64)
    found = edge_ramp(make_window(grey(full), full), 4).luminance
    assert found.min() == pytest.approx(held(12, 4))
    half = strip(20, 10, 5)
    found = edge_ramp(make_window(grey(half), half), 8).luminance
    assert (found.diff(dim=3)[..., 9:] > 0).all()  # on to the right edge
    assert torch.equal(found, found[:, :, :1].expand_as(found))  # the same in each row


@pytest.mark.parametrize("seed", range(4))
def test_the_way_is_the_shortest_through_the_source(seed, noise, disc):
    shape = (17, 23)
    # Steps of up to 0.15 with some ten times as high: ways round contours as well as through them.
    source = 0.15 * noise(1, 3, *shape, seed=seed) + (noise(1, 1, *shape, seed=seed + 9) > 0.8)
    mask = disc(*shape, 8) * (noise(1, 1, *shape, seed=seed + 20) > 0.02)
    if seed == 3:
        mask[..., :6, :] = 1  # at the frame's edge
    valid = (noise(1, 1, *shape, seed=seed + 30) > 0.1).double()
    window = make_window(source.double() / 2, mask.double(), valid)
    rim = 5
    ways = shortest_ways(window, 3 * rim)
    inside = mask[0, 0].numpy() > 0
    assert (ways[inside] < 3 * rim).mean() > 0.1
    expected = np.vectorize(held)(np.maximum(ways, 0.5), rim) * inside
    found = edge_ramp(window, rim).luminance[0, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_chroma_is_held_at_the_edge_where_the_source_has_a_hue():
    mask = strip()
    source = grey(mask)
    # Red up and green down by a: chroma √2·a, here that at which half is held.
    source[:, 0] += HUE / math.sqrt(2)
    source[:, 1] -= HUE / math.sqrt(2)
    hold = edge_ramp(make_window(source, mask), 16)
    ways = [*range(1, 48), 48, 48, 48]
    expected = [0.0] * 10 + [max(held(way, 16), 0.5) for way in ways]
    assert hold.chroma[0, 0, 0].tolist() == pytest.approx(expected, abs=1e-9)
    vivid = torch.zeros_like(source)
    vivid[:, 0] = 1
    chroma = edge_ramp(make_window(vivid, mask), 16).chroma[0, 0, 0, 10]
    assert chroma == pytest.approx((2 / 3) / (2 / 3 + HUE**2))  # 1 less the mean's 1/3


def test_chroma_is_held_at_least_as_hard_as_luminance(photo, disc):
    hold = edge_ramp(make_window(photo(40, 40), disc(40, 40, 15)), 8)
    assert (hold.chroma >= hold.luminance).all()
    assert (hold.chroma > hold.luminance).any()
    for found in (hold.luminance, hold.chroma):
        assert 0 <= found.min() <= found.max() <= 1
        assert (found[disc(40, 40, 15) == 0] == 0).all()


def test_a_soft_mask_is_held_as_a_hard_one(photo, disc, noise):
    window = make_window(photo(24, 24), disc(24, 24, 9))
    soft = replace(window, mask=window.mask * (0.5 + 0.5 * noise(1, 1, 24, 24)))
    for hold in (lambda window: edge_ramp(window, 4), edge_emphasis):
        assert torch.equal(hold(soft).luminance, hold(window).luminance)
        assert torch.equal(hold(soft).chroma, hold(window).chroma)


def test_the_edge_is_held_ten_times_as_hard():
    mask = strip()
    hold = edge_emphasis(make_window(grey(mask), mask))
    expected = [0.0] * 10 + [10.0] * EDGE + [1.0] * (50 - EDGE)
    assert EDGE >= 1
    for found in (hold.luminance, hold.chroma):
        for row in range(3):  # the frame is no edge
            assert found[0, 0, row].tolist() == expected


def test_refining_leaves_fine_lightness_free_and_blending_does_not(noise, disc):
    window = make_window(noise(1, 3, 16, 16), disc(16, 16, 5))
    assert edge_emphasis(window).texture == TEXTURE > 0
    assert edge_ramp(window, 4).texture == edge_ramp(window, 0).texture == 0


def test_a_mask_without_an_edge_is_held_evenly(noise):
    full = torch.ones(1, 1, 9, 13)
    assert torch.equal(edge_emphasis(make_window(noise(1, 3, 9, 13), full)).luminance, full)


def test_the_edge_is_held_along_all_of_it(noise, disc):
    mask = disc(31, 31, 11)
    found = edge_emphasis(make_window(noise(1, 3, 31, 31), mask)).luminance[0, 0]
    inside = mask[0, 0] > 0
    for row, column in inside.nonzero().tolist():
        around = inside[
            row - EDGE : row + EDGE + 1,
            column - EDGE : column + EDGE + 1,
        ]
        assert found[row, column] == (1 if around.all() else 10)
    assert (found[~inside] == 0).all()


def test_raised_weights_are_nowhere_below_the_least():
    luminance, chroma = torch.tensor([[[[0.0, 0.5, 2.0]]]]), torch.tensor([[[[1.0, 0.0, 0.25]]]])
    found = raised(FidelityWeights(luminance, chroma, 3.0), torch.tensor([[[[0.5, 0.25, 1.0]]]]))
    assert found.luminance.tolist() == [[[[0.5, 0.5, 2.0]]]]
    assert found.chroma.tolist() == [[[[1.0, 0.25, 1.0]]]]
    assert found.texture == 3

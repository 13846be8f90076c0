"""What stays around the objects: seen once where it is the same, apart where it is not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from blending.deep.context import (
    fixed_context,
    pad_to_stride,
    picture_grams,
    pooled_share,
    serves,
)
from blending.deep.feature_statistics import CONTENT_LAYER
from blending.deep.losses import gram_matrix
from blending.network.vgg16 import STYLE_LAYERS, Features
from blending.placement.box import Box, crop
from blending.placement.window import Window, composite

HEIGHT, WIDTH = 24, 32
EXACT = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture
def double(network):
    return network.double()


@pytest.fixture
def passes(monkeypatch):
    """The sizes (N, H, W) of the network's passes; the cropped one runs layers."""
    sizes = []
    normalised = Features.normalised

    def counted(network, image):
        sizes.append((image.shape[0], *image.shape[2:]))
        return normalised(network, image)

    monkeypatch.setattr(Features, "normalised", counted)
    return sizes


@pytest.fixture
def make(noise):
    """make(seeds, targets, columns): windows and their pastes, masks beginning at the columns."""

    def windows_of(sources, targets, columns):
        windows = []
        for source, target, column in zip(sources, targets, columns, strict=True):
            mask = torch.zeros(1, 1, HEIGHT, WIDTH).double()
            mask[..., 5:14, column : column + 9] = 1
            pictures = (noise(1, 3, HEIGHT, WIDTH, seed=n).double() for n in (source, target))
            first, second = pictures
            box = Box(0, 0, HEIGHT, WIDTH)
            windows.append(Window(first, mask, torch.ones_like(mask), second, box))
        return windows, torch.cat([composite(w.target, w.source, w.mask) for w in windows])

    return windows_of


@pytest.mark.parametrize("rows", [1, 3])
def test_windows_of_one_target_and_mask_take_one_pass_of_one_picture(rows, make, double, passes):
    windows, reference = make(range(1, rows + 1), [10] * rows, [10] * rows)
    made = fixed_context(windows, reference, double, False, None)
    assert passes == [(1, HEIGHT, WIDTH)]
    assert made.base.shape[0] == made.target.shape[0] == made.support.shape[0] == 1


def test_a_window_that_is_not_surrounded_by_its_target_takes_a_pass_of_each(make, double, passes):
    windows, _ = make([1], [10], [10])
    made = fixed_context(windows, 1 - windows[0].target, double, False, None)
    assert passes == [(1, HEIGHT, WIDTH)] * 2
    assert torch.equal(made.base, 1 - windows[0].target)
    assert torch.equal(made.target, windows[0].target)


@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_context_serves_windows_of_the_same_surroundings_whatever_the_sources(
    rows, tile, make, double, passes
):
    context = fixed_context(*make([1], [10], [10]), double, False, tile)
    passes.clear()
    sources = range(2, 2 + rows)
    assert serves(context, *make(sources, [10] * rows, [10] * rows), False, tile)
    assert passes == []


@pytest.mark.parametrize(
    ("target", "column", "keep_maps", "tile"),
    [(11, 10, False, None), (10, 11, False, None), (10, 10, True, None), (10, 10, False, 64)],
    ids=["target", "mask", "histogram", "tile"],
)
def test_a_context_of_anything_else_does_not_serve(target, column, keep_maps, tile, make, double):
    context = fixed_context(*make([1], [10], [10]), double, False, None)
    assert not serves(context, *make([1], [target], [column]), keep_maps, tile)


def test_a_context_with_maps_or_tiles_serves_as_such_only(make, double):
    given = make([1], [10], [10])
    with_maps = fixed_context(*given, double, True, None)
    tiled = fixed_context(*given, double, False, 64)
    assert serves(with_maps, *given, True, None)
    assert not serves(with_maps, *given, False, None)
    assert serves(tiled, *given, False, 64)
    assert not serves(tiled, *given, False, 32)
    assert not serves(tiled, *given, False, None)


@pytest.mark.parametrize("rows", [(1, 2), (2, 1)])
def test_a_context_of_more_or_fewer_pictures_does_not_serve(rows, make, double):
    first, second = (make(range(n), range(10, 10 + n), [10] * n) for n in rows)
    context = fixed_context(*first, double, False, None)
    assert serves(context, *first, False, None)
    assert not serves(context, *second, False, None)


def test_surroundings_that_are_not_the_targets_are_not_taken_for_a_target(make, double):
    # The first blend differs from its target everywhere; the second's target is that blend.
    (window,), _ = make([1], [10], [10])
    blend = 1 - window.target
    context = fixed_context([window], blend, double, False, None)
    later = replace(window, target=blend)
    assert not serves(context, [later], blend, False, None)
    assert not serves(context, [window], window.target, False, None)
    own = fixed_context([later], blend, double, False, None)
    for name, activation in double(blend, STYLE_LAYERS).items():
        torch.testing.assert_close(own.whole[name], gram_matrix(activation), **EXACT)
        assert not torch.allclose(context.whole[name], own.whole[name], rtol=1e-3)


def test_a_reference_beside_its_target_is_not_served(make, double):
    # As in the refine stage, after another stage changed pixels beyond the mask.
    (window,), reference = make([1], [10], [10])
    context = fixed_context([window], reference, double, False, None)
    inside, outside = reference.clone(), reference.clone()
    inside[..., 6, 12] = 1 - inside[..., 6, 12]
    outside[..., 6, 25] = 1 - outside[..., 6, 25]
    assert serves(context, [window], inside, False, None)
    assert not serves(context, [window], outside, False, None)


@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize(
    ("targets", "columns", "strays"),
    [
        ((10, 11, 12), (10, 10, 10), False),
        ((10, 10, 10), (3, 10, 19), False),
        ((10, 11, 11), (3, 10, 10), False),
        ((10, 10, 10), (10, 10, 10), True),
    ],
    ids=["targets", "masks", "both", "blends beside their target"],
)
def test_rows_that_differ_have_the_values_that_they_have_alone(
    targets, columns, strays, tile, make, double, noise
):
    windows, reference = make((1, 2, 3), targets, columns)
    if strays:  # as in the refine stage, after another stage changed the whole picture
        reference = noise(3, 3, HEIGHT, WIDTH, seed=20).double()
    together = fixed_context(windows, reference, double, True, tile)
    grams, content = together.features.expand_batch(3).gram_and_content(reference)
    for row, window in enumerate(windows):
        one = slice(row, row + 1)
        alone = fixed_context([window], reference[one], double, True, tile)
        for name in STYLE_LAYERS:
            for kind in ("whole", "visible", "target_maps"):
                value = getattr(together, kind)[name]
                value = value if len(value) == 3 else value.repeat_interleave(3, 0)
                torch.testing.assert_close(value[one], getattr(alone, kind)[name], **EXACT)
            expected = gram_matrix(double(reference[one], STYLE_LAYERS)[name])
            torch.testing.assert_close(grams[name][one], expected, **EXACT)
        expected = double(reference[one], ("relu2_2",))["relu2_2"]
        expected = crop(expected, together.features.map_box(CONTENT_LAYER))
        torch.testing.assert_close(content[one], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tile", [None, 32])
@pytest.mark.parametrize(("height", "width"), [(24, 40), (21, 35), (3, 50)])
def test_a_pictures_grams_are_its_own_continued_by_its_edge(height, width, tile, double, noise):
    image = noise(2, 3, height, width, seed=9).double()
    found = picture_grams(double, image, tile)
    padding = ((0, 0), (0, 0), (0, -height % 8), (0, -width % 8))
    grown = torch.from_numpy(np.pad(image.numpy(), padding, mode="edge"))
    for name, activation in double(grown, STYLE_LAYERS).items():
        vectors = activation.flatten(2).numpy()
        expected = vectors @ vectors.transpose(0, 2, 1) / vectors[0].size
        np.testing.assert_allclose(found[name].numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("tile", [None, 16])
def test_an_object_at_the_edge_changes_what_continues_it(tile, double, noise):
    # 21 x 27 is continued to 24 x 32 by its edge: pixels beyond it change with the object's.
    first, second = (noise(1, 3, 21, 27, seed=s).double() for s in (1, 2))
    mask = torch.zeros(1, 1, 21, 27).double()
    mask[..., 12:, 18:] = 1
    window = Window(second, mask, torch.ones_like(mask), first, Box(0, 0, 21, 27))
    context = fixed_context([window], first, double, False, tile)
    other = pad_to_stride(window.paste)
    grams, _ = context.features.gram_and_content(other)
    for name, activation in double(other, STYLE_LAYERS).items():
        torch.testing.assert_close(grams[name], gram_matrix(activation), **EXACT)


def test_the_picture_is_continued_by_its_edge_to_multiples_of_8(noise):
    image = noise(1, 3, 13, 8)
    found = pad_to_stride(image)
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), (0, 3), (0, 0)), mode="edge")
    assert np.array_equal(found.numpy(), expected)
    assert torch.equal(pad_to_stride(found), found)


@pytest.mark.parametrize("side", [1, 2, 4, 8])
@pytest.mark.parametrize(("height", "width"), [(16, 24), (13, 18)])
def test_a_pooled_share_is_the_part_of_each_pixel_and_none_beyond_the_picture(
    height, width, side, noise
):
    support = noise(2, 1, height, width) > 0.6
    found = pooled_share(support, dict(zip((1, 2, 4, 8), STYLE_LAYERS, strict=True))[side])
    padded = np.pad(support.numpy(), ((0, 0), (0, 0), (0, -height % 8), (0, -width % 8)))
    rows, columns = padded.shape[2] // side, padded.shape[3] // side
    expected = [
        [
            padded[n, 0, r * side : (r + 1) * side, c * side : (c + 1) * side].mean()
            for r in range(rows)
            for c in range(columns)
        ]
        for n in range(2)
    ]
    np.testing.assert_allclose(found.flatten(1).numpy(), expected, rtol=1e-6)
    assert found.shape == (2, 1, rows, columns)

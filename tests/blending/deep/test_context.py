"""What stays around the objects: seen once where it is the same, apart where it is not."""

import numpy as np
import pytest
import torch

from blending.deep.context import fixed_context, picture_grams
from blending.deep.losses import gram_matrix
from blending.deep.vgg16 import STYLE_LAYERS, Features
from blending.placement.window import Window, composite

HEIGHT, WIDTH = 24, 32
EXACT = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture
def double(network):
    return network.double()


@pytest.fixture
def passes(monkeypatch):
    """The sizes (N, H, W) of the network's passes; the local one runs layers, not these."""
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

    def scenes_of(sources, targets, columns):
        windows = []
        for source, target, column in zip(sources, targets, columns, strict=True):
            mask = torch.zeros(1, 1, HEIGHT, WIDTH).double()
            mask[..., 5:14, column : column + 9] = 1
            pictures = (noise(1, 3, HEIGHT, WIDTH, seed=n).double() for n in (source, target))
            first, second = pictures
            box = (0, 0, HEIGHT, WIDTH)
            windows.append(Window(first, mask, torch.ones_like(mask), second, box))
        kept = torch.cat([composite(s.target, s.source, s.mask) for s in windows])
        return windows, kept

    return scenes_of


@pytest.mark.parametrize("rows", [1, 3])
def test_scenes_of_one_target_and_mask_take_one_pass_of_one_picture(rows, make, double, passes):
    windows, kept = make(range(1, rows + 1), [10] * rows, [10] * rows)
    made = fixed_context(windows, kept, double, False, None, None)
    assert passes == [(1, HEIGHT, WIDTH)]
    assert made.base.shape[0] == 1


def test_a_former_backdrop_of_the_same_scene_takes_no_pass(make, double, passes):
    former = fixed_context(*make([1], [10], [10]), double, False, None, None)
    passes.clear()
    again = fixed_context(*make([2], [10], [10]), double, False, None, former)
    assert again is former
    assert passes == []


@pytest.mark.parametrize(
    ("target", "column", "keep_styled", "tile"),
    [(11, 10, False, None), (10, 11, False, None), (10, 10, True, None), (10, 10, False, 64)],
    ids=["target", "mask", "histogram", "tile"],
)
def test_a_former_backdrop_of_anything_else_is_not_taken(
    target, column, keep_styled, tile, make, double
):
    former = fixed_context(*make([1], [10], [10]), double, False, None, None)
    windows, kept = make([1], [target], [column])
    made = fixed_context(windows, kept, double, keep_styled, tile, former)
    assert made is not former
    own = fixed_context(windows, kept, double, keep_styled, tile, None)
    for name in STYLE_LAYERS:
        torch.testing.assert_close(made.whole[name], own.whole[name], **EXACT)
        torch.testing.assert_close(made.visible[name], own.visible[name], **EXACT)


@pytest.mark.parametrize("rows", [(1, 2), (2, 1)])
def test_a_former_backdrop_of_more_or_fewer_pictures_is_not_taken(rows, make, double):
    first, second = (make(range(n), range(10, 10 + n), [10] * n) for n in rows)
    former = fixed_context(*first, double, False, None, None)
    assert fixed_context(*second, double, False, None, former) is not former


def test_surroundings_that_are_not_the_targets_are_not_taken_for_a_target(make, double):
    # The first blend differs from its target everywhere; the second's target is that blend.
    (window,), _ = make([1], [10], [10])
    blend = 1 - window.target
    former = fixed_context([window], blend, double, False, None, None)
    later = Window(window.source, window.mask, window.source_valid, blend, window.box)
    made = fixed_context([later], blend, double, False, None, former)
    for name, tap in double(blend, STYLE_LAYERS).items():
        torch.testing.assert_close(made.whole[name], gram_matrix(tap), **EXACT)
        assert not torch.allclose(former.whole[name], made.whole[name], rtol=1e-3)


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
    windows, kept = make((1, 2, 3), targets, columns)
    if strays:  # as in the refine stage, after another stage changed the whole picture
        kept = noise(3, 3, HEIGHT, WIDTH, seed=20).double()
    together = fixed_context(windows, kept, double, True, tile, None)
    grams, content = together.surroundings.expand_batch(3).gram_and_content(kept)
    for row, window in enumerate(windows):
        one = slice(row, row + 1)
        alone = fixed_context([window], kept[one], double, True, tile, None)
        for name in STYLE_LAYERS:
            for kind in ("whole", "visible", "styled"):
                value = getattr(together, kind)[name]
                value = value if len(value) == 3 else value.repeat_interleave(3, 0)
                torch.testing.assert_close(value[one], getattr(alone, kind)[name], **EXACT)
            expected = gram_matrix(double(kept[one], STYLE_LAYERS)[name])
            torch.testing.assert_close(grams[name][one], expected, **EXACT)
        rows, columns_ = together.surroundings.content_box
        expected = double(kept[one], ("relu2_2",))["relu2_2"][..., rows, columns_]
        torch.testing.assert_close(content[one], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tile", [None, 32])
@pytest.mark.parametrize(("height", "width"), [(24, 40), (21, 35), (3, 50)])
def test_a_pictures_grams_are_its_own_continued_by_its_edge(height, width, tile, double, noise):
    image = noise(2, 3, height, width, seed=9).double()
    found = picture_grams(double, image, tile)
    padding = ((0, 0), (0, 0), (0, -height % 8), (0, -width % 8))
    grown = torch.from_numpy(np.pad(image.numpy(), padding, mode="edge"))
    for name, tap in double(grown, STYLE_LAYERS).items():
        vectors = tap.flatten(2).numpy()
        expected = vectors @ vectors.transpose(0, 2, 1) / vectors[0].size
        np.testing.assert_allclose(found[name].numpy(), expected, rtol=1e-9, atol=1e-12)

"""How far changes reach and features look: by hand, by counting, and measured on the network."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from blending.network.receptive_field import HALO, REACH, STRIDE, changed_box
from blending.network.vgg16 import LAYERS, STYLE_LAYERS
from blending.placement.box import Box, crop, full_box

# Of one pixel of the deepest activation: the 3 x 3 convolutions of each block, by the side of its
# pixels.
RADIUS = 2 * 1 + 2 * 2 + 3 * 4 + 3 * 8
LENGTH, MIDDLE = 200, 96  # of a strip of pixels, both multiples of 8
CONVOLUTION, POOLING = nn.Conv2d(1, 1, 3, padding=1), nn.MaxPool2d(2)


@pytest.fixture
def double(network):
    return network.double()


@pytest.mark.parametrize(
    ("box", "read", "changed"),
    [
        (Box(4, 5, 2, 3), Box(2, 3, 6, 7), Box(3, 4, 4, 5)),
        # At the edge of the map it reads the padding beyond.
        (Box(0, 5, 2, 3), Box(-1, 3, 5, 7), Box(0, 4, 3, 5)),
        (Box(4, 17, 6, 3), Box(2, 15, 9, 6), Box(3, 16, 7, 4)),
        (Box(0, 0, 10, 20), Box(-1, -1, 12, 22), Box(0, 0, 10, 20)),
    ],
    ids=["inside", "above", "below and right", "all"],
)
def test_a_convolution_carries_a_change_one_pixel_further_and_reads_one_more(box, read, changed):
    assert changed_box(CONVOLUTION, box, torch.Size((10, 20))) == (read, changed)


@pytest.mark.parametrize(
    ("box", "read", "changed"),
    [
        (Box(4, 6, 2, 4), Box(4, 6, 2, 4), Box(2, 3, 1, 2)),
        (Box(5, 7, 1, 1), Box(4, 6, 2, 2), Box(2, 3, 1, 1)),
        (Box(5, 6, 2, 3), Box(4, 6, 4, 4), Box(2, 3, 2, 2)),
        (Box(0, 0, 10, 20), Box(0, 0, 10, 20), Box(0, 0, 5, 10)),
    ],
    ids=["on its grid", "one pixel", "beside it", "all"],
)
def test_a_pooling_reads_the_whole_blocks_that_a_change_touches(box, read, changed):
    assert changed_box(POOLING, box, torch.Size((10, 20))) == (read, changed)


def test_an_activation_changes_what_it_reads():
    box = Box(3, 4, 5, 6)
    assert changed_box(nn.ReLU(), box, torch.Size((10, 20))) == (box, box)


@torch.no_grad()
@pytest.mark.parametrize("layer", [CONVOLUTION, POOLING], ids=["convolution", "pooling"])
def test_for_every_box_of_a_map_what_is_read_makes_all_that_changes_and_no_more(layer, noise):
    shape, picture = torch.Size((4, 6)), noise(1, 1, 4, 6)
    before = layer(picture)
    spans = (itertools.combinations(range(size + 1), 2) for size in shape)
    for (top, bottom), (left, right) in itertools.product(*spans):
        box = Box(top, left, bottom - top, right - left)
        read, changed = changed_box(layer, box, shape)
        other = picture.clone()
        crop(other, box).add_(9)  # more than any other pixel, so that no maximum hides it
        after = layer(other)
        part = crop(F.pad(other, (1, 1, 1, 1)), read.shifted(1, 1))
        unpadded = F.conv2d(part, layer.weight, layer.bias) if layer is CONVOLUTION else layer(part)
        torch.testing.assert_close(unpadded, crop(after, changed))
        differs = after != before
        assert crop(differs, changed).all()
        crop(differs, changed).zero_()
        assert not differs.any()


def reached(pixel, size, layer):
    """Of a row of `size` pixels, those of a layer's that one of them changes: by counting."""
    pixels = {pixel}
    for block, convolutions in enumerate((2, 2, 3, 3), 1):
        for _ in range(convolutions):
            pixels = {q + step for q in pixels for step in (-1, 0, 1)} & set(range(size))
        if layer.startswith(f"relu{block}"):
            return sorted(pixels)
        pixels, size = {q // 2 for q in pixels}, size // 2
    raise KeyError(layer)


@pytest.fixture(scope="module", params=[2, 3], ids=["down", "along"])
def changes(request, loaded_network, noise):
    """Of a pixel of a strip, MIDDLE and the seven after it: what changes of each layer."""
    axis, network = request.param, copy.deepcopy(loaded_network).double()
    across = [d for d in range(4) if d != axis]
    size = [8, 8]
    size[axis - 2] = LENGTH
    image = noise(1, 3, *size, seed=3).double()
    before = network(image, STYLE_LAYERS)
    changed = {}
    for pixel in range(MIDDLE, MIDDLE + 8):
        other = image.clone()
        line = other.select(axis, pixel)
        line.copy_(1 - line)
        for name, after in network(other, STYLE_LAYERS).items():
            differs = (after != before[name]).sum(across).nonzero().flatten().tolist()
            changed.setdefault(pixel, {})[name] = differs
    return changed


def test_a_changed_pixel_changes_as_many_as_counting_says(changes):
    assert len(changes) == STRIDE
    for pixel, layers in changes.items():
        assert layers == {name: reached(pixel, LENGTH, name) for name in STYLE_LAYERS}


@pytest.mark.parametrize("pixel", [*range(MIDDLE, MIDDLE + 8), 0, 1, 5, LENGTH - 2, LENGTH - 1])
@pytest.mark.parametrize("axis", [0, 1])
def test_from_layer_to_layer_the_boxes_of_change_are_those_counted(axis, pixel, network):
    size, at = [8, 8], [0, 0]
    size[axis], at[axis] = LENGTH, pixel
    layers = {LAYERS[name][0]: name for name in STYLE_LAYERS}
    box, shape = Box(*at, 1, 1), torch.Size(size)
    for index, layer in enumerate(network.features):
        box = changed_box(layer, box, shape)[1]
        if isinstance(layer, nn.MaxPool2d):
            shape = torch.Size(side // 2 for side in shape)
        if index in layers:
            expected = reached(pixel, LENGTH, layers[index])
            first, last = ((box.top, box.bottom), (box.left, box.right))[axis]
            assert list(range(first, last)) == expected
            assert box == box.intersection(full_box(shape))


def test_the_pixels_of_the_deepest_layer_have_the_strides_side(changes):
    assert max(side for _, side in LAYERS.values()) == STRIDE
    assert LAYERS["relu4_3"][1] == STRIDE


def ways(changes):
    """In pixels, from the changed one to the ends of what changes in relu4_3, on either side."""
    for pixel, layers in changes.items():
        first, *_, last = layers["relu4_3"]
        yield from (pixel - STRIDE * first, STRIDE * (last + 1) - (pixel + 1))


def test_a_change_reaches_42_pixels_and_on_to_the_end_of_the_coarsest_pixel(changes):
    # In the best place the pooling's blocks end just there, in the worst seven pixels later.
    assert min(ways(changes)) == RADIUS == 42
    assert max(ways(changes)) == RADIUS + STRIDE - 1 == 49


def test_no_change_reaches_further_than_is_said(changes):
    assert max(ways(changes)) == REACH


def test_a_features_look_42_pixels_far_and_the_halo_covers_them_on_the_coarsest_grid(changes):
    """Which pixels around its own 8 a pixel of relu4_3 depends on, wherever these are."""
    offsets = [
        pixel - STRIDE * deep for pixel, layers in changes.items() for deep in layers["relu4_3"]
    ]
    before, after = -min(offsets), max(offsets) - (STRIDE - 1)
    assert before == after == RADIUS == 42
    assert HALO >= 42
    assert HALO % STRIDE == 0
    assert HALO - STRIDE < 42  # no more than that


def test_a_features_reach_is_42_pixels_and_the_halo_the_next_multiple_of_8():
    assert RADIUS == 42
    assert HALO == -(-RADIUS // STRIDE) * STRIDE == 48


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
    activation = widest(network.double())(image, ("relu4_3",))["relu4_3"]
    middle = activation.shape[axis] // 2
    slope = torch.autograd.grad(activation.select(axis, middle).sum(), image)[0]
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

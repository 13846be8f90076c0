"""The network on a box of a picture: activations, Gram matrices, slopes are those of the whole."""

import pytest
import torch
import torch.nn.functional as F

from blending.deep.cropped_features import CroppedLayer, cropped_context, cropped_features
from blending.deep.feature_statistics import (
    CONTENT_LAYER,
    ContextRequest,
    FeatureReference,
    FeatureReferences,
)
from blending.deep.losses import gram_matrix
from blending.network.convolution import Convolution
from blending.network.vgg16 import STYLE_LAYERS, Features
from blending.placement.box import Box, crop
from tests.narrow import WIDTHS

BOXES = {
    "inside": Box(20, 25, 13, 6),
    "one pixel": Box(41, 30, 1, 1),
    "in a corner": Box(0, 56, 9, 8),
    "a pixel from the edge": Box(1, 50, 4, 13),
    "across": Box(30, 0, 1, 64),
    "all": Box(0, 0, 56, 64),
}
EXACT = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture
def double(network):
    return network.double()


@pytest.fixture
def pictures(noise):
    """What is there first, and what comes into the box."""
    return noise(1, 3, 56, 64, seed=1).double(), noise(1, 3, 56, 64, seed=2).double()


def changed(pictures, box):
    first, second = pictures
    picture = first.clone()
    crop(picture, box).copy_(crop(second, box))
    return picture


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_activations_and_grams_are_those_of_the_whole_picture(box, double, pictures):
    picture = changed(pictures, box)
    cropped, _ = cropped_features(double, pictures[0], box, STYLE_LAYERS, keep_whole=True)
    activations = cropped(crop(picture, box))
    for name, expected in double(picture, STYLE_LAYERS).items():
        torch.testing.assert_close(cropped.whole(name, activations[name]), expected, **EXACT)
        gram = cropped.gram(name, activations[name])
        torch.testing.assert_close(gram, gram_matrix(expected), **EXACT)


def test_what_is_returned_beside_it_are_the_pictures_own_activations(double, pictures):
    _, activations = cropped_features(double, pictures[0], BOXES["inside"], STYLE_LAYERS)
    for name, expected in double(pictures[0], STYLE_LAYERS).items():
        torch.testing.assert_close(activations[name], expected)


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_slopes_are_those_of_the_whole_picture(box, double, pictures):
    picture = changed(pictures, box)
    cropped, _ = cropped_features(double, pictures[0], box, STYLE_LAYERS)

    def slope(grams_of, x):
        leaf = x.clone().requires_grad_()
        total = sum((index + 1) * gram.sum() for index, gram in enumerate(grams_of(leaf)))
        return torch.autograd.grad(total, leaf)[0]

    whole = slope(lambda x: map(gram_matrix, double(x, STYLE_LAYERS).values()), picture)
    part = slope(lambda x: [cropped.gram(n, a) for n, a in cropped(x).items()], crop(picture, box))
    torch.testing.assert_close(part, crop(whole, box), rtol=1e-9, atol=1e-12)


def test_far_pixels_are_not_computed(double, pictures):
    box = BOXES["one pixel"]
    cropped, _ = cropped_features(double, pictures[0], box, ("relu1_2", "relu2_2"))
    shapes = [tuple(a.shape[2:]) for a in cropped(pictures[1][..., :1, :1]).values()]
    # 41, 30: two convolutions, rows 39 to 43; halved 19 to 21 in rows and 14 to 16 in columns, two
    # more convolutions.
    assert shapes == [(5, 5), (7, 7)]
    assert cropped.boxes == {"relu1_2": Box(39, 28, 5, 5), "relu2_2": Box(17, 12, 7, 7)}


def test_only_what_changes_costs_memory_unless_it_is_asked_for(double, pictures):
    cropped, _ = cropped_features(double, pictures[0], BOXES["inside"], STYLE_LAYERS)
    assert cropped.fixed_maps == {}
    buffers = [layer.padded for layer in cropped.layers if layer.padded is not None]
    assert max(buffer.numel() for buffer in buffers) < 56 * 64 * WIDTHS["relu1_2"]


def test_statistics_are_grams_the_content_distance_and_whole_maps_where_they_are_wanted(
    double, pictures, noise
):
    box = BOXES["inside"]
    picture = changed(pictures, box)
    cropped, _ = cropped_features(double, pictures[0], box, STYLE_LAYERS, keep_whole=True)
    expected = double(picture, STYLE_LAYERS)
    reference = noise(1, WIDTHS[CONTENT_LAYER], 28, 32, seed=3).double()
    weight = noise(1, 1, 28, 32, seed=4).double()
    part = FeatureReference(reference, weight).part(cropped.map_box(CONTENT_LAYER))
    found = cropped.statistics(picture, FeatureReferences(part), keep_maps=True)
    for name, activation in expected.items():
        torch.testing.assert_close(found.grams[name], gram_matrix(activation), **EXACT)
        torch.testing.assert_close(found.activations[name], activation, **EXACT)
    squares = weight * (expected[CONTENT_LAYER] - reference) ** 2
    torch.testing.assert_close(
        found.content, crop(squares, cropped.map_box(CONTENT_LAYER)).sum()[None]
    )
    assert cropped.statistics(picture, FeatureReferences(part), keep_maps=False).activations == {}


@pytest.mark.parametrize("surroundings", [1, 2])
def test_several_pictures_share_their_surroundings_or_have_their_own(
    surroundings, double, noise, pictures
):
    box = BOXES["inside"]
    behind = noise(surroundings, 3, 56, 64, seed=5).double()
    images = behind.expand(2, -1, -1, -1).clone()
    crop(images, box).copy_(noise(2, 3, *box.size, seed=6).double())
    single, _ = cropped_features(double, behind, box, STYLE_LAYERS)
    before = [layer.padded.clone() for layer in single.layers if layer.padded is not None]
    grams, content = single.expand_batch(2).gram_and_content(images)
    expected = double(images, STYLE_LAYERS)
    for name, gram in grams.items():
        torch.testing.assert_close(gram, gram_matrix(expected[name]), **EXACT)
    part = crop(expected[CONTENT_LAYER], single.map_box(CONTENT_LAYER))
    torch.testing.assert_close(content, part, **EXACT)
    if surroundings == 1:  # what is expanded has buffers of its own
        buffers = [layer.padded for layer in single.layers if layer.padded is not None]
        assert all(torch.equal(a, b) for a, b in zip(before, buffers, strict=True))


def test_a_network_of_shorter_floats_gives_what_it_gives_on_the_whole_picture(network, noise):
    first, box = noise(1, 3, 24, 32), Box(9, 11, 5, 6)
    short = network.prepared(first, torch.bfloat16)
    picture = changed((first, 1 - first), box)
    cropped, _ = cropped_features(short, first, box, STYLE_LAYERS, keep_whole=True)
    activations = cropped(crop(picture, box))
    assert {a.dtype for a in activations.values()} == {torch.float32}
    assert {a.dtype for a in cropped.fixed_sums.values()} == {torch.float32}
    for name, expected in short(picture, STYLE_LAYERS).items():
        whole = cropped.whole(name, activations[name])
        # Sums of up to 4608 products may be added in another order, each result is then rounded to
        # eight bits, layer after layer.
        error = (whole - expected).square().mean().sqrt() / expected.square().mean().sqrt()
        assert error < 2**-7


# A later pass writes into the buffers of an older graph. Convolutions do not read them again;
# poolings do, so only one graph of these may be alive at a time.


def make_layer(picture):
    """A convolution on the middle of a picture, in its own buffer; and what changes there."""
    convolution = Convolution(3, 2).double().requires_grad_(False)
    box = Box(2, 3, 4, 5)
    padded = crop(picture, box.grown(1)).clone()
    return CroppedLayer(convolution, Box(1, 1, 4, 5), padded, None), box


def test_a_layer_on_a_part_of_its_map_gives_what_the_whole_layer_gives(noise):
    picture, other = (noise(1, 3, 9, 11, seed=s).double() for s in (1, 2))
    layer, box = make_layer(picture)
    # Only the inner part changes, so the outputs around it are the fixed values' and its own.
    both = changed((picture, other), box)
    expected = F.conv2d(both, layer.layer.weight, layer.layer.bias, padding=1)
    torch.testing.assert_close(layer.run(crop(other, box)), crop(expected, box))


def convolved(picture, layer, box, x):
    """The whole convolution of a picture in which the box is x, by autograd: the box's part."""
    both = F.pad(x, (box.left, 11 - box.right, box.top, 9 - box.bottom)) + picture
    return crop(F.conv2d(both, layer.layer.weight, layer.layer.bias, padding=1), box)


def test_the_gradient_of_a_convolution_is_the_whole_one_s_whatever_has_been_run_since(noise):
    picture = noise(1, 3, 9, 11, seed=1).double()
    layer, box = make_layer(picture)
    crop(picture, box).zero_()
    first, second = (noise(1, 3, *box.size, seed=s).double().requires_grad_() for s in (2, 3))
    found = [layer.run(x) for x in (first, second)]
    for x, output in ((first, found[0]), (second, found[1])):
        (gradient,) = torch.autograd.grad(output.square().sum(), x, retain_graph=True)
        expected = convolved(picture, layer, box, x)
        (wanted,) = torch.autograd.grad(expected.square().sum(), x)
        torch.testing.assert_close(gradient, wanted)


def test_a_backward_pass_through_an_older_graph_with_poolings_is_refused(double, pictures):
    box = BOXES["inside"]
    cropped, _ = cropped_features(double, pictures[0], box, STYLE_LAYERS)

    def total(leaf):
        return sum(activation.sum() for activation in cropped(leaf).values())

    alone = crop(pictures[1], box).clone().requires_grad_()
    total(alone).backward()
    first, second = (x.clone().requires_grad_() for x in (crop(pictures[0], box), alone.detach()))
    older, newer = total(first), total(second)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        older.backward()
    newer.backward()
    torch.testing.assert_close(second.grad, alone.grad)


@pytest.mark.parametrize(("height", "width"), [(160, 152), (128, 200)])
def test_the_gradient_does_not_show_the_number_of_threads(
    height, width, bundled, noise, at_thread_counts
):
    box = Box(3, 5, height - 8, width - 9)
    cropped, _ = cropped_features(bundled, noise(1, 3, height, width), box, STYLE_LAYERS)
    patch = noise(1, 3, *box.size, seed=4).requires_grad_()

    def gradient():
        activations = cropped(patch)
        totals = [(a * a.detach().roll(1, 2)).sum() for a in activations.values()]
        return torch.autograd.grad(totals, patch)[0]

    first, *others = at_thread_counts((1, 2, 4, 6, 8, 16), gradient)
    assert all(torch.equal(first, other) for other in others)


@pytest.fixture
def passes(monkeypatch):
    """How many pictures went through the whole network in each pass."""
    counts, forward = [], Features.forward

    def counted(network, image, layers):
        counts.append(image.shape[0])
        return forward(network, image, layers)

    monkeypatch.setattr(Features, "forward", counted)
    return counts


@pytest.mark.parametrize("keep_maps", [False, True])
@pytest.mark.parametrize("is_target", [True, False], ids=["the target", "another picture"])
def test_a_request_is_answered_by_the_targets_sums_and_the_bases_surroundings(
    is_target, keep_maps, double, pictures, passes
):
    base, box = pictures[0], BOXES["inside"]
    target = base.clone() if is_target else pictures[1]
    sides = dict(zip(STYLE_LAYERS, (1, 2, 4, 8), strict=True))
    visible = {}
    for name, side in sides.items():
        visible[name] = torch.zeros(1, 1, 56 // side, 64 // side).double()
        visible[name][..., : 24 // side, 8 // side :] = 1
    request = ContextRequest(base, target, box, visible, keep_maps, STYLE_LAYERS)
    features, found = cropped_context(double, request)
    assert len(passes) == (0 if is_target else 1)  # the pass over the base runs the layers
    for name, activation in double(target, STYLE_LAYERS).items():
        vectors = activation[0].flatten(1)
        torch.testing.assert_close(found.whole[name][0], vectors @ vectors.T, **EXACT)
        seen = activation[0, :, : 24 // sides[name], 8 // sides[name] :].flatten(1)
        torch.testing.assert_close(found.visible[name][0], seen @ seen.T, **EXACT)
        if keep_maps:
            torch.testing.assert_close(found.maps[name], activation, **EXACT)
    picture = 1 - base
    picture = changed((base, picture), box)
    activations = features(crop(picture, box))
    for name, expected in double(picture, STYLE_LAYERS).items():
        gram = features.gram(name, activations[name])
        torch.testing.assert_close(gram, gram_matrix(expected), **EXACT)
    stored = set(STYLE_LAYERS) if keep_maps else set()
    assert set(found.maps) == set(features.fixed_maps) == stored

"""The network on a box of a picture: taps, Gram matrices and slopes are those of the whole."""

import pytest
import torch

from blending.deep.cropped_features import cropped_features
from blending.deep.losses import gram_matrix
from blending.deep.vgg16 import STYLE_LAYERS

BOXES = {
    "inside": (slice(20, 33), slice(25, 31)),
    "one pixel": (slice(41, 42), slice(30, 31)),
    "in a corner": (slice(0, 9), slice(56, 64)),
    "a pixel from the edge": (slice(1, 5), slice(50, 63)),
    "across": (slice(30, 31), slice(0, 64)),
    "all": (slice(0, 56), slice(0, 64)),
}


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
    picture[..., box[0], box[1]] = second[..., box[0], box[1]]
    return picture


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_taps_and_grams_are_those_of_the_whole_picture(box, double, pictures):
    picture = changed(pictures, box)
    local, _ = cropped_features(double, pictures[0], box, STYLE_LAYERS, keep_whole=True)
    taps = local(picture[..., box[0], box[1]])
    for name, wanted in double(picture, STYLE_LAYERS).items():
        torch.testing.assert_close(local.whole(name, taps[name]), wanted, rtol=1e-9, atol=1e-9)
        gram = local.gram(name, taps[name])
        torch.testing.assert_close(gram, gram_matrix(wanted), rtol=1e-9, atol=1e-9)


def test_what_is_returned_beside_it_are_the_pictures_own_taps(double, pictures):
    _, taps = cropped_features(double, pictures[0], BOXES["inside"], STYLE_LAYERS)
    for name, wanted in double(pictures[0], STYLE_LAYERS).items():
        torch.testing.assert_close(taps[name], wanted)


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_slopes_are_those_of_the_whole_picture(box, double, pictures):
    picture = changed(pictures, box)
    local, _ = cropped_features(double, pictures[0], box, STYLE_LAYERS)

    def slope(grams_of, x):
        leaf = x.clone().requires_grad_()
        total = sum((index + 1) * gram.sum() for index, gram in enumerate(grams_of(leaf)))
        return torch.autograd.grad(total, leaf)[0]

    whole = slope(lambda x: map(gram_matrix, double(x, STYLE_LAYERS).values()), picture)
    patch = picture[..., box[0], box[1]]
    part = slope(lambda x: [local.gram(name, tap) for name, tap in local(x).items()], patch)
    torch.testing.assert_close(part, whole[..., box[0], box[1]], rtol=1e-9, atol=1e-12)


def test_far_pixels_are_not_computed(double, pictures):
    local, _ = cropped_features(double, pictures[0], BOXES["one pixel"], ("relu1_2", "relu2_2"))
    shapes = [tuple(tap.shape[2:]) for tap in local(pictures[1][..., :1, :1]).values()]
    # 41, 30: two convolutions, rows 39 to 43; halved 19 to 21 in rows and 14 to 16 in columns, two
    # more convolutions.
    assert shapes == [(5, 5), (7, 7)]


def test_only_what_changes_costs_memory_unless_it_is_asked_for(double, pictures):
    local, _ = cropped_features(double, pictures[0], BOXES["inside"], STYLE_LAYERS)
    assert local.outside == {}
    assert max(step.ring.numel() for step in local.steps if step.ring is not None) < 56 * 64 * 64

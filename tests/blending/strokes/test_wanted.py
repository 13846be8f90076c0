"""Wanted features: the target's, laid out as the matches are."""

import pytest
import torch

from blending.deep.context import pad_to_stride
from blending.strokes.matching import Matches
from blending.strokes.wanted import MATCHED, WANTED, gathered, wanted_features


def nothing(picture):
    return torch.zeros_like(picture[:, :1], dtype=torch.bool)


def everything(picture):
    return ~nothing(picture)


def test_a_part_of_the_target_wants_its_own_features(photo, bundled):
    target = photo(96, 120)
    picture = target[..., 16:80, 24:104].clone()
    found = wanted_features(picture, everything(picture), target, nothing(target), bundled).features
    expected = bundled(target, WANTED)
    for name, stride in zip(WANTED, (2, 4), strict=True):
        place = slice(16 // stride, 80 // stride), slice(24 // stride, 104 // stride)
        inner = (..., slice(2, -2), slice(2, -2))  # the cut's edge is in the others' features
        equal = found[name][inner] == expected[name][(..., *place)][inner]
        assert equal.float().mean() > 0.9, name


def test_what_is_covered_teaches_nothing(photo, network):
    target, other = photo(64, 96), photo(64, 96)
    picture, covered = photo(64, 96, 250, 20), nothing(target)
    covered[..., 20:60, 30:60] = True
    other[..., 32:48, 42:48] = 1.0  # deeper than any layer sees from outside
    here = wanted_features(picture, covered, target, covered, network).features
    for name, activation in network(target, WANTED).items():
        known = (here[name] != 0).any(1)
        assert 0.1 < known.float().mean() < 0.5
        assert activation.shape == here[name].shape
    all_covered = everything(target)
    assert wanted_features(picture, covered, target, all_covered, network) is None


@pytest.mark.parametrize("size", [(50, 61), (8, 8)])
def test_any_size_is_padded_to_the_stride(size, photo, network):
    picture, target = photo(*size), photo(40, 44, 200, 100)
    found = wanted_features(picture, everything(picture), target, nothing(target), network).features
    height, width = pad_to_stride(picture).shape[2:]
    assert {name: tuple(x.shape[2:]) for name, x in found.items()} == {
        name: (height // stride, width // stride)
        for name, stride in zip(WANTED, (2, 4), strict=True)
    }


def test_in_tiles_the_same(photo, network):
    double = network.prepared(torch.empty(0, dtype=torch.float64), torch.float64)
    picture, target = photo(64, 72).double(), photo(80, 88, 200, 100).double()
    arguments = picture, everything(picture), target, nothing(target), double
    whole = wanted_features(*arguments).features
    for name, found in wanted_features(*arguments, tile=32).features.items():
        torch.testing.assert_close(found, whole[name])


def test_positions_of_other_strides_follow_those_of_4_pixels(noise):
    places = torch.full((4, 4), -1)
    places[0, 0], places[2, 2], places[2, 3], places[3, 2] = 9, 14, 15, 20  # on a grid 6 wide
    matches = Matches(places, 6)
    fine, middle, coarse = noise(1, 3, 8, 12), noise(1, 5, 4, 6), noise(1, 7, 2, 3)
    found = gathered(fine, matches, 2)
    assert torch.equal(found[..., :2, :2], fine[..., 2:4, 6:8])  # 9 is row 1, column 3
    assert (found[..., 2:4, :] == 0).all()
    found = gathered(middle, matches, 4)
    assert torch.equal(found[0, :, 2, 3], middle[0, :, 2, 3])
    assert (found[0, :, 1, 1] == 0).all()
    found = gathered(coarse, matches, 8)
    assert torch.equal(found[0, :, 0, 0], coarse[0, :, 0, 1])
    # 14, 15 and 20 lie in the coarse positions (1, 1), (1, 1) and (1, 1).
    torch.testing.assert_close(found[0, :, 1, 1], coarse[0, :, 1, 1])
    assert (found[0, :, 0, 1] == 0).all()


def test_layers_that_are_matched_are_not_those_that_are_painted():
    assert not set(MATCHED) & set(WANTED)

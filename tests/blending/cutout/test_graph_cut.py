import itertools

import numpy as np
import pytest

from blending.cutout.graph_cut import LEAST_CONTRAST, SMOOTHNESS, graph_cut


def energy(image, ratio, own, label):
    """The energy of the docstring, by a loop over all pairs."""
    height, width = ratio.shape
    pairs = []
    for row, column in itertools.product(range(height), range(width)):
        for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
            if 0 <= row + down < height and 0 <= column + across < width:
                pairs.append(((row, column), (row + down, column + across)))
    squares = [
        np.square(image[(slice(None), *a)] - image[(slice(None), *b)]).sum() for a, b in pairs
    ]
    mean = max(np.mean(squares), LEAST_CONTRAST)
    total = np.abs(ratio[label != (ratio > 0)]).sum()
    for square, (a, b) in zip(squares, pairs, strict=True):
        if label[a] != label[b]:
            distance = np.hypot(a[0] - b[0], a[1] - b[1])
            total += SMOOTHNESS * np.exp(-square / (2 * mean)) / distance
    return total


@pytest.mark.parametrize("seed", range(4))
def test_the_cut_is_the_least_of_all_labellings(seed):
    draw = np.random.default_rng(seed)
    image, ratio = draw.random((3, 3, 4)), draw.normal(0, 3, (3, 4))
    every, none = np.ones((3, 4), bool), np.zeros((3, 4), bool)
    found = graph_cut(image, ratio, every, none, none)
    labellings = (
        np.array(bits).reshape(3, 4) for bits in itertools.product((False, True), repeat=12)
    )
    least = min(energy(image, ratio, none, label) for label in labellings)
    assert energy(image, ratio, none, found) == pytest.approx(least, abs=0.05)


def test_a_border_lies_on_the_edge_between_what_is_known():
    image = np.zeros((3, 8, 20))
    image[:, :, 13:] = 1
    own, other = np.zeros((8, 20), bool), np.zeros((8, 20), bool)
    other[:, 0], own[:, -1] = True, True
    found = graph_cut(image, np.zeros((8, 20)), ~(own | other), own, other)
    assert (found[:, 1:-1] == (np.arange(1, 19) >= 13)).all()


def test_only_unknown_pixels_are_labelled():
    image, ratio = np.zeros((3, 4, 4)), np.full((4, 4), 5.0)
    unknown = np.eye(4, dtype=bool)
    found = graph_cut(image, ratio, unknown, ~unknown, np.zeros((4, 4), bool))
    assert (found == unknown).all()


def test_nothing_unknown_and_one_pixel():
    none = np.zeros((1, 1), bool)
    assert not graph_cut(np.zeros((3, 1, 1)), np.ones((1, 1)), none, none, none).any()
    assert graph_cut(np.zeros((3, 1, 1)), np.ones((1, 1)), ~none, none, none).all()
    assert not graph_cut(np.zeros((3, 1, 1)), -np.ones((1, 1)), ~none, none, none).any()

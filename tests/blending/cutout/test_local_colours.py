import numpy as np
import pytest

from blending.cutout import local_colours
from blending.cutout.local_colours import LocalColours, colour_distance


def sample(*values):
    return np.array(values, np.float32)


def test_a_distance_is_that_of_colours_where_all_are_equally_far():
    pixel = sample([0.5, 0.5, 0.5, 10, 10])
    samples = sample(*[[0.5, 0.5, 0.2, 10, 13]] * 4)
    assert colour_distance(pixel, samples) == pytest.approx([0.3], abs=1e-6)


def test_what_is_further_away_counts_as_more_different():
    # Of two quarters' worth of samples each: the near one 0.3 off, the far one alike, 40 px away.
    pixel = sample([0.5, 0.5, 0.5, 0, 0])
    near, far = [0.5, 0.5, 0.2, 0, 0], [0.5, 0.5, 0.5, 0, 40]
    found = colour_distance(pixel, sample(*[near] * 4, *[far] * 4))
    # Each quarter holds one of both: the less of 0.3 and 40 / 100.
    assert found == pytest.approx([0.3], abs=1e-6)
    found = colour_distance(pixel, sample(*[near] * 4, *[[0.5, 0.5, 0.5, 0, 20]] * 4))
    assert found == pytest.approx([0.2], abs=1e-6)


def test_few_samples_are_one_group():
    pixel = sample([0, 0, 0, 5, 5])
    samples = sample([0.6, 0, 0, 5, 5], [0.2, 0, 0, 5, 5])
    assert colour_distance(pixel, samples) == pytest.approx([0.2], abs=1e-6)


def two_halves(shape=(40, 48), outer=0.2, inner=0.8):
    image = np.full((3, *shape), outer, np.float32)
    image[:, :, 20:] = inner
    outside = np.zeros(shape, bool)
    outside[:, :12] = True
    away = np.where(outside, 12 - np.arange(shape[1]), 0).astype(float)
    return image, outside, away


def test_a_pixel_like_the_outside_is_background_and_another_is_not():
    image, outside, away = two_halves()
    asked = ~outside
    ratio = LocalColours(image, asked, outside, away, 10).log_ratio(np.zeros_like(asked))
    assert (ratio[:, 12:20] < 0).all()
    assert (ratio[:, 20:26] > 0).all()
    assert (ratio[outside] == 0).all()


def test_the_value_of_the_ratio():
    image, outside, away = two_halves()
    own = np.zeros_like(outside)
    own[:, 20:] = True
    ratio = LocalColours(image, ~outside, outside, away, 10).log_ratio(own)
    # One colour outside: its distance is what some samples are further away, up to a few pixels in
    # a hundred each; to the object's it is more than the tolerance, 0.04 at least.
    least = 3 * np.log(0.012 / (0.2 + 0.012))
    assert least <= ratio[20, 14] < 3 * np.log((0.012 + 0.02) / (0.04 + 0.012))


def test_the_object_s_samples_that_the_outside_explains_teach_nothing():
    """A rest taken for the object is as good as none: its few samples are the outside's colours."""
    image, outside, away = two_halves()
    own = np.zeros_like(outside)
    own[:, 12:14] = True
    colours = LocalColours(image, ~outside, outside, away, 10)
    found, plain = colours.log_ratio(own), colours.log_ratio(own & False)
    assert (found[:, 13] == plain[:, 13]).all()


def test_nothing_outside_says_nothing():
    image, outside, away = two_halves()
    found = LocalColours(image, ~outside, outside & False, away, 10)
    assert found.tiles == ()
    assert (found.log_ratio(~outside) == 0).all()


def test_what_is_usual_keeps_its_bounds():
    image, outside, away = two_halves()
    grain = np.random.default_rng(0).normal(0, 0.04, image.shape).astype(np.float32)
    plain = LocalColours(image, ~outside, outside, away, 10)
    grainy = LocalColours(image + grain, ~outside, outside, away, 10)
    assert grainy.usual <= local_colours.TOLERANCE[2]
    assert local_colours.TOLERANCE[1] <= plain.usual <= grainy.usual

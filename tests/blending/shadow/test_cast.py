"""Cast shadows of shapes whose shadow is known: rectangles, poles, discs."""

import math

import pytest
import torch

from blending.settings import ShadowSettings
from blending.shadow.canvas import Canvas
from blending.shadow.cast import cast_on_ground, cast_on_wall, shadow_offset, wall_height
from blending.shadow.ground import TILT, ground_of


def canvas(height, width, room=160):
    return Canvas(torch.ones(1, 1, height, width), room, room, room, room)


def crisp(**given):
    return ShadowSettings(softness=0, contact=0, **given)


def extent(shadow, room=160):
    """First and past-the-last row and column of what is at least half dark, from the object."""
    dark = shadow[0, 0] > 0.5 * shadow.max()
    rows, columns = dark.any(1).nonzero(), dark.any(0).nonzero()
    found = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return [place.item() - room for place in found]


@pytest.mark.parametrize(
    ("direction", "wanted"),
    [(0, (1, 0)), (90, (0, -1)), (180, (-1, 0)), (270, (0, 1)), (-90, (0, 1)), (-45, (1, 1))],
)
def test_it_falls_away_from_the_light(direction, wanted):
    down, across = shadow_offset(ShadowSettings(direction=direction, length=100), 10, 1)
    signs = tuple(0 if abs(value) < 1e-9 else math.copysign(1, value) for value in (down, across))
    assert signs == wanted
    assert math.hypot(down, across) == pytest.approx(10)


def test_a_pole_lies_down_as_long_as_the_light_makes_it():
    """A pole of 100 rows, light from the left at 45 degrees: 100 columns to the right."""
    room = canvas(100, 4)
    settings = crisp(direction=-90, length=100)
    shadow = cast_on_ground(room, ground_of(room.silhouette), settings)
    dark = (shadow[0, 0] > 0.1).nonzero()
    assert dark[:, 1].max().item() - 160 == pytest.approx(104, abs=4)
    assert dark[:, 1].min().item() - 160 == pytest.approx(0, abs=4)
    assert dark[:, 0].min().item() - 160 > 94 and dark[:, 0].max().item() - 160 < 104


@pytest.mark.parametrize(("direction", "sign"), [(0, 1), (180, -1)])
def test_towards_the_camera_it_is_foreshortened(direction, sign):
    room = canvas(100, 30)
    shadow = cast_on_ground(
        room, ground_of(room.silhouette), crisp(direction=direction, length=200)
    )
    dark = (shadow[0, 0] > 0.1).nonzero()[:, 0] - 160
    tip = dark.max().item() if sign > 0 else dark.min().item()
    reach = 200 / 100 * 100 * TILT + (0 if sign > 0 else TILT * 0.6 * 30)
    assert tip == pytest.approx(100 + sign * reach, abs=5)


def test_it_fades_and_softens_with_the_distance():
    room = canvas(100, 40)
    settings = ShadowSettings(direction=-90, length=150, softness=30)
    shadow = cast_on_ground(room, ground_of(room.silhouette), settings)[0, 0]
    spine = shadow[160 + 95, 160 + 45 : 160 + 180]
    assert (spine.diff() < 0.01).all()  # but for what nearest pixels leave
    assert spine[0] > 2 * spine[120]

    def width(column):
        profile = shadow[:, 160 + column] / shadow[:, 160 + column].max()
        return ((profile > 0.1) & (profile < 0.9)).sum().item()

    assert width(150) > 1.5 * width(50)


def test_a_shadow_is_no_wider_than_its_object_and_what_it_casts_over():
    room = canvas(60, 50)
    whole = cast_on_ground(room, ground_of(room.silhouette), crisp(direction=-90, length=100))
    _, bottom, left, right = extent(whole)
    assert bottom <= 63 and left >= -3 and right <= 50 + 60 + 3


def test_on_a_wall_it_is_the_silhouette_moved():
    room = canvas(90, 40)
    settings = crisp(kind="drop", direction=-90, length=200)
    moved = 2 * wall_height(60, settings)  # the object's size is 60
    assert moved == pytest.approx(12)
    assert extent(cast_on_wall(room, settings)) == [0, 90, 12, 52]
    settings = crisp(kind="drop", direction=0, length=200)
    assert extent(cast_on_wall(room, settings)) == [12, 102, 0, 40]


def test_the_penumbra_on_a_wall_is_as_wide_as_the_light_looks():
    """Half the distance to the object, 0.1 + 1 of its size, is four standard deviations."""
    room = canvas(200, 200)
    settings = ShadowSettings(kind="drop", length=0, softness=50, lift=100)
    profile = cast_on_wall(room, settings)[0, 0, 260]
    inside = profile[:260]  # one edge
    rising = ((inside > 0.1587) & (inside < 0.8413)).sum().item()  # two of them
    assert rising == pytest.approx(0.5 * 1.1 * 200 / 2, rel=0.1)


def test_what_floats_casts_from_below_itself():
    room = canvas(60, 60, 200)
    settings = crisp(direction=-90, length=50, lift=100)
    shadow = cast_on_ground(room, ground_of(room.silhouette), settings)
    top, bottom, left, right = extent(shadow, 200)
    assert top > 100 and bottom <= 124  # the ground is 60 rows below the object
    assert left > 26 and right < 60 + 60 + 4  # 30 columns for its lower edge, 60 for its upper

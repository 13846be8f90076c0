"""Places counted by hand: an object of 30 rows and 40 columns on a target of 200 by 300."""

import math

import pytest

from blending.placement.layout import ANCHORS, Layout, direction, fit_factors

OBJECT, TARGET = (30, 40), (200, 300)


def spot(**wish):
    return Layout(**wish).spot(OBJECT, TARGET)


def corner(**wish):
    found = spot(**wish)
    return found.row, found.column


def test_by_default_the_object_lies_in_the_middle_at_its_own_size():
    found = spot()
    assert (found.row, found.column) == (100 - 15, 150 - 20)
    assert (found.height, found.width, found.down, found.across) == (30, 40, 1, 1)
    assert found.is_quarter_turn


@pytest.mark.parametrize(
    ("anchor", "row", "column"),
    [
        ("top left", 100, 60),
        ("top", 100, 60 - 20),
        ("top right", 100, 60 - 40),
        ("left", 100 - 15, 60),
        ("centre", 100 - 15, 60 - 20),
        ("right", 100 - 15, 60 - 40),
        ("bottom left", 100 - 30, 60),
        ("bottom", 100 - 30, 60 - 20),
        ("bottom right", 100 - 30, 60 - 40),
    ],
)
def test_the_anchor_lands_on_the_place(anchor, row, column):
    assert corner(column=60, row=100, unit="pixels", anchor=anchor) == (row, column)


def test_there_are_nine_anchors():
    assert len(set(ANCHORS)) == 9


@pytest.mark.parametrize(("column", "row"), [(0, 0), (25, 10), (100, 100), (-40, 150), (33, 7)])
def test_percent_is_that_share_of_the_target_in_pixels(column, row):
    pixels = corner(column=3 * column, row=2 * row, unit="pixels", anchor="top left")
    assert corner(column=column, row=row, anchor="top left") == pixels == (2 * row, 3 * column)


@pytest.mark.parametrize(("wish", "found"), [(10.49, 10), (10.5, 11), (-10.5, -10), (-10.51, -11)])
def test_a_place_between_pixels_goes_to_the_nearest_and_halves_right_and_down(wish, found):
    place = corner(column=wish, row=wish, unit="pixels", anchor="top left")
    assert place == (found, found)


def test_an_odd_object_centred_on_a_pixel_edge_goes_half_a_pixel_right():
    # 41 pixels around column 100: from 79.5, so from 80.
    assert Layout(column=100, row=0, unit="pixels").spot((30, 41), TARGET).column == 80


@pytest.mark.parametrize(
    ("fit", "sides"),
    [
        ("off", (30, 40)),
        ("inside", (45, 60)),  # 60 wide by 90 high: 1.5 by width, 3 by height
        ("cover", (90, 120)),
        ("stretch", (90, 60)),
    ],
)
def test_fits_in_pixels_and_percent(fit, sides):
    found = spot(fit=fit, fit_width=60, fit_height=90, unit="pixels")
    assert (found.height, found.width) == sides
    found = spot(fit=fit, fit_width=20, fit_height=45)  # percent of 300 and 200
    assert (found.height, found.width) == sides


def test_scale_multiplies_the_fit():
    found = spot(fit="inside", fit_width=60, fit_height=90, unit="pixels", scale=2)
    assert (found.height, found.width) == (90, 120)


@pytest.mark.parametrize("rotation", [90, -90, 270, -270])
def test_a_quarter_turn_swaps_the_sides_and_the_fit_sees_the_turned_object(rotation):
    found = spot(rotation=rotation)
    assert (found.height, found.width) == (40, 30)
    found = spot(rotation=rotation, fit="stretch", fit_width=60, fit_height=90, unit="pixels")
    assert (found.height, found.width, found.across, found.down) == (90, 60, 2, 90 / 40)
    assert found.is_quarter_turn


@pytest.mark.parametrize(("rotation", "same"), [(-30, 330), (360, 0), (-360, 0), (-90, 270)])
def test_rotations_are_counted_clockwise_from_0_to_360(rotation, same):
    assert spot(rotation=rotation).rotation == same


def test_a_turned_object_takes_the_rectangle_around_it():
    # 3-4-5: cos 0.8, sin 0.6. Height 30·0.8 + 40·0.6 = 48, width 40·0.8 + 30·0.6 = 50.
    angle = math.degrees(math.asin(0.6))
    for rotation in (angle, -angle, 180 - angle, 180 + angle):
        found = spot(rotation=rotation)
        assert (found.height, found.width) == (48, 50)
        assert not found.is_quarter_turn
    assert (spot(rotation=angle).row, spot(rotation=angle).column) == (100 - 24, 150 - 25)


def test_a_turned_object_is_rounded_up_so_that_no_corner_is_cut():
    # 45 degrees: (30 + 40) / sqrt 2 = 49.497...
    found = spot(rotation=45)
    assert (found.height, found.width) == (50, 50)


def test_a_turned_object_fits_inside_by_the_rectangle_around_it():
    angle = math.degrees(math.asin(0.6))
    found = spot(rotation=angle, fit="inside", fit_width=100, fit_height=200, unit="pixels")
    assert (found.height, found.width) == (96, 100)
    assert found.across == found.down == pytest.approx(2)


def test_sides_are_rounded_to_the_nearest_and_never_vanish():
    found = spot(scale=0.31)  # 9.3, 12.4
    assert (found.height, found.width) == (9, 12)
    found = Layout(scale=0.01).spot((3, 4), TARGET)
    assert (found.height, found.width) == (1, 1)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"column": 16385}, r"column must be in \[-16384, 16384\], got 16385"),
        ({"row": float("nan")}, "row must be in"),
        ({"row": "top"}, "row must be a number"),
        ({"unit": "inch"}, "unit must be one of pixels, percent, got 'inch'"),
        ({"anchor": "middle"}, "anchor must be one of top left, "),
        ({"scale": 0}, r"scale must be in \[0.01, 16\]"),
        ({"fit": "fill"}, "fit must be one of off, inside, cover, stretch"),
        ({"fit_width": 0}, r"fit_width must be in \[1, 16384\]"),
        ({"fit_height": 0.5}, "fit_height must be in"),
        ({"rotation": 361}, r"rotation must be in \[-360, 360\]"),
        ({"flip": "left"}, "flip must be one of off, horizontal, vertical, both"),
    ],
)
def test_wishes_out_of_range_are_refused(wish, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Layout(**wish)


def test_fit_factors_are_down_and_across():
    assert fit_factors((10, 20), (30, 20), "stretch") == (3, 1)
    assert fit_factors((10, 20), (30, 20), "inside") == (1, 1)
    assert fit_factors((10, 20), (30, 20), "cover") == (3, 3)


def test_directions_of_quarter_turns_are_exact_and_others_are_on_the_circle():
    assert [direction(angle) for angle in (0, 90.0, 180, 270.0)] == [
        (1, 0),
        (0, 1),
        (-1, 0),
        (0, -1),
    ]
    assert direction(60) == pytest.approx((0.5, math.sqrt(0.75)))
    assert direction(90.25) == pytest.approx((math.cos(1.575159650), math.sin(1.575159650)))
    assert direction(225.0) == pytest.approx((-math.sqrt(0.5), -math.sqrt(0.5)))


@pytest.mark.parametrize(
    ("wish", "error"),
    [({"row": "top"}, TypeError), ({"scale": True}, TypeError), ({"scale": 17}, ValueError)],
)
def test_a_number_that_is_none_is_a_type_error_and_one_out_of_range_a_value_error(wish, error):
    with pytest.raises(error, match=f"{next(iter(wish))} must be"):
        Layout(**wish)

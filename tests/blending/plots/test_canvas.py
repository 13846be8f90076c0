"""The canvas: words, lines and bars lie where they are told to, in their colours."""

import numpy as np
import pytest
import torch
from PIL import ImageColor

from blending.plots.canvas import BACKGROUND, LARGE, SMALL, Canvas

WIDTH, HEIGHT = 120, 80


@pytest.fixture
def canvas():
    return Canvas(WIDTH, HEIGHT)


def colour(name):
    """(3, 1, 1), in [0, 1]."""
    return torch.tensor(ImageColor.getrgb(name)).view(3, 1, 1) / 255


def drawn(canvas, name=None):
    """The pixels of a colour; None: those that are not the background; (H, W), bool."""
    picture = canvas.picture()[0]
    if name is None:
        return (picture - colour(BACKGROUND)).abs().amax(0) > 0.01
    return (picture - colour(name)).abs().amax(0) < 0.01


def extent(pixels):
    """Left, top, right, bottom of the pixels, the last ones in it."""
    rows, columns = pixels.nonzero(as_tuple=True)
    ends = (columns.min(), rows.min(), columns.max(), rows.max())
    return tuple(end.item() for end in ends)


def test_an_empty_canvas_is_background_in_its_size(canvas):
    picture = canvas.picture()
    assert picture.shape == (1, 3, HEIGHT, WIDTH)
    assert picture.dtype == torch.float32
    assert torch.equal(picture[0], colour(BACKGROUND).expand(3, HEIGHT, WIDTH))


def test_words_begin_at_their_left_top_and_are_as_long_as_told(canvas):
    canvas.write((20, 30), "Hxlm")
    left, top, right, bottom = extent(drawn(canvas))
    assert 20 <= left <= 22
    assert 30 <= top <= 36
    assert right == pytest.approx(20 + canvas.length("Hxlm"), abs=2)
    assert bottom < 30 + 1.5 * SMALL


@pytest.mark.parametrize(
    ("anchor", "beyond"),
    [
        ("ra", lambda box: box[2] <= 60 and box[1] >= 40),
        ("ls", lambda box: box[0] >= 60 and box[3] <= 40),
        ("rs", lambda box: box[2] <= 60 and box[3] <= 40),
    ],
)
def test_an_anchor_moves_the_words_to_its_side(anchor, beyond, canvas):
    canvas.write((60, 40), "Hxl", anchor=anchor)
    assert beyond(extent(drawn(canvas)))


def test_words_anchored_in_the_middle_lie_around_it(canvas):
    canvas.write((60, 40), "HHH", anchor="mm")
    left, top, right, bottom = extent(drawn(canvas))
    assert (left + right) / 2 == pytest.approx(60, abs=1)
    assert (top + bottom) / 2 == pytest.approx(40, abs=2)


def test_words_have_their_colour_and_grow_with_their_size(canvas):
    canvas.write((5, 5), "HHH", LARGE, "#ff0000")
    written = canvas.picture()[0] - colour(BACKGROUND)
    assert written[0].max() > 0.5
    assert written[1:].max() < 0.01
    canvas.write((5, 40), "HHH", LARGE)
    assert (canvas.picture()[0] - colour(BACKGROUND))[:, 40:].amax((1, 2)).min() > 0.5
    assert canvas.length("HHH", 2 * SMALL) == pytest.approx(2 * canvas.length("HHH"), rel=0.05)
    assert canvas.length("HHH", LARGE) > canvas.length("HHH")
    assert canvas.length("HHHHHH") == pytest.approx(2 * canvas.length("HHH"), rel=0.02)
    assert canvas.length("") == 0


def test_a_level_line_covers_its_width_around_its_row(canvas):
    canvas.line([(20, 40), (100, 40)], "#00ff00", 4)
    full = drawn(canvas, "#00ff00")
    rows = full[:, 60].nonzero().flatten().tolist()
    assert rows in ([38, 39, 40, 41], [38, 39, 40], [39, 40, 41])
    assert full[40, 20:100].all()
    assert not drawn(canvas)[40, :17].any()
    assert not drawn(canvas)[40, 104:].any()


def test_a_line_goes_through_all_of_its_points(canvas):
    canvas.line([(10, 10), (60, 70), (110, 10)], "#00ff00", 3)
    full = drawn(canvas, "#00ff00")
    assert full[40, 34:37].any()  # half way down
    assert full[40, 84:87].any()
    assert not drawn(canvas)[40, 45:75].any()
    assert not drawn(canvas)[10, 20:100].any()  # the ends are not joined


def test_one_point_alone_is_a_dot(canvas):
    canvas.line([(50, 30)], "#00ff00", 5)
    left, top, right, bottom = extent(drawn(canvas))
    # A radius of the width.
    assert (left, right) == (pytest.approx(45, abs=1), pytest.approx(55, abs=1))
    assert (top, bottom) == (pytest.approx(25, abs=1), pytest.approx(35, abs=1))
    assert drawn(canvas, "#00ff00").sum() == pytest.approx(np.pi * 5**2, rel=0.25)


def test_no_points_draw_nothing(canvas):
    canvas.line([], "#00ff00", 5)
    assert not drawn(canvas).any()


def test_a_bar_goes_from_its_first_to_its_last_colour(canvas):
    canvas.bar((10, 5, 90, 15), np.array([[0.0, 0, 0], [1.0, 1, 1]]))
    row = canvas.picture()[0, 0, 10, 10:90]
    assert row[0] < 0.05
    assert row[-1] > 0.95
    assert (row.diff() >= 0).all()
    assert row.diff().max() < 0.05  # without a step


def test_a_bar_fills_its_box_and_no_more(canvas):
    canvas.bar((10, 5, 90, 15), np.array([[1.0, 0, 0], [0, 0, 1.0]]))
    assert extent(drawn(canvas)) == (10, 5, 89, 14)
    assert drawn(canvas)[5:15, 10:90].all()
    picture = canvas.picture()[0]
    assert torch.equal(picture[:, 5, 10:90], picture[:, 14, 10:90])
    assert (picture[0, 10, 10], picture[2, 10, 10]) == (1, 0)
    assert (picture[0, 10, 89], picture[2, 10, 89]) == (0, 1)


@pytest.mark.parametrize("right", [10, 4])
def test_a_bar_without_width_is_left_out(right, canvas):
    canvas.bar((10, 5, right, 15), np.array([[1.0, 1, 1]]))
    assert not drawn(canvas).any()


def test_a_picture_can_be_taken_before_more_is_drawn(canvas):
    first = canvas.picture()
    before = first.clone()
    canvas.line([(0, 0), (WIDTH, HEIGHT)], "#ffffff", 3)
    assert torch.equal(first, before)
    assert not torch.equal(canvas.picture(), before)

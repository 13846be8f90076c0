"""Plots: curves lie where their values say, in their colours."""

import math

import pytest
import torch

from blending.plots.canvas import Canvas
from blending.plots.line_plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axes, Curve, draw_plot

RED = torch.tensor([1.0, 0.0, 0.0])[:, None, None]


def pixels_of(plot):
    """Rows and columns of the red pixels in the field of curves."""
    field = plot[0, :, TOP : HEIGHT - BOTTOM + 3, LEFT - 3 : WIDTH - RIGHT + 3]
    rows, columns = ((field - RED).abs().amax(0) < 0.2).nonzero(as_tuple=True)
    return rows + TOP, columns + LEFT - 3


def drawn(points, **axes):
    return draw_plot("", [Curve("red", points, "#ff0000")], Axes("across", "up", **axes))


def test_a_plot_is_a_picture_of_its_size():
    plot = drawn([(0, 1), (1, 2)])
    assert plot.shape == (1, 3, HEIGHT, WIDTH)
    assert 0 <= plot.min() <= plot.max() <= 1


def test_a_linear_axis_begins_at_0_and_a_curve_fills_the_width():
    rows, columns = pixels_of(drawn([(10, 0), (20, 5)]))
    first, last = rows[columns <= LEFT + 2], rows[columns >= WIDTH - RIGHT - 2]
    assert first.float().mean() == pytest.approx(HEIGHT - BOTTOM, abs=3)
    # 5 of 1.06 · 5
    assert last.float().mean() == pytest.approx(
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) / 1.06, abs=3
    )


def test_a_power_law_is_straight_on_a_logarithmic_axis():
    rows, columns = pixels_of(drawn([(x, 10.0**x) for x in range(5)], is_log=True))
    slope = (rows - rows.float().mean()) @ (columns - columns.float().mean())
    slope /= ((columns - columns.float().mean()) ** 2).sum()
    line = rows.float().mean() + slope * (columns - columns.float().mean())
    assert (rows - line).abs().max() < 3


def test_what_is_not_finite_or_not_above_0_on_a_logarithmic_axis_leaves_a_gap():
    for gap in (math.nan, math.inf, 0.0):
        points = [(0, 1), (1, 1), (2, gap), (3, 1), (4, 1)]
        _, columns = pixels_of(drawn(points, is_log=True))
        middle = (LEFT + WIDTH - RIGHT) / 2
        assert not ((columns - middle).abs() < 40).any()
        assert (columns < middle - 100).any()
        assert (columns > middle + 100).any()


def test_one_point_is_a_dot():
    rows, columns = pixels_of(drawn([(3, 1)], is_log=True))
    assert len(rows) > 4
    assert columns.max() - columns.min() < 10


def test_flat_curves_and_equal_places_are_drawn():
    for points in ([(0, 0), (1, 0)], [(1, 2), (1, 2)], [(0, 1e-30), (1, 1e-30)]):
        assert torch.isfinite(drawn(points)).all()


def test_nothing_to_draw_is_the_title_alone():
    plot = draw_plot("nothing", [Curve("red", [(0, math.nan)], "#ff0000")], Axes("a", "b"))
    assert torch.equal(plot, draw_plot("nothing", [], Axes("a", "b")))
    assert plot[0, :, TOP:].std() == pytest.approx(plot[0, :, -1, -1].std().item(), abs=0.01)


def test_an_axis_shows_six_decades_at_most():
    rows, _ = pixels_of(drawn([(0, 1), (1, 1e-20)], is_log=True))
    assert rows.max() <= HEIGHT - BOTTOM + 3  # lower values lie on the axis


def test_a_bar_goes_from_its_first_to_its_last_colour():
    canvas = Canvas(100, 20)
    canvas.bar((10, 5, 90, 15), torch.tensor([[0.0, 0, 0], [1.0, 1, 1]]).numpy())
    row = canvas.picture()[0, 0, 10, 10:90]
    assert row[0] < 0.05
    assert row[-1] > 0.95
    assert (row.diff() >= 0).all()

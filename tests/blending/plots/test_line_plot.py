"""Plots: curves lie where their values say, in their colours."""

import math

import pytest
import torch

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
    # From 1e-6 / 1.3 to 1.3: 1e-3 lies in the middle.
    rows, columns = pixels_of(drawn([(0, 1), (1, 1e-3), (2, 1e-20)], is_log=True))
    middle = rows[(columns - (LEFT + WIDTH - RIGHT) / 2).abs() < 2].float().mean()
    assert middle == pytest.approx((TOP + HEIGHT - BOTTOM) / 2, abs=3)


def has(plot, colour, rows=slice(None), columns=slice(None)):
    """Whether a part of the plot has pixels of a colour, or nearly so."""
    wanted = torch.tensor([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    distance = (plot[0, :, rows, columns] - wanted[:, None, None]).abs().amax(0)
    return bool((distance < 0.03).any())


LEGEND = slice(WIDTH - RIGHT + 20, None)
FIELD = slice(LEFT + 3, WIDTH - RIGHT - 3)


def test_the_legend_lists_the_curves_with_names_in_their_order():
    curves = [
        Curve("red", [(0, 1), (1, 2)], "#ff0000"),
        Curve("", [(0, 2), (1, 1)], "#00ff00"),
        Curve("blue", [(0, 3), (1, 3)], "#0000ff"),
    ]
    plot = draw_plot("", curves, Axes("across", "up"))
    assert has(plot, "#00ff00", columns=FIELD)
    assert not has(plot, "#00ff00", columns=LEGEND)
    first, second = slice(TOP, TOP + 44), slice(TOP + 44, TOP + 88)
    assert has(plot, "#ff0000", first, LEGEND)
    assert has(plot, "#0000ff", second, LEGEND)
    assert not has(plot, "#0000ff", first, LEGEND)
    below = plot[0, :, TOP + 88 :, LEGEND]
    assert torch.equal(below, below[:, :1, :1].expand_as(below))  # two entries, not three


def test_names_and_notes_are_written_in_the_legend():
    plain, noted, named = (
        draw_plot("", [Curve(name, [(0, 1), (1, 2)], "#ff0000", note)], Axes("a", "b"))
        for name, note in (("one", ""), ("one", "a note"), ("other", ""))
    )
    changed = (plain != noted)[0].any(0).nonzero()
    assert changed.numel() > 0
    assert changed[:, 0].min() >= TOP + 18
    assert changed[:, 1].min() >= WIDTH - RIGHT
    assert not torch.equal(plain[..., LEGEND], named[..., LEGEND])
    assert torch.equal(plain[..., : WIDTH - RIGHT], named[..., : WIDTH - RIGHT])


def test_labels_and_title_stand_around_the_field():
    plain = draw_plot("", [Curve("red", [(0, 1), (1, 2)], "#ff0000")], Axes("", ""))
    field = (slice(None), slice(None), slice(TOP, HEIGHT - BOTTOM), slice(LEFT, WIDTH - RIGHT))
    for words, rows in (
        (("title", "", ""), (0, TOP - 30)),
        (("", "across", ""), (HEIGHT - BOTTOM + 20, HEIGHT)),
        (("", "", "up"), (TOP - 40, TOP)),
    ):
        title, across, up = words
        plot = draw_plot(title, [Curve("red", [(0, 1), (1, 2)], "#ff0000")], Axes(across, up))
        changed = (plot != plain)[0].any(0).any(1).nonzero()
        assert rows[0] <= changed.min() <= changed.max() < rows[1]
        assert torch.equal(plot[field], plain[field])


def test_a_mark_is_a_vertical_line_at_its_place_inside_the_range_only():
    points = [(0, 1), (10, 1)]
    plain = drawn(points)
    marked = drawn(points, mark=(4.0, ""))
    columns = (marked != plain)[0].any(0).any(0).nonzero().flatten()
    place = LEFT + 0.4 * (WIDTH - RIGHT - LEFT)
    assert columns.numel() > 0
    assert (columns - place).abs().max() <= 3
    assert not torch.equal(drawn(points, mark=(4.0, "words")), marked)
    assert torch.equal(drawn(points, mark=(10.5, "words")), plain)
    assert torch.equal(drawn(points, mark=(-0.5, "words")), plain)


def grid_rows(plot):
    """Rows of the horizontal lines of the grid, where no curve is."""
    column = plot[0, :, TOP : HEIGHT - BOTTOM - 3, LEFT + 40].amax(0)
    on_line = column > column.min() + 0.03
    starts = (on_line & ~torch.cat((torch.tensor([False]), on_line[:-1]))).nonzero().flatten()
    return [TOP + start.item() for start in starts]


def vertical_place(share):
    """The row of a share of the axis, from its lower end."""
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def test_a_linear_axis_has_lines_at_round_values():
    # Up to 1.06 · 10: steps of 2, for a sixth is 1.77.
    plot = drawn([(0, 0), (0.5, math.nan), (1, 10)])
    wanted = [vertical_place(value / 10.6) for value in (10, 8, 6, 4, 2)]
    assert grid_rows(plot) == pytest.approx(wanted, abs=2)


def test_a_logarithmic_axis_over_many_decades_has_a_line_a_decade():
    # From 1e-3 / 1.3 to 1.3e3.
    plot = drawn([(0, 1e-3), (0.5, math.nan), (1, 1e3)], is_log=True)
    low, high = math.log10(1e-3 / 1.3), math.log10(1.3e3)
    wanted = [vertical_place((e - low) / (high - low)) for e in range(3, -4, -1)]
    assert grid_rows(plot) == pytest.approx(wanted, abs=2)


def test_a_logarithmic_axis_over_one_decade_has_lines_at_1_2_and_5():
    plot = drawn([(0, 1), (0.5, math.nan), (1, 10)], is_log=True)
    low, high = math.log10(1 / 1.3), math.log10(13)
    wanted = [vertical_place((math.log10(v) - low) / (high - low)) for v in (10, 5, 2, 1)]
    assert grid_rows(plot) == pytest.approx(wanted, abs=2)

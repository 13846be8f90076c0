"""Line plots with a legend, as pictures."""

import math
from dataclasses import dataclass

from torch import Tensor

from .canvas import DIM, LARGE, SMALL, TEXT, Canvas, Point

WIDTH, HEIGHT = 960, 600  # pixels
LEFT, TOP, RIGHT, BOTTOM = 88, 96, 236, 64  # margins of the field of curves; legend on the right
GRID, AXIS = "#34363d", "#767a86"
# Okabe and Ito 2008, told apart by colour-blind eyes too; brightened for a dark ground.
COLOURS = ("#e69f00", "#56b4e9", "#1fc79a", "#f0e442", "#7d8cff", "#ff7a33", "#e79ac8")
STRONG = "#ffffff"
DECADES = 6  # that a logarithmic axis shows at most
ENTRY = 44  # pixels of a legend's entry


@dataclass(frozen=True)
class Curve:
    """One line of a plot.

    Attributes:
        name: for the legend; "": it is not listed there.
        points: (x, y), from left to right; a value that is not finite, or not above 0 on a
            logarithmic axis, leaves a gap.
        colour: as Pillow names it.
        note: for the legend, below the name.
        width: pixels.
    """

    name: str
    points: list[Point]
    colour: str
    note: str = ""
    width: float = 2.5


@dataclass(frozen=True)
class Axes:
    """The labels and kind of a plot's axes.

    Attributes:
        across: label of the horizontal axis, with its unit.
        up: label of the vertical axis, with its unit.
        is_log: whether the vertical axis is logarithmic; otherwise it begins at 0.
        mark: the place of a vertical line and its text; None: there is none.
    """

    across: str
    up: str
    is_log: bool = False
    mark: tuple[float, str] | None = None


@dataclass(frozen=True)
class _Scale:
    """From values to pixels along one axis."""

    low: float
    high: float
    start: float
    stop: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = (math.log10(one) for one in (low, high, max(value, low)))
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Round values in the range: 1, 2, 5 of each decade, or about six even steps."""
        if self.is_log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            digits = (1, 2, 5) if self.high / self.low < 200 else (1,)
            values = [digit * 10.0**decade for decade in decades for digit in digits]
        else:
            rough = (self.high - self.low) / 6
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(digit for digit in (1, 2, 5, 10) if digit * power >= rough) * power
            first, last = math.ceil(self.low / step), math.floor(self.high / step)
            values = [number * step for number in range(first, last + 1)]
        return [value for value in values if self.low <= value <= self.high]


def draw_plot(title: str, curves: list[Curve], axes: Axes) -> Tensor:
    """Draw curves with axes and a legend.

    Args:
        title: written above; without a point to draw it stands alone.
        curves: in the order of drawing and of the legend.
        axes: labels and kind.

    Returns:
        (1, 3, 600, 960), RGB in [0, 1].
    """
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.write((24, 20), title, LARGE)
    runs = [_runs(curve, axes) for curve in curves]
    points = [point for parts in runs for part in parts for point in part]
    if points:
        across, up = _scales(points, axes.is_log)
        _draw_axes(canvas, across, up, axes)
        for curve, parts in zip(curves, runs, strict=True):
            for part in parts:
                places = [(across(x), up(y)) for x, y in part]
                canvas.line(places, curve.colour, curve.width)
        for index, curve in enumerate(curve for curve in curves if curve.name):
            _draw_entry(canvas, index, curve)
    return canvas.picture()


def _runs(curve: Curve, axes: Axes) -> list[list[Point]]:
    """The curve's points, split at its gaps."""
    runs: list[list[Point]] = [[]]
    for x, y in curve.points:
        if math.isfinite(y) and (y > 0 or not axes.is_log):
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _scales(points: list[Point], is_log: bool) -> tuple[_Scale, _Scale]:
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top = max(y for _, y in points)
    low, high = 0.0, 1.06 * top or 1.0
    if is_log:
        low = max(min(y for _, y in points), top * 10.0**-DECADES) / 1.3
        high = 1.3 * top
    across = _Scale(left, right if right > left else left + 1, LEFT, WIDTH - RIGHT)
    return across, _Scale(low, high, HEIGHT - BOTTOM, TOP, is_log)


def _draw_axes(canvas: Canvas, across: _Scale, up: _Scale, axes: Axes) -> None:
    """Grid, numbers, labels and the mark."""
    for value in up.ticks():
        row = up(value)
        canvas.line([(LEFT, row), (WIDTH - RIGHT, row)], GRID)
        canvas.write((LEFT - 10, row), f"{value:g}", SMALL, DIM, "rm")
    for value in across.ticks():
        if value == round(value):
            column = across(value)
            canvas.line([(column, TOP), (column, HEIGHT - BOTTOM)], GRID)
            canvas.write((column, HEIGHT - BOTTOM + 10), f"{value:g}", SMALL, DIM, "ma")
    corner = (LEFT, HEIGHT - BOTTOM)
    canvas.line([(LEFT, TOP), corner, (WIDTH - RIGHT, HEIGHT - BOTTOM)], AXIS)
    middle = (LEFT + WIDTH - RIGHT) / 2
    canvas.write((middle, HEIGHT - 12), axes.across, SMALL, TEXT, "ms")
    canvas.write((24, TOP - 16), axes.up, SMALL, TEXT, "ls")
    if axes.mark and across.low <= axes.mark[0] <= across.high:
        column = across(axes.mark[0])
        canvas.line([(column, TOP), (column, HEIGHT - BOTTOM)], AXIS, 1.5)
        canvas.write((column + 6, TOP + 4), axes.mark[1], SMALL, DIM)


def _draw_entry(canvas: Canvas, index: int, curve: Curve) -> None:
    """One entry of the legend."""
    left, top = WIDTH - RIGHT + 22, TOP + index * ENTRY
    canvas.line([(left, top + 9), (left + 24, top + 9)], curve.colour, max(3, curve.width))
    canvas.write((left + 34, top + 9), curve.name, SMALL, TEXT, "lm")
    canvas.write((left + 34, top + 28), curve.note, SMALL - 2, DIM, "lm")

"""Where an object lies on a target: anchors, units, fit, rotation. Plain numbers, no torch."""

import math
from dataclasses import dataclass

from ..checks import check_choice, check_range
from .box import Box

ANCHORS = (
    "top left",
    "top",
    "top right",
    "left",
    "centre",
    "right",
    "bottom left",
    "bottom",
    "bottom right",
)
UNITS = ("pixels", "percent")
FITS = ("off", "inside", "cover", "stretch")
FLIPS = ("off", "horizontal", "vertical", "both")
RESIZES = ("off", "stretch", "fit", "fill")
FARTHEST = 16384  # largest coordinate, and largest side to fit to, in pixels or percent
ROUNDING = 1e-6  # pixels: a side times the rounding error of a sine

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Spot:
    """An object's rectangle on the target and how its source gets there.

    Attributes:
        row, column: of the top-left corner, whole pixels of the target, may be negative.
        height, width: of the rectangle around the resized and rotated object, whole pixels.
        down, across: factors of enlargement along the target's columns and rows, after the
            rotation.
        rotation: degrees clockwise, 0 <= rotation < 360.
    """

    row: int
    column: int
    height: int
    width: int
    down: float
    across: float
    rotation: float

    @property
    def is_quarter_turn(self) -> bool:
        """Whether pixels are turned onto pixels: 0, 90, 180 or 270 degrees."""
        return self.rotation % 90 == 0


@dataclass(frozen=True)
class Layout:
    """The requested place, size and pose of an object.

    The object is flipped, rotated clockwise, fitted, then scaled; the anchor of the upright
    rectangle around it lands on (column, row) of the target. Fit and anchor refer to the rotated
    object.

    Attributes:
        column: from the target's left edge, in `unit`, -16384 to 16384.
        row: from the target's top edge, in `unit`, -16384 to 16384.
        unit: "pixels", or "percent" of the target's width and height; for the fit sides, too.
        anchor: one of `ANCHORS`.
        scale: factor, 0.01 to 16, after the fit.
        fit: "off"; "inside", as large as fits into the fit sides; "cover", as small as covers them;
            "stretch", exactly these sides, proportions lost.
        fit_width, fit_height: 1 to 16384, in `unit`; unused while `fit` is off.
        rotation: degrees clockwise, -360 to 360.
        flip: "off", "horizontal" (left and right swapped), "vertical" or "both".
    """

    column: float = 50.0
    row: float = 50.0
    unit: str = "percent"
    anchor: str = "centre"
    scale: float = 1.0
    fit: str = "off"
    fit_width: float = 100.0
    fit_height: float = 100.0
    rotation: float = 0.0
    flip: str = "off"

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError on a value that is not allowed."""
        for name in ("column", "row"):
            check_range(name, getattr(self, name), -FARTHEST, FARTHEST)
        for name in ("fit_width", "fit_height"):
            check_range(name, getattr(self, name), 1, FARTHEST)
        check_range("scale", self.scale, 0.01, 16)
        check_range("rotation", self.rotation, -360, 360)
        check_choice("unit", self.unit, UNITS)
        check_choice("anchor", self.anchor, ANCHORS)
        check_choice("fit", self.fit, FITS)
        check_choice("flip", self.flip, FLIPS)

    def spot(self, source: Size, target: Size, part: Box | None = None) -> Spot:
        """The rectangle that a source comes to cover on a target, in whole pixels.

        Sides are rounded to the nearest pixel, at least 1 (rounded up where the rotation is no
        multiple of 90 degrees); the corner is rounded to the nearest, halves to the right and down.

        Args:
            source: its height and width, pixels.
            target: its height and width, pixels.
            part: of the source that fit and anchor refer to, inside it; None: all of it.

        Returns:
            Corner, size, factors and rotation of the whole source.
        """
        rotation, part = self.rotation % 360, part or Box(0, 0, *source)
        turned, own = turned_size(source, rotation), turned_size(part.size, rotation)
        unit = (1, 1) if self.unit == "pixels" else (target[0] / 100, target[1] / 100)
        room = self.fit_height * unit[0], self.fit_width * unit[1]
        down, across = (self.scale * factor for factor in fit_factors(own, room, self.fit))
        nearest = round if rotation % 90 == 0 else lambda side: math.ceil(side - ROUNDING)
        height, width = max(1, nearest(turned[0] * down)), max(1, nearest(turned[1] * across))
        own_height, own_width = max(1, nearest(own[0] * down)), max(1, nearest(own[1] * across))
        above, before = _anchor_shares(self.anchor)
        below, beside = self._turned_centre(source, part)
        # The part's middle, from there the whole's, and from there the whole's corner.
        row = self.row * unit[0] + (0.5 - above) * own_height - below * down - height / 2
        column = self.column * unit[1] + (0.5 - before) * own_width - beside * across - width / 2
        row, column = math.floor(row + 0.5), math.floor(column + 0.5)
        return Spot(row, column, height, width, down, across, rotation)

    def _turned_centre(self, source: Size, part: Box) -> tuple[float, float]:
        """How far a part's middle lies below and beside the flipped and turned source's."""
        row = part.top + part.height / 2 - source[0] / 2
        column = part.left + part.width / 2 - source[1] / 2
        row = -row if self.flip in ("vertical", "both") else row
        column = -column if self.flip in ("horizontal", "both") else column
        cosine, sine = direction(self.rotation % 360)
        return cosine * row + sine * column, cosine * column - sine * row


def turned_size(size: Size, rotation: float) -> tuple[float, float]:
    """Height and width of the upright rectangle around one that is turned, in degrees."""
    cosine, sine = (abs(part) for part in direction(rotation))
    return size[0] * cosine + size[1] * sine, size[0] * sine + size[1] * cosine


def fit_factors(
    size: tuple[float, float], room: tuple[float, float], fit: str
) -> tuple[float, float]:
    """The factors by which an object is enlarged to fit a room.

    Args:
        size: height and width of the object, pixels.
        room: height and width to fit to, pixels.
        fit: one of `FITS`; "off" gives 1 and 1.

    Returns:
        The factors of its height and of its width.
    """
    down, across = room[0] / size[0], room[1] / size[1]
    factors = {
        "off": (1.0, 1.0),
        "inside": (min(down, across),) * 2,
        "cover": (max(down, across),) * 2,
        "stretch": (down, across),
    }
    return factors[fit]


def direction(rotation: float) -> tuple[float, float]:
    """Cosine and sine of an angle in degrees, exact for quarter turns."""
    exact = {0: (1.0, 0.0), 90: (0.0, 1.0), 180: (-1.0, 0.0), 270: (0.0, -1.0)}
    angle = math.radians(rotation)
    return exact.get(int(rotation) if rotation % 1 == 0 else -1, (math.cos(angle), math.sin(angle)))


def _anchor_shares(anchor: str) -> tuple[float, float]:
    """The shares of the rectangle's height above, and of its width left of, the anchor."""
    above, before = divmod(ANCHORS.index(anchor), 3)
    return above / 2, before / 2

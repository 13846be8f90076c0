"""The page's geometry of a placed object is the server's: spots, boxes, and which corner is where.

Layouts are drawn at random; the seed is fixed so that a failure repeats.
"""

import random
from dataclasses import asdict, replace

import pytest
import torch

from blending.placement.box import Box, bounding_box
from blending.placement.layout import ANCHORS, FITS, FLIPS, UNITS, Layout
from blending.placement.place_object import place_object
from tests.javascript import call

SPOT = ("row", "column", "height", "width", "down", "across", "rotation")


def layouts(seed: int, count: int):
    """Layouts that lie on or near a target of 160 x 240 pixels, with every choice among them."""
    draw = random.Random(seed)
    for _ in range(count):
        unit = draw.choice(UNITS)
        span = 100 if unit == "percent" else 160
        yield Layout(
            column=round(draw.uniform(0.2, 0.8) * span, 2),
            row=round(draw.uniform(0.2, 0.8) * span, 2),
            unit=unit,
            anchor=draw.choice(ANCHORS),
            scale=draw.choice([1.0, 0.5, round(draw.uniform(0.3, 1.6), 2)]),
            fit=draw.choice(FITS),
            fit_width=round(draw.uniform(20, 60), 2),
            fit_height=round(draw.uniform(20, 60), 2),
            rotation=draw.choice([0, 90, 180, -90, draw.randrange(-720, 720) / 2]),
            flip=draw.choice(FLIPS),
        )


def test_spots_are_the_server_s(tmp_path):
    """To the last digit but for a sine's: whole pixels agree exactly."""
    draw, calls, expected = random.Random(5), [], []
    for layout in layouts(1, 600):
        source = [draw.randrange(1, 90), draw.randrange(1, 90)]
        target = [draw.randrange(1, 400), draw.randrange(1, 400)]
        top, left = draw.randrange(source[0]), draw.randrange(source[1])
        part = [top, left, draw.randint(1, source[0] - top), draw.randint(1, source[1] - left)]
        calls.append(["spot", asdict(layout), source, target, part])
        expected.append(layout.spot(tuple(source), tuple(target), Box(*part)))
    for found, spot in zip(call(tmp_path, "placing_geometry.js", calls), expected, strict=True):
        assert [found[name] for name in SPOT] == pytest.approx(
            [getattr(spot, name) for name in SPOT], abs=1e-9
        ), spot


def object_of(draw: random.Random) -> tuple[torch.Tensor, torch.Tensor, Box]:
    """A dark source with a bright 5 x 5 patch at its object's top left; its mask; the object."""
    box = Box(draw.randrange(5, 25), draw.randrange(5, 25), 2 * draw.randrange(12, 25), 36)
    source, mask = torch.zeros(1, 3, 110, 90), torch.zeros(1, 1, 110, 90)
    rows, columns = box.slices
    mask[..., rows, columns] = 1
    source[..., box.top : box.top + 5, box.left : box.left + 5] = 1
    return source, mask, box


def around_the_middle(layout: Layout) -> Layout:
    """The same pose, small and near the middle of a target of 700 x 700 pixels."""
    half, side = (50, 15) if layout.unit == "percent" else (350, 100)
    return replace(layout, column=half, row=half, fit_width=side, fit_height=0.7 * side)


def test_the_view_s_frame_is_where_the_server_puts_the_object(tmp_path):
    """Its upright box to a pixel, and the object's bright patch where the view draws it."""
    draw, target, cases, calls = random.Random(6), torch.full((1, 3, 700, 700), 0.5), [], []
    for number, layout in enumerate(map(around_the_middle, layouts(2, 60))):
        trim, (source, mask, box) = bool(number % 2), object_of(draw)
        placed = place_object(source, target, mask, layout, trim)
        part = [box.top, box.left, box.height, box.width]
        pictures = {"target": [700, 700], "source": [110, 90], "part": part}
        calls.append(["placement", asdict(layout) | {"trim": trim}, pictures])
        cases.append((layout, part, placed))
    matrices = [found["matrix"] for found in call(tmp_path, "placing_geometry.js", calls)]
    parts = [part for _, part, _ in cases]
    calls = [["corners", *case] for case in zip(matrices, parts, strict=True)]
    corners = call(tmp_path, "placing_geometry.js", calls)
    middles = [[part[1] + 2.5, part[0] + 2.5] for part in parts]
    calls = [["mapped", *case] for case in zip(matrices, middles, strict=True)]
    patches = call(tmp_path, "placing_geometry.js", calls)
    for (layout, _, placed), points, spot in zip(cases, corners, patches, strict=True):
        seen = bounding_box(placed.mask >= 0.5)
        edges = [seen.left, seen.top, seen.right, seen.bottom]
        lowest, highest = ([side(p[i] for p in points) for i in (0, 1)] for side in (min, max))
        assert edges == pytest.approx([*lowest, *highest], abs=1.01), layout
        bright = placed.source[0, 0] * (placed.mask[0, 0] > 0.5)
        rows, columns = torch.meshgrid(torch.arange(700), torch.arange(700), indexing="ij")
        at = [float((bright * (grid + 0.5)).sum() / bright.sum()) for grid in (columns, rows)]
        assert at == pytest.approx(spot, abs=0.6), layout

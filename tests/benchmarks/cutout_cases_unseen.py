"""Ten more cut-outs of known alpha, of other kinds: no threshold was changed after they ran."""

import numpy as np
from cutout_cases import (
    Array,
    CutoutCase,
    Shape,
    bar,
    blob,
    disc,
    drawn,
    flat,
    masked,
    ramp,
    texture,
    together,
    without,
)

SIZE = (184, 200)
LETTERS = (  # strokes of "HALT" in units of a letter's height and width
    ((0, 0, 1, 0), (0, 1, 1, 1), (0.5, 0, 0.5, 1)),
    ((1, 0, 0, 0.5), (0, 0.5, 1, 1), (0.6, 0.2, 0.6, 0.8)),
    ((0, 0, 1, 0), (1, 0, 1, 0.8)),
    ((0, 0, 0, 1), (0, 0.5, 1, 0.5)),
)


def unseen_cases() -> list[CutoutCase]:
    """Each under one rough mask or two and a clean one."""
    return [*_thin(), *_soft(), *_two_colours(), *_noisy()]


def ellipse(row: float, column: float, long: float, short: float, turn: float) -> Shape:
    """A leaf: an ellipse turned by an angle."""
    cosine, sine = np.cos(turn), np.sin(turn)

    def inside(r: Array, c: Array) -> Array:
        along, across = (r - row) * sine + (c - column) * cosine, (c - column) * sine
        return (along / long) ** 2 + ((across - (r - row) * cosine) / short) ** 2 < 1

    return inside


def text() -> Shape:
    strokes = [
        bar((62 + 58 * a, 22 + 44 * k + 30 * b, 62 + 58 * c, 22 + 44 * k + 30 * d), 8)
        for k, letter in enumerate(LETTERS)
        for a, b, c, d in letter
    ]
    return together(*strokes)


def _thin() -> list[CutoutCase]:
    angles = np.arange(12) * np.pi / 6
    leaves = [ellipse(92 + 48 * np.sin(t), 100 + 52 * np.cos(t), 26, 11, t + 0.5) for t in angles]
    twig = together(bar((20, 100, 176, 100), 4), *leaves)
    spokes = [bar((92, 100, 92 + 70 * np.sin(t), 100 + 70 * np.cos(t)), 2.5) for t in angles]
    wheel = together(without(disc(92, 100, 78), disc(92, 100, 67)), disc(92, 100, 12), *spokes)
    antenna = together(blob(140, 100, 36, 4, 0.1), bar((14, 120, 110, 104), 1.3))
    steel = flat(SIZE, (0.35, 0.36, 0.38), 0.02)
    night, table = texture("night", SIZE, 120, 200), texture("table", SIZE, 60, 40)
    green = ramp(SIZE, (0.15, 0.35, 0.12), (0.45, 0.6, 0.2)) + 0.05 * (texture("cat", SIZE) - 0.5)
    sky = ramp(SIZE, (0.4, 0.55, 0.9), (0.85, 0.85, 0.9))
    red = flat(SIZE, (0.75, 0.15, 0.12), 0.02)
    return [
        *masked("leaves", drawn(twig, SIZE), green, sky, ("even 4 of 8", "soft 8")),
        *masked("text", drawn(text(), SIZE), red, table, ("even 4 of 8", "wild 8", "soft 8")),
        *masked("wheel", drawn(wheel, SIZE), steel, night, ("even 4 of 8", "soft 8")),
        *masked("antenna", drawn(antenna, SIZE), steel, sky, ("wild 10", "soft 10")),
    ]


def _soft() -> list[CutoutCase]:
    ball = drawn(disc(92, 100, 52), SIZE, 2.5)
    frame = without(disc(92, 100, 70), disc(92, 100, 60))
    pane = drawn(frame, SIZE) + 0.25 * drawn(disc(92, 100, 60), SIZE)
    white, dark = flat(SIZE, (0.92, 0.92, 0.95), 0.01), flat(SIZE, (0.1, 0.12, 0.15), 0.01)
    dusk, cup = texture("dusk", SIZE, 30, 60), texture("cup", SIZE, 4, 10)
    return [
        *masked("unsharp ball", ball, white, dusk, ("even 5 of 12", "wild 14", "soft 12")),
        *masked("pane in a frame", pane, dark, cup, ("even 4 of 8", "soft 8")),
    ]


def _two_colours() -> list[CutoutCase]:
    flower = drawn(blob(92, 100, 56, 5, 0.2), SIZE)
    blue, red = flat(SIZE, (0.45, 0.55, 0.75), 0.01), flat(SIZE, (0.7, 0.2, 0.2), 0.01)
    halves = np.where(np.arange(SIZE[1]) < 100, blue, red)
    slope = ramp(SIZE, (0.9, 0.75, 0.5), (0.3, 0.35, 0.6))
    strokes = texture("cat", SIZE, 60, 60)
    for k in range(14):
        hair = drawn(bar((60 + 5 * k, 40, 70 + 4 * k, 150), 1.2), SIZE)
        strokes = strokes + hair * (0.9 - strokes)
    cloth = texture("astronaut", SIZE, 120, 30)
    return [
        *masked("half like its background", flower, halves, blue, ("even 5 of 10", "hard 10")),
        *masked("flower over a slope", flower, cloth, slope, ("even 4 of 8", "wild 10", "soft 8")),
        *masked("hairs within", flower, strokes, slope[:, ::-1], ("even 4 of 8", "soft 8")),
    ]


def _noisy() -> list[CutoutCase]:
    """Blocks of 8 x 8 and grain, as a strongly packed picture has them."""
    draw = np.random.default_rng(7)
    blocks = np.kron(draw.normal(0, 0.015, (3, 23, 25)), np.ones((8, 8)))
    grain = blocks + draw.normal(0, 0.02, (3, *SIZE))
    star = drawn(blob(92, 100, 54, 6, 0.25), SIZE, 0.7)
    own, sky = flat(SIZE, (0.55, 0.4, 0.25)), ramp(SIZE, (0.5, 0.6, 0.7), (0.7, 0.72, 0.7))
    return [
        *masked("packed", star, own + grain, sky + grain, ("even 4 of 8", "wild 10", "soft 8")),
    ]

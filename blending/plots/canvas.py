"""A canvas for plots and captions: text, lines, bars, drawn by Pillow."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

BACKGROUND, TEXT, DIM = "#1c1d21", "#f0f0f2", "#a6a9b3"
FINER = 2  # factor by which the drawing is larger than the picture: shrinking smooths the lines
SMALL, LARGE = 15, 19  # pixels of text
Point = tuple[float, float]  # pixels from the left, from the top


class Canvas:
    """A drawing; coordinates and sizes are in pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width * FINER, height * FINER), BACKGROUND)
        self._pen = ImageDraw.Draw(self._image)

    def write(
        self, at: Point, words: str, size: int = SMALL, colour: str = TEXT, anchor: str = "la"
    ) -> None:
        """Write a line of text.

        Args:
            at: the anchor's place.
            words: the text.
            size: of the letters, pixels.
            colour: as Pillow names it.
            anchor: the point of the text that lies there, as in Pillow: "la" is its top left.
        """
        font = ImageFont.load_default(size * FINER)
        self._pen.text((at[0] * FINER, at[1] * FINER), words, colour, font, anchor)

    def length(self, words: str, size: int = SMALL) -> float:
        """The width of a line of text.

        Args:
            words: the text.
            size: of the letters, pixels.

        Returns:
            Pixels.
        """
        return self._pen.textlength(words, ImageFont.load_default(size * FINER)) / FINER

    def line(self, points: list[Point], colour: str, width: float = 1) -> None:
        """Join points by a line; a single point becomes a dot.

        Args:
            points: in order.
            colour: as Pillow names it.
            width: of the line, pixels.
        """
        places = [(x * FINER, y * FINER) for x, y in points]
        if len(places) > 1:
            self._pen.line(places, colour, round(width * FINER), "curve")
        for x, y in places[:: max(1, len(places) - 1)]:  # round ends
            reach = width * FINER / (2 if len(places) > 1 else 1)
            self._pen.ellipse((x - reach, y - reach, x + reach, y + reach), colour)

    def bar(self, box: tuple[float, float, float, float], colours: np.ndarray) -> None:
        """Fill a rectangle with colours from left to right.

        Args:
            box: its left, top, right and bottom.
            colours: (n, 3), RGB in [0, 1], spread over the width and interpolated.
        """
        left, top, right, bottom = (round(side * FINER) for side in box)
        if right > left:
            row = Image.fromarray((colours[None] * 255).round().astype(np.uint8))
            size = right - left, bottom - top
            self._image.paste(row.resize(size, Image.Resampling.BILINEAR), (left, top))

    def picture(self) -> Tensor:
        """The drawing, (1, 3, height, width), RGB in [0, 1]."""
        pixels = np.array(self._image.reduce(FINER))
        return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255

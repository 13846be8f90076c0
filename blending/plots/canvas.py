"""A canvas for plots and captions: text, lines, bars, by Pillow."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

BACKGROUND, TEXT, DIM = "#1c1d21", "#f0f0f2", "#a6a9b3"
FINER = 2  # drawn this many times larger, then shrunk: smooth lines
SMALL, LARGE = 15, 19  # pixels of text
Point = tuple[float, float]  # pixels from the left, from the top


class Canvas:
    """A drawing; places and sizes are pixels of the picture that comes out."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width * FINER, height * FINER), BACKGROUND)
        self._pen = ImageDraw.Draw(self._image)

    def write(
        self, at: Point, words: str, size: int = SMALL, colour: str = TEXT, anchor: str = "la"
    ) -> None:
        """Write words; `anchor` as Pillow has it, "la" their left top."""
        font = ImageFont.load_default(size * FINER)
        self._pen.text((at[0] * FINER, at[1] * FINER), words, colour, font, anchor)

    def length(self, words: str, size: int = SMALL) -> float:
        """How wide words are written."""
        return self._pen.textlength(words, ImageFont.load_default(size * FINER)) / FINER

    def line(self, points: list[Point], colour: str, width: float = 1) -> None:
        """Join points; one alone becomes a dot."""
        places = [(x * FINER, y * FINER) for x, y in points]
        if len(places) > 1:
            self._pen.line(places, colour, round(width * FINER), "curve")
        for x, y in places[:: max(1, len(places) - 1)]:  # round ends
            reach = width * FINER / (2 if len(places) > 1 else 1)
            self._pen.ellipse((x - reach, y - reach, x + reach, y + reach), colour)

    def bar(self, box: tuple[float, float, float, float], colours: np.ndarray) -> None:
        """Fill (left, top, right, bottom) with colours, (n, 3) in [0, 1], from left to right."""
        left, top, right, bottom = (round(side * FINER) for side in box)
        if right > left:
            row = Image.fromarray((colours[None] * 255).round().astype(np.uint8))
            size = right - left, bottom - top
            self._image.paste(row.resize(size, Image.Resampling.BILINEAR), (left, top))

    def picture(self) -> Tensor:
        """What was drawn, (1, 3, height, width), in [0, 1]."""
        pixels = np.array(self._image.reduce(FINER))
        return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255

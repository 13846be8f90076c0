"""One picture of many: a row a case, a labelled column a method."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

LABEL = 16  # size of the letters in pixels
GAP = 4
PAPER, INK = (255, 255, 255), (0, 0, 0)


def contact_sheet(rows: dict[str, dict[str, Tensor]], height: int = 240) -> Image.Image:
    """Lay pictures out in a grid.

    Args:
        rows: row's label to column's label to picture, (1, 3, H, W), in [0, 1]; a row may lack
            columns, which stay blank.
        height: that all pictures are scaled to, pixels; a column is as wide as its widest.

    Returns:
        The sheet, RGB.
    """
    scaled = {
        row: {name: _scaled(x, height) for name, x in cells.items()} for row, cells in rows.items()
    }
    font = ImageFont.load_default(LABEL)
    left = max(round(font.getlength(row)) for row in rows) + 2 * GAP
    columns: dict[str, int] = {}  # label to the left edge
    for name in dict.fromkeys(name for cells in scaled.values() for name in cells):
        columns[name] = left
        pictures = (cells[name].width for cells in scaled.values() if name in cells)
        left += max(round(font.getlength(name)), *pictures) + GAP
    top = LABEL + 2 * GAP
    sheet = Image.new("RGB", (left, top + len(rows) * (height + GAP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for name, column in columns.items():
        pen.text((column, GAP), name, INK, font)
    for index, (row, cells) in enumerate(scaled.items()):
        corner = top + index * (height + GAP)
        pen.text((GAP, corner), row, INK, font)
        for name, picture in cells.items():
            sheet.paste(picture, (columns[name], corner))
    return sheet


def _scaled(picture: Tensor, height: int) -> Image.Image:
    array = np.rint(picture[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    image = Image.fromarray(array)
    width = max(1, round(image.width * height / image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS)

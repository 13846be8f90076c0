"""Picture and text files: formats, bits, profiles."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from .atomic import whole_file
from .formats import FORMATS, check_format
from .png16 import encode_png16

STRIP = 256  # rows that are rounded at once


def write_picture(
    path: str | Path, pixels: Tensor, *, bits: int = 8, icc: bytes | None = None, overwrite: bool
) -> None:
    """Write a picture completely or not at all, in the format of the path's suffix.

    Args:
        path: ends in .png, .jpg, .jpeg, .webp, .tif or .tiff.
        pixels: (1, 3 or 4, H, W), in [0, 1]; clipped to that.
        bits: 8, or 16 (PNG only), rounded to nearest.
        icc: colour profile to embed; None: none.
        overwrite: replace an existing file.

    Raises:
        ValueError: a format that cannot hold the picture.
        OSError: no place for the file, see `check_output`.
    """
    channels = pixels.shape[1]
    check_format(path, channels, bits, icc)
    rounded = _rounded(pixels[0], bits)
    name, _, options = FORMATS[Path(path).suffix.lower()]
    with whole_file(Path(path), overwrite=overwrite) as file:
        if bits == 16:
            file.write(encode_png16(rounded, icc))
        else:
            Image.fromarray(rounded).save(file, name, icc_profile=icc, **options)


def _rounded(pixels: Tensor, bits: int) -> np.ndarray:
    """(C, H, W) in [0, 1] as (H, W, C) whole numbers; strip by strip, in double precision."""
    channels, height, width = pixels.shape
    rounded = np.empty((height, width, channels), np.uint16 if bits == 16 else np.uint8)
    for top in range(0, height, STRIP):
        rows = slice(top, top + STRIP)
        strip = pixels[:, rows].permute(1, 2, 0).clamp(0, 1).cpu().double().numpy()
        np.rint(strip * (2**bits - 1), out=rounded[rows], casting="unsafe")
    return rounded


def write_text(path: str | Path, text: str, *, overwrite: bool) -> None:
    """Write UTF-8 text completely or not at all.

    Args:
        path: of the file.
        text: its content.
        overwrite: replace an existing file.

    Raises:
        OSError: no place for the file, see `check_output`.
    """
    with whole_file(Path(path), overwrite=overwrite) as file:
        file.write(text.encode())

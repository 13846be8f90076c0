"""Picture and text files: formats, bits, profiles."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..placement.levels import WHITE, is_levels
from .atomic import whole_file
from .formats import FORMATS, check_format
from .opening import check_room
from .png16 import encode_png16

STRIP = 256  # rows that are rounded at once
PIXEL = 4  # bytes that Pillow takes for one while it encodes


def check_encoder(path: str | Path, like: Tensor) -> None:
    """Raise before the work begins if the memory would not do to encode what it yields.

    Args:
        path: of the file to write.
        like: (1, 3 or 4, H, W), levels of 8 or 16 bits; the picture to write will be as large.

    Raises:
        ValueError: less is free than that picture and its encoder take.
    """
    channels, height, width = like.shape[1:]
    own = PIXEL if like.dtype == torch.uint8 else 0  # 16 bits are encoded in bands
    try:
        check_room((width, height), channels * like.element_size() + own)
    except MemoryError as error:
        raise ValueError(f"{path} must fit into the free memory, got {error}") from error


def write_picture(
    path: str | Path, pixels: Tensor, *, bits: int = 8, icc: bytes | None = None, overwrite: bool
) -> None:
    """Write a picture completely or not at all, in the format of the path's suffix.

    Args:
        path: ends in .png, .jpg, .jpeg, .webp, .tif or .tiff.
        pixels: (1, 3 or 4, H, W), float, clipped to [0, 1], or levels of these bits.
        bits: 8, or 16 (PNG only), rounded to nearest.
        icc: colour profile to embed; None: none.
        overwrite: replace an existing file.

    Raises:
        ValueError: a format that cannot hold the picture; levels of other bits.
        OSError: no place for the file, see `check_output`.
    """
    channels = pixels.shape[1]
    check_format(path, channels, bits, icc)
    rows = _interleaved(pixels[0], bits)
    name, _, options = FORMATS[Path(path).suffix.lower()]
    with whole_file(Path(path), overwrite=overwrite) as file:
        if bits == 16:
            file.writelines(encode_png16(rows, icc))
        else:
            Image.fromarray(rows).save(file, name, icc_profile=icc, **options)


def _interleaved(pixels: Tensor, bits: int) -> np.ndarray:
    """(C, H, W) in [0, 1] or in levels as (H, W, C) levels; strip by strip, in double precision."""
    white = 2**bits - 1
    if is_levels(pixels):
        if WHITE[pixels.dtype] != white:
            raise ValueError(f"pixels must be levels of {bits} bits, got {pixels.dtype}")
        return np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())
    channels, height, width = pixels.shape
    rounded = np.empty((height, width, channels), np.uint16 if bits == 16 else np.uint8)
    for top in range(0, height, STRIP):
        rows = slice(top, top + STRIP)
        strip = pixels[:, rows].permute(1, 2, 0).clamp(0, 1).cpu().double().numpy()
        np.rint(strip * white, out=rounded[rows], casting="unsafe")
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

"""Picture and text files: formats, bits, profiles."""

from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin
from torch import Tensor

from .atomic import whole_file
from .png16 import encode_png16

# By suffix: Pillow's name of the format, whether it has alpha, and how it is saved.
FORMATS = {
    ".png": ("PNG", True, {}),
    ".jpg": ("JPEG", False, {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", False, {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", True, {"lossless": True, "exact": True}),
    ".tif": ("TIFF", True, {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", True, {"compression": "tiff_lzw"}),
}
# Bytes of a colour profile that can be read again: Pillow's own bound, 255 segments of a JPEG.
LARGEST_PROFILES = {"PNG": PngImagePlugin.MAX_TEXT_CHUNK, "JPEG": 255 * 65519}
STRIP = 256  # rows that are rounded at once


def check_format(path: str | Path, channels: int, bits: int, icc: bytes | None = None) -> None:
    """Raise unless the format of a path's suffix can hold a picture.

    Args:
        path: of the file to write.
        channels: 3, or 4 with alpha.
        bits: 8 or 16 a channel.
        icc: colour profile to embed; None: none.

    Raises:
        ValueError: an unknown suffix, 16 bits in another format than PNG, alpha in one without, or
            a profile that is too large for the format to be read again.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise ValueError(f"{path} must end in one of {known}, got {suffix or 'no suffix'}")
    if bits == 16 and suffix != ".png":
        raise ValueError(f"{path} must end in .png for a 16-bit target, got {suffix}")
    if channels == 4 and not FORMATS[suffix][1]:
        able = ", ".join(name for name, (_, has_alpha, _) in FORMATS.items() if has_alpha)
        raise ValueError(
            f"{path} must be a format with alpha ({able}), as the picture has, got {suffix}"
        )
    most = LARGEST_PROFILES.get(FORMATS[suffix][0])
    if icc and most is not None and len(icc) > most:
        raise ValueError(
            f"{path} must be .tif or .webp (8 bits) for a target whose colour profile has "
            f"{len(icc)} bytes, got {suffix}, which holds {most}; or give the target a smaller one"
        )


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

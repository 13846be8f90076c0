"""Writing files whole or not at all, and never over one that is there unless told to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from torch import Tensor

from .png16 import encode_png16

# What each format can hold and how it is saved.
FORMATS = {
    ".png": ("PNG", True, {}),
    ".jpg": ("JPEG", False, {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", False, {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", True, {"lossless": True, "exact": True}),
    ".tif": ("TIFF", True, {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", True, {"compression": "tiff_lzw"}),
}


def check_output(path: str | Path, *, overwrite: bool) -> None:
    """Raise before the work begins if a file could not be written there afterwards.

    Raises:
        FileExistsError: it is there and `overwrite` is False.
        NotADirectoryError, IsADirectoryError, PermissionError: no place for a file.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} must be a file to write, got a folder")
    if not path.parent.is_dir():
        raise NotADirectoryError(f"{path} must lie in an existing folder, found none")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path} must lie in a writable folder")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; it is overwritten only with --overwrite")


def check_format(path: str | Path, channels: int, bits: int) -> None:
    """Raise ValueError unless the suffix names a format that holds these channels and bits."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise ValueError(f"{path} must end in one of {known}, got {suffix or 'no suffix'}")
    if bits == 16 and suffix != ".png":
        raise ValueError(f"{path} must end in .png for a 16-bit target, got {suffix}")
    if channels == 4 and not FORMATS[suffix][1]:
        raise ValueError(f"{path} must be a format with alpha, as the target has, got {suffix}")


def write_picture(
    path: str | Path, pixels: Tensor, *, bits: int = 8, icc: bytes | None = None, overwrite: bool
) -> None:
    """Write a picture whole or not at all, in the format of the path's suffix.

    Args:
        path: ends in .png, .jpg, .jpeg, .webp, .tif or .tiff.
        pixels: (1, 3 or 4, H, W), in [0, 1].
        bits: 8, or 16 (PNG only), rounded to nearest.
        icc: colour profile to embed.
        overwrite: replace a file that is there.

    Raises:
        ValueError: a format that cannot hold the picture.
        OSError: see `check_output`.
    """
    channels = pixels.shape[1]
    check_format(path, channels, bits)
    array = pixels[0].permute(1, 2, 0).clamp(0, 1).double().cpu().numpy()
    rounded = np.rint(array * (2**bits - 1)).astype(np.uint16 if bits == 16 else np.uint8)
    name, _, options = FORMATS[Path(path).suffix.lower()]
    with _whole(Path(path), overwrite) as file:
        if bits == 16:
            file.write(encode_png16(rounded, icc))
        else:
            Image.fromarray(rounded).save(file, name, icc_profile=icc, **options)


def write_text(path: str | Path, text: str, *, overwrite: bool) -> None:
    """Write UTF-8 text whole or not at all; raises as `check_output`."""
    with _whole(Path(path), overwrite) as file:
        file.write(text.encode())


@contextmanager
def _whole(path: Path, overwrite: bool) -> Iterator[BinaryIO]:
    """A temporary file beside `path` that takes its place when the block ends well."""
    check_output(path, overwrite=overwrite)
    part = path.with_name(f".blending-{os.getpid()}.part")
    try:
        with part.open("xb") as file:  # not mkstemp: the file keeps the user's permissions
            yield file
        check_output(path, overwrite=overwrite)  # one may have come meanwhile
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise

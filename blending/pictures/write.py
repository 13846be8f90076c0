"""Writing files whole or not at all, and never over one that is there unless told to."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from torch import Tensor

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


def check_output(path: str | Path, *, overwrite: bool) -> None:
    """Raise, before work begins, if a file could not be written afterwards.

    Args:
        path: of the file to write.
        overwrite: whether an existing file may be replaced.

    Raises:
        FileExistsError: it exists and `overwrite` is False.
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
    """Raise unless the format of a path's suffix can hold a picture.

    Args:
        path: of the file to write.
        channels: 3, or 4 with alpha.
        bits: 8 or 16 a channel.

    Raises:
        ValueError: an unknown suffix, 16 bits in another format than PNG, or alpha in one without.
    """
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
    check_format(path, channels, bits)
    array = pixels[0].permute(1, 2, 0).clamp(0, 1).cpu().double().numpy()
    rounded = np.rint(array * (2**bits - 1)).astype(np.uint16 if bits == 16 else np.uint8)
    name, _, options = FORMATS[Path(path).suffix.lower()]
    with _whole(Path(path), overwrite) as file:
        if bits == 16:
            file.write(encode_png16(rounded, icc))
        else:
            Image.fromarray(rounded).save(file, name, icc_profile=icc, **options)


def write_text(path: str | Path, text: str, *, overwrite: bool) -> None:
    """Write UTF-8 text completely or not at all.

    Args:
        path: of the file.
        text: its content.
        overwrite: replace an existing file.

    Raises:
        OSError: no place for the file, see `check_output`.
    """
    with _whole(Path(path), overwrite) as file:
        file.write(text.encode())


@contextmanager
def _whole(path: Path, overwrite: bool) -> Iterator[BinaryIO]:
    """A temporary file beside `path` that takes its place when the block ends well.

    Its name is one that no other writer has, in this process, another or another container; what
    is cleared away is what was made here.
    """
    check_output(path, overwrite=overwrite)
    part = path.with_name(f".blending-{secrets.token_hex(8)}.part")
    file = part.open("xb")  # not mkstemp: the file keeps the user's permissions
    try:
        with file:
            yield file
        check_output(path, overwrite=overwrite)  # one may have come meanwhile
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise

"""What a row's headers tell before anything is blended: pictures that cannot fit each other."""

import argparse
from functools import lru_cache

from ..pictures.opening import known_formats, open_image
from .files import is_uri, state

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")  # the usual ones; others are not asked
KEPT = 2**14  # sizes that are remembered: targets and masks of many rows


def check_fit(options: argparse.Namespace) -> None:
    """Raise if a row's mask has not its source's size, or its object lies outside its target.

    Files that cannot be opened, or lie at addresses, are passed over: their rows fail in their
    turn. So does what a picture's orientation alone decides, which stands behind its pixels.

    Args:
        options: of a row, its files on this machine there.

    Raises:
        ValueError: they do not fit.
    """
    source, mask, target = (_size(getattr(options, name)) for name in ("source", "mask", "target"))
    if source and mask and mask not in (source, source[::-1]):
        raise ValueError(f"mask must have the size of source, {_words(source)}, got {_words(mask)}")
    if not source or not target:
        return
    # Either picture may stand upright or lie on its side.
    own, frame, scale = max(source), max(target), options.scale
    column, row = options.at
    extent = max(1, round(own * scale))
    if min(column, row) + extent <= 0 or max(column, row) >= frame:
        raise ValueError(
            f"at must lead the source of {_words(source)}, times {scale:g}, onto the target of "
            f"{_words(target)}, got column {column}, row {row}"
        )


def _size(path: str | None) -> tuple[int, int] | None:
    if not path or is_uri(path):
        return None
    try:
        return _header_size(path, state(path))
    except OSError:
        return None


@lru_cache(KEPT)
def _header_size(path: str, _: tuple) -> tuple[int, int] | None:
    """Width and height that a file says it has; None: it says nothing that can be understood."""
    try:
        with open(path, "rb") as file, open_image(file, known_formats(FORMATS)) as image:
            return image.size
    except Exception:  # noqa: BLE001 - decoders raise of every kind; the row tells in its turn
        return None


def _words(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"

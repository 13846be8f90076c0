"""Opening picture files of any size that the memory holds; Pillow draws the line at 179 million."""

import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from ..free_memory import free_main_memory

MEGABYTE = 2**20
NARROW = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
WIDE = 4  # bytes that Pillow takes for a pixel of another mode
# Their decoders hold all pixels once more, in 4 bytes each.
BUFFERING = {"WEBP", "AVIF", "HEIF", "JPEG2000"}
_lifting = threading.Lock()  # Pillow's limit is one for all threads


def known_formats(names: Sequence[str]) -> list[str]:
    """Those of some formats, by Pillow's names, that this Pillow knows."""
    Image.init()
    return [name for name in names if name in Image.OPEN]


def open_image(file: BinaryIO, formats: Sequence[str]) -> ImageFile.ImageFile:
    """Read a picture's header, as `Image.open` does, whatever size it says.

    Pillow's limit is a guess at what a machine can bear; `check_room` asks the machine. Some
    decoders, such as WebP's, ask for that limit themselves.

    Args:
        file: open for reading, at its beginning.
        formats: of `known_formats`, in the order to try them.

    Returns:
        The picture; its pixels are not decoded yet.

    Raises:
        UnidentifiedImageError: it is of none of these formats.
        DecompressionBombError: its decoder keeps to Pillow's limit.
        Exception: of another kind, where a decoder finds the header damaged.
    """
    prefix = file.read(16)
    for name in formats:
        factory, accept = Image.OPEN[name]
        if accept and accept(prefix) is not True:  # a string says why it cannot be decoded here
            continue
        file.seek(0)
        try:
            return factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue
    raise UnidentifiedImageError("cannot identify image file")


def check_room(size: tuple[int, int], bytes_each: int) -> None:
    """Raise unless the free memory holds a picture.

    Args:
        size: width and height, pixels.
        bytes_each: that are taken for a pixel.

    Raises:
        MemoryError: it does not; says the size, what it takes and what is free.
    """
    needed, free = size[0] * size[1] * bytes_each, free_main_memory()
    if needed > free:
        raise MemoryError(
            f"{size[0]} x {size[1]} pixels, which take {-(-needed // MEGABYTE)} MB, with "
            f"{int(free / MEGABYTE)} MB free"
        )


@contextmanager
def beyond_pillows_limit(size: tuple[int, int]) -> Iterator[None]:
    """Let Pillow decode a picture for which there is room, though it is beyond its limit.

    Meanwhile the limit is lifted in other threads, too: for larger pictures alone.

    Args:
        size: width and height, pixels.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and size[0] * size[1] <= 2 * limit:
        yield
        return
    with _lifting:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def decoder_bytes(image: ImageFile.ImageFile) -> int:
    """The bytes for a pixel that Pillow takes for an image's pixels while it decodes them."""
    own = NARROW.get(image.mode, WIDE)
    return own + (WIDE if image.format in BUFFERING else 0)

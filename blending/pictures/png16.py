"""PNG files of 16 bits a channel, of which Pillow reads and writes the upper 8 only."""

import io
import struct
import zlib
from collections.abc import Iterator

import kornia_rs
import numpy as np

from .opening import known_formats, open_image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = slice(12, 29)  # the kind and data of IHDR, which every PNG file begins with
DEPTH, COLOUR = 12, 13  # bytes of that slice
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}  # a pixel
BAND = 2**22  # samples that are packed at once
LARGEST_CHUNK = 2**23  # bytes of pixels, about: smaller pictures have one chunk of them
DEFLATE = 1032  # bytes that one can stand for at most: 258, the longest match, by two bits
_decode = getattr(kornia_rs, "io", kornia_rs).decode_image_png_u16  # `io` since kornia_rs 0.2


def is_png16(data: bytes) -> bool:
    """Whether a file's bytes are a PNG with 16 bits a channel."""
    return data.startswith(SIGNATURE) and data[HEADER][DEPTH : DEPTH + 1] == b"\x10"


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG, of any depth, that has only one size and enough bytes for it.

    Two readers of a file with two headers each take another one, and a decoder allocates what the
    header says before it finds the pixels missing.

    Args:
        data: the file's bytes, which begin with `SIGNATURE`.

    Returns:
        Width and height, ≥ 1.

    Raises:
        ValueError: the header is not the first chunk, not whole or not the only one; the pixels are
            none, or more than their bytes can hold.

    Source: W3C, Portable Network Graphics (third edition), sections 5.3, 5.6 and 11.2.1.
    """
    chunks = _chunks(data)
    kind, header = next(chunks, (b"", b""))
    if kind != b"IHDR" or len(header) != 13:
        raise ValueError(f"PNG must begin with a header of 13 bytes, got {len(header)} of {kind}")
    width, height, depth, colour = struct.unpack_from(">IIBB", header)
    packed = 0
    for kind, content in chunks:
        if kind == b"IHDR":
            raise ValueError("PNG must have one header, got another")
        packed += len(content) if kind == b"IDAT" else 0
    needed = width * height * SAMPLES.get(colour, 0) * depth  # bits, without the filters' kinds
    if not 0 < needed <= 8 * DEFLATE * packed:
        raise ValueError(
            f"PNG must have pixels and the bytes for them, got {width} x {height} of colour type "
            f"{colour} in {packed} bytes"
        )
    return width, height


def decode_png16(data: bytes) -> np.ndarray:
    """Decode a PNG with 16 bits a channel.

    Args:
        data: the file's bytes, for which `is_png16` is true.

    Returns:
        (H, W, 1 to 4), uint16: grey, grey with alpha, RGB, RGBA.

    Raises:
        MemoryError: it does not fit into the free memory.
        ValueError: its header or pixels are not those of one whole picture.
        Exception: of another kind, where the decoder finds the file damaged.
    """
    width, height = png_size(data)
    colour = data[HEADER][COLOUR]
    if colour == GREY_ALPHA:
        return _decode_grey_alpha(data)
    mode = {GREY: "mono", RGB: "rgb", RGBA: "rgba"}[colour]
    np.empty((height, width, SAMPLES[colour]), np.uint16)  # kornia_rs panics where this raises
    try:
        return np.asarray(_decode(data, (height, width), mode)).reshape(height, width, -1)
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":  # where Rust's panics are, no Exceptions
            raise
        raise ValueError(f"PNG must be whole, got a panic of its decoder: {error}") from error


def encode_png16(array: np.ndarray, icc: bytes | None) -> Iterator[bytes]:
    """Encode a PNG with 16 bits a channel, in bands of rows, so that no copy of it is made.

    Args:
        array: (H, W, 3 or 4), uint16, RGB or RGBA.
        icc: colour profile to embed; None: none.

    Yields:
        The file's bytes, piece by piece.

    Source: W3C, Portable Network Graphics (third edition), sections 5, 9 and 11.
    """
    height, width, channels = array.shape
    colour = {3: RGB, 4: RGBA}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    yield SIGNATURE + _chunk(b"IHDR" + header)
    if icc:
        yield _chunk(b"iCCPicc\0\0" + zlib.compress(icc))
    packer, packed = zlib.compressobj(), bytearray()
    for rows in _filtered(array):
        packed += packer.compress(rows)
        if len(packed) > LARGEST_CHUNK:
            yield _chunk(b"IDAT" + packed)
            packed.clear()
    yield _chunk(b"IDAT" + packed + packer.flush())
    yield _chunk(b"IEND")


def _filtered(array: np.ndarray) -> Iterator[bytes]:
    """The rows of an (H, W, C) array, uint16, as a PNG packs them: each less the one above."""
    height, width, channels = array.shape
    count = max(1, BAND // (width * channels))
    above = np.zeros((1, 2 * width * channels), np.uint8)
    for top in range(0, height, count):
        rows = array[top : top + count].astype(">u2").reshape(-1, width * channels).view(np.uint8)
        filtered = np.full((len(rows), rows.shape[1] + 1), 2, np.uint8)  # filter 2: the row above
        filtered[:, 1:] = rows - np.concatenate((above, rows[:-1]))
        above = rows[-1:]
        yield filtered.tobytes()


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each chunk, up to the end's; the last one's content may be cut."""
    view, at, kind = memoryview(data), len(SIGNATURE), b""
    while at + 8 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, view[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind_and_data: bytes | bytearray) -> bytes:
    length = struct.pack(">I", len(kind_and_data) - 4)
    return b"".join((length, kind_and_data, struct.pack(">I", zlib.crc32(kind_and_data))))


def _decode_grey_alpha(data: bytes) -> np.ndarray:
    """Two 16-bit channels lie in a file as four 8-bit ones do, which Pillow reads in full."""
    header = bytearray(data[HEADER])
    header[DEPTH], header[COLOUR] = 8, RGBA
    eight_bits = io.BytesIO(SIGNATURE + _chunk(bytes(header)) + data[33:])
    with open_image(eight_bits, known_formats(["PNG"])) as image:
        halves = np.asarray(image)
    return halves[..., 0::2].astype(np.uint16) * 256 + halves[..., 1::2]

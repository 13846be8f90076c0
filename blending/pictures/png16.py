"""PNG files of 16 bits a channel, of which Pillow reads and writes the upper 8 only."""

import io
import struct
import zlib

import kornia_rs
import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = slice(12, 29)  # the kind and data of IHDR, which every PNG file begins with
DEPTH, COLOUR = 12, 13  # bytes of that slice
GREY, RGB, GREY_ALPHA, RGBA = 0, 2, 4, 6
_decode = getattr(kornia_rs, "io", kornia_rs).decode_image_png_u16  # `io` since kornia_rs 0.2


def is_png16(data: bytes) -> bool:
    """Whether a file's bytes are a PNG with 16 bits a channel."""
    return data.startswith(SIGNATURE) and data[HEADER][DEPTH : DEPTH + 1] == b"\x10"


def decode_png16(data: bytes) -> np.ndarray:
    """Decode a PNG with 16 bits a channel.

    Args:
        data: the file's bytes, for which `is_png16` is true.

    Returns:
        (H, W, 1 to 4), uint16: grey, grey with alpha, RGB, RGBA.

    Raises:
        Exception: of any kind, where the file is damaged.
    """
    width, height = struct.unpack(">II", data[HEADER][4:12])
    colour = data[HEADER][COLOUR]
    if colour == GREY_ALPHA:
        return _decode_grey_alpha(data)
    mode = {GREY: "mono", RGB: "rgb", RGBA: "rgba"}[colour]
    return np.asarray(_decode(data, (height, width), mode)).reshape(height, width, -1)


def encode_png16(array: np.ndarray, icc: bytes | None) -> bytes:
    """Encode a PNG with 16 bits a channel.

    Args:
        array: (H, W, 3 or 4), uint16, RGB or RGBA.
        icc: colour profile to embed; None: none.

    Returns:
        The file's bytes.

    Source: W3C, Portable Network Graphics (third edition), sections 5, 9 and 11.
    """
    height, width, channels = array.shape
    rows = array.astype(">u2").reshape(height, -1).view(np.uint8)
    above = np.concatenate((np.zeros_like(rows[:1]), rows[:-1]))
    filtered = np.full((height, rows.shape[1] + 1), 2, np.uint8)  # filter 2: minus the row above
    filtered[:, 1:] = rows - above
    colour = {3: RGB, 4: RGBA}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    chunks = [_chunk(b"IHDR" + header)]
    if icc:
        chunks.append(_chunk(b"iCCPicc\0\0" + zlib.compress(icc)))
    chunks += [_chunk(b"IDAT" + zlib.compress(filtered.tobytes())), _chunk(b"IEND")]
    return SIGNATURE + b"".join(chunks)


def _chunk(kind_and_data: bytes) -> bytes:
    length = struct.pack(">I", len(kind_and_data) - 4)
    return length + kind_and_data + struct.pack(">I", zlib.crc32(kind_and_data))


def _decode_grey_alpha(data: bytes) -> np.ndarray:
    """Two 16-bit channels lie in a file as four 8-bit ones do, which Pillow reads in full."""
    header = bytearray(data[HEADER])
    header[DEPTH], header[COLOUR] = 8, RGBA
    with Image.open(io.BytesIO(SIGNATURE + _chunk(bytes(header)) + data[33:])) as image:
        halves = np.asarray(image).astype(np.uint16)
    return halves[..., 0::2] * 256 + halves[..., 1::2]

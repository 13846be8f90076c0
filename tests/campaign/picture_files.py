"""Picture files of every kind, whole, damaged and hostile, from words that JSON can hold."""

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image, ImageCms

SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "GIF": ".gif",
    "PPM": ".ppm",
    "TGA": ".tga",
}
MODES = ("RGB", "RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "YCbCr")
REFUSED_MODES = ("I", "F", "LAB")
ORIENTATION = 0x0112
PROFILES = ("sRGB", "swapped", "LAB", "XYZ", "grey", "CMYK", "noise", "cut", "flip", "huge")
SIDES = (14_000, 20_000, 65_535, 2**24 - 1, 2**31 - 1)  # of bombs: squares beyond any limit
INFLATED = 80_000_000  # bytes that a few thousand hold
SHOWN = 24  # bytes of a header that a cut falls into

picture = st.fixed_dictionaries(
    {
        "format": st.sampled_from(("PNG", "PNG", *SUFFIXES)),
        "mode": st.sampled_from(MODES * 4 + REFUSED_MODES),
        "size": st.tuples(st.integers(1, 40), st.integers(1, 40)),
        "orientation": st.sampled_from((None, None, 1, 3, 6, 8, 5, 0, 9)),
        "frames": st.sampled_from((1,) * 30 + (2, 7)),
        "profile": st.sampled_from((None,) * 30 + PROFILES),
        "damage": st.sampled_from((None,) * 40 + ("cut", "cut", "flip", "kind", "bomb", "tail")),
        # Where it is cut, how many bytes are wrong, which of the kinds and bombs.
        "amount": st.integers(0, 1000),
        "seed": st.integers(0, 999),
    }
)


def write(path: Path, words: dict) -> None:
    """Make what the words say at a path: a file, another thing, or nothing."""
    if words["damage"] == "kind":
        KINDS[words["amount"] % len(KINDS)](path)
        return
    content = bytearray(encoded(words))
    draw = np.random.default_rng(words["amount"])
    if words["damage"] == "cut":
        del content[_cut(bytes(content), words["amount"]) :]
    elif words["damage"] == "flip":
        for at in draw.integers(0, len(content), 1 + words["amount"] % 9):
            content[at] ^= int(draw.integers(1, 256))
    elif words["damage"] == "tail":  # something behind the picture
        content += draw.bytes(1 + words["amount"])
    elif words["damage"] == "bomb":
        content = bytearray(_bomb(bytes(content), words))
    path.write_bytes(content)


def encoded(words: dict) -> bytes:
    """The whole file's bytes; a format without the mode has it as RGB."""
    draw = np.random.default_rng(words["seed"])
    height, width = words["size"]
    colours = draw.integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(colours)
    exif = Image.Exif()
    if words["orientation"] is not None:
        exif[ORIENTATION] = words["orientation"]
    options: dict = {"exif": exif.tobytes()}
    if words["frames"] > 1:
        turned = (Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM)
        others = [image.transpose(turned[n % 2]) for n in range(words["frames"] - 1)]
        options |= {"save_all": True, "append_images": others}
    if words["profile"]:
        options["icc_profile"] = profile(words["profile"], words["seed"])
    for mode, more in ((words["mode"], options), ("RGB", {})):
        buffer = io.BytesIO()
        # The last two are Pillow 12's: a PNG of palette frames, and one of 32 bits.
        known = ValueError, OSError, KeyError, TypeError, UnboundLocalError, DeprecationWarning
        with suppress(*known):
            _in_mode(image, mode).save(buffer, words["format"], **more)
            return buffer.getvalue()
    raise AssertionError("the case cannot be written")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "LAB":
        return Image.merge("LAB", image.split())
    if mode in ("RGBA", "LA"):
        image.putalpha(image.getchannel(0))
    return image.convert(mode)


@cache
def profile(kind: str, seed: int) -> bytes:
    """A colour profile: right, of other colours, of another colour space, broken or too large."""
    made = "LAB" if kind == "LAB" else "XYZ" if kind == "XYZ" else "sRGB"
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile(made)).tobytes()
    if kind == "swapped":  # red and blue primaries exchanged: other RGB colours
        return content.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    if kind in ("grey", "CMYK"):  # its header says so, its tables do not
        return content[:16] + {"grey": b"GRAY", "CMYK": b"CMYK"}[kind] + content[20:]
    if kind == "huge":
        return content + bytes(3_000_000)
    draw = np.random.default_rng(seed)
    if kind == "noise":
        return draw.bytes(300)
    if kind == "cut":
        return content[: draw.integers(1, len(content))]
    if kind == "flip":
        wrong = bytearray(content)
        wrong[draw.integers(0, 400)] ^= int(draw.integers(1, 256))
        return bytes(wrong)
    return content


def _cut(content: bytes, amount: int) -> int:
    """An offset at, before or behind a boundary of the file's parts, or anywhere."""
    places = boundaries(content)
    if amount % 4 == 3:
        return len(content) * amount // 1000
    return min(max(0, places[amount // 4 % len(places)] + amount % 4 - 1), len(content) - 1)


def boundaries(content: bytes) -> list[int]:
    """Offsets at which a part begins: header, chunks, segments, pixels, the last byte."""
    found = {0, *range(1, min(SHOWN, len(content)), 3), len(content) // 2, len(content) - 1}
    at = {b"\x89PNG": 8, b"RIFF": 12, b"\xff\xd8": 2}.get(content[: 2 + 2 * (content[0] < 255)], 0)
    while 0 < at < len(content) - 8:
        found |= {at, at + 4, at + 8}
        if content.startswith(b"\x89PNG"):
            at += 12 + int.from_bytes(content[at : at + 4], "big")
        elif content.startswith(b"RIFF"):
            at += 8 + int.from_bytes(content[at + 4 : at + 8], "little")
            at += at % 2
        else:  # a JPEG's segments, up to the pixels
            is_scan = content[at + 1] == 0xDA
            at += len(content) if is_scan else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return sorted(place for place in found if place < len(content))


def _bomb(content: bytes, words: dict) -> bytes:
    """A small file that says it is huge, or holds far more than it says."""
    side = SIDES[words["amount"] % len(SIDES)]
    if words["format"] == "PNG" and words["amount"] % 2:
        return _inflating(content, words["amount"] // 2)
    return PATCHES[words["format"]](bytearray(content), side)


def _inflating(content: bytes, number: int) -> bytes:
    """A PNG with 80 MB of zeros in a few thousand bytes: pixels, profile or text."""
    zeros = zlib.compress(bytes(INFLATED))
    if number % 3 == 0:  # pixels, behind the header: more than it has; of 16 bits, too
        depth = 16 if number % 2 else 8
        header = struct.pack(">IIBBBBB", 9, 7, depth, 2, 0, 0, 0)
        parts = [(b"IHDR", header), (b"IDAT", zeros), (b"IEND", b"")]
        return content[:8] + b"".join(_chunk(*part) for part in parts)
    part = ((b"iCCP", b"icc\0\0" + zeros), (b"zTXt", b"text\0\0" + zeros))[number % 3 - 1]
    return content[:33] + _chunk(*part) + content[33:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def _packed(layout: str, at: int) -> Callable[[bytearray, int], bytes]:
    """Writes the side twice at an offset, as large as its field can hold."""

    def patch(content: bytearray, side: int) -> bytes:
        most = 2 ** (8 * struct.calcsize(layout) - ("i" in layout)) - 1
        field = struct.pack(layout, min(side, most))
        content[at : at + 2 * len(field)] = field * 2
        return bytes(content)

    return patch


def _patched_png(content: bytearray, side: int) -> bytes:
    header = struct.pack(">II", side, side) + content[24:29]
    return bytes(content[:8]) + _chunk(b"IHDR", bytes(header)) + bytes(content[33:])


def _patched_jpeg(content: bytearray, side: int) -> bytes:
    for at, two in enumerate(pairwise(content)):
        if two in ((0xFF, 0xC0), (0xFF, 0xC2)):
            content[at + 5 : at + 9] = struct.pack(">H", min(side, 65_500)) * 2
            break
    return bytes(content)


def _patched_webp(content: bytearray, side: int) -> bytes:
    """An extended header in front, of three bytes a side less one."""
    size = struct.pack("<I", min(side, 2**24) - 1)[:3]
    extended = b"VP8X" + struct.pack("<II", 10, 0) + size * 2
    whole = b"WEBP" + extended + bytes(content[12:])
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def _patched_tiff(content: bytearray, side: int) -> bytes:
    """Width and height, tags 256 and 257 of the first directory."""
    start = int.from_bytes(content[4:8], "little")
    for entry in range(int.from_bytes(content[start : start + 2], "little")):
        at = start + 2 + 12 * entry
        if int.from_bytes(content[at : at + 2], "little") in (256, 257):
            content[at + 2 : at + 12] = struct.pack("<HII", 4, 1, side)
    return bytes(content)


def _patched_ppm(content: bytearray, side: int) -> bytes:
    return b"P6 %d %d 255\n" % (side, side) + bytes(content[-30:])


PATCHES: dict[str, Callable[[bytearray, int], bytes]] = {
    "PNG": _patched_png,
    "JPEG": _patched_jpeg,
    "WEBP": _patched_webp,
    "TIFF": _patched_tiff,
    "BMP": _packed("<i", 18),
    "GIF": _packed("<H", 6),
    "PPM": _patched_ppm,
    "TGA": _packed("<H", 12),
}


def _pipe(path: Path) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)


def _socket(path: Path) -> None:
    if hasattr(socket, "AF_UNIX"):
        with socket.socket(socket.AF_UNIX) as own:
            own.bind(str(path))


# What may stand where a file should.
KINDS: tuple[Callable[[Path], object], ...] = (
    lambda path: path.mkdir(),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_text("no picture"),
    lambda path: path.write_bytes(bytes(3000)),
    lambda path: path.symlink_to(path.name),  # a loop
    lambda path: path.symlink_to("nowhere"),
    lambda path: path.symlink_to("/dev/zero"),
    lambda path: path.symlink_to("/dev/null"),
    _pipe,
    _socket,
    lambda path: None,  # it is missing
)

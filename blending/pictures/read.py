"""Reading picture files: EXIF orientation, ICC profiles, 16 bits, alpha."""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from ..checks import check_choice
from ..placement.levels import as_values
from ..settings import LUMA, MASK_CHANNELS
from .icc import check_profile, convert_profile, is_rgb, srgb_profile
from .opening import (
    beyond_pillows_limit,
    check_room,
    decoder_bytes,
    known_formats,
    open_image,
)
from .png16 import SIGNATURE, decode_png16, is_png16, png_size

# Still pictures, by Pillow's names; JPEG has MPO in it, HEIF is there where a plugin registers it.
# None that another program decodes (Pillow starts Ghostscript for EPS), no vectors, no films.
FORMATS = (
    *("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF"),
    *("ICO", "PSD", "QOI", "TGA"),  # TGA last: it has no signature
)
# What decoders say, in errors of any kind, where memory is short: Pillow, zlib, kornia_rs.
SHORT_OF_MEMORY = r"allocat|out of memory|decoder error -9\b|Error -4 while"
COUNTED = r"\d+ x \d+ pixels, which take "  # the words of `check_room`
FLOAT = 4  # bytes of a value
LARGEST_TEXT = "MAX_TEXT_CHUNK"  # what Pillow says of a PNG's profile or text beyond its bound
ORIENTATION_TAG, BITS_TAG = 0x0112, 258  # of EXIF, of TIFF
# How to turn an (H, W, C) array upright, by EXIF orientation.
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: array.swapaxes(0, 1),
    6: lambda array: array[::-1].swapaxes(0, 1),
    7: lambda array: array[::-1, ::-1].swapaxes(0, 1),
    8: lambda array: array[:, ::-1].swapaxes(0, 1),
}
SIDEWAYS = {5, 6, 7, 8}  # orientations whose width and height change places
BACK = {6: 8, 8: 6}  # how to turn an upright array back; the other turns undo themselves


BAND = 2**22  # pixels that are converted at once: no second picture of another mode is made


@dataclass(frozen=True)
class Picture:
    """A picture file's content.

    Attributes:
        levels: (1, 3 or 4, H, W), uint8 or uint16, RGB or RGBA, upright; channels interleaved.
        icc: the RGB profile that the colours are in; None: sRGB.
    """

    levels: Tensor
    icc: bytes | None

    @property
    def bits(self) -> int:
        """8 or 16, a channel."""
        return 8 * self.levels.element_size()

    @property
    def pixels(self) -> Tensor:
        """The picture in floats: (1, 3 or 4, H, W), float32 in [0, 1]; made when asked for."""
        return as_values(self.levels)


class _RefusedError(ValueError):
    """A sound picture of a kind that is not supported."""


def read_picture(path: str | Path, icc: bytes | None = None, *, in_levels: bool = False) -> Picture:
    """Read a picture; greyscale, palettes and CMYK become RGB, with alpha where the file has it.

    Args:
        path: PNG, JPEG, WebP, TIFF or another of `FORMATS`; 8 or 16 bits a channel.
        icc: convert the colours to this RGB profile; 16 bits are rounded to 8 for that. None: keep
            the file's own RGB profile; greys and CMYK with a profile of their own become sRGB.
        in_levels: whether its `pixels` will not be asked for, so that less memory will do.

    Returns:
        The picture, upright.

    Raises:
        FileNotFoundError, IsADirectoryError: no such file.
        ValueError: not a picture, truncated, animated, too large for the free memory, another
            depth, or a profile that fails, be it the file's own that is handed on.
    """
    floats = 0 if in_levels else FLOAT
    picture = _read(Path(path), lambda image: _managed(image, icc), icc, floats)
    if icc is None and picture.icc:  # else the fault is told of the picture that is converted to it
        try:
            check_profile(picture.icc)
        except ValueError as error:
            raise ValueError(f"{path} {error}") from error
    return picture


def read_mask(path: str | Path, channel: str = "luminance") -> Tensor:
    """Read one channel of a picture as a mask; a colour profile is not applied to it.

    Args:
        path: PNG, JPEG, WebP, TIFF or another of `FORMATS`; 8 or 16 bits a channel.
        channel: "alpha" (opaque = 1), "red", "green", "blue" or "luminance" (ITU-R BT.601).

    Returns:
        (1, 1, H, W), float32 in [0, 1].

    Raises:
        FileNotFoundError, IsADirectoryError: no such file.
        ValueError: not a picture, as for `read_picture`; "alpha" of a file without alpha; another
            channel.
    """
    return pick_channel(read_raw(path), channel, path)


def read_raw(path: str | Path) -> Tensor:
    """Read a picture's pixels without regard to colour profiles.

    Args:
        path: as for `read_picture`.

    Returns:
        (1, 3 or 4, H, W), float32 in [0, 1], upright.

    Raises:
        FileNotFoundError, IsADirectoryError: no such file.
        ValueError: not a picture, truncated, animated, too large for the free memory or of another
            depth.
    """
    return _read(Path(path), lambda image: (image.convert("RGB"), None), None, FLOAT).pixels


def pick_channel(pixels: Tensor, channel: str, path: str | Path) -> Tensor:
    """One channel of a picture as a mask.

    Args:
        pixels: (1, 3 or 4, H, W), in [0, 1].
        channel: "alpha" (opaque = 1), "red", "green", "blue" or "luminance" (ITU-R BT.601).
        path: of the file, for the message.

    Returns:
        (1, 1, H, W), in [0, 1].

    Raises:
        ValueError: "alpha" of a picture without alpha; another channel.
    """
    check_choice("channel", channel, MASK_CHANNELS)
    if channel == "alpha":
        if pixels.shape[1] == 3:
            raise ValueError(f"{path} must have alpha, got none; use channel luminance")
        return pixels[:, 3:]
    if channel == "luminance":
        weighted = pixels[:, :3] * torch.tensor(LUMA).view(1, 3, 1, 1)
        return weighted.sum(1, keepdim=True).clamp(0, 1)
    index = MASK_CHANNELS.index(channel) - 1
    return pixels[:, index : index + 1]


ToRgb = Callable[[Image.Image], tuple[Image.Image, bytes | None]]


def _read(path: Path, to_rgb: ToRgb, icc: bytes | None, floats: int) -> Picture:
    """Read a file, if the free memory holds it and `floats` bytes more for each value."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} must be a picture file, got a folder")
    if not path.is_file():
        raise FileNotFoundError(f"picture file not found: {path}")
    data, size = path.read_bytes(), "a picture that does not"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with the file is told by an error
            with open_image(io.BytesIO(data), known_formats(FORMATS)) as image:
                size = f"{image.width} x {image.height} that does not"
                if data.startswith(SIGNATURE) and png_size(data) != image.size:
                    raise ValueError(f"PNG must have one size, got {png_size(data)} and {size}")
                if is_png16(data) or image.mode.startswith("I;16"):
                    return _deep(data, image, icc, floats)
                return _plain(image, to_rgb, floats)
    except Exception as error:
        raise ValueError(f"{path} {_fault(error, size)}") from error


def _fault(error: Exception, size: str) -> str:
    """What is wrong with a file, by the error in reading it."""
    if isinstance(error, _RefusedError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        limit, counted = 2 * (Image.MAX_IMAGE_PIXELS or 0), re.search(r"\d+", str(error))
        return (
            f"must have at most {limit} pixels (Pillow's limit for this format, twice "
            f"Image.MAX_IMAGE_PIXELS), got {counted[0] if counted else 'more'}: save it as PNG"
        )
    if isinstance(error, MemoryError) or re.search(SHORT_OF_MEMORY, str(error)):
        known = str(error) if re.match(COUNTED, str(error)) else size
        return f"must fit into the free memory, got {known}"
    if LARGEST_TEXT in str(error):
        largest = PngImagePlugin.MAX_TEXT_CHUNK
        return (
            f"must have a colour profile and texts of at most {largest} bytes each (Pillow's "
            "limit), got more: save it without, or with another profile"
        )
    if isinstance(error, UnidentifiedImageError):
        names = ", ".join(known_formats(FORMATS))
        return f"must be a whole picture file, got no picture (of the kinds {names})"
    return "must be a whole picture file, got a damaged one"


def _plain(image: ImageFile.ImageFile, to_rgb: ToRgb, floats: int) -> Picture:
    """A picture of 8 bits a channel."""
    if getattr(image, "is_animated", False) and image.format != "MPO":  # phones add previews
        raise _RefusedError(f"must be one picture, got {getattr(image, 'n_frames', 2)} frames")
    if image.mode == "LAB":
        raise _RefusedError("must be grey, RGB, CMYK or a palette's colours, got CIELAB")
    bits = max(getattr(image, "tag_v2", {}).get(BITS_TAG, (8,)))
    if bits > 8 or image.mode in ("I", "F"):
        raise _RefusedError(
            f"must have 8 or 16 bits a channel (in colour, 16 only as PNG), got {bits} in mode "
            f"{image.mode}"
        )
    channels = 4 if image.has_transparency_data else 3
    check_room(image.size, decoder_bytes(image) + (1 + floats) * channels)
    _load(image)
    own: bytes | None = None

    def rgb(band: Image.Image) -> np.ndarray:
        nonlocal own
        colours, own = to_rgb(band)
        array = np.asarray(colours, dtype=np.uint8)
        if channels == 3:
            return array
        return np.dstack((array, np.asarray(band.convert("RGBA").getchannel("A"))))

    levels = _in_bands(image, channels, np.uint8, rgb)
    return Picture(levels, own)


def _load(image: ImageFile.ImageFile) -> None:
    """Decode; before its orientation is asked for, as Pillow turns a TIFF upright meanwhile."""
    with beyond_pillows_limit(image.size):
        image.load()


def _in_bands(
    image: Image.Image,
    channels: int,
    dtype: type[np.uint8 | np.uint16],
    convert: Callable[[Image.Image], np.ndarray],
) -> Tensor:
    """An image's levels, (1, C, H, W), upright, converted in bands of rows to (h, W, C)."""
    turn = image.getexif().get(ORIENTATION_TAG) or 1
    width, height = image.size
    size = (width, height) if turn in SIDEWAYS else (height, width)
    upright = np.empty((*size, channels), dtype)
    lying = UPRIGHT.get(BACK.get(turn, turn), lambda same: same)(upright)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = image if rows >= height else image.crop((0, top, width, bottom))
        lying[top:bottom] = convert(band)
    return _planes(upright)


def _deep(data: bytes, image: ImageFile.ImageFile, icc: bytes | None, floats: int) -> Picture:
    """A picture of 16 bits a channel."""
    own = image.info.get("icc_profile")
    if is_png16(data):
        check_room(image.size, 2 * 2 * 4 + 4 * floats)  # its decoder holds all once more
        array = decode_png16(data)
        array = _with_transparency(array, image.info.get("transparency"))
        array = UPRIGHT.get(image.getexif().get(ORIENTATION_TAG, 1), lambda same: same)(array)
        is_grey = array.shape[2] <= 2
        if is_grey:
            array = array[..., [0, 0, 0, 1][: array.shape[2] + 2]]
        levels = _planes(np.ascontiguousarray(array))
    else:
        check_room(image.size, decoder_bytes(image) + (2 + floats) * 3)
        _load(image)
        is_grey = True
        levels = _in_bands(
            image, 3, np.uint16, lambda band: np.asarray(band).astype(np.uint16)[..., None]
        )
    own = None if is_grey and own and not is_rgb(own) else own
    if icc and (own or srgb_profile()) != icc:
        _convert_deep(levels, own, icc)
        own = icc
    return Picture(levels, own)


def _convert_deep(levels: Tensor, own: bytes | None, icc: bytes) -> None:
    """Convert levels of 16 bits, (1, 3 or 4, H, W), to another profile, by way of 8, in place."""
    rows = max(1, BAND // levels.shape[3])
    for top in range(0, levels.shape[2], rows):
        band = levels[0, :3, top : top + rows].permute(1, 2, 0).numpy()
        rounded = np.rint(band / np.float32(65535) * 255).astype(np.uint8)
        converted = np.asarray(_converted(Image.fromarray(rounded), own, icc))
        band[...] = converted.astype(np.uint16) * 257  # of 65535, the same share


def _with_transparency(array: np.ndarray, key: int | tuple[int, int, int] | None) -> np.ndarray:
    """(H, W, 1 or 3) with an alpha that is 0 where a PNG's one transparent value lies, else full.

    Source: W3C, Portable Network Graphics (third edition), section 11.3.1.1, tRNS.
    """
    if key is None or array.shape[2] not in (1, 3):
        return array
    is_key = (array == np.array(key, np.uint16)).all(2)
    return np.dstack((array, np.where(is_key, 0, 65535).astype(np.uint16)))


def _managed(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """RGB colours and their profile."""
    own = image.info.get("icc_profile")
    if own and not is_rgb(own):
        base = image if image.mode == "CMYK" else image.convert("L")
        colours, own = _converted(base, own, srgb_profile()), None
    else:
        colours = image.convert("RGB")
    if icc and (own or srgb_profile()) != icc:
        return _converted(colours, own, icc), icc
    return colours, own


def _converted(image: Image.Image, own: bytes | None, wanted: bytes) -> Image.Image:
    try:
        return convert_profile(image, own, wanted)
    except ValueError as error:
        raise _RefusedError(str(error)) from error


def _planes(array: np.ndarray) -> Tensor:
    """(1, C, H, W) of an (H, W, C) array, in the same memory."""
    return torch.from_numpy(array).permute(2, 0, 1)[None]

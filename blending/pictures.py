"""Reading picture files: EXIF orientation, ICC profile, 16 bits, alpha."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from .settings import MASK_CHANNELS, check_choice

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_DEPTH_AT = 24  # byte of the bit depth in a PNG file


@dataclass(frozen=True)
class Picture:
    """A picture file's content.

    Attributes:
        pixels: (1, 3 or 4, H, W), float32 in [0, 1], RGB or RGBA, upright.
        bits: 8 or 16, a channel.
        icc: the embedded colour profile, if any.
    """

    pixels: Tensor
    bits: int
    icc: bytes | None


def read_picture(path: str | Path, icc: bytes | None = None) -> Picture:
    """Read a picture; greyscale and palettes become RGB, with alpha where the file has it.

    Args:
        path: PNG, JPEG, WebP, TIFF or whatever Pillow reads; 8 or 16 bits a channel.
        icc: convert the colours to this profile (sRGB stands for a missing one); None: leave them.

    Returns:
        The picture, upright, with the profile that its colours are in.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a picture, truncated, animated, another depth, or a profile that fails.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"picture file not found: {path}")
    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _decode(path, data, image, icc)
    except (OSError, SyntaxError, RuntimeError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} must be a whole picture file that Pillow reads, got {type(error).__name__}"
        ) from error


def read_mask(path: str | Path, channel: str = "luminance") -> Tensor:
    """Read one channel of a picture as a mask.

    Args:
        path: as for `read_picture`.
        channel: "alpha" (opaque = 1), "red", "green", "blue" or "luminance" (BT.601).

    Returns:
        (1, 1, H, W), float32 in [0, 1].

    Raises:
        FileNotFoundError, ValueError: as for `read_picture`; "alpha" of a file without alpha.
    """
    check_choice("channel", channel, MASK_CHANNELS)
    pixels = read_picture(path).pixels
    if channel == "alpha":
        if pixels.shape[1] == 3:
            raise ValueError(f"{path} must have alpha, got none; use channel luminance")
        return pixels[:, 3:]
    if channel == "luminance":
        return (
            (pixels[:, :3] * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True).clamp(0, 1)
        )
    index = MASK_CHANNELS.index(channel) - 1
    return pixels[:, index : index + 1]


def _decode(path: Path, data: bytes, image: Image.Image, icc: bytes | None) -> Picture:
    if getattr(image, "is_animated", False) and image.format != "MPO":  # phones add previews
        raise ValueError(f"{path} must be one picture, got {getattr(image, 'n_frames', 2)} frames")
    own = image.info.get("icc_profile")
    if data.startswith(PNG_SIGNATURE) and data[PNG_DEPTH_AT] == 16:
        return Picture(_decode_png16(data), 16, own)  # Pillow would drop the lower byte
    if image.mode.startswith("I;16"):
        values = np.asarray(ImageOps.exif_transpose(image)).astype(np.float32) / 65535
        return Picture(torch.from_numpy(values).expand(1, 3, -1, -1).clone(), 16, own)
    if image.mode in ("I", "F"):
        raise ValueError(f"{path} must have 8 or 16 bits a channel, got mode {image.mode}")
    transparent = image.has_transparency_data
    image = ImageOps.exif_transpose(image).convert("RGBA" if transparent else "RGB")
    if icc and own != icc:
        image, own = _convert_profile(path, image, own, icc), icc
    array = np.array(image, dtype=np.float32) / 255
    return Picture(torch.from_numpy(array).permute(2, 0, 1)[None].contiguous(), 8, own)


def _decode_png16(data: bytes) -> Tensor:
    buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    raw = decode_image(buffer, ImageReadMode.UNCHANGED, apply_exif_orientation=True)
    pixels = torch.from_numpy(raw.numpy().astype(np.float32))[None] / 65535
    if pixels.shape[1] <= 2:  # grey, grey with alpha
        pixels = torch.cat((pixels[:, :1].expand(-1, 3, -1, -1), pixels[:, 1:]), 1)
    return pixels.contiguous()


def _convert_profile(
    path: Path, image: Image.Image, own: bytes | None, wanted: bytes
) -> Image.Image:
    try:
        given = io.BytesIO(own) if own else ImageCms.createProfile("sRGB")
        colours = image.convert("RGB")
        ImageCms.profileToProfile(colours, given, io.BytesIO(wanted), inPlace=True)
    except ImageCms.PyCMSError as error:
        raise ValueError(f"{path} must have a usable ICC profile, got: {error}") from error
    if image.mode == "RGBA":
        colours.putalpha(image.getchannel("A"))
    return colours

"""Pictures kept in a file's whole numbers, which become floats where they are looked at."""

import torch
from torch import Tensor

WHITE = {torch.uint8: 255, torch.uint16: 65535}  # the level of 1


def is_levels(picture: Tensor) -> bool:
    """Whether a picture, (..., H, W), is kept in levels of 8 or 16 bits instead of floats."""
    return picture.dtype in WHITE


def float_dtype(picture: Tensor) -> torch.dtype:
    """The dtype of a picture's values, (..., H, W): its own if that is float, else float32."""
    return torch.float32 if is_levels(picture) else picture.dtype


def as_values(picture: Tensor) -> Tensor:
    """A picture, or a part of one, in floats.

    Args:
        picture: (..., H, W), levels of 8 or 16 bits, or float.

    Returns:
        (..., H, W), of levels float32 in [0, 1], contiguous; a float picture itself.
    """
    if not is_levels(picture):
        return picture
    values = picture.to(torch.float32, memory_format=torch.contiguous_format)
    return values.div_(torch.full((), WHITE[picture.dtype], device=values.device))


def as_kept(values: Tensor, picture: Tensor) -> Tensor:
    """Floats in the form in which a picture is kept: its dtype, on its device.

    Args:
        values: (..., H, W), float, in [0, 1]; clipped to that where the picture is in levels.
        picture: (..., H, W), levels of 8 or 16 bits, or float.

    Returns:
        (..., H, W); levels are rounded to nearest, so that those of `as_values` come back.
    """
    if not is_levels(picture):
        return values.to(picture)
    levels = (values.clamp(0, 1).cpu().double() * WHITE[picture.dtype]).round_()
    return levels.to(picture.device, picture.dtype)


def pixels_at(picture: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Single pixels of a picture in floats, whatever its size at the cost of these alone.

    Args:
        picture: (B, C, H, W), levels of 8 or 16 bits, or float.
        rows: (N, K), whole numbers in [0, H).
        columns: (N, K), whole numbers in [0, W).

    Returns:
        (B, C, N, K), as from `as_values`.
    """
    if picture.dtype == torch.uint16:  # torch 2.4 does not pick single ones of these
        return as_values(picture.view(torch.int16)[:, :, rows, columns].view(torch.uint16))
    return as_values(picture[:, :, rows, columns])

"""The source as a cut-out: colour, alpha and mask of one size, resampled together."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..validation import check_mask, check_same_size, common_batch, pixel_size

LARGEST_SIDE = 32768
LARGEST_AREA = 100_000_000  # resampled before it is clipped: 1.2 GB
OPAQUE_ENOUGH = 1 / 512  # half an 8-bit level: below it, a resampled alpha is none


def cut_out(source: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor, tuple[str, ...]]:
    """Split a source and apply its alpha.

    Args:
        source: (N, 3 or 4, h, w), in [0, 1], checked.
        mask: (N, 1, h, w), in [0, 1], or None.

    Returns:
        Colour (N, 3, h, w); alpha (N, 1, h, w), 1 where there is none; the mask, multiplied by the
        alpha, or the alpha itself where none is given; notes on that for the report.

    Raises:
        ValueError: a bad mask, another size or batch, or neither mask nor alpha.
    """
    if mask is not None:
        check_mask("mask", mask)
        check_same_size("mask", mask, "source", source)
    if source.shape[1] == 3:
        if mask is None:
            raise ValueError("mask must be given for a source without alpha, got none")
        return source, torch.ones_like(mask), mask, ()
    colour, alpha = source[:, :3], source[:, 3:]
    check_mask("source's alpha", alpha)
    if mask is None:
        return colour, alpha, alpha, ("the source's alpha is the mask",)
    common_batch(source=source, mask=mask)
    return colour, alpha, alpha * mask, ("the source's alpha multiplies the mask",)


def rescale(
    colour: Tensor, alpha: Tensor, mask: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Resample a cut-out, bicubic with antialiasing.

    Args:
        colour: (N, 3, h, w); weighted by alpha, so that hidden colours do not bleed.
        alpha: (N, 1, h, w), in [0, 1].
        mask: (N, 1, h, w), in [0, 1].
        scale: factor, > 0; sides are rounded to whole pixels, at least one.

    Returns:
        Colour; where it is valid, 0 or 1; the mask. At least float32.

    Raises:
        ValueError: a side would be longer than 32768 pixels, or all more than 100 million.
    """
    height, width = (max(1, round(side * scale)) for side in colour.shape[2:])
    check_extent(height, width, "scale", f"{scale:g} for {pixel_size(colour)}")
    return resize_to(colour, alpha, mask, height, width)


def check_extent(height: int, width: int, name: str, came: str) -> None:
    """Raise ValueError on sides too long to resample, naming the argument and what came for it."""
    if max(height, width) > LARGEST_SIDE or height * width > LARGEST_AREA:
        raise ValueError(
            f"{name} must keep the source within {LARGEST_SIDE} pixels a side and "
            f"{LARGEST_AREA // 10**6} million in all, got {came}"
        )


def resize_to(
    colour: Tensor, alpha: Tensor, mask: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Resample a cut-out to a height and width; otherwise as `rescale`."""

    def resize(tensor: Tensor) -> Tensor:
        return F.interpolate(tensor, (height, width), mode="bicubic", antialias=True)

    dtype = torch.promote_types(colour.dtype, torch.float32)
    colour, alpha, mask = (tensor.to(dtype) for tensor in (colour, alpha, mask))
    weight, low, high = resize(alpha), colour.min(), colour.max()
    if bool((alpha < 1).any()):  # the kernel's negative lobes make nonsense of a rough alpha's rim
        colour = (resize(colour * alpha) / weight.clamp_min(OPAQUE_ENOUGH)).clamp(low, high)
    else:
        colour = resize(colour)
    return colour, (weight > OPAQUE_ENOUGH).to(weight.dtype), resize(mask).clamp(0, 1)

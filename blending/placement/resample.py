"""Planes at another size, bicubic with antialiasing."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(planes: Tensor, size: Sequence[int]) -> Tensor:
    """Planes at another size; the kernel's negative lobes may lead out of their range.

    Args:
        planes: (B, C, h, w), float32 or float64, in any memory layout.
        size: height and width wanted, pixels.

    Returns:
        (B, C, *size), the same dtype.
    """
    # torch 2.14 and before mix up the colours of a picture one pixel wide that lies channels last.
    return F.interpolate(planes.contiguous(), tuple(size), mode="bicubic", antialias=True)


def resampled(planes: Tensor, size: Sequence[int]) -> Tensor:
    """Planes at another size within their range; of this size already: their own bits.

    Args:
        planes: (B, C, h, w), in [0, 1], float.
        size: height and width wanted, pixels.

    Returns:
        (B, C, *size), in [0, 1], the same dtype.
    """
    if (planes.shape[2], planes.shape[3]) == tuple(size):
        return planes
    wide = planes.to(torch.promote_types(planes.dtype, torch.float32))
    return resize(wide, size).clamp(0, 1).to(planes.dtype)

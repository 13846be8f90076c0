"""Shape a mask: invert, threshold, grow or shrink, feather."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_range
from .filters import gaussian_blur
from .validation import check_mask

LARGEST_RADIUS = 256


def adjust_mask(
    mask: Tensor, *, invert: bool = False, threshold: float = 0.0, grow: int = 0, feather: int = 0
) -> Tensor:
    """Invert, then threshold, then grow or shrink, then feather.

    Args:
        mask: (B, 1, H, W), in [0, 1].
        invert: 1 − mask.
        threshold: 0 keeps the greys; otherwise values >= threshold become 1, the others 0.
        grow: pixels, a disc's radius, -256 to 256; negative shrinks. The frame's edge is no edge.
        feather: width of the soft edge in pixels, 0 to 256, centred on the mask's edge.

    Returns:
        (B, 1, H, W), in [0, 1], the same dtype.

    Raises:
        ValueError, TypeError: wrong mask; values out of range.
    """
    check_mask("mask", mask)
    check_range("threshold", threshold, 0, 1)
    check_range("grow", grow, -LARGEST_RADIUS, LARGEST_RADIUS, whole=True)
    check_range("feather", feather, 0, LARGEST_RADIUS, whole=True)
    if invert:
        mask = 1 - mask
    if threshold:
        mask = (mask >= threshold).to(mask.dtype)
    if grow > 0:
        mask = _dilate(mask, grow)
    elif grow < 0:
        mask = 1 - _dilate(1 - mask, -grow)
    return _feather(mask, feather) if feather else mask


def _dilate(mask: Tensor, radius: int) -> Tensor:
    """The largest value within a disc, exact: the row's running maximum widens as the disc does.

    A square window of the same radius would grow corners 1.4 times too far.
    """
    height = mask.shape[2]
    row_maximum, reach, result = mask, 0, mask
    for offset in range(radius, -1, -1):
        half_width = int((radius**2 - offset**2) ** 0.5)
        while reach < half_width:
            row_maximum = F.max_pool2d(row_maximum, (1, 3), 1, (0, 1))
            reach += 1
        if offset >= height:
            continue
        above = F.pad(row_maximum[..., offset:, :], (0, 0, 0, offset))
        below = F.pad(row_maximum[..., : height - offset, :], (0, 0, offset, 0))
        result = torch.maximum(result, torch.maximum(above, below))
    return result


def _feather(mask: Tensor, width: int) -> Tensor:
    """A Gaussian blur: an edge rises from 2 % to 98 % over `width` pixels; the frame is no edge."""
    wide = mask.to(torch.promote_types(mask.dtype, torch.float32))
    return gaussian_blur(wide, sigma=width / 4, reach=width).clamp(0, 1).to(mask.dtype)

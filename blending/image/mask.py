"""Shape a mask: resize, invert, threshold, fill holes, drop specks, grow or shrink, feather."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_choice, check_range
from ..placement.layout import RESIZES, fit_factors
from ..placement.resample import resampled
from ..settings import LARGEST_PART
from ..validation import check_mask, pixel_size
from .filters import gaussian_blur

LARGEST_RADIUS = 256
FITS_OF_RESIZES = {"stretch": "stretch", "fit": "inside", "fill": "cover"}


def adjust_mask(
    mask: Tensor,
    *,
    invert: bool = False,
    threshold: float = 0.0,
    fill_holes: int = 0,
    drop_specks: int = 0,
    grow: int = 0,
    feather: int = 0,
) -> Tensor:
    """Invert, threshold, fill holes, drop specks, grow or shrink, feather, in this order.

    Args:
        mask: (B, 1, H, W), in [0, 1], 1 = take the source.
        invert: replace the mask by 1 − mask first.
        threshold: 0 keeps the greys; otherwise values >= threshold become 1, the others 0.
        fill_holes: largest area of a hole that is filled, square pixels, 0 to 100 million; 0 fills
            none.
        drop_specks: components of a smaller area are dropped, square pixels, 0 to 100 million; 0
            drops none.
        grow: radius in pixels of the disc by which the mask grows, -256 to 256; negative shrinks.
            Nothing shrinks away from the frame's edge.
        feather: width of the soft edge in pixels, 0 to 256, centred on the mask's edge.

    Returns:
        (B, 1, H, W), in [0, 1], the same dtype.

    Raises:
        ValueError, TypeError: wrong mask; values out of range.
    """
    check_mask("mask", mask)
    check_range("threshold", threshold, 0, 1)
    check_range("fill_holes", fill_holes, 0, LARGEST_PART, whole=True)
    check_range("drop_specks", drop_specks, 0, LARGEST_PART, whole=True)
    check_range("grow", grow, -LARGEST_RADIUS, LARGEST_RADIUS, whole=True)
    check_range("feather", feather, 0, LARGEST_RADIUS, whole=True)
    if invert:
        mask = 1 - mask
    if threshold:
        mask = (mask >= threshold).to(mask.dtype)
    if fill_holes or drop_specks:
        from . import (
            components,  # SciPy takes a while to load, and the command line never asks for this
        )

        mask = components.drop_specks(components.fill_holes(mask, fill_holes), drop_specks)
    if grow > 0:
        mask = _dilate(mask, grow)
    elif grow < 0:
        mask = 1 - _dilate(1 - mask, -grow)
    return _feather(mask, feather) if feather else mask


def like_reference(
    planes: Tensor, size: Sequence[int] | None, resize: str, beyond: float = 0.0
) -> Tensor:
    """Bring a mask, or the picture it belongs to, to a reference's size, as `resize` says.

    Args:
        planes: (B, C, h, w), in [0, 1].
        size: height and width in pixels; None: there is no reference.
        resize: "stretch", proportions lost; "fit", all of it inside, centred, `beyond` around it;
            "fill", covers the size, centred, the rest cut off; "off", the size must be right
            already.
        beyond: value of the border that "fit" adds; 1 for a mask that will be inverted, or the
            border would be taken.

    Returns:
        (B, C, H, W), in [0, 1], bicubic with antialiasing; sides and borders on whole pixels.

    Raises:
        ValueError: another size with "off"; a resize without a reference.
    """
    check_choice("resize", resize, RESIZES)
    if size is None:
        if resize != "off":
            raise ValueError(
                f"reference must be there for resize {resize}, got none; link the picture whose "
                "size the mask is to have, or set resize to off"
            )
        return planes
    own = planes.shape[2], planes.shape[3]
    if own == tuple(size):
        return planes
    if resize == "off":
        raise ValueError(
            f"mask must have the size of reference, {size[1]} x {size[0]} pixels, got "
            f"{pixel_size(planes)}; set resize to stretch, fit or fill"
        )
    factors = fit_factors(own, (size[0], size[1]), FITS_OF_RESIZES[resize])
    sides = [max(1, round(side * factor)) for side, factor in zip(own, factors, strict=True)]
    return _centred(resampled(planes, sides), size, beyond)


def _centred(planes: Tensor, size: Sequence[int], beyond: float) -> Tensor:
    """Crop or pad to a size evenly on both sides; an odd pixel goes to the right and bottom."""
    spare = [wanted - side for wanted, side in zip(size, planes.shape[2:], strict=True)]
    before = [room // 2 if room >= 0 else -(-room // 2) for room in spare]
    above, left = before
    return F.pad(planes, (left, spare[1] - left, above, spare[0] - above), value=beyond)


def _dilate(mask: Tensor, radius: int) -> Tensor:
    """The largest value within a disc, exact: the running maximum of a row widens as the disc does.

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

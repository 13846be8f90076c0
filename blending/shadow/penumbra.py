"""Blur that grows from place to place: a shadow's penumbra."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.filters import convolved, gaussian_kernel

LEAST = 0.7  # pixels: a standard deviation that is not blurred any less
STRIDE_FROM = 2.0  # pixels, of the standard deviation on a thinned grid


def penumbra(plane: Tensor, sigma: Tensor, tilt: float) -> Tensor:
    """Blur a plane by a Gaussian whose width differs from pixel to pixel.

    Blurred copies of doubling widths are mixed at each pixel so that the variance is the one that
    is wanted there.

    Args:
        plane: (1, 1, H, W), in [0, 1], float32 or float64.
        sigma: (1, 1, H, W), standard deviation along the rows in pixels, >= 0.
        tilt: the standard deviation along the columns is so many times as much, > 0.

    Returns:
        (1, 1, H, W), in [0, 1].
    """
    largest = sigma.max().item()
    widths = [LEAST]
    while widths[-1] < largest:
        widths.append(2 * widths[-1])
    variance = sigma.square().clamp(LEAST**2, widths[-1] ** 2)
    result, narrow = torch.zeros_like(plane), spread(plane, LEAST, tilt)
    if len(widths) == 1:
        return narrow
    for low, high in pairwise(widths):
        wide = spread(plane, high, tilt)
        share = (variance - low**2) / (high**2 - low**2)
        inside = (share > 0) & (share <= 1) if low > LEAST else share <= 1
        result += torch.where(inside, torch.lerp(narrow, wide, share.clamp(0, 1)), 0)
        narrow = wide
    return result


def spread(plane: Tensor, sigma: float, tilt: float = 1.0) -> Tensor:
    """Blur a plane by a Gaussian, 0 beyond its frame; a wide one on a thinned grid.

    Args:
        plane: (1, 1, H, W), float32 or float64.
        sigma: standard deviation along the rows, pixels, > 0.
        tilt: the standard deviation along the columns is so many times as much, > 0.

    Returns:
        (1, 1, H, W).
    """
    stride = 2 ** max(0, math.floor(math.log2(max(sigma * min(tilt, 1.0) / STRIDE_FROM, 1))))
    height, width = plane.shape[2:]
    if stride > 1:
        plane = F.pad(plane, _evenly(width, stride) + _evenly(height, stride))
        plane = F.avg_pool2d(plane, stride)
    lost = (stride**2 - 1) / 12  # variance that the means of squares have added
    for axis, wanted in ((3, sigma), (2, sigma * tilt)):
        deviation = math.sqrt(max(wanted**2 - lost, 1e-4)) / stride
        reach = max(1, math.ceil(3 * deviation))
        padded = F.pad(plane, (reach, reach) if axis == 3 else (0, 0, reach, reach))
        plane = convolved(padded, gaussian_kernel(deviation, reach, plane)[0].tolist(), axis)
    if stride == 1:
        return plane
    plane = F.interpolate(plane, scale_factor=stride, mode="bilinear")
    above, left = _evenly(height, stride)[0], _evenly(width, stride)[0]
    return plane[..., above : above + height, left : left + width]


def _evenly(side: int, stride: int) -> tuple[int, int]:
    """What makes a side a multiple of the stride, half of it before and half behind."""
    missing = -side % stride
    return missing // 2, missing - missing // 2

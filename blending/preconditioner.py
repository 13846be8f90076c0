"""The inverse Laplacian of a rectangle around a mask: what makes solves on the mask quick."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from .spectral import fast_length, filter_spectrum, laplacian_eigenvalues
from .window import bounding_box

# Where the screen varies the rectangle takes its mean with weights 1 / (screen + WEAK), so that
# values far above this hardly count. The plain mean takes up to five times the iterations, and is
# so much too stiff where the screen is weak that the residual hides errors above the tolerance.
WEAK = 0.01
DEGREE = 4  # a pixel's neighbours


def rectangle_inverse(free: Tensor, screen: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """The inverse of Laplacian + screen on a rectangle around the support, restricted to it.

    The rectangle is zero around it, as the correction is at the mask's edge. Where the mask touches
    the frame nothing is fixed; there the rectangle goes on past the frame by its own length, which
    leaves smooth corrections nearly as free as they are.

    The rectangle's screen is one number. A pixel whose own is stronger by t leans on its neighbours
    less, as if half out of the mask: its value counts w = 1 / (1 + t) on its way into the rectangle
    and out, and 1 − w² of it is divided by the pixel's own diagonal instead.

    Args:
        free: (1, 1, H, W), float, 1 on the support, 0 elsewhere.
        screen: (1, 1, H, W), >= 0; 0 outside the support. None: 0.

    Returns:
        A map of (1, C, H, W), symmetric and positive definite on the support, 0 elsewhere.
    """
    if screen is None:
        return _constant_inverse(free, 0)
    weak = free / (screen + WEAK)
    level = (weak * screen).sum() / weak.sum()
    share = 1 / (1 + (screen - level).clamp_min(0))
    rest = (1 - share.square()) / (DEGREE + screen)
    smooth = _constant_inverse(free, level)
    return lambda residual: share * smooth(share * residual) + rest * residual


def _constant_inverse(free: Tensor, level: Tensor | float) -> Callable[[Tensor], Tensor]:
    """The inverse of Laplacian + level on the rectangle."""
    frame_height, frame_width = free.shape[2:]
    top, left, height, width = bounding_box(free > 0)
    above, below = _beyond(top, height, frame_height)
    before, after = _beyond(left, width, frame_width)
    tall = fast_length(above + height + below)
    wide = fast_length(before + width + after)
    response = 1 / (laplacian_eigenvalues(tall, wide, free) + level)
    box = (..., slice(top, top + height), slice(left, left + width))
    inner = (..., slice(above, above + height), slice(before, before + width))
    margins = (before, wide - width - before, above, tall - height - above)
    around = (left, frame_width - left - width, top, frame_height - top - height)

    def invert(residual: Tensor) -> Tensor:
        solved = filter_spectrum(F.pad(residual[box], margins), response)[inner]
        return free * F.pad(solved, around)

    return invert


def _beyond(start: int, length: int, frame: int) -> tuple[int, int]:
    """How far the rectangle reaches past the box, before and after, along one axis."""
    return (length if start == 0 else 0), (length if start + length == frame else 0)

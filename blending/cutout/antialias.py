"""Antialiasing: the stairs of a mask of zeros and ones become an edge."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.filters import gaussian_blur

SIGMA, REACH = 1.5, 6  # pixels, of the Gaussian by which an edge is judged
LOW, HIGH = 0.5, 0.9  # of the blurred mask: alpha 0 and 1; the edge moves 0.8 pixels inwards
NEAR = 2  # pixels around which no grey may be: a soft edge is meant
THIN = 2  # pixels, radius of the square that must fit into a part: thinner ones stay as they are


def antialiased(mask: Tensor) -> Tensor:
    """Give the hard edges of a mask a soft pixel, inside, so that steps of whole pixels vanish.

    Nothing is taken that was not: alpha only falls. Soft edges, parts of less than five pixels
    across and what touches the frame stay.

    Args:
        mask: (B, 1, H, W), in [0, 1], float32 or float64.

    Returns:
        (B, 1, H, W), in [0, 1]; the mask itself where it has no hard edge.
    """
    grey = ((mask > 0) & (mask < 1)).to(mask)
    is_hard = _grown(grey, NEAR) == 0
    solid = (mask == 1).to(mask)
    opened = _grown(_shrunk(solid, THIN), THIN)  # where a square of 5 x 5 fits
    is_thin = _grown(solid - opened, 1) > 0
    alpha = ((gaussian_blur(mask, SIGMA, REACH) - LOW) / (HIGH - LOW)).clamp(0, 1)
    return torch.where(is_hard & ~is_thin, torch.minimum(mask, alpha), mask)


def _grown(plane: Tensor, radius: int) -> Tensor:
    return F.max_pool2d(plane, 2 * radius + 1, 1, radius)


def _shrunk(plane: Tensor, radius: int) -> Tensor:
    """Nothing shrinks away from the frame."""
    return 1 - _grown(1 - plane, radius)

"""A picture of what a mask takes."""

import torch
import torch.nn.functional as F
from torch import Tensor

LONGEST_SIDE = 1024  # pixels of the picture shown
SQUARE = 16  # pixels of the chequers' sides
CHEQUERS = (0.22, 0.34)  # grey levels
DIMMED = 0.25  # what is left of the picture where it is not taken


def show_taken(pixels: Tensor, mask: Tensor) -> Tensor:
    """The picture where it is taken, dimmed under chequers elsewhere, small enough to look at.

    Args:
        pixels: (1, 3 or 4, H, W), in [0, 1]; alpha is left out.
        mask: (1, 1, H, W), in [0, 1].

    Returns:
        (1, 3, h, w), at most 1024 pixels a side, in [0, 1].
    """
    height, width = mask.shape[2:]
    shrunk = min(1.0, LONGEST_SIDE / max(height, width))
    size = [max(1, round(side * shrunk)) for side in (height, width)]
    picture, taken = (F.interpolate(t, size, mode="area") for t in (pixels[:, :3], mask))
    row, column = (torch.arange(side) // SQUARE for side in size)
    chequers = torch.where((row[:, None] + column) % 2 == 0, *CHEQUERS).to(picture)
    background = DIMMED * picture + (1 - DIMMED) * chequers
    return background + taken * (picture - background)

"""Pictures that show what a mask takes, and what was taken away from it."""

import torch
import torch.nn.functional as F
from torch import Tensor

LONGEST_SIDE = 1024  # pixels of the picture shown
SQUARE = 16  # pixels of the chequers' sides
CHEQUERS = (0.22, 0.34)  # grey levels
DIMMED = 0.25  # share of the picture that still shows where it is not taken
PAINT = (1.0, 0.0, 0.8)  # of what was taken away: hardly an object's colour
PAINTED = 0.75  # its share, over the picture


def show_taken(pixels: Tensor, mask: Tensor) -> Tensor:
    """The picture where the mask takes it, dimmed under chequers elsewhere, at preview size.

    Args:
        pixels: (N or 1, 3 or 4, H, W), in [0, 1]; alpha is ignored.
        mask: (N, 1, H, W), in [0, 1], 1 = taken.

    Returns:
        (N, 3, h, w), in [0, 1], at most 1024 pixels a side.
    """
    height, width = mask.shape[2:]
    shrunk = min(1.0, LONGEST_SIDE / max(height, width))
    size = [max(1, round(side * shrunk)) for side in (height, width)]
    picture, taken = (F.interpolate(t, size, mode="area") for t in (pixels[:, :3], mask))
    row, column = (torch.arange(side) // SQUARE for side in size)
    chequers = torch.where((row[:, None] + column) % 2 == 0, *CHEQUERS).to(picture)
    background = DIMMED * picture + (1 - DIMMED) * chequers
    return background + taken * (picture - background)


def show_removed(pixels: Tensor, kept: Tensor, removed: Tensor) -> Tensor:
    """The picture where it is kept, painted where it was taken away, dimmed elsewhere.

    Args:
        pixels: (N or 1, 3 or 4, H, W), in [0, 1]; alpha is ignored.
        kept: (N or 1, 1, H, W), in [0, 1], 1 = kept; with `removed` at most 1.
        removed: (N or 1, 1, H, W), in [0, 1], 1 = taken away.

    Returns:
        (N, 3, H, W), in [0, 1], in the picture's dtype.
    """
    wide = torch.promote_types(pixels.dtype, torch.float32)
    picture = pixels[:, :3].to(wide).clamp(0, 1)
    dark = DIMMED * picture
    painted = picture + PAINTED * (torch.tensor(PAINT).to(picture).view(1, 3, 1, 1) - picture)
    shown = dark + kept.to(wide) * (picture - dark) + removed.to(wide) * (painted - dark)
    return shown.clamp(0, 1).to(pixels.dtype)

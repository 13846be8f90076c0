"""The window of the target that a stage works on, and compositing in it."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

Box = tuple[int, int, int, int]  # top, left, height, width


@dataclass(frozen=True)
class Scene:
    """One picture's window: (1, C, h, w) of one size, device and float dtype.

    Attributes:
        source: RGB; 0 where it does not reach.
        mask: in [0, 1], 0 below 0.5.
        known: 0 or 1, where the source has pixels.
        target: RGB.
        box: the window on the target: top, left, height, width.
    """

    source: Tensor
    mask: Tensor
    known: Tensor
    target: Tensor
    box: Box

    @cached_property
    def support(self) -> Tensor:
        """The pixels that are solved: mask >= 0.5, bool."""
        return self.mask > 0

    @cached_property
    def paste(self) -> Tensor:
        """Plain copy and paste of the source."""
        return composite(self.target, self.source, self.mask)


def composite(background: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """mask·x + (1 − mask)·background; the background bit for bit where x is or mask is 0.

    Args:
        background: (B, C, H, W).
        x: (B, C, H, W).
        mask: (B, 1, H, W), in [0, 1].
    """
    return torch.where(mask == 1, x, background + mask * (x - background))


def pick(tensor: Tensor, sample: int) -> Tensor:
    """One sample of N, or the only one, still with its batch dimension."""
    return tensor[sample : sample + 1] if tensor.shape[0] > 1 else tensor


def crop(tensor: Tensor, box: Box) -> Tensor:
    """A view of the window (top, left, height, width) of (B, C, H, W)."""
    top, left, height, width = box
    return tensor[..., top : top + height, left : left + width]


def window_around(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    """The box with a margin inside a (..., H, W) frame.

    Away from the frame the window begins where the object does, not on the canvas's grid: so the
    network's pooling, and with it the result, does not depend on the place.
    """
    top, left, height, width = box
    first_row = max(top - margin, 0)
    first_column = max(left - margin, 0)
    last_row = min(top + height + margin, shape[-2])
    last_column = min(left + width + margin, shape[-1])
    return first_row, first_column, last_row - first_row, last_column - first_column


def bounding_box(support: Tensor) -> Box:
    """Top, left, height, width of the box around the True pixels of (1, 1, H, W); one is."""
    rows = support[0, 0].any(1).nonzero()
    columns = support[0, 0].any(0).nonzero()
    top, left = int(rows[0]), int(columns[0])
    return top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1

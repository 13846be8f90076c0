"""What a shadow is drawn on: an object's silhouette with the room that its shadow needs."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Canvas:
    """A silhouette and the room around it, in pixels.

    Attributes:
        silhouette: (1, 1, h, w), in [0, 1], float32 or float64, cut to the object's box.
        top: rows above it.
        bottom: rows below it.
        left: columns to the left of it.
        right: columns to the right of it.
    """

    silhouette: Tensor
    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> float:
        """The object's size, see `object_size`."""
        return object_size(*self.silhouette.shape[2:])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the whole."""
        height, width = self.silhouette.shape[2:]
        return self.top + height + self.bottom, self.left + width + self.right

    @cached_property
    def plane(self) -> Tensor:
        """The silhouette on the whole, (1, 1, H, W)."""
        return F.pad(self.silhouette, (self.left, self.right, self.top, self.bottom))

    @property
    def rows(self) -> Tensor:
        """The rows (H, 1) of the pixels' centres, from the silhouette's upper edge."""
        return self._places(self.shape[0], self.top)[:, None]

    @property
    def columns(self) -> Tensor:
        """The columns (1, W) of the pixels' centres, from the silhouette's left edge."""
        return self._places(self.shape[1], self.left)[None]

    def laid(self, values: Tensor) -> Tensor:
        """Values of the silhouette's columns, (w,), on all columns, (1, W): 0 beside it."""
        return F.pad(values, (self.left, self.right))[None].to(self.silhouette)

    def sampled(self, plane: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """A plane's values at places, bilinear, 0 beyond its frame.

        Args:
            plane: (1, 1, H, W), of the canvas.
            rows: (h, 1), from the silhouette's upper edge.
            columns: (1, w), from its left edge.

        Returns:
            (1, 1, h, w).
        """
        height, width = self.shape
        across, down = torch.broadcast_tensors(
            2 * (columns + self.left) / width - 1, 2 * (rows + self.top) / height - 1
        )
        return F.grid_sample(plane, torch.stack((across, down), -1)[None], align_corners=False)

    def _places(self, count: int, before: int) -> Tensor:
        like = self.silhouette
        return torch.arange(count, dtype=like.dtype, device=like.device) + 0.5 - before


def object_size(height: float, width: float) -> float:
    """The measure of an object's shadow: the geometric mean of its sides, pixels.

    Args:
        height: of its box, pixels.
        width: of its box, pixels.

    Returns:
        Pixels.
    """
    return math.sqrt(height * width)

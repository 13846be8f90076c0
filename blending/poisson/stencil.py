"""The 5-point operator with an edge weight between any two neighbours, a band of rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BAND = 2**17  # numbers in a band: what is done to it one thing after the other stays in cache


@dataclass(frozen=True)
class Stencil:
    """A 5-point operator: Σ_q edge_pq (u_p − u_q) + d_p·u_p; 0 off the support.

    Attributes:
        diagonal: (B, 1, H, W), the sum of a pixel's edges and its d (fixed neighbours, screen).
        across: (B, 1, H, W − 1), edges between neighbours of a row.
        down: (B, 1, H − 1, W), likewise of a column.
    """

    diagonal: Tensor
    across: Tensor
    down: Tensor

    def apply(self, u: Tensor, rows: slice, out: Tensor) -> Tensor:
        """Some rows of the operator on (B, C, H, W), written into `out`, which has no others."""
        torch.mul(self.diagonal[..., rows, :], u[..., rows, :], out=out)
        return self._add_neighbours(out, u, rows, -1)

    def residual(self, rhs: Tensor, u: Tensor, rows: slice, out: Tensor) -> Tensor:
        """Some rows of the right-hand side less the operator on u, written into `out`, as above."""
        here = (plane[..., rows, :] for plane in (rhs, self.diagonal, u))
        torch.addcmul(*here, value=-1, out=out)
        return self._add_neighbours(out, u, rows, 1)

    def _add_neighbours(self, out: Tensor, u: Tensor, rows: slice, sign: int) -> Tensor:
        first, last = rows.start, rows.stop
        top, bottom = max(first, 1), min(last, u.shape[2] - 1)
        above, below = slice(top - 1, last - 1), slice(first + 1, bottom + 1)
        middle, across = u[..., rows, :], self.across[..., rows, :]
        out[..., top - first :, :].addcmul_(self.down[..., above, :], u[..., above, :], value=sign)
        out[..., : bottom - first, :].addcmul_(
            self.down[..., first:bottom, :], u[..., below, :], value=sign
        )
        out[..., 1:].addcmul_(across, middle[..., :-1], value=sign)
        out[..., :-1].addcmul_(across, middle[..., 1:], value=sign)
        return out


def band_height(plane: Tensor) -> int:
    """Rows of a band of (B, C, H, W), an even number, or H."""
    height = plane.shape[2]
    return min(height, 2 * max(1, BAND * height // (2 * plane.numel())))


def bands(plane: Tensor) -> Iterator[slice]:
    """The rows of each band of (B, C, H, W), from the top."""
    height, step = plane.shape[2], band_height(plane)
    for first in range(0, height, step):
        yield slice(first, min(first + step, height))


def mask_laplacian(free: Tensor, degree: Tensor) -> Stencil:
    """The Laplacian of the pixels of a support, all others being 0.

    Args:
        free: (B, 1, H, W), float, 1 on the support, 0 elsewhere.
        degree: (B or 1, 1, H, W), how many neighbours are inside the frame.
    """
    across = free[..., 1:] * free[..., :-1]
    down = free[..., 1:, :] * free[..., :-1, :]
    return Stencil(free * degree, across, down)

"""The 5-point operator with an edge weight between any two neighbours, a band of rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BAND = 2**17  # numbers in a band: few enough to stay in cache from one operation to the next


@dataclass(frozen=True)
class Stencil:
    """A 5-point operator: Σ_q edge_pq (u_p − u_q) + d_p·u_p; 0 off the support.

    Attributes:
        diagonal: (B, 1, H, W), the sum of a pixel's edges and its d (edges to fixed pixels,
            screen).
        across: (B, 1, H, W − 1), edges between neighbours of a row.
        down: (B, 1, H − 1, W), edges between neighbours of a column.
    """

    diagonal: Tensor
    across: Tensor
    down: Tensor

    def apply(self, u: Tensor, rows: slice, out: Tensor) -> Tensor:
        """Apply the operator and keep a band of its rows.

        Args:
            u: (B, C, H, W).
            rows: the band, h rows.
            out: (B, C, h, W), written to.

        Returns:
            `out`.
        """
        torch.mul(self.diagonal[..., rows, :], u[..., rows, :], out=out)
        return self._add_neighbours(out, u, rows, -1)

    def residual(self, rhs: Tensor, u: Tensor, rows: slice, out: Tensor) -> Tensor:
        """The residual, rhs − operator·u, in a band of rows.

        Args:
            rhs: (B, C, H, W), the right-hand side.
            u: (B, C, H, W).
            rows: the band, h rows.
            out: (B, C, h, W), written to.

        Returns:
            `out`.
        """
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
    """The number of rows in a band of (B, C, H, W): even, or H where one band is enough."""
    height = plane.shape[2]
    return min(height, 2 * max(1, BAND * height // (2 * plane.numel())))


def bands(plane: Tensor) -> Iterator[slice]:
    """The row ranges of the bands of (B, C, H, W), from the top."""
    height, step = plane.shape[2], band_height(plane)
    for first in range(0, height, step):
        yield slice(first, min(first + step, height))


def mask_laplacian(free: Tensor, degree: Tensor) -> Stencil:
    """The Laplacian of a support's pixels with value 0 outside it (Dirichlet).

    Args:
        free: (B, 1, H, W), float, 1 on the support, 0 elsewhere.
        degree: (B or 1, 1, H, W), the number of a pixel's neighbours inside the frame.

    Returns:
        The operator; 0 off the support.
    """
    across = free[..., 1:] * free[..., :-1]
    down = free[..., 1:, :] * free[..., :-1, :]
    return Stencil(free * degree, across, down)

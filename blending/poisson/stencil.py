"""The 5-point operator with an edge weight between any two neighbours, a band of rows at a time.

Planes are framed: (B, C, H + 2, W + 2), contiguous, with a ring of one pixel around the grid's H x
W. So each pixel has four neighbours in memory, and a band of rows and its neighbours are flat views
of one length. They are made once: on small grids cutting them took as long as the arithmetic.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BAND = 2**17  # numbers in a band: few enough to stay in cache from one operation to the next


@dataclass(frozen=True)
class Stencil:
    """A 5-point operator: Σ_q edge_pq (u_p − u_q) + d_p·u_p.

    Attributes:
        diagonal: (B, 1, H + 2, W + 2), the sum of a pixel's edges and its d (edges to fixed pixels,
            screen); 0 on the ring.
        across: (B, 1, H + 2, W + 2), a pixel's edge to its neighbour on the right, 0 at the ring.
            None: all edges are 1. What the operator gives off the support is then of no meaning,
            and u has to be 0 there and on the ring.
        down: (B, 1, H + 2, W + 2), likewise to the neighbour below; None with `across`.
    """

    diagonal: Tensor
    across: Tensor | None = None
    down: Tensor | None = None

    def on(self, u: Tensor) -> tuple["BandOperator", ...]:
        """The operator bound to u, framed, (B, C, H + 2, W + 2), band by band from the top."""
        return tuple(BandOperator(self, u, rows) for rows in bands(u))


class BandOperator:
    """The operator on a band of h rows of one plane u, whose values it reads when it is called.

    Attributes:
        rows: the band, of the grid's H rows.
        here: (B, C, h·(W + 2)), the band of u.
    """

    def __init__(self, stencil: Stencil, u: Tensor, rows: slice) -> None:
        """Make the views.

        Args:
            stencil: the operator.
            u: (B, C, H + 2, W + 2), framed.
            rows: the band, of the grid's H rows.
        """
        below = u.shape[3]
        self.rows = rows
        self.here = band(u, rows)
        self._diagonal = band(stencil.diagonal, rows)
        self._neighbours = tuple(band(u, rows, shift) for shift in (-1, 1, -below, below))
        self._edges: tuple[Tensor, ...] = ()
        if stencil.across is not None and stencil.down is not None:
            across, down = stencil.across, stencil.down
            self._edges = (
                *(band(across, rows, shift) for shift in (-1, 0)),
                *(band(down, rows, shift) for shift in (-below, 0)),
            )

    def apply(self, out: Tensor) -> Tensor:
        """Apply the operator.

        Args:
            out: (B, C, N), N = h·(W + 2), written to; without meaning at the ring's columns.

        Returns:
            `out`.
        """
        torch.mul(self._diagonal, self.here, out=out)
        return self._add_neighbours(out, -1)

    def residual(self, rhs: Tensor, out: Tensor) -> Tensor:
        """The residual, rhs − operator·u.

        Args:
            rhs: (B, C, N), the band of the right-hand side.
            out: (B, C, N), N = h·(W + 2), written to; without meaning at the ring's columns.

        Returns:
            `out`.
        """
        torch.addcmul(rhs, self._diagonal, self.here, value=-1, out=out)
        return self._add_neighbours(out, 1)

    def _add_neighbours(self, out: Tensor, sign: int) -> Tensor:
        if not self._edges:
            for neighbour in self._neighbours:
                out.add_(neighbour, alpha=sign)
        for edge, neighbour in zip(self._edges, self._neighbours, strict=False):
            out.addcmul_(edge, neighbour, value=sign)
        return out


def band(plane: Tensor, rows: slice, shift: int = 0) -> Tensor:
    """A band of rows of a framed plane, from the ring's left column to its right one, flat.

    Args:
        plane: (B, C, H + 2, W + 2), contiguous.
        rows: of the grid's H rows, h of them.
        shift: by how many numbers the view begins and ends later; at most a row either way.

    Returns:
        (B, C, h·(W + 2)), a view.
    """
    width = plane.shape[3]
    first = (rows.start + 1) * width + shift
    return plane.flatten(2).narrow(2, first, (rows.stop - rows.start) * width)


def band_height(plane: Tensor) -> int:
    """The rows in a band of a framed (B, C, H + 2, W + 2): an even number, or H for one band."""
    height = plane.shape[2] - 2
    numbers = plane.shape[0] * plane.shape[1] * height * plane.shape[3]
    return min(height, 2 * max(1, BAND * height // (2 * numbers)))


def bands(plane: Tensor) -> Iterator[slice]:
    """The row ranges of the bands of a framed (B, C, H + 2, W + 2), from the top."""
    height, step = plane.shape[2] - 2, band_height(plane)
    for first in range(0, height, step):
        yield slice(first, min(first + step, height))


def framed(plane: Tensor, height: int, width: int) -> Tensor:
    """A plane on a grid of at least its size, in a ring of one pixel; 0 where it has no pixels.

    Args:
        plane: (B, C, h, w), put at the grid's top left.
        height: H of the grid, >= h.
        width: W of the grid, >= w.

    Returns:
        (B, C, H + 2, W + 2), contiguous.
    """
    return F.pad(plane, (1, 1 + width - plane.shape[3], 1, 1 + height - plane.shape[2]))


def unframed(plane: Tensor) -> Tensor:
    """What lies inside the ring of a framed (B, C, H + 2, W + 2): (B, C, H, W), a view."""
    return plane[..., 1:-1, 1:-1]


def mask_laplacian(free: Tensor, degree: Tensor) -> Stencil:
    """The Laplacian of a support's pixels with value 0 outside it (Dirichlet).

    Args:
        free: (B, 1, H + 2, W + 2), framed, float, 1 on the support, 0 elsewhere.
        degree: (B or 1, 1, H + 2, W + 2), the number of a pixel's neighbours inside the frame.

    Returns:
        The operator, its edges 1.
    """
    return Stencil(free * degree)

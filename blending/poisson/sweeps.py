"""The sweeps over one grid: Jacobi steps, restriction of the residual, prolongation.

Each works on bands of rows that stay in the processor's cache, by views that are made once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .grid import Grid
from .stencil import BandOperator, band, band_height, unframed


class Workspace:
    """One grid's planes for C channels, reused by every cycle: allocating new ones costs more.

    Attributes:
        rhs: (B, C, H + 2, W + 2), framed, the right-hand side.
        u: likewise, the solution.
        other: likewise, what a Jacobi step makes of it.
    """

    def __init__(self, grid: Grid, channels: int) -> None:
        """Allocate planes of the grid's size, dtype and device, 0 everywhere."""
        batch, _, height, width = grid.free.shape
        shape = batch, channels, height, width
        self.rhs, self.u, self.other = (grid.free.new_zeros(shape) for _ in range(3))


class Scratch:
    """What the sweeps over one grid hold for a band at a time; nothing outlives a band."""

    def __init__(self, space: Workspace) -> None:
        """Allocate for bands of at most `band_height` rows."""
        batch, channels, _, width = space.u.shape
        height = band_height(space.u)

        def plane(rows: int, columns: int) -> Tensor:
            return space.u.new_empty(batch, channels, rows, columns)

        self.residual = plane(height, width)
        self.halved = plane(height // 2, width)
        self.widened = plane(height // 2 + 2, width - 2)
        self.between = plane(height // 2, width - 2)


@dataclass(frozen=True)
class Coarser:
    """What a grid has to do with the next coarser one.

    Attributes:
        rhs: (B, C, H/2 + 2, W/2 + 2), framed, the right-hand side that is written.
        correction: likewise, the solution that is added.
        extent: its rows and columns, from the top left, that are not padding.
    """

    rhs: Tensor
    correction: Tensor
    extent: tuple[int, int]


class Visit:
    """From one plane of a grid to the coarser grid and back, and on to its other plane.

    Attributes:
        u: (B, C, H + 2, W + 2), the plane that holds the solution before a step.
        out: likewise, the plane that holds it after.
    """

    def __init__(
        self, grid: Grid, space: Workspace, scratch: Scratch, coarser: Coarser, is_even: bool
    ) -> None:
        """Bind to planes.

        Args:
            grid: the grid.
            space: its planes.
            scratch: its buffers.
            coarser: the planes of the coarser grid.
            is_even: whether the step goes from `space.u` to `space.other`, not back.
        """
        planes = space.u, space.other
        self.u, self.out = planes if is_even else planes[::-1]
        self._steps = [_Step(grid, space, scratch, self.out, on) for on in grid.stencil.on(self.u)]
        self._restrictions = [
            _Restriction(step, grid.share, scratch, coarser.rhs) for step in self._steps
        ]
        self._repeated = edge_copies(coarser.correction, coarser.extent)
        self._prolongations = [
            _Prolongation(self.u, grid.share, scratch, coarser.correction, step.operator.rows)
            for step in self._steps
        ]

    def step(self) -> None:
        """Do a damped Jacobi step, out = u + jacobi·(rhs − operator·u)."""
        for part in self._steps:
            torch.addcmul(part.operator.here, part.jacobi, part.residual_now(), out=part.out)

    def restrict(self) -> None:
        """Restrict the residual, weighted by the share, to the coarser grid: sums of 2 x 2."""
        for step, part in zip(self._steps, self._restrictions, strict=True):
            step.residual_now().mul_(part.share)
            torch.add(*part.rows, out=part.halved)
            torch.add(*part.columns, out=part.coarse)  # faster than average pooling

    def prolong(self) -> None:
        """Add the coarse correction times the share to u, bilinear between the pixels' centres."""
        for beyond, last in self._repeated:
            beyond.copy_(last)
        for part in self._prolongations:
            torch.lerp(part.centre, part.left, 0.25, out=part.even_columns)
            torch.lerp(part.centre, part.right, 0.25, out=part.odd_columns)
            for near, share, u in part.halves:
                torch.lerp(part.here, near, 0.25, out=part.between)
                u.addcmul_(share, part.between)


def edge_copies(u: Tensor, extent: tuple[int, int]) -> list[tuple[Tensor, Tensor]]:
    """What continues a coarse grid's values by a row and a column beyond its extent, on all sides.

    Interpolated against the zeros of the padding, the last pixels of a thin support would get three
    quarters of their correction only, on every grid: strips took over 60 cycles instead of 7.

    Args:
        u: (B, C, H + 2, W + 2), framed.
        extent: rows and columns, from the top left, that are not padding.

    Returns:
        Pairs of views of u, to be copied in this order: into which, from which.
    """
    height, width = extent
    rows = ((u[..., beyond, :], u[..., at, :]) for beyond, at in ((0, 1), (height + 1, height)))
    columns = ((u[..., beyond], u[..., at]) for beyond, at in ((0, 1), (width + 1, width)))
    return [*rows, *columns]


class _Step:
    """The views of a Jacobi step in one band."""

    def __init__(
        self, grid: Grid, space: Workspace, scratch: Scratch, out: Tensor, operator: BandOperator
    ) -> None:
        rows = operator.rows
        self.operator = operator
        self.jacobi, self.out = band(grid.jacobi, rows), band(out, rows)
        self.rhs = band(space.rhs, rows)
        self.residual = scratch.residual[..., : rows.stop - rows.start, :].flatten(2)

    def residual_now(self) -> Tensor:
        return self.operator.residual(self.rhs, self.residual)


class _Restriction:
    """The views of a restriction from one band."""

    def __init__(self, step: _Step, share: Tensor, scratch: Scratch, coarse_rhs: Tensor) -> None:
        first, last = step.operator.rows.start, step.operator.rows.stop
        residual = step.residual.unflatten(2, (last - first, -1))
        self.share = band(share, step.operator.rows)
        self.rows = residual[..., ::2, :], residual[..., 1::2, :]
        self.halved = scratch.halved[..., : (last - first) // 2, :]
        self.columns = self.halved[..., 1:-1:2], self.halved[..., 2::2]
        self.coarse = unframed(coarse_rhs)[..., first // 2 : last // 2, :]


class _Prolongation:
    """The views of a prolongation to one band: from h/2 + 2 coarse rows to h fine ones."""

    def __init__(
        self, u: Tensor, share: Tensor, scratch: Scratch, correction: Tensor, rows: slice
    ) -> None:
        first, last = rows.start // 2, rows.stop // 2
        size = last - first
        coarse = correction[..., first : last + 2, :]
        self.left, self.centre, self.right = coarse[..., :-2], coarse[..., 1:-1], coarse[..., 2:]
        widened = scratch.widened[..., : size + 2, :]
        self.even_columns, self.odd_columns = widened[..., ::2], widened[..., 1::2]
        self.here, self.between = widened[..., 1:-1, :], scratch.between[..., :size, :]
        near = widened[..., :-2, :], widened[..., 2:, :]
        share, u = unframed(share), unframed(u)
        fine = [slice(rows.start + odd, rows.stop, 2) for odd in (0, 1)]
        self.halves = [
            (side, share[..., part, :], u[..., part, :])
            for side, part in zip(near, fine, strict=True)
        ]

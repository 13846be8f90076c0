"""One grid of the multigrid: a Jacobi step, and the ways to the coarser grid and back, by bands."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .stencil import Stencil, band_height, bands


@dataclass(frozen=True)
class Level:
    """One grid."""

    stencil: Stencil
    rest: Tensor  # (B, 1, H, W), edges to fixed pixels
    screen: Tensor  # likewise; apart, for beside the edges float32 loses a weak one
    free: Tensor  # likewise, 1 where the grid has unknowns
    share: Tensor  # likewise, how far they follow the coarser grid
    jacobi: Tensor  # likewise, damping / diagonal on them, 0 elsewhere


class Workspace:
    """One grid's planes for C channels, used again and again: new ones cost more than the sums."""

    def __init__(self, level: Level, channels: int) -> None:
        """Planes of the level's size, dtype and device; of some, a band is enough."""
        batch, _, height, width = level.free.shape

        def plane(rows: int, columns: int) -> Tensor:
            return level.free.new_empty(batch, channels, rows, columns)

        self.u, self.other = plane(height, width), plane(height, width)
        band = band_height(self.u)
        self.left = plane(band, width)
        self.halved = plane(band // 2, width)
        self.image = plane(height // 2, width // 2)  # of the coarser grid
        self.rows = plane(band // 2 + 2, width)
        self.between = plane(band // 2, width)


def smoothed(level: Level, space: Workspace, residual: Tensor, u: Tensor, out: Tensor) -> Tensor:
    """A Jacobi step from u, written into `out`."""
    for rows in bands(u):
        left = space.left[..., : rows.stop - rows.start, :]
        level.stencil.residual(residual, u, rows, left)
        torch.addcmul(u[..., rows, :], level.jacobi[..., rows, :], left, out=out[..., rows, :])
    return out


def coarser(level: Level, space: Workspace, residual: Tensor, u: Tensor) -> Tensor:
    """What u leaves of the residual, for the coarser grid: sums of 2 x 2."""
    for rows in bands(u):
        size = rows.stop - rows.start
        left, halved = space.left[..., :size, :], space.halved[..., : size // 2, :]
        level.stencil.residual(residual, u, rows, left).mul_(level.share[..., rows, :])
        torch.add(left[..., ::2, :], left[..., 1::2, :], out=halved)
        coarse = space.image[..., rows.start // 2 : rows.stop // 2, :]
        torch.add(halved[..., ::2], halved[..., 1::2], out=coarse)  # faster than average pooling
    return space.image


def add_finer(u: Tensor, share: Tensor, coarse: Tensor, space: Workspace) -> None:
    """Add the coarse grid's values to u in place, bilinear between its pixels' centres."""
    for band in bands(u):
        first, last = band.start // 2, band.stop // 2
        rows = space.rows[..., : last - first + 2, :]
        _widened(coarse, first - 1, rows)
        here, between = rows[..., 1:-1, :], space.between[..., : last - first, :]
        for odd, near in enumerate((rows[..., :-2, :], rows[..., 2:, :])):
            fine = slice(band.start + odd, band.stop, 2)
            torch.lerp(here, near, 0.25, out=between)
            u[..., fine, :].addcmul_(share[..., fine, :], between)


def _widened(coarse: Tensor, first: int, out: Tensor) -> None:
    """Coarse rows from `first` on, twice as wide; beyond the grid its edge again."""
    last = first + out.shape[2]
    above, below = max(0, -first), max(0, last - coarse.shape[2])
    coarse = coarse[..., first + above : last - below, :]
    inner = out[..., above : out.shape[2] - below, :]
    torch.lerp(coarse[..., 1:], coarse[..., :-1], 0.25, out=inner[..., 2::2])
    torch.lerp(coarse[..., :-1], coarse[..., 1:], 0.25, out=inner[..., 1:-1:2])
    inner[..., 0], inner[..., -1] = coarse[..., 0], coarse[..., -1]
    if above:
        out[..., 0, :] = out[..., 1, :]
    if below:
        out[..., -1, :] = out[..., -2, :]

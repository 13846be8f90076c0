"""Multigrid on a mask of any shape: an inverse of the (screened) Laplacian, good to about a tenth.

A coarse pixel stands for 2 x 2 fine ones, of which it is enough that one is free. Edges between two
coarse pixels count half of the fine ones between them: two edges side by side, twice as long, lead
as well as one. What holds a pixel where it is, edges to fixed pixels and the screen, is added up.
So thin parts, holes and sieves are felt on every level, and the coarse grids need no mask of their
own. Each sweep works on bands of rows that stay in the processor's cache.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .stencil import Stencil, band_height, bands

DAMPING = 0.8  # of the Jacobi steps
COARSEST = 20  # pixels; a grid no larger than that is solved directly
DEGREE = 4  # a pixel's neighbours: a screen of that much halves what it takes from coarser grids
# Grids from the fourth on are visited twice a cycle, of seven or more grids from the third on: the
# finer ones are dear, but errors of many grids add up. 20 % less time at 2000 pixels, 10 at 250.
TWICE, TWICE_OF_MANY, MANY = 3, 2, 7
DIRECT = torch.float64  # where that is done, on the CPU


@dataclass(frozen=True)
class Level:
    """One grid.

    Attributes:
        stencil: its operator, edges, fixed neighbours and screen together.
        fixed_edges: (B, 1, H, W), a pixel's edges to fixed pixels (Dirichlet).
        screen: (B, 1, H, W); apart, for beside the edges float32 loses a weak one.
        free: (B, 1, H, W), 1 where the grid has unknowns, else 0.
        share: (B, 1, H, W), how far the unknowns follow the coarser grid, 0 to 1.
        jacobi: (B, 1, H, W), damping / diagonal on the unknowns, 0 elsewhere.
    """

    stencil: Stencil
    fixed_edges: Tensor
    screen: Tensor
    free: Tensor
    share: Tensor
    jacobi: Tensor


class Workspace:
    """One grid's planes for C channels, used again and again: new ones cost more than the sums."""

    def __init__(self, level: Level, channels: int) -> None:
        """Planes of the level's size, dtype and device; of some, a band is enough."""
        batch, _, height, width = level.free.shape

        def plane(rows: int, columns: int) -> Tensor:
            return level.free.new_empty(batch, channels, rows, columns)

        self.u, self.other = plane(height, width), plane(height, width)
        band = band_height(self.u)
        self.residual = plane(band, width)
        self.halved = plane(band // 2, width)
        self.coarse_rhs = plane(height // 2, width // 2)
        self.widened = plane(band // 2 + 2, width)
        self.between = plane(band // 2, width)


@dataclass(frozen=True)
class Multigrid:
    """The grids of a system.

    Attributes:
        levels: finest first.
        spaces: the workspaces of all but the coarsest.
        inverse: of the coarsest, (B, n, n).
    """

    levels: tuple[Level, ...]
    spaces: tuple[Workspace, ...]
    inverse: Tensor

    def cycle(self, rhs: Tensor, depth: int = 0) -> Tensor:
        """About the solution u of operator·u = rhs: one cycle, linear, nearly symmetric.

        Args:
            rhs: (B, C, H, W), 0 off the support.
            depth: of the level it is for.

        Returns:
            (B, C, H, W), 0 off the support; overwritten by the next call.
        """
        if depth == len(self.levels) - 1:
            return (rhs.flatten(2) @ self.inverse).view_as(rhs)
        level, space = self.levels[depth], self.spaces[depth]
        u, other = torch.mul(level.jacobi, rhs, out=space.u), space.other
        first_twice = TWICE_OF_MANY if len(self.levels) >= MANY else TWICE
        for visit in range(2 if depth >= first_twice else 1):
            if visit:
                u, other = jacobi_step(level, space, rhs, u, other), u
            coarse_rhs = restrict_residual(level, space, rhs, u)
            add_prolongation(u, level.share, self.cycle(coarse_rhs, depth + 1), space)
        return jacobi_step(level, space, rhs, u, other)


def grid_shape(height: int, width: int) -> tuple[int, int]:
    """The least shape, no smaller than this one, that can be halved down to the coarsest grid."""
    unit = 1
    while max(height, width) > COARSEST * unit:
        unit *= 2
    return -(-height // unit) * unit, -(-width // unit) * unit


def multigrid(
    laplacian: Stencil, free: Tensor, screen: Tensor | None = None, channels: int = 3
) -> Multigrid:
    """The grids for a support's Laplacian + screen.

    Args:
        laplacian: from `mask_laplacian`.
        free: (B, 1, H, W), float, 1 on the support, 0 elsewhere; of a shape from `grid_shape`.
        screen: (B, 1, H, W), >= 0, 0 off the support. None: 0.
        channels: of what is to be solved for.

    Source: Trottenberg, Oosterlee, Schüller 2001, chapter 2; the halved edges: Braess 1995.
    """
    across, down = laplacian.across, laplacian.down
    fixed_edges = laplacian.diagonal - _edge_sum(across, down)
    screen = torch.zeros_like(free) if screen is None else screen
    levels = [_level(free, across, down, fixed_edges, screen)]
    while max(levels[-1].free.shape[2:]) > COARSEST:
        levels.append(_coarsened(levels[-1]))
    spaces = tuple(Workspace(level, channels) for level in levels[:-1])
    return Multigrid(tuple(levels), spaces, _direct_inverse(levels[-1]).to(free))


def jacobi_step(level: Level, space: Workspace, rhs: Tensor, u: Tensor, out: Tensor) -> Tensor:
    """A damped Jacobi step from u, all (B, C, H, W), written into `out`."""
    for rows in bands(u):
        residual = space.residual[..., : rows.stop - rows.start, :]
        level.stencil.residual(rhs, u, rows, residual)
        torch.addcmul(u[..., rows, :], level.jacobi[..., rows, :], residual, out=out[..., rows, :])
    return out


def restrict_residual(level: Level, space: Workspace, rhs: Tensor, u: Tensor) -> Tensor:
    """The residual of u, (B, C, H, W), on the coarser grid, (B, C, H/2, W/2): sums of 2 x 2."""
    for rows in bands(u):
        size = rows.stop - rows.start
        residual, halved = space.residual[..., :size, :], space.halved[..., : size // 2, :]
        level.stencil.residual(rhs, u, rows, residual).mul_(level.share[..., rows, :])
        torch.add(residual[..., ::2, :], residual[..., 1::2, :], out=halved)
        coarse = space.coarse_rhs[..., rows.start // 2 : rows.stop // 2, :]
        torch.add(halved[..., ::2], halved[..., 1::2], out=coarse)  # faster than average pooling
    return space.coarse_rhs


def add_prolongation(u: Tensor, share: Tensor, coarse: Tensor, space: Workspace) -> None:
    """Add a coarse grid's values to u in place, bilinear between its pixels' centres.

    Args:
        u: (B, C, H, W), of the finer grid.
        share: (B, 1, H, W), what the values are multiplied by.
        coarse: (B, C, H/2, W/2).
        space: of the finer grid.
    """
    for band in bands(u):
        first, last = band.start // 2, band.stop // 2
        widened = space.widened[..., : last - first + 2, :]
        _widen(coarse, first - 1, widened)
        here, between = widened[..., 1:-1, :], space.between[..., : last - first, :]
        for odd, near in enumerate((widened[..., :-2, :], widened[..., 2:, :])):
            fine = slice(band.start + odd, band.stop, 2)
            torch.lerp(here, near, 0.25, out=between)
            u[..., fine, :].addcmul_(share[..., fine, :], between)


def _widen(coarse: Tensor, first: int, out: Tensor) -> None:
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


def _level(
    free: Tensor, across: Tensor, down: Tensor, fixed_edges: Tensor, screen: Tensor
) -> Level:
    diagonal = _edge_sum(across, down) + fixed_edges + screen
    jacobi = torch.where(free > 0, DAMPING / diagonal.clamp_min(1e-30), 0)
    share = free * (DEGREE / (DEGREE + screen))
    return Level(Stencil(diagonal, across, down), fixed_edges, screen, free, share, jacobi)


def _edge_sum(across: Tensor, down: Tensor) -> Tensor:
    """The sum of each pixel's edges."""
    rows = F.pad(down, (0, 0, 1, 0)) + F.pad(down, (0, 0, 0, 1))
    return rows + F.pad(across, (1, 0)) + F.pad(across, (0, 1))


def _coarsened(level: Level) -> Level:
    across, down = level.stencil.across[..., 1::2], level.stencil.down[..., 1::2, :]
    return _level(
        F.max_pool2d(level.free, 2),
        (across[..., ::2, :] + across[..., 1::2, :]) / 2,
        (down[..., ::2] + down[..., 1::2]) / 2,
        _block_sum(level.fixed_edges),
        _block_sum(level.screen),
    )


def _block_sum(plane: Tensor) -> Tensor:
    """Of 2 x 2 pixels."""
    rows = plane[..., ::2, :] + plane[..., 1::2, :]
    return rows[..., ::2] + rows[..., 1::2]


def _direct_inverse(level: Level) -> Tensor:
    """(B, n, n); where nothing holds a whole grid, of the operator plus one on its mean."""
    batch, _, height, width = level.free.shape
    size = height * width
    stencil = level.stencil
    across, down, fixed_edges, screen, free = (
        plane.to("cpu", DIRECT)
        for plane in (stencil.across, stencil.down, level.fixed_edges, level.screen, level.free)
    )
    held = fixed_edges + screen
    stencil = Stencil(_edge_sum(across, down) + held + (1 - free), across, down)
    units = torch.eye(size, dtype=DIRECT).view(1, size, height, width).expand(batch, -1, -1, -1)
    floating = (held.sum((2, 3), keepdim=True) == 0).to(DIRECT)[:, 0] / size
    return torch.linalg.inv(
        stencil.apply(units, slice(0, height), torch.empty_like(units)).flatten(2) + floating
    )

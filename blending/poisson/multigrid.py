"""Multigrid on a mask of any shape: an inverse of the (screened) Laplacian, good to about a tenth.

A coarse pixel stands for 2 x 2 fine ones and is an unknown if at least one of them is. The edge
between two coarse pixels weighs half the sum of the fine edges between them: two parallel edges,
each twice as long, conduct like one. A coarse pixel's edges to fixed (Dirichlet) pixels and its
screen are the sums over its fine pixels. So thin parts, holes and sieves count on every level, and
the coarse grids need no mask of their own. Each sweep works on bands of rows that stay in the
processor's cache.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .stencil import Stencil, band_height, bands

DAMPING = 0.8  # of the Jacobi steps
COARSEST = 20  # pixels; a grid no larger than that is solved directly
DEGREE = 4  # a pixel's neighbours; a screen of this size halves the coarse grid correction
# Grids from the fourth on are visited twice a cycle, with seven or more grids those from the third
# on: visits to finer ones are dear, but the errors of many grids add up. 20 % less time at 2000
# pixels, 10 at 250.
TWICE, TWICE_OF_MANY, MANY = 3, 2, 7
DIRECT = torch.float64  # of the coarsest grid's direct inverse, on the CPU


@dataclass(frozen=True)
class Level:
    """The operator of one grid, and the factors of its smoother and coarse grid correction.

    Attributes:
        stencil: the operator: edges between unknowns, edges to fixed pixels and screen together.
        fixed_edges: (B, 1, H, W), the sum of a pixel's edges to fixed pixels (Dirichlet).
        screen: (B, 1, H, W), >= 0; kept apart, since float32 loses a weak screen beside the edges.
        free: (B, 1, H, W), 1 at the grid's unknowns, else 0.
        share: (B, 1, H, W), 0 to 1, the factor of residuals on their way to the coarser grid and of
            the corrections that come back.
        jacobi: (B, 1, H, W), damping / diagonal at the unknowns, 0 elsewhere.
        extent: rows and columns that stand for the support's box; what lies beyond is padding.
    """

    stencil: Stencil
    fixed_edges: Tensor
    screen: Tensor
    free: Tensor
    share: Tensor
    jacobi: Tensor
    extent: tuple[int, int]


class Workspace:
    """One grid's buffers for C channels, reused by every cycle: allocating new ones costs more."""

    def __init__(self, level: Level, channels: int) -> None:
        """Allocate planes of the level's size, dtype and device; of some a band is enough."""
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
    """The hierarchy of grids of a linear system.

    Attributes:
        levels: finest first.
        spaces: the workspaces of all levels but the coarsest.
        inverse: (B, n, n), of the coarsest level's operator on its n pixels.
    """

    levels: tuple[Level, ...]
    spaces: tuple[Workspace, ...]
    inverse: Tensor

    def cycle(self, rhs: Tensor, depth: int = 0) -> Tensor:
        """An approximate solution u of operator·u = rhs: a cycle, linear in rhs, nearly symmetric.

        Args:
            rhs: (B, C, H, W), the right-hand side, 0 off the support.
            depth: index of the level that it belongs to, 0 the finest.

        Returns:
            (B, C, H, W), 0 off the support; a buffer that the next call overwrites.
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
            correction = self.cycle(coarse_rhs, depth + 1)
            repeat_edge(correction, self.levels[depth + 1].extent)
            add_prolongation(u, level.share, correction, space)
        return jacobi_step(level, space, rhs, u, other)


def grid_shape(height: int, width: int) -> tuple[int, int]:
    """The smallest shape at least this large that can be halved down to the coarsest grid.

    Args:
        height: in pixels.
        width: in pixels.

    Returns:
        Height and width, less than one pixel of the coarsest grid larger.
    """
    unit = 1
    while max(height, width) > COARSEST * unit:
        unit *= 2
    return -(-height // unit) * unit, -(-width // unit) * unit


def multigrid(
    laplacian: Stencil,
    free: Tensor,
    screen: Tensor | None = None,
    channels: int = 3,
    extent: tuple[int, int] | None = None,
) -> Multigrid:
    """Build the grids for the Laplacian of a support plus a screen.

    Args:
        laplacian: from `mask_laplacian`.
        free: (B, 1, H, W), float, 1 on the support, 0 elsewhere; of a shape from `grid_shape`.
        screen: (B, 1, H, W), >= 0, 0 off the support. None: 0.
        channels: C of the right-hand sides.
        extent: rows and columns, from the top left, that the support's box takes up; what lies
            beyond is padding. None: all.

    Returns:
        The grids, from this shape down to at most 20 pixels a side.

    Source: Trottenberg, Oosterlee, Schüller 2001, chapter 2; the halved edges: Braess 1995.
    """
    across, down = laplacian.across, laplacian.down
    fixed_edges = laplacian.diagonal - _edge_sum(across, down)
    screen = torch.zeros_like(free) if screen is None else screen
    levels = [_level(free, across, down, fixed_edges, screen, extent or _shape(free))]
    while max(levels[-1].free.shape[2:]) > COARSEST:
        levels.append(_coarsened(levels[-1]))
    spaces = tuple(Workspace(level, channels) for level in levels[:-1])
    return Multigrid(tuple(levels), spaces, _direct_inverse(levels[-1]).to(free))


def jacobi_step(level: Level, space: Workspace, rhs: Tensor, u: Tensor, out: Tensor) -> Tensor:
    """Do a damped Jacobi step, u + jacobi·(rhs − operator·u).

    Args:
        level: the grid.
        space: its buffers.
        rhs: (B, C, H, W), the right-hand side.
        u: (B, C, H, W); not changed.
        out: (B, C, H, W), written to; not u.

    Returns:
        `out`.
    """
    for rows in bands(u):
        residual = space.residual[..., : rows.stop - rows.start, :]
        level.stencil.residual(rhs, u, rows, residual)
        torch.addcmul(u[..., rows, :], level.jacobi[..., rows, :], residual, out=out[..., rows, :])
    return out


def restrict_residual(level: Level, space: Workspace, rhs: Tensor, u: Tensor) -> Tensor:
    """The residual rhs − operator·u, restricted to the coarser grid by sums over 2 x 2 pixels.

    Args:
        level: the finer grid.
        space: its buffers.
        rhs: (B, C, H, W), the right-hand side.
        u: (B, C, H, W).

    Returns:
        (B, C, H/2, W/2), weighted by `level.share`; a buffer that the next call overwrites.
    """
    for rows in bands(u):
        size = rows.stop - rows.start
        residual, halved = space.residual[..., :size, :], space.halved[..., : size // 2, :]
        level.stencil.residual(rhs, u, rows, residual).mul_(level.share[..., rows, :])
        torch.add(residual[..., ::2, :], residual[..., 1::2, :], out=halved)
        coarse = space.coarse_rhs[..., rows.start // 2 : rows.stop // 2, :]
        torch.add(halved[..., ::2], halved[..., 1::2], out=coarse)  # faster than average pooling
    return space.coarse_rhs


def add_prolongation(u: Tensor, share: Tensor, coarse: Tensor, space: Workspace) -> None:
    """Add a coarse grid's correction to u in place, bilinear between the coarse pixels' centres.

    Args:
        u: (B, C, H, W), of the finer grid.
        share: (B, 1, H, W), 0 to 1, by which the correction is multiplied.
        coarse: (B, C, H/2, W/2), the correction.
        space: the finer grid's buffers.
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


def repeat_edge(u: Tensor, extent: tuple[int, int]) -> None:
    """Continue a coarse grid's values, (B, C, H, W), by a row and a column beyond its extent.

    Interpolated against the zeros of the padding, the last pixels of a thin support would get three
    quarters of their correction only, on every grid: strips took over 60 cycles instead of 7.
    """
    height, width = extent
    if height < u.shape[2]:
        u[..., height, :] = u[..., height - 1, :]
    if width < u.shape[3]:
        u[..., width] = u[..., width - 1]


def _widen(coarse: Tensor, first: int, out: Tensor) -> None:
    """Interpolate coarse rows from `first` on to twice the width; edge pixels repeated beyond."""
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
    free: Tensor,
    across: Tensor,
    down: Tensor,
    fixed_edges: Tensor,
    screen: Tensor,
    extent: tuple[int, int],
) -> Level:
    diagonal = _edge_sum(across, down) + fixed_edges + screen
    jacobi = torch.where(free > 0, DAMPING / diagonal.clamp_min(1e-30), 0)
    share = free * (DEGREE / (DEGREE + screen))
    stencil = Stencil(diagonal, across, down)
    return Level(stencil, fixed_edges, screen, free, share, jacobi, extent)


def _shape(plane: Tensor) -> tuple[int, int]:
    return plane.shape[2], plane.shape[3]


def _edge_sum(across: Tensor, down: Tensor) -> Tensor:
    """The sum of each pixel's edge weights, (B, 1, H, W)."""
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
        (-(-level.extent[0] // 2), -(-level.extent[1] // 2)),
    )


def _block_sum(plane: Tensor) -> Tensor:
    """Sums over 2 x 2 pixels, (B, 1, H/2, W/2)."""
    rows = plane[..., ::2, :] + plane[..., 1::2, :]
    return rows[..., ::2] + rows[..., 1::2]


def _direct_inverse(level: Level) -> Tensor:
    """The inverse of the coarsest operator, (B, n, n).

    Where nothing fixes the mean of the whole grid, the projection onto the mean is added to the
    operator, which is singular without.
    """
    batch, _, height, width = level.free.shape
    size = height * width
    stencil = level.stencil
    across, down, fixed_edges, screen, free = (
        plane.cpu().to(DIRECT)
        for plane in (stencil.across, stencil.down, level.fixed_edges, level.screen, level.free)
    )
    held = fixed_edges + screen
    stencil = Stencil(_edge_sum(across, down) + held + (1 - free), across, down)
    units = torch.eye(size, dtype=DIRECT).view(1, size, height, width).expand(batch, -1, -1, -1)
    floating = (held.sum((2, 3), keepdim=True) == 0).to(DIRECT)[:, 0] / size
    return torch.linalg.inv(
        stencil.apply(units, slice(0, height), torch.empty_like(units)).flatten(2) + floating
    )

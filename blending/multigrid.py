"""Multigrid on a mask of any shape: an inverse of the (screened) Laplacian, good to about a tenth.

A coarse pixel stands for 2 x 2 fine ones, of which it is enough that one is free. Edges between two
coarse pixels count half of the fine ones between them: two edges side by side, twice as long, lead
as well as one. What holds a pixel where it is, edges to fixed pixels and the screen, is added up.
So thin parts, holes and sieves are felt on every level, and the coarse grids need no mask of their
own.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

DAMPING = 0.8  # of the Jacobi steps
COARSEST = 16  # pixels; a grid no larger than that is solved directly
DEGREE = 4  # a pixel's neighbours: a screen of that much halves what it takes from coarser grids
DIRECT = torch.float64  # where that is done, on the CPU


@dataclass(frozen=True)
class Stencil:
    """A 5-point operator: Σ_q edge_pq (u_p − u_q) + rest_p·u_p; 0 off the support.

    Attributes:
        diagonal: (B, 1, H, W), the sum of a pixel's edges and its rest.
        across: (B, 1, H, W − 1), edges between neighbours of a row.
        down: (B, 1, H − 1, W), likewise of a column.
    """

    diagonal: Tensor
    across: Tensor
    down: Tensor

    def apply(self, u: Tensor) -> Tensor:
        """The operator on (B, C, H, W)."""
        return self._less_neighbours(self.diagonal * u, u, -1)

    def residual(self, image: Tensor, u: Tensor) -> Tensor:
        """Image less the operator on u."""
        return self._less_neighbours(torch.addcmul(image, self.diagonal, u, value=-1), u, 1)

    def _less_neighbours(self, out: Tensor, u: Tensor, sign: int) -> Tensor:
        out[..., 1:, :].addcmul_(self.down, u[..., :-1, :], value=sign)
        out[..., :-1, :].addcmul_(self.down, u[..., 1:, :], value=sign)
        out[..., 1:].addcmul_(self.across, u[..., :-1], value=sign)
        out[..., :-1].addcmul_(self.across, u[..., 1:], value=sign)
        return out


@dataclass(frozen=True)
class Level:
    """One grid."""

    stencil: Stencil
    rest: Tensor  # (B, 1, H, W), edges to fixed pixels
    screen: Tensor  # likewise; apart, for beside the edges float32 loses a weak one
    free: Tensor  # likewise, 1 where the grid has unknowns
    share: Tensor  # likewise, how far they follow the coarser grid
    jacobi: Tensor  # likewise, damping / diagonal on them, 0 elsewhere


@dataclass(frozen=True)
class Multigrid:
    """The grids, finest first, and the inverse of the coarsest, (B, n, n)."""

    levels: tuple[Level, ...]
    inverse: Tensor

    def invert(self, residual: Tensor, depth: int = 0) -> Tensor:
        """About what the operator makes `residual` of: one W-cycle, linear, nearly symmetric.

        Args:
            residual: (B, C, H, W), 0 off the support.
            depth: of the level it is for.

        Returns:
            (B, C, H, W), 0 off the support.
        """
        if depth == len(self.levels) - 1:
            return (residual.flatten(2) @ self.inverse).view_as(residual)
        level = self.levels[depth]
        u = level.jacobi * residual
        for turn in range(2 if depth else 1):  # the finest is dear: once
            if turn:
                u.addcmul_(level.jacobi, level.stencil.residual(residual, u))
            left = level.stencil.residual(residual, u).mul_(level.share)
            u.addcmul_(level.share, _finer(self.invert(_coarser(left), depth + 1), u.shape))
        return u.addcmul_(level.jacobi, level.stencil.residual(residual, u))


def mask_laplacian(free: Tensor, degree: Tensor) -> Stencil:
    """The Laplacian of the pixels of a support, all others being 0.

    Args:
        free: (B, 1, H, W), float, 1 on the support, 0 elsewhere.
        degree: (B or 1, 1, H, W), how many neighbours are inside the frame.
    """
    across = free[..., 1:] * free[..., :-1]
    down = free[..., 1:, :] * free[..., :-1, :]
    return Stencil(free * degree, across, down)


def multigrid(laplacian: Stencil, free: Tensor, screen: Tensor | None = None) -> Multigrid:
    """The grids for a support's Laplacian + screen.

    Args:
        laplacian: from `mask_laplacian`.
        free: (B, 1, H, W), float, 1 on the support, 0 elsewhere.
        screen: (B, 1, H, W), >= 0, 0 off the support. None: 0.

    Source: Trottenberg, Oosterlee, Schüller 2001, chapter 2; the halved edges: Braess 1995.
    """
    across, down = laplacian.across, laplacian.down
    rest = laplacian.diagonal - _edges(across, down)
    levels = [
        _level(free, across, down, rest, torch.zeros_like(free) if screen is None else screen)
    ]
    while max(levels[-1].free.shape[2:]) > COARSEST:
        levels.append(_coarsened(levels[-1]))
    return Multigrid(tuple(levels), _direct_inverse(levels[-1]).to(free))


def _level(free: Tensor, across: Tensor, down: Tensor, rest: Tensor, screen: Tensor) -> Level:
    diagonal = _edges(across, down) + rest + screen
    jacobi = torch.where(free > 0, DAMPING / diagonal.clamp_min(1e-30), 0)
    share = free * (DEGREE / (DEGREE + screen))
    return Level(Stencil(diagonal, across, down), rest, screen, free, share, jacobi)


def _edges(across: Tensor, down: Tensor) -> Tensor:
    """The sum of each pixel's edges."""
    rows = F.pad(down, (0, 0, 1, 0)) + F.pad(down, (0, 0, 0, 1))
    return rows + F.pad(across, (1, 0)) + F.pad(across, (0, 1))


def _coarsened(level: Level) -> Level:
    across = _even_rows(level.stencil.across[..., 1::2])
    down = _even_columns(level.stencil.down[..., 1::2, :])
    return _level(
        F.max_pool2d(level.free, 2, ceil_mode=True),
        (across[..., ::2, :] + across[..., 1::2, :]) / 2,
        (down[..., ::2] + down[..., 1::2]) / 2,
        _coarser(level.rest),
        _coarser(level.screen),
    )


def _coarser(plane: Tensor) -> Tensor:
    """Sums of 2 x 2."""
    return 4 * F.avg_pool2d(_even_rows(_even_columns(plane)), 2)


def _finer(plane: Tensor, shape: torch.Size) -> Tensor:
    """Bilinear, cut to a shape."""
    return F.interpolate(plane, scale_factor=2, mode="bilinear")[..., : shape[2], : shape[3]]


def _even_rows(plane: Tensor) -> Tensor:
    return F.pad(plane, (0, 0, 0, 1)) if plane.shape[2] % 2 else plane


def _even_columns(plane: Tensor) -> Tensor:
    return F.pad(plane, (0, 1)) if plane.shape[3] % 2 else plane


def _direct_inverse(level: Level) -> Tensor:
    """(B, n, n); where nothing holds a whole grid, of the operator plus one on its mean."""
    batch, _, height, width = level.free.shape
    size = height * width
    across, down, rest, screen, free = (
        plane.to("cpu", DIRECT)
        for plane in (
            level.stencil.across,
            level.stencil.down,
            level.rest,
            level.screen,
            level.free,
        )
    )
    held = rest + screen
    stencil = Stencil(_edges(across, down) + held + (1 - free), across, down)
    units = torch.eye(size, dtype=DIRECT).view(1, size, height, width).expand(batch, -1, -1, -1)
    loose = (held.sum((2, 3), keepdim=True) == 0).to(DIRECT)[:, 0] / size
    return torch.linalg.inv(stencil.apply(units).flatten(2) + loose)

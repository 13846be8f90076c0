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

from .level import Level, Workspace, add_finer, coarser, smoothed
from .stencil import Stencil

DAMPING = 0.8  # of the Jacobi steps
COARSEST = 20  # pixels; a grid no larger than that is solved directly
DEGREE = 4  # a pixel's neighbours: a screen of that much halves what it takes from coarser grids
# Grids from the fourth on are visited twice a cycle, of seven or more grids from the third on: the
# finer ones are dear, but errors of many grids add up. 20 % less time at 2000 pixels, 10 at 250.
TWICE, TWICE_OF_MANY, MANY = 3, 2, 7
DIRECT = torch.float64  # where that is done, on the CPU


@dataclass(frozen=True)
class Multigrid:
    """The grids, finest first, their workspaces, and the inverse of the coarsest, (B, n, n)."""

    levels: tuple[Level, ...]
    spaces: tuple[Workspace, ...]
    inverse: Tensor

    def invert(self, residual: Tensor, depth: int = 0) -> Tensor:
        """About what the operator makes `residual` of: one cycle, linear, nearly symmetric.

        Args:
            residual: (B, C, H, W), 0 off the support.
            depth: of the level it is for.

        Returns:
            (B, C, H, W), 0 off the support; overwritten by the next call.
        """
        if depth == len(self.levels) - 1:
            return (residual.flatten(2) @ self.inverse).view_as(residual)
        level, space = self.levels[depth], self.spaces[depth]
        u, other = torch.mul(level.jacobi, residual, out=space.u), space.other
        first_twice = TWICE_OF_MANY if len(self.levels) >= MANY else TWICE
        for turn in range(2 if depth >= first_twice else 1):
            if turn:
                u, other = smoothed(level, space, residual, u, other), u
            image = coarser(level, space, residual, u)
            add_finer(u, level.share, self.invert(image, depth + 1), space)
        return smoothed(level, space, residual, u, other)


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
        channels: of what is to be inverted.

    Source: Trottenberg, Oosterlee, Schüller 2001, chapter 2; the halved edges: Braess 1995.
    """
    across, down = laplacian.across, laplacian.down
    rest = laplacian.diagonal - _edges(across, down)
    levels = [
        _level(free, across, down, rest, torch.zeros_like(free) if screen is None else screen)
    ]
    while max(levels[-1].free.shape[2:]) > COARSEST:
        levels.append(_coarsened(levels[-1]))
    spaces = tuple(Workspace(level, channels) for level in levels[:-1])
    return Multigrid(tuple(levels), spaces, _direct_inverse(levels[-1]).to(free))


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
    across, down = level.stencil.across[..., 1::2], level.stencil.down[..., 1::2, :]
    return _level(
        F.max_pool2d(level.free, 2),
        (across[..., ::2, :] + across[..., 1::2, :]) / 2,
        (down[..., ::2] + down[..., 1::2]) / 2,
        _sums(level.rest),
        _sums(level.screen),
    )


def _sums(plane: Tensor) -> Tensor:
    """Of 2 x 2."""
    rows = plane[..., ::2, :] + plane[..., 1::2, :]
    return rows[..., ::2] + rows[..., 1::2]


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
    return torch.linalg.inv(
        stencil.apply(units, slice(0, height), torch.empty_like(units)).flatten(2) + loose
    )

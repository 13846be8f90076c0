"""Multigrid on a mask of any shape: the (screened) Laplacian's inverse, good to about a tenth."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .grid import Grid, coarsened, edge_sum, finest_grid
from .stencil import Stencil, unframed
from .sweeps import Coarser, Scratch, Visit, Workspace

COARSEST = 10  # pixels; a grid no larger than that is solved directly
# Grids from the fourth on are visited twice a cycle, with eight or more grids those from the third
# on, but for the two coarsest: visits to finer ones are dear, but the errors of many grids add up.
TWICE, TWICE_OF_MANY, MANY = 3, 2, 8
DIRECT = torch.float64  # of the coarsest grid's direct inverse, on the CPU


@dataclass(frozen=True)
class Multigrid:
    """The hierarchy of grids of a linear system.

    Attributes:
        grids: finest first.
        spaces: their planes.
        visits: of every grid but the coarsest, one or two a cycle.
        inverse: (B, n, n), of the coarsest grid's operator on its n pixels; 0 off the support.
    """

    grids: tuple[Grid, ...]
    spaces: tuple[Workspace, ...]
    visits: tuple[tuple[Visit, ...], ...]
    inverse: Tensor

    @property
    def rhs(self) -> Tensor:
        """The right-hand side that a cycle reads, (B, C, H + 2, W + 2), framed; to be written to.

        Its values off the support and on the ring do not matter, as long as they are finite.
        """
        return self.spaces[0].rhs

    def cycle(self, depth: int = 0) -> Tensor:
        """An approximate solution u of operator·u = rhs: a cycle, linear in rhs, nearly symmetric.

        Args:
            depth: index of the grid, 0 the finest; its space holds the right-hand side.

        Returns:
            (B, C, H + 2, W + 2), framed, 0 off the support; a buffer that the next call overwrites.
        """
        space = self.spaces[depth]
        if depth == len(self.visits):
            rhs, u = unframed(space.rhs), unframed(space.u)
            u.copy_((rhs.flatten(2) @ self.inverse).view_as(u))
            return space.u
        torch.mul(self.grids[depth].jacobi, space.rhs, out=space.u)
        visits = self.visits[depth]
        for number, visit in enumerate(visits):
            if number:
                visits[number - 1].step()
            visit.restrict()
            self.cycle(depth + 1)
            visit.prolong()
        visits[-1].step()
        return visits[-1].out


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
    *,
    extent: tuple[int, int],
) -> Multigrid:
    """Build the grids for the Laplacian of a support plus a screen.

    Args:
        laplacian: from `mask_laplacian`.
        free: (B, 1, H + 2, W + 2), framed, float, 1 on the support, 0 elsewhere; H and W from
            `grid_shape`.
        screen: (B, 1, H + 2, W + 2), framed, >= 0, 0 off the support. None: 0.
        channels: C of the right-hand sides.
        extent: rows and columns, from the top left, that the support's box takes up; what lies
            beyond is padding.

    Returns:
        The grids, from this shape down to at most 10 pixels a side.

    Source: Trottenberg, Oosterlee, Schüller 2001, chapter 2; the halved edges: Braess 1995.
    """
    grids = [finest_grid(laplacian, free, screen, extent)]
    while max(grids[-1].shape) > COARSEST:
        grids.append(coarsened(grids[-1]))
    spaces = tuple(Workspace(grid, channels) for grid in grids)
    inverse = _direct_inverse(grids[-1]).to(free)
    return Multigrid(tuple(grids), spaces, _visits(grids, spaces), inverse)


def _visits(grids: Sequence[Grid], spaces: Sequence[Workspace]) -> tuple[tuple[Visit, ...], ...]:
    """The visits of every grid but the coarsest, each bound to the coarser grid's planes."""
    first_twice = TWICE_OF_MANY if len(grids) >= MANY else TWICE
    found: list[tuple[Visit, ...]] = []
    correction = spaces[-1].u
    for depth in reversed(range(len(grids) - 1)):
        scratch = Scratch(spaces[depth])
        coarser = Coarser(spaces[depth + 1].rhs, correction, grids[depth + 1].extent)
        is_twice = first_twice <= depth < len(grids) - 2
        visits = tuple(
            Visit(grids[depth], spaces[depth], scratch, coarser, is_even)
            for is_even in ((True, False) if is_twice else (True,))
        )
        correction = visits[-1].out
        found.insert(0, visits)
    return tuple(found)


def _direct_inverse(grid: Grid) -> Tensor:
    """The inverse of the coarsest operator, (B, n, n), 0 in the rows and columns off the support.

    Where nothing fixes the mean of the whole grid, the projection onto the mean is added to the
    operator, which is singular without.
    """
    height, width = grid.shape
    size = height * width
    screen = torch.zeros_like(grid.free) if grid.screen is None else grid.screen
    across, down, fixed_edges, screen, free = (
        unframed(plane.cpu().to(DIRECT)).flatten(2)[:, 0]
        for plane in (*grid.edges, grid.fixed_edges, screen, grid.free)
    )
    held = fixed_edges + screen
    edges = torch.diag_embed(across[:, :-1], 1) + torch.diag_embed(down[:, :-width], width)
    diagonal = unframed(edge_sum(*grid.edges)).cpu().to(DIRECT).flatten(1) + held + (1 - free)
    floating = (held.sum(1) == 0).to(DIRECT)[:, None, None] / size
    matrix = torch.diag_embed(diagonal) - edges - edges.mT + floating
    return torch.linalg.inv(matrix) * free[:, :, None] * free[:, None, :]

"""One grid of the multigrid hierarchy: its operator, its smoother's factors, and the next coarser.

A coarse pixel stands for 2 x 2 fine ones and is an unknown if at least one of them is. The edge
between two coarse pixels weighs half the sum of the fine edges between them: two parallel edges,
each twice as long, conduct like one. A coarse pixel's edges to fixed (Dirichlet) pixels and its
screen are the sums over its fine pixels. A fine pixel holds its neighbours no faster than the edges
to them conduct: its screen counts in series with these (4·s / (4 + s)). Summed as it is, spots of
100 would fix whole coarse pixels, the estimate of the error with them, and solutions end 0.17 level
off. So thin parts, holes and sieves count on every level, and the coarse grids need no mask of
their own. Where the support's box ends within a coarse pixel, that
pixel's middle is nearer to its neighbour's, and the edge between them is as much stronger.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .stencil import Stencil, framed, unframed

DAMPING = 0.8  # of the Jacobi steps
DEGREE = 4  # a pixel's neighbours; a screen of this size halves the coarse grid correction


@dataclass(frozen=True)
class Grid:
    """The operator of one grid, and the factors of its smoother and coarse grid correction.

    All planes are framed, (B, 1, H + 2, W + 2), and 0 on the ring.

    Attributes:
        stencil: the operator: edges between unknowns, edges to fixed pixels and screen together.
        fixed_edges: the sum of a pixel's edges to fixed pixels (Dirichlet).
        screen: >= 0; kept apart, since float32 loses a weak screen beside the edges. None: 0.
        free: 1 at the grid's unknowns, else 0.
        share: 0 to 1, the factor of residuals on their way to the coarser grid and of the
            corrections that come back; 0 off the support.
        jacobi: damping / diagonal at the unknowns, 0 elsewhere.
        size: rows and columns of the support's box, in its own pixels.
        pixel: how many of these a pixel of this grid is wide.
    """

    stencil: Stencil
    fixed_edges: Tensor
    screen: Tensor | None
    free: Tensor
    share: Tensor
    jacobi: Tensor
    size: tuple[int, int]
    pixel: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, without the ring."""
        return self.free.shape[2] - 2, self.free.shape[3] - 2

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns that stand for the support's box; what lies beyond is padding."""
        rows, columns = (-(-side // self.pixel) for side in self.size)
        return rows, columns

    @property
    def edges(self) -> tuple[Tensor, Tensor]:
        """Edges to the right and below, (B, 1, H + 2, W + 2); those of 1, too."""
        if self.stencil.across is not None and self.stencil.down is not None:
            return self.stencil.across, self.stencil.down
        return unit_edges(self.free)


def finest_grid(
    laplacian: Stencil, free: Tensor, screen: Tensor | None, size: tuple[int, int]
) -> Grid:
    """The grid of a support's own pixels.

    Args:
        laplacian: from `mask_laplacian`.
        free: (B, 1, H + 2, W + 2), framed, float, 1 on the support, 0 elsewhere.
        screen: (B, 1, H + 2, W + 2), framed, >= 0, 0 off the support. None: 0.
        size: rows and columns, from the top left, that the support's box takes up.

    Returns:
        The grid; its stencil has no edges of its own, since they are all 1.
    """
    fixed_edges = laplacian.diagonal - edge_sum(*unit_edges(free))
    diagonal = laplacian.diagonal if screen is None else laplacian.diagonal + screen
    return _grid(Stencil(diagonal), fixed_edges, screen, free, size, pixel=1)


def coarsened(grid: Grid) -> Grid:
    """The next coarser grid, of half the height and width; both must be even."""
    across, down = grid.edges
    height, width = (side // 2 for side in grid.shape)

    def halved(plane: Tensor) -> Tensor:
        return framed(plane, height, width)

    # Column 2k of a framed plane is the last fine one of coarse column k; rows likewise.
    right, below = across[..., 2::2], down[..., 2::2, :]
    across = halved((right[..., 1:-1:2, :] + right[..., 2::2, :]) / 2)
    down = halved((below[..., 1:-1:2] + below[..., 2::2]) / 2)
    _strengthen_ends(grid, across, down)
    fixed_edges = halved(_block_sum(grid.fixed_edges))
    screen = None if grid.screen is None else halved(_block_sum(grid.screen * grid.share))
    diagonal = edge_sum(across, down).add_(fixed_edges)
    if screen is not None:
        diagonal += screen
    free = halved(F.max_pool2d(unframed(grid.free), 2))
    stencil = Stencil(diagonal, across, down)
    return _grid(stencil, fixed_edges, screen, free, grid.size, 2 * grid.pixel)


def unit_edges(free: Tensor) -> tuple[Tensor, Tensor]:
    """Edges of 1 between the neighbours of a support.

    Args:
        free: (B, 1, H + 2, W + 2), framed, 1 on the support, 0 elsewhere.

    Returns:
        Those to the right and those below, (B, 1, H + 2, W + 2) each.
    """
    across, down = torch.zeros_like(free), torch.zeros_like(free)
    torch.mul(free[..., :-1], free[..., 1:], out=across[..., :-1])
    torch.mul(free[..., :-1, :], free[..., 1:, :], out=down[..., :-1, :])
    return across, down


def edge_sum(across: Tensor, down: Tensor) -> Tensor:
    """The sum of each pixel's edges, framed like the edges, (B, 1, H + 2, W + 2)."""
    total = across + down
    total[..., 1:] += across[..., :-1]
    total[..., 1:, :] += down[..., :-1, :]
    return total


def _grid(
    stencil: Stencil,
    fixed_edges: Tensor,
    screen: Tensor | None,
    free: Tensor,
    size: tuple[int, int],
    pixel: int,
) -> Grid:
    jacobi = free * DAMPING / stencil.diagonal.clamp_min(1e-30)
    share = free if screen is None else free * (DEGREE / (DEGREE + screen))
    return Grid(stencil, fixed_edges, screen, free, share, jacobi, size, pixel)


def _strengthen_ends(grid: Grid, across: Tensor, down: Tensor) -> None:
    """Strengthen, in place, the edges of the next coarser grid to its last row and column.

    Without, a support that is held beyond such a pixel alone is corrected too far on every grid, so
    far in the end that a second visit turns the correction round.
    """
    pixel = 2 * grid.pixel
    for dim, edges, size in ((2, down, grid.size[0]), (3, across, grid.size[1])):
        last = -(-size // pixel)
        former = -(-size // grid.pixel)
        if last == 1:
            continue
        # A last fine pixel that has its coarse one for itself keeps the edge that it has already.
        already = _closeness(size, grid.pixel) if former % 2 else 1.0
        edges.narrow(dim, last - 1, 1).mul_(_closeness(size, pixel) / already)


def _closeness(size: int, pixel: int) -> float:
    """A pixel's width over the distance of the last pixel's middle from the one before, 1 to 2."""
    filled = size - (-(-size // pixel) - 1) * pixel
    return 2 * pixel / (pixel + filled)


def _block_sum(plane: Tensor) -> Tensor:
    """Sums over the 2 x 2 pixels of a framed plane, (B, 1, H/2, W/2), without a ring."""
    plane = unframed(plane)
    rows = plane[..., ::2, :] + plane[..., 1::2, :]
    return rows[..., ::2] + rows[..., 1::2]

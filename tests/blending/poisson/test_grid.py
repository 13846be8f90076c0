"""One grid's operator and factors, and what the next coarser one has of them."""

import numpy as np
import pytest
import torch

from blending.image.filters import neighbour_sum
from blending.poisson.grid import coarsened, edge_sum, finest_grid, unit_edges
from blending.poisson.stencil import framed, mask_laplacian, unframed


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def spotted(height, width, seed=0):
    return (random(1, 1, height, width, seed=seed) < 0.7).double()


def finest(free, screen=None):
    """Of a support, (1, 1, H, W), on a grid of its own size."""
    size = free.shape[2:]
    degree = framed(neighbour_sum(torch.ones_like(free)), *size)
    wide = framed(free, *size)
    screen = None if screen is None else framed(screen, *size)
    return finest_grid(mask_laplacian(wide, degree), wide, screen, tuple(size))


def applied(grid, u):
    """The operator on (1, C, H, W)."""
    (whole,) = grid.stencil.on(framed(u, *grid.shape))
    out = whole.apply(torch.empty_like(whole.here))
    return out.unflatten(2, (grid.shape[0], -1))[..., 1:-1]


@pytest.mark.parametrize("is_screened", [False, True])
def test_the_finest_grids_operator_is_the_definition_on_the_support(is_screened):
    free = spotted(12, 9)
    screen = random(1, 1, 12, 9, seed=1) * free if is_screened else None
    u = free * random(1, 3, 12, 9, seed=2)
    degree = neighbour_sum(torch.ones_like(free))
    wanted = degree * u - neighbour_sum(u) + (0 if screen is None else screen * u)
    torch.testing.assert_close(free * applied(finest(free, screen), u), free * wanted)


def test_edges_of_1_join_the_supports_neighbours_alone():
    free = framed(torch.tensor([[1.0, 1, 0], [0, 1, 1]])[None, None], 2, 3)
    across, down = unit_edges(free)
    assert unframed(across)[0, 0].tolist() == [[1, 0, 0], [0, 1, 0]]
    assert unframed(down)[0, 0].tolist() == [[0, 1, 0], [0, 0, 0]]
    for edges in (across, down):
        assert edges.count_nonzero() == unframed(edges).count_nonzero()  # none at the ring
    assert unframed(edge_sum(across, down))[0, 0].tolist() == [[1, 2, 0], [0, 2, 1]]


def test_a_coarse_pixel_has_half_the_edges_between_and_the_sums_of_what_holds():
    # 24 x 24, halved to 12 x 12. The support: rows and columns 1 to 22, without (8, 9).
    free = torch.zeros(1, 1, 24, 24, dtype=torch.float64)
    free[..., 1:23, 1:23] = 1
    free[..., 8, 9] = 0
    coarse = coarsened(finest(free, 0.5 * free))
    assert coarse.shape == (12, 12)
    free, fixed_edges, screen, share, jacobi, diagonal, across, down = (
        unframed(plane)[0, 0]
        for plane in (
            coarse.free,
            coarse.fixed_edges,
            coarse.screen,
            coarse.share,
            coarse.jacobi,
            coarse.stencil.diagonal,
            *coarse.edges,
        )
    )
    assert (free == 1).all()  # one of four pixels free is enough
    assert across[5, 6] == down[5, 6] == 1  # two edges side by side, twice as long
    assert across[0, 5] == 0.5  # row 0 is not free: one of two
    assert not across[:, -1].any()  # the last column has no neighbour
    assert not down[-1].any()
    # Coarse (4, 4) holds rows and columns 8 and 9: (8, 9) takes one of two edges above and right.
    assert (across[4, 3], across[4, 4], down[3, 4], down[4, 4]) == (1, 0.5, 0.5, 1)
    # (8, 8) and (9, 9) have an edge each to it.
    assert fixed_edges[4, 4] == 2
    assert fixed_edges[5, 5] == 0
    assert fixed_edges[0, 0] == 2  # of (1, 1), the only one free, two lead outside
    # A screen of 1/2 in series with the four edges of 1 to a pixel's neighbours: 4/9.
    assert screen[5, 5].item() == pytest.approx(4 * 4 / 9)
    assert screen[4, 4].item() == pytest.approx(3 * 4 / 9)
    assert share[5, 5].item() == pytest.approx(4 / (4 + 16 / 9))
    # Diagonal: four edges of 1, and the screen.
    assert diagonal[5, 5].item() == pytest.approx(4 + 16 / 9)
    assert jacobi[5, 5].item() == pytest.approx(0.8 / (4 + 16 / 9))


def test_the_extent_is_halved_upwards_and_the_planes_keep_a_ring_of_zeros():
    free = framed(spotted(6, 9), 12, 12)
    degree = framed(4 * torch.ones(1, 1, 6, 9).double(), 12, 12)
    grid = coarsened(finest_grid(mask_laplacian(free, degree), free, None, (6, 9)))
    assert grid.extent == (3, 5)
    assert grid.screen is None
    for plane in (grid.free, grid.fixed_edges, grid.share, grid.jacobi, *grid.edges):
        assert plane.shape == (1, 1, 8, 8)
        assert plane.count_nonzero() == unframed(plane).count_nonzero()


@pytest.mark.parametrize(("width", "strengths"), [(40, [1, 1, 1]), (33, [4 / 3, 8 / 5, 16 / 9])])
def test_the_edge_to_a_last_column_that_the_box_fills_in_part_is_as_much_stronger(width, strengths):
    """Of 33 columns one is left for the last pixel of each grid: its middle is nearer."""
    free = framed(torch.ones(1, 1, 8, width).double(), 8, 40)
    grid = finest_grid(mask_laplacian(free, 4 * free), free, None, (8, width))
    for strength in strengths:
        grid = coarsened(grid)
        edges = unframed(grid.edges[0])[0, 0, 0, : grid.extent[1] - 1]
        assert edges[-1].item() == pytest.approx(strength)
        assert (edges[:-1] == 1).all()


def test_off_the_support_no_step_is_taken():
    free = spotted(12, 10)
    grid = finest(free)
    outside = grid.free == 0
    assert (grid.shape, outside.any().item()) == ((12, 10), True)
    assert not grid.jacobi[outside].any()
    assert not grid.share[outside].any()
    assert (grid.share[~outside] == 1).all()  # without a screen

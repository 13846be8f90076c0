"""One grid's sweeps against their definitions; in many bands they are what they are in one."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from blending.image.filters import neighbour_sum
from blending.poisson import stencil
from blending.poisson.grid import finest_grid
from blending.poisson.stencil import framed, mask_laplacian, unframed
from blending.poisson.sweeps import Coarser, Scratch, Visit, Workspace, edge_copies

HEIGHT, WIDTH = 12, 10


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


FREE = (random(1, 1, HEIGHT, WIDTH) < 0.8).double()
SCREEN = 2 * random(1, 1, HEIGHT, WIDTH, seed=5) * FREE
# A screen of 4, a pixel's edges, halves what goes to the coarser grid and comes back.
SHARE = FREE * 4 / (4 + SCREEN)


def operator(u):
    degree = neighbour_sum(torch.ones_like(FREE))
    return FREE * (degree * u - neighbour_sum(FREE * u)) + SCREEN * u


@pytest.fixture(params=[60, 2**17], ids=["bands of two rows", "one band"])
def visit(request, monkeypatch):
    """A visit to the finest grid with two channels, its planes, and the coarser grid's two."""
    monkeypatch.setattr(stencil, "BAND", request.param)
    size = HEIGHT, WIDTH
    free, screen, degree = (
        framed(p, *size) for p in (FREE, SCREEN, neighbour_sum(torch.ones_like(FREE)))
    )
    grid = finest_grid(mask_laplacian(free, degree), free, screen, size)
    space = Workspace(grid, 2)
    coarse = [torch.zeros(1, 2, HEIGHT // 2 + 2, WIDTH // 2 + 2).double() for _ in range(2)]
    coarser = Coarser(*coarse, (HEIGHT // 2, WIDTH // 2))
    visit = Visit(grid, space, Scratch(space), coarser, is_even=True)
    u, rhs = (FREE * random(1, 2, *size, seed=seed) for seed in (1, 2))
    unframed(visit.u).copy_(u)
    unframed(space.rhs).copy_(rhs)
    return visit, u, rhs, coarse


def test_a_jacobi_step_adds_the_damped_residual_over_the_diagonal(visit):
    visit, u, rhs, _ = visit
    diagonal = neighbour_sum(torch.ones_like(FREE)) + SCREEN
    visit.step()
    wanted = u + FREE * 0.8 / diagonal * (rhs - operator(u))
    torch.testing.assert_close(unframed(visit.out), wanted)
    assert visit.out.sum().item() == pytest.approx(wanted.sum().item())  # 0 on the ring
    assert torch.equal(unframed(visit.u), u)


def test_the_residual_is_restricted_by_sums_of_2_x_2_of_its_share(visit):
    visit, u, rhs, (coarse_rhs, _) = visit
    visit.restrict()
    wanted = 4 * F.avg_pool2d((rhs - operator(u)) * SHARE, 2)
    torch.testing.assert_close(unframed(coarse_rhs), wanted)


def test_the_prolongation_is_bilinear_between_pixel_centres_times_the_share(visit):
    visit, u, _, (_, correction) = visit
    coarse = random(1, 2, HEIGHT // 2, WIDTH // 2, seed=4)
    unframed(correction).copy_(coarse)
    visit.prolong()
    wider = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(unframed(visit.u), u + SHARE * wider)


@pytest.mark.parametrize("extent", [(2, 2), (3, 4), (1, 1)])
def test_beyond_the_extent_the_last_rows_and_columns_are_repeated(extent):
    values = random(1, 1, 3, 4)
    u = framed(values, 3, 4)
    for beyond, last in edge_copies(u, extent):
        beyond.copy_(last)
    height, width = extent
    wanted = np.pad(values[0, 0, :height, :width], 1, mode="edge")
    assert np.array_equal(u[0, 0, : height + 2, : width + 2], wanted)


def test_a_second_visit_goes_back_to_the_first_plane():
    size = HEIGHT, WIDTH
    free = framed(FREE, *size)
    grid = finest_grid(mask_laplacian(free, 4 * free), free, None, size)
    space = Workspace(grid, 2)
    coarse = torch.zeros(1, 2, HEIGHT // 2 + 2, WIDTH // 2 + 2).double()
    coarser = Coarser(coarse, coarse, (HEIGHT // 2, WIDTH // 2))
    there, back = (
        Visit(grid, space, Scratch(space), coarser, is_even) for is_even in (True, False)
    )
    assert there.u is back.out is space.u
    assert there.out is back.u is space.other

"""The W-cycle: exact where it is direct, close to the inverse on any mask, size and screen."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from blending.image.filters import neighbour_sum
from blending.poisson import stencil
from blending.poisson.multigrid import (
    COARSEST,
    Workspace,
    add_prolongation,
    grid_shape,
    jacobi_step,
    multigrid,
    repeat_edge,
    restrict_residual,
)
from blending.poisson.stencil import mask_laplacian


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def supports():
    rows, columns = torch.arange(41)[:, None] - 20, torch.arange(37)[None] - 18
    radius = rows**2 + columns**2
    thin = ((rows - columns).abs() <= 1) | ((rows + columns).abs() <= 1)
    return {
        "disc": radius <= 300,
        "ring": (radius <= 300) & (radius >= 120),
        "frame's corner": (rows <= 5) & (columns >= -3),
        "cross of thin lines": thin & (radius <= 300),
        "sieve": (rows % 2 == 0) | (columns % 2 == 0),
        "noise": random(41, 37) < 0.6,
        "one pixel": radius == 0,
        "all but one pixel": radius > 0,
    }


def screens(free):
    across = torch.linspace(0, 1, free.shape[3], dtype=torch.float64).expand_as(free)
    return {
        "none": None,
        "0.3": 0.3 * free,
        "0 to 1": across * free,
        "half 0, half 1e6": 1e6 * (across > 0.5) * free,
        "noise of 1e-6 to 10": 10 ** (7 * random(*free.shape) - 6) * free,
    }


def padded(plane):
    """To a shape that the grids can halve."""
    height, width = grid_shape(*plane.shape[2:])
    return F.pad(plane, (0, width - plane.shape[3], 0, height - plane.shape[2]))


def equation(support, screen=None):
    """The operator, by its definition, the inverse, and the grids."""
    free = support.double().expand(1, 1, -1, -1)
    degree = neighbour_sum(torch.ones_like(free))
    held = 0 if screen is None else screen

    def operator(u):
        return free * (degree * u - neighbour_sum(free * u)) + held * u

    def inverse(residual):
        """The grids work on planes that the next call overwrites."""
        channels = [
            grids.cycle(padded(residual[:, c : c + 1])).clone() for c in range(len(residual[0]))
        ]
        return torch.cat(channels, 1)[..., : free.shape[2], : free.shape[3]]

    laplacian = mask_laplacian(padded(free), padded(degree))
    wide = None if screen is None else padded(screen)
    grids = multigrid(laplacian, padded(free), wide, channels=1)
    return operator, inverse, grids


def matrix(linear, support):
    """Of a linear map on the support, one column a pixel."""
    places = support.flatten().nonzero()[:, 0]
    units = torch.eye(support.numel(), dtype=torch.float64)[places]
    return linear(units.view(1, -1, *support.shape)).flatten(2)[0, :, places].T


@pytest.mark.parametrize("name", supports())
def test_the_finest_grids_operator_is_the_definition(name):
    support = supports()[name]
    operator, _, grids = equation(support)
    u = support * random(1, 3, *support.shape)
    rhs = support * random(1, 3, *support.shape, seed=1)
    of_finest, wide = grids.levels[0].stencil, padded(u)
    whole = slice(0, wide.shape[2])
    applied = of_finest.apply(wide, whole, torch.full_like(wide, torch.nan))
    residual = of_finest.residual(padded(rhs), wide, whole, torch.full_like(wide, torch.nan))
    torch.testing.assert_close(applied, padded(operator(u)))
    torch.testing.assert_close(residual, padded(rhs - operator(u)))


@pytest.mark.parametrize("name", screens(torch.ones(1, 1, 12, COARSEST)))
def test_a_small_grid_is_solved_directly(name):
    support = random(12, COARSEST) < 0.8
    screen = screens(support.double().expand(1, 1, -1, -1))[name]
    operator, inverse, _ = equation(support, screen)
    u = support * random(1, 3, *support.shape, seed=1)
    torch.testing.assert_close(inverse(operator(u)), u)


def test_a_whole_frame_without_screen_is_solved_but_for_its_mean():
    operator, inverse, _ = equation(torch.ones(10, 13, dtype=torch.bool))
    u = random(1, 2, 10, 13)
    wanted = u - u.mean((2, 3), keepdim=True)
    torch.testing.assert_close(inverse(operator(u)), wanted)


@pytest.mark.parametrize("screen", screens(torch.ones(1, 1, 41, 37)))
@pytest.mark.parametrize("name", supports())
def test_a_cycle_is_near_the_inverse(name, screen):
    """Eigenvalues of cycle · operator: 1 were exact; of 1 ± 0.7 a mean step leaves a third."""
    support = supports()[name]
    operator, inverse, _ = equation(support, screens(support.double().expand(1, 1, -1, -1))[screen])
    product = matrix(inverse, support) @ matrix(operator, support)
    values = torch.linalg.eigvals(product)
    assert (values - 1).abs().max() < 0.7


def test_off_the_support_it_is_0():
    support = supports()["ring"]
    operator, inverse, _ = equation(support)
    solved = inverse(operator(support * random(1, 3, *support.shape)))
    assert not solved[..., ~support].any()


def test_samples_and_channels_do_not_mix():
    masks = [supports()["disc"], supports()["noise"]]
    free = padded(torch.stack(masks).double()[:, None])
    degree = padded(neighbour_sum(torch.ones(1, 1, 41, 37, dtype=torch.float64)))
    residual = free * random(2, 3, *free.shape[2:])
    both = multigrid(mask_laplacian(free, degree), free).cycle(residual)
    for sample, mask in enumerate(masks):
        _, inverse, _ = equation(mask)
        one = (slice(sample, sample + 1), slice(None), slice(41), slice(37))
        torch.testing.assert_close(both[one], inverse(residual[one]))


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((1, 20), (1, 20)), ((20, 20), (20, 20)), ((21, 5), (22, 6)), ((900, 41), (960, 64))],
)
def test_the_grids_shape_can_be_halved_to_the_coarsest(shape, wanted):
    # 900: halved six times to at most 20, so multiples of 64.
    assert grid_shape(*shape) == wanted


# --- one grid's sweeps; in many bands they are what they are in one


@pytest.fixture(params=[300, 2**17], ids=["bands of two rows", "one band"])
def finest(request, monkeypatch):
    """The finest grid of a disc under a screen, and its planes for two channels."""
    monkeypatch.setattr(stencil, "BAND", request.param)
    support = supports()["disc"]
    screen = 2 * random(1, 1, 41, 37, seed=5) * support
    operator, _, grids = equation(support, screen)
    level = grids.levels[0]
    return level, Workspace(level, 2), lambda u: padded(operator(u[..., :41, :37]))


def unknowns(level, seed):
    """(1, 2, H, W), 0 off the support."""
    return level.free * random(1, 2, *level.free.shape[2:], seed=seed)


def test_a_jacobi_step_adds_the_damped_residual_over_the_diagonal(finest):
    level, space, operator = finest
    u, rhs = unknowns(level, 1), unknowns(level, 2)
    # On the disc every pixel has four neighbours in the frame.
    diagonal = 4 + level.screen
    wanted = u + level.free * 0.8 / diagonal * (rhs - operator(u))
    out = torch.full_like(u, torch.nan)
    assert jacobi_step(level, space, rhs, u, out) is out
    torch.testing.assert_close(out, wanted)


def test_the_residual_is_restricted_by_sums_of_2_x_2_of_its_share(finest):
    level, space, operator = finest
    u, rhs = unknowns(level, 1), unknowns(level, 2)
    # A screen of 4, a pixel's edges, halves what the coarser grids take.
    residual = (rhs - operator(u)) * 4 / (4 + level.screen)
    wanted = 4 * F.avg_pool2d(residual, 2)
    torch.testing.assert_close(restrict_residual(level, space, rhs, u), wanted)


def test_the_prolongation_is_bilinear_between_pixel_centres_times_the_share(finest):
    level, space, _ = finest
    u, share = unknowns(level, 1), random(*level.free.shape, seed=3)
    coarse = random(1, 2, *(side // 2 for side in level.free.shape[2:]), seed=4)
    wider = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    wanted = u + share * wider
    add_prolongation(u, share, coarse, space)
    torch.testing.assert_close(u, wanted)


def test_a_cycle_in_many_bands_is_the_one_in_a_single_band(monkeypatch):
    support = supports()["ring"]
    rhs = support * random(1, 3, *support.shape)
    whole = equation(support)[1](rhs)
    monkeypatch.setattr(stencil, "BAND", 100)
    torch.testing.assert_close(equation(support)[1](rhs), whole)


# --- the grids


def test_a_coarse_pixel_has_half_the_edges_between_and_the_sums_of_what_holds():
    # 24 x 24, halved once to 12 x 12. The support: rows and columns 1 to 22, without (8, 9).
    free = torch.zeros(1, 1, 24, 24, dtype=torch.float64)
    free[..., 1:23, 1:23] = 1
    free[..., 8, 9] = 0
    screen = 0.5 * free
    degree = neighbour_sum(torch.ones_like(free))
    grids = multigrid(mask_laplacian(free, degree), free, screen)
    assert [tuple(level.free.shape[2:]) for level in grids.levels] == [(24, 24), (12, 12)]
    assert [space.u.shape[1] for space in grids.spaces] == [3]
    coarse = grids.levels[1]
    assert (coarse.free == 1).all()  # one of four pixels free is enough
    across, down = coarse.stencil.across[0, 0], coarse.stencil.down[0, 0]
    assert across[5, 6] == down[5, 6] == 1  # two edges side by side, twice as long
    assert across[0, 5] == 0.5  # row 0 is not free: one of two
    # Coarse (4, 4) holds rows and columns 8 and 9: (8, 9) takes one of two edges above and right.
    assert (across[4, 3], across[4, 4], down[3, 4], down[4, 4]) == (1, 0.5, 0.5, 1)
    # (8, 8) and (9, 9) have an edge each to it.
    assert coarse.fixed_edges[0, 0, 4, 4] == 2
    assert coarse.fixed_edges[0, 0, 5, 5] == 0
    assert coarse.fixed_edges[0, 0, 0, 0] == 2  # of (1, 1), the only one free, two lead outside
    assert coarse.screen[0, 0, 5, 5] == 4 * 0.5
    assert coarse.screen[0, 0, 4, 4] == 3 * 0.5
    assert coarse.share[0, 0, 5, 5] == 4 / (4 + 2)
    # Diagonal: four edges of 1, and the screen of 2.
    assert coarse.stencil.diagonal[0, 0, 5, 5] == 6
    assert coarse.jacobi[0, 0, 5, 5].item() == pytest.approx(0.8 / 6)


def test_off_the_support_no_step_is_taken():
    support = supports()["ring"]
    _, _, grids = equation(support)
    level = grids.levels[0]
    outside = level.free == 0
    assert outside.any()
    assert not level.jacobi[outside].any()
    assert not level.share[outside].any()
    assert (level.share[~outside] == 1).all()  # without a screen


def test_the_coarsest_grids_inverse_is_that_of_its_matrix():
    support = random(7, 9, seed=2) < 0.7
    operator, _, grids = equation(support)
    assert len(grids.levels) == 1
    places = support.flatten().nonzero()[:, 0]
    inverse = grids.inverse[0][places][:, places].numpy()
    np.testing.assert_allclose(inverse, np.linalg.inv(matrix(operator, support).numpy()))


@pytest.mark.parametrize("shape", [(2, 200), (3, 100), (100, 3), (5, 41), (1, 90), (33, 21)])
def test_a_cycle_wins_as_much_on_strips_as_elsewhere(shape):
    """Held at one end: beyond the strip's last row lies padding, no fixed pixel."""
    free = torch.zeros(1, 1, *shape, dtype=torch.float64)
    free[..., 1:] = 1
    free = free[..., 1:]  # the boundary is the column before
    degree = neighbour_sum(torch.ones_like(free))
    degree[..., 0] += 1
    laplacian = mask_laplacian(padded(free), padded(degree))
    grids = multigrid(laplacian, padded(free), channels=1, extent=tuple(free.shape[2:]))
    error = free * random(1, 1, *free.shape[2:])
    for _ in range(8):  # plain iterations, u - cycle(A u)
        wide = padded(error)
        image = laplacian.apply(wide, slice(0, wide.shape[2]), torch.empty_like(wide))
        error = error - grids.cycle(image)[..., : free.shape[2], : free.shape[3]]
    assert error.norm() < 0.6**8 * free.norm()


def test_what_lies_beyond_the_extent_repeats_the_last_row_and_column():
    u = torch.arange(12.0).view(1, 1, 3, 4)
    repeat_edge(u, (2, 2))
    assert u[0, 0].tolist() == [[0, 1, 1, 3], [4, 5, 5, 7], [4, 5, 5, 7]]
    whole = torch.arange(12.0).view(1, 1, 3, 4)
    repeat_edge(whole, (3, 4))
    assert torch.equal(whole, torch.arange(12.0).view(1, 1, 3, 4))

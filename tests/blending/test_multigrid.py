"""The W-cycle: exact where it is direct, close to the inverse on any mask, size and screen."""

import numpy as np
import pytest
import torch

from blending.filters import neighbour_sum
from blending.multigrid import COARSEST, mask_laplacian, multigrid


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


def equation(support, screen=None):
    """The operator, by its definition, and the grids."""
    free = support.double().expand(1, 1, -1, -1)
    degree = neighbour_sum(torch.ones_like(free))
    held = 0 if screen is None else screen

    def operator(u):
        return free * (degree * u - neighbour_sum(free * u)) + held * u

    return operator, multigrid(mask_laplacian(free, degree), free, screen)


def matrix(linear, support):
    """Of a linear map on the support, one column a pixel."""
    places = support.flatten().nonzero()[:, 0]
    units = torch.eye(support.numel(), dtype=torch.float64)[places]
    return linear(units.view(1, -1, *support.shape)).flatten(2)[0, :, places].T


@pytest.mark.parametrize("name", supports())
def test_the_finest_grids_operator_is_the_definition(name):
    support = supports()[name]
    operator, grids = equation(support)
    u = support * random(1, 3, *support.shape)
    torch.testing.assert_close(grids.levels[0].stencil.apply(u), operator(u))
    image = support * random(1, 3, *support.shape, seed=1)
    residual = grids.levels[0].stencil.residual(image, u)
    torch.testing.assert_close(residual, image - operator(u))


@pytest.mark.parametrize("name", screens(torch.ones(1, 1, 12, COARSEST)))
def test_a_small_grid_is_solved_directly(name):
    support = random(12, COARSEST) < 0.8
    screen = screens(support.double().expand(1, 1, -1, -1))[name]
    operator, grids = equation(support, screen)
    u = support * random(1, 3, *support.shape, seed=1)
    torch.testing.assert_close(grids.invert(operator(u)), u)


def test_a_whole_frame_without_screen_is_solved_but_for_its_mean():
    operator, grids = equation(torch.ones(10, 13, dtype=torch.bool))
    u = random(1, 2, 10, 13)
    wanted = u - u.mean((2, 3), keepdim=True)
    torch.testing.assert_close(grids.invert(operator(u)), wanted)


@pytest.mark.parametrize("screen", screens(torch.ones(1, 1, 41, 37)))
@pytest.mark.parametrize("name", supports())
def test_a_cycle_is_near_the_inverse(name, screen):
    """Eigenvalues of cycle · operator: 1 were exact; of 1 ± 0.65 a mean step leaves a third."""
    support = supports()[name]
    operator, grids = equation(support, screens(support.double().expand(1, 1, -1, -1))[screen])
    product = matrix(grids.invert, support) @ matrix(operator, support)
    values = torch.linalg.eigvals(product)
    assert (values - 1).abs().max() < 0.65


def test_off_the_support_it_is_0():
    support = supports()["ring"]
    operator, grids = equation(support)
    solved = grids.invert(operator(support * random(1, 3, *support.shape)))
    assert not solved[..., ~support].any()


def test_samples_and_channels_do_not_mix():
    masks = [supports()["disc"], supports()["noise"]]
    free = torch.stack(masks).double()[:, None]
    degree = neighbour_sum(torch.ones_like(free[:1]))
    residual = free * random(2, 3, *free.shape[2:])
    both = multigrid(mask_laplacian(free, degree), free).invert(residual)
    for sample, mask in enumerate(masks):
        _, grids = equation(mask)
        for channel in range(3):
            alone = grids.invert(residual[sample : sample + 1, channel : channel + 1])
            torch.testing.assert_close(both[sample : sample + 1, channel : channel + 1], alone)

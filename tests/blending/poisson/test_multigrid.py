"""The W-cycle: exact where it is direct, close to the inverse on any mask, size and screen."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from blending.image.filters import neighbour_sum
from blending.poisson.multigrid import COARSEST, grid_shape, multigrid
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
    image = support * random(1, 3, *support.shape, seed=1)
    stencil, wide = grids.levels[0].stencil, padded(u)
    whole = slice(0, wide.shape[2])
    applied = stencil.apply(wide, whole, torch.full_like(wide, torch.nan))
    residual = stencil.residual(padded(image), wide, whole, torch.full_like(wide, torch.nan))
    torch.testing.assert_close(applied, padded(operator(u)))
    torch.testing.assert_close(residual, padded(image - operator(u)))


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
    ("shape", "wanted"), [((1, 20), (1, 20)), ((21, 5), (22, 6)), ((900, 41), (960, 64))]
)
def test_the_grids_shape_can_be_halved_to_the_coarsest(shape, wanted):
    # 900: halved six times to at most 20, so multiples of 64.
    assert grid_shape(*shape) == wanted

"""The W-cycle: exact where it is direct, close to the inverse on any mask, size and screen."""

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import eigs

from blending.image.filters import neighbour_sum
from blending.placement.box import bounding_box, crop
from blending.poisson import stencil
from blending.poisson.multigrid import COARSEST, grid_shape, multigrid
from blending.poisson.stencil import framed, mask_laplacian, unframed


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
    """To a shape that the grids can halve, framed."""
    return framed(plane, *grid_shape(*plane.shape[2:]))


def cycled(grids, rhs):
    """A cycle's answer to a framed right-hand side, in planes of its own."""
    grids.rhs.copy_(rhs)
    return grids.cycle().clone()


def equation(support, screen=None):
    """The operator, by its definition, the inverse, and the grids, which begin at the box."""
    box = bounding_box(support[None, None])

    def on_grid(plane):
        return padded(crop(plane, box))

    free = support.double().expand(1, 1, -1, -1)
    degree = neighbour_sum(torch.ones_like(free))
    held = 0 if screen is None else screen

    def operator(u):
        return free * (degree * u - neighbour_sum(free * u)) + held * u

    def inverse(residual):
        channels = [cycled(grids, on_grid(residual[:, c : c + 1])) for c in range(len(residual[0]))]
        found = torch.zeros_like(residual)
        crop(found, box).copy_(unframed(torch.cat(channels, 1))[..., : box.height, : box.width])
        return found

    laplacian = mask_laplacian(on_grid(free), on_grid(degree))
    wide = None if screen is None else on_grid(screen)
    grids = multigrid(laplacian, on_grid(free), wide, channels=1, extent=box.size)
    return operator, inverse, grids


def matrix(linear, support):
    """Of a linear map on the support, one column a pixel."""
    places = support.flatten().nonzero()[:, 0]
    units = torch.eye(support.numel(), dtype=torch.float64)[places]
    return linear(units.view(1, -1, *support.shape)).flatten(2)[0, :, places].T


@pytest.mark.parametrize("name", screens(torch.ones(1, 1, 8, COARSEST)))
def test_a_small_grid_is_solved_directly(name):
    support = random(8, COARSEST) < 0.8
    screen = screens(support.double().expand(1, 1, -1, -1))[name]
    operator, inverse, _ = equation(support, screen)
    u = support * random(1, 3, *support.shape, seed=1)
    torch.testing.assert_close(inverse(operator(u)), u)


def test_a_whole_frame_without_screen_is_solved_but_for_its_mean():
    operator, inverse, _ = equation(torch.ones(10, 7, dtype=torch.bool))
    u = random(1, 2, 10, 7)
    wanted = u - u.mean((2, 3), keepdim=True)
    torch.testing.assert_close(inverse(operator(u)), wanted)


@pytest.mark.parametrize("screen", screens(torch.ones(1, 1, 41, 37)))
@pytest.mark.parametrize("name", supports())
def test_a_cycle_is_near_the_inverse(name, screen):
    """Eigenvalues of cycle · operator: 1 were exact; of 1 ± 0.7 a mean step leaves a third."""
    support = supports()[name]
    operator, inverse, _ = equation(support, screens(support.double().expand(1, 1, -1, -1))[screen])
    assert farthest_from_one(matrix(inverse, support) @ matrix(operator, support)) < 0.7


def farthest_from_one(product):
    """max |λ − 1| of a matrix's eigenvalues; of a large one by ARPACK, for that one alone."""
    error = product.numpy() - np.eye(len(product))
    if len(error) < 200:
        return np.abs(np.linalg.eigvals(error)).max()
    found = eigs(error, 1, v0=np.random.default_rng(0).random(len(error)), tol=1e-4)
    return np.abs(found[0]).item()


def test_the_farthest_eigenvalue_is_the_one_of_all():
    """Two of them as far as each other, too: a pair of conjugates."""
    square = random(300, 300)
    for product in (square + square.T, square - square.T):
        values = np.linalg.eigvals((product - torch.eye(300)).numpy())
        assert farthest_from_one(product) == pytest.approx(np.abs(values).max(), rel=1e-3)


def test_off_the_support_it_is_0():
    support = supports()["ring"]
    operator, inverse, _ = equation(support)
    solved = inverse(operator(support * random(1, 3, *support.shape)))
    assert not solved[..., ~support].any()


def test_samples_and_channels_do_not_mix():
    masks = [supports()["noise"], ~supports()["noise"]]  # both reach all sides of the frame
    free = padded(torch.stack(masks).double()[:, None])
    degree = padded(neighbour_sum(torch.ones(1, 1, 41, 37, dtype=torch.float64)))
    residual = free * random(2, 3, *free.shape[2:])
    grids = multigrid(mask_laplacian(free, degree), free, extent=(41, 37))
    both = unframed(cycled(grids, residual))
    for sample, mask in enumerate(masks):
        _, inverse, _ = equation(mask)
        one = (slice(sample, sample + 1), slice(None), slice(41), slice(37))
        torch.testing.assert_close(both[one], inverse(unframed(residual)[one]))


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((1, 10), (1, 10)), ((10, 10), (10, 10)), ((11, 5), (12, 6)), ((900, 41), (1024, 128))],
)
def test_the_grids_shape_can_be_halved_to_the_coarsest(shape, wanted):
    # 900: halved seven times to at most 10, so multiples of 128.
    assert grid_shape(*shape) == wanted


def test_a_cycle_in_many_bands_is_the_one_in_a_single_band(monkeypatch):
    support = supports()["ring"]
    rhs = support * random(1, 3, *support.shape)
    whole = equation(support)[1](rhs)
    monkeypatch.setattr(stencil, "BAND", 100)
    torch.testing.assert_close(equation(support)[1](rhs), whole)


def test_the_coarsest_grids_inverse_is_that_of_its_matrix():
    support = random(7, 9, seed=2) < 0.7
    operator, _, grids = equation(support)
    assert len(grids.grids) == 1
    places = support.flatten().nonzero()[:, 0]
    inverse = grids.inverse[0][places][:, places].numpy()  # the box is the whole frame
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
        (whole,) = laplacian.on(wide)
        image = whole.apply(torch.empty_like(whole.here)).unflatten(2, (-1, wide.shape[3]))
        unframed(grids.rhs).copy_(image[..., 1:-1])
        error = error - unframed(grids.cycle())[..., : free.shape[2], : free.shape[3]]
    assert error.norm() < 0.65**8 * free.norm()

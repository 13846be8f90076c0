"""The rectangle's inverse: exact where the mask is a rectangle, fit for conjugate gradients."""

import numpy as np
import pytest
import torch

from blending.filters import neighbour_sum
from blending.preconditioner import rectangle_inverse


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def disc():
    rows, columns = torch.arange(21)[:, None] - 10, torch.arange(20)[None] - 9
    return (rows**2 + columns**2 <= 70).double()[None, None]


def at_a_corner():
    free = torch.zeros(1, 1, 15, 17, dtype=torch.float64)
    free[..., :9, 5:] = 1
    return free


def screens(free):
    across = torch.linspace(0, 1, free.shape[3], dtype=torch.float64).expand_as(free)
    return {
        "none": None,
        "0.3": 0.3 * free,
        "0 to 1": across * free,
        "half 0, half 10": 10 * (across > 0.5) * free,
        "1e-6 to 10": 10 ** (7 * across - 6) * free,
        "noise of 1e-6 to 10": 10 ** (7 * random(*free.shape) - 6) * free,
    }


def matrix(linear, free):
    """Of a linear map on the support, one column a pixel."""
    places = free.flatten().nonzero()[:, 0]
    units = torch.eye(free.numel(), dtype=free.dtype)[places].view(-1, 1, *free.shape[2:])
    return linear(units).flatten(1)[:, places].T


@pytest.mark.parametrize("level", [None, 0.0, 1e-6, 0.3, 10.0])
def test_on_a_rectangle_inside_the_frame_it_is_exact(level):
    # 5 and 8 pixels: 6 and 9 have no factor but 2, 3, 5, so the rectangle is not enlarged.
    free = torch.zeros(1, 1, 9, 12, dtype=torch.float64)
    free[..., 2:7, 3:11] = 1
    x = free * random(1, 3, 9, 12)
    image = free * ((4 + (level or 0)) * x - neighbour_sum(x))
    screen = None if level is None else level * free
    torch.testing.assert_close(rectangle_inverse(free, screen)(image), x)


@pytest.mark.parametrize("name", screens(disc()))
@pytest.mark.parametrize("free", [disc(), at_a_corner()], ids=["disc", "corner"])
def test_it_is_symmetric_and_positive_definite(free, name):
    inverse = matrix(rectangle_inverse(free, screens(free)[name]), free)
    torch.testing.assert_close(inverse, inverse.T)
    assert torch.linalg.eigvalsh(inverse).min() > 0


@pytest.mark.parametrize("name", screens(disc()))
@pytest.mark.parametrize("free", [disc(), at_a_corner()], ids=["disc", "corner"])
def test_it_is_near_the_inverse_of_the_screened_laplacian(free, name):
    # The spread of the product's eigenvalues, k, sets the pace of conjugate gradients: each
    # iteration shrinks the error by (√k − 1) / (√k + 1), or more. 10 gives 0.52; without a
    # preconditioner the spread is up to 180 here and grows with the mask's area.
    screen = screens(free)[name]
    held = torch.zeros_like(free) if screen is None else screen
    degree = neighbour_sum(torch.ones_like(free))
    laplacian = matrix(lambda x: free * (degree * x - neighbour_sum(x)) + held * x, free)
    values = torch.linalg.eigvals(matrix(rectangle_inverse(free, screen), free) @ laplacian).real
    assert values.max() / values.min() < 10


def test_outside_the_support_it_is_zero():
    free = disc()
    for screen in screens(free).values():
        solved = rectangle_inverse(free, screen)(random(1, 2, *free.shape[2:]))
        assert not solved[(free == 0).expand_as(solved)].any()

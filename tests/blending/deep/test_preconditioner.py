"""Sine transforms against SciPy, and the inverse Laplacian against a dense solve."""

import math

import numpy as np
import pytest
import scipy.fft
import torch

from blending.deep.preconditioner import (
    fast_length,
    filter_spectrum,
    laplacian_eigenvalues,
    sine_transform,
)


def random(*shape):
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape))


def dirichlet_laplacian(height, width):
    """The dense matrix of the 5-point Laplacian with zero values around."""

    def second_difference(n):
        return 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)

    rows = np.kron(second_difference(height), np.eye(width))
    return rows + np.kron(np.eye(height), second_difference(width))


@pytest.mark.parametrize("length", [1, 2, 3, 7, 16, 31])
@pytest.mark.parametrize("dim", [0, 1, -1, -2])
def test_sine_transform_is_scipys_orthonormal_dst_1(length, dim):
    shape = [4, 3, 5]
    shape[dim] = length
    x = random(*shape)
    wanted = scipy.fft.dst(x.numpy(), type=1, axis=dim, norm="ortho")
    torch.testing.assert_close(sine_transform(x, dim), torch.from_numpy(wanted))


def test_sine_transform_of_two_values_by_hand():
    # sqrt(2/3) · [[sin 60°, sin 120°], [sin 120°, sin 240°]] = [[1, 1], [1, −1]] / sqrt 2
    wanted = torch.tensor([4.0, -2.0], dtype=torch.float64) / math.sqrt(2)
    torch.testing.assert_close(sine_transform(torch.tensor([1.0, 3.0]).double(), 0), wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sine_transform_is_its_own_inverse_and_keeps_the_type(dtype):
    x = random(2, 3, 9, 6).to(dtype)
    back = sine_transform(sine_transform(x, -2), -2)
    assert back.dtype == dtype
    torch.testing.assert_close(back, x)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4), (3, 5), (6, 4)])
def test_the_eigenvalues_are_those_of_the_dense_laplacian(height, width):
    like = torch.zeros(1, dtype=torch.float64)
    values = laplacian_eigenvalues(height, width, like)
    assert values.shape == (height, width)
    wanted = np.linalg.eigvalsh(dirichlet_laplacian(height, width))
    np.testing.assert_allclose(np.sort(values.numpy().ravel()), wanted, rtol=1e-12)


def test_the_eigenvalues_have_the_wanted_type():
    assert laplacian_eigenvalues(2, 3, torch.zeros(1)).dtype == torch.float32


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (5, 3), (7, 8)])
def test_one_over_the_eigenvalues_inverts_the_laplacian(height, width):
    x = random(2, 3, height, width)
    solved = filter_spectrum(x, 1 / laplacian_eigenvalues(height, width, x))
    flat = x.numpy().reshape(6, -1).T
    wanted = np.linalg.solve(dirichlet_laplacian(height, width), flat).T.reshape(x.shape)
    torch.testing.assert_close(solved, torch.from_numpy(wanted))


def test_a_response_that_differs_along_both_axes_meets_its_own_frequency():
    # A single mode comes back multiplied by its own entry of the response.
    rows = torch.sin(math.pi * 2 * torch.arange(1, 5, dtype=torch.float64) / 5)
    columns = torch.sin(math.pi * 3 * torch.arange(1, 7, dtype=torch.float64) / 7)
    mode = rows[:, None] * columns[None, :]
    response = torch.arange(24, dtype=torch.float64).reshape(4, 6)
    torch.testing.assert_close(filter_spectrum(mode, response), 8 * mode)  # row 1, column 2


def test_fast_length_is_scipys_next_fast_real_length_less_one():
    lengths = range(1, 700)
    wanted = [scipy.fft.next_fast_len(n + 1, real=True) - 1 for n in lengths]
    assert [fast_length(n) for n in lengths] == wanted


@pytest.mark.parametrize(("length", "wanted"), [(1, 1), (5, 5), (6, 7), (509, 511), (511, 511)])
def test_fast_length_by_hand(length, wanted):
    # 2, 6, 8 = 2³, 512 = 2⁹: no factor but 2, 3, 5; 510 = 2·3·5·17 and 511 = 7·73 have others.
    assert fast_length(length) == wanted

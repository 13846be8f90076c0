"""Sine transforms against SciPy; the preconditioner against a dense inverse, row by row."""

import math
from dataclasses import fields

import numpy as np
import pytest
import scipy.fft
import torch
from scipy import linalg

from blending.deep.fidelity import FidelityWeights
from blending.deep.preconditioner import (
    fast_length,
    filter_spectrum,
    laplacian_eigenvalues,
    sine_transform,
    spectral_preconditioner,
)
from blending.deep.problem import Problem
from blending.placement.box import Box
from blending.placement.window import Window
from blending.settings import Weights

TERMS = tuple(field.name for field in fields(Weights))
NOTHING = dict.fromkeys(TERMS, 0.0)
EVERY = Weights(**dict.fromkeys(TERMS, 1.0))
# By row; content is wanted by the first two only, total variation by the last.
UNLIKE = (
    Weights(2000.0, 1.0, 4.0, 80.0, 1400.0, 0.5, 0.0),
    Weights(15.0, 1.2, 0.0, 150.0, 300.0, 2.0, 0.0),
    Weights(700.0, 0.0, 9.0, 0.0, 3.0, 0.0, 0.25),
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


@pytest.fixture
def window(noise, disc):
    source, target = (noise(1, 3, 24, 32, seed=seed).double() for seed in (1, 2))
    mask = disc(24, 32, 8).double()
    return Window(source, mask, torch.ones_like(mask), target, Box(0, 0, 24, 32))


def weights_of(**given):
    return Weights(**(NOTHING | given))


def preconditioner_of(window, weights, texture=0.0):
    fidelity = FidelityWeights(window.mask, window.mask, texture)
    problem = Problem(window, window.target, window.target, fidelity, weights)
    return spectral_preconditioner([problem], window.box)


@pytest.mark.parametrize("texture", [0.0, 1.5])
@pytest.mark.parametrize(
    ("gradient", "luminance", "chroma", "style", "content"),
    [(2.0, 0, 0, 0, 0), (5.0, 3.0, 40.0, 0.2, 0), (5.0, 3.0, 4.0, 0.2, 0.7)],
)
def test_it_is_the_inverse_curvature_where_the_mask_fills_the_window(
    gradient, luminance, chroma, style, content, texture, noise
):
    height, width = 7, 9  # n + 1 is 8 and 10: the sine transform needs no padding
    ones = torch.ones(1, 1, height, width, dtype=torch.float64)
    picture = noise(1, 3, height, width).double()
    window = Window(picture, ones, ones, picture, Box(0, 0, height, width))
    stencil, size = dirichlet_laplacian(height, width), height * width
    smooth = gradient * stencil @ stencil + 40 * (style + content) * np.eye(size)
    # A Gaussian, twice: by the difference and its slope.
    tones = linalg.expm(-(texture**2) * stencil)
    # Lightness is the channels' mean: one equation of all three, coupled by a 3 x 3 matrix.
    lightness = np.ones((3, 3)) / 3
    curvature = np.kron(np.eye(3), smooth) + np.kron(luminance * lightness, tones)
    curvature += np.kron(chroma * (np.eye(3) - lightness), np.eye(size))
    slope = noise(1, 3, height, width, seed=1).double()
    expected = np.linalg.solve(curvature, slope.flatten().numpy()).reshape(3, size)
    expected *= 3 * size / 2
    terms = {"luminance": luminance, "chroma": chroma, "style": style, "content": content}
    precondition = preconditioner_of(window, weights_of(gradient=gradient, **terms), texture)
    found = precondition(slope).view(3, size)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_it_is_symmetric_positive_and_blind_outside_the_mask(window, noise):
    precondition = preconditioner_of(window, weights_of(gradient=10.0, luminance=1.0, chroma=9.0))
    a, b = (noise(1, 3, 24, 32, seed=seed).double() - 0.5 for seed in (8, 9))
    assert (a * precondition(b)).sum().item() == pytest.approx(
        (b * precondition(a)).sum().item(), rel=1e-9
    )
    assert (a * precondition(a)).sum() > 0
    outside = (window.mask == 0).expand_as(a)
    assert (precondition(a)[outside] == 0).all()
    assert torch.equal(precondition(a), precondition(torch.where(outside, 0, a)))


def test_without_a_gradient_term_there_is_none(window):
    assert preconditioner_of(window, weights_of(style=1.0)) is None
    fidelity = FidelityWeights(window.mask, window.mask)
    with_one, without = (
        Problem(window, window.target, window.target, fidelity, weights_of(gradient=g, style=1.0))
        for g in (1.0, 0.0)
    )
    assert spectral_preconditioner([with_one, with_one], window.box) is not None
    assert spectral_preconditioner([with_one, without], window.box) is None


@pytest.mark.parametrize("weights", [(EVERY,) * 3, UNLIKE], ids=["alike", "unlike"])
def test_each_rows_is_that_of_the_row_alone(weights, noise, disc):
    problems = []
    for row, radius in enumerate((8, 5, 10)):
        mask = disc(24, 32, radius).double()
        mask = mask * (0.5 + 0.5 * noise(1, 1, 24, 32, seed=30).double())
        source, target, light, colours = (
            noise(1, channels, 24, 32, seed=seed).double()
            for channels, seed in ((3, row), (3, 50), (1, 60 + row), (1, 69 + row))
        )
        window = Window(source, mask, torch.ones_like(mask), target, Box(0, 0, 24, 32))
        fidelity = FidelityWeights(window.support * light, window.support * colours, 1.5)
        problems.append(Problem(window, target, source, fidelity, weights[row]))
    gradients = noise(3, 3, 24, 32, seed=40).double()
    box = Box(0, 0, 24, 32)
    together = spectral_preconditioner(problems, box)(gradients)
    for row, problem in enumerate(problems):
        one = slice(row, row + 1)
        alone = spectral_preconditioner([problem], box)(gradients[one])
        torch.testing.assert_close(together[one], alone, rtol=1e-9, atol=1e-12)
        assert together[one].abs().max() > 0

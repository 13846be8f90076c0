"""The 5-point operator against a matrix put together edge by edge, whole and band by band."""

import numpy as np
import pytest
import torch

from blending.poisson import stencil
from blending.poisson.stencil import Stencil, band_height, bands, mask_laplacian

HEIGHT, WIDTH = 7, 5


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


@pytest.fixture
def operator():
    """A stencil whose edges and diagonals have nothing in common; two pictures."""
    return Stencil(
        random(2, 1, HEIGHT, WIDTH, seed=1),
        random(2, 1, HEIGHT, WIDTH - 1, seed=2),
        random(2, 1, HEIGHT - 1, WIDTH, seed=3),
    )


def by_edges(operator, u):
    """diagonal·u less every edge times the neighbour on its other side, pixel by pixel."""
    image = np.zeros(tuple(u.shape))
    for sample, channel, row, column in np.ndindex(*u.shape):
        plane, own = u[sample, channel], (sample, 0)
        value = operator.diagonal[own][row, column] * plane[row, column]
        if column > 0:
            value -= operator.across[own][row, column - 1] * plane[row, column - 1]
        if column < WIDTH - 1:
            value -= operator.across[own][row, column] * plane[row, column + 1]
        if row > 0:
            value -= operator.down[own][row - 1, column] * plane[row - 1, column]
        if row < HEIGHT - 1:
            value -= operator.down[own][row, column] * plane[row + 1, column]
        image[sample, channel, row, column] = value
    return torch.from_numpy(image)


ROWS = [(0, HEIGHT), (0, 1), (0, 3), (2, 4), (3, 4), (4, HEIGHT), (HEIGHT - 1, HEIGHT)]


@pytest.mark.parametrize(("first", "last"), ROWS)
def test_any_rows_of_the_operator_are_those_of_the_whole(operator, first, last):
    u = random(2, 3, HEIGHT, WIDTH, seed=4)
    out = torch.full((2, 3, last - first, WIDTH), torch.nan, dtype=torch.float64)
    assert operator.apply(u, slice(first, last), out) is out
    torch.testing.assert_close(out, by_edges(operator, u)[:, :, first:last])


@pytest.mark.parametrize(("first", "last"), ROWS)
def test_any_rows_of_the_residual_are_the_right_hand_side_less_the_operator(operator, first, last):
    u, rhs = random(2, 3, HEIGHT, WIDTH, seed=4), random(2, 3, HEIGHT, WIDTH, seed=5)
    out = torch.full((2, 3, last - first, WIDTH), torch.nan, dtype=torch.float64)
    assert operator.residual(rhs, u, slice(first, last), out) is out
    torch.testing.assert_close(out, (rhs - by_edges(operator, u))[:, :, first:last])


def test_the_inputs_are_not_modified(operator):
    u, rhs = random(2, 3, HEIGHT, WIDTH, seed=4), random(2, 3, HEIGHT, WIDTH, seed=5)
    tensors = (operator.diagonal, operator.across, operator.down, u, rhs)
    before = [tensor.clone() for tensor in tensors]
    operator.apply(u, slice(0, HEIGHT), torch.empty_like(u))
    operator.residual(rhs, u, slice(0, HEIGHT), torch.empty_like(u))
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def test_a_single_row_and_a_single_column_have_edges_one_way_only():
    row = Stencil(*(torch.tensor(v).view(1, 1, 1, -1) for v in ([3.0, 4, 5], [1.0, 2])), None)
    row = Stencil(row.diagonal, row.across, torch.zeros(1, 1, 0, 3))
    u = torch.tensor([1.0, 10, 100]).view(1, 1, 1, 3)
    wanted = [3 * 1 - 1 * 10, 4 * 10 - 1 * 1 - 2 * 100, 5 * 100 - 2 * 10]
    assert row.apply(u, slice(0, 1), torch.empty_like(u)).flatten().tolist() == wanted
    column = Stencil(row.diagonal.mT, torch.zeros(1, 1, 3, 0), row.across.mT)
    found = column.apply(u.mT, slice(0, 3), torch.empty_like(u.mT))
    assert found.flatten().tolist() == wanted


@pytest.mark.parametrize(
    ("band", "shape", "height"),
    [
        (1000, (1, 1, 100, 10), 100),  # all of it
        (100, (1, 1, 100, 10), 10),
        (50, (1, 1, 100, 10), 4),  # five rows would fit; an even number does
        (50, (1, 1, 101, 10), 4),
        (240, (2, 3, 100, 10), 4),  # 60 numbers a row of all planes
        (1, (1, 1, 100, 10), 2),  # never less than two rows, from which a coarse one is made
        (1, (1, 1, 1, 10), 1),  # but for a plane that has one
        (30, (1, 1, 3, 10), 2),
    ],
)
def test_a_band_is_an_even_number_of_rows_that_fit(monkeypatch, band, shape, height):
    monkeypatch.setattr(stencil, "BAND", band)
    assert band_height(torch.empty(shape)) == height


@pytest.mark.parametrize("height", [1, 2, 5, 8, 13])
def test_bands_follow_each_other_over_all_rows(monkeypatch, height):
    monkeypatch.setattr(stencil, "BAND", 4 * 6)
    found = list(bands(torch.empty(1, 2, height, 3)))  # four rows a band
    rows = [row for band in found for row in range(band.start, band.stop)]
    assert rows == list(range(height))
    assert all(band.stop - band.start == 4 for band in found[:-1])


def test_the_laplacian_of_a_mask_has_edges_between_its_pixels_alone():
    free = torch.tensor([[1.0, 1, 0], [0, 1, 1]])[None, None]
    degree = torch.tensor([[2.0, 3, 2], [2, 3, 2]])[None, None]
    found = mask_laplacian(free, degree)
    # Pixels off the support count in the diagonal of those beside them: there u is the boundary's.
    assert found.diagonal[0, 0].tolist() == [[2, 3, 0], [0, 3, 2]]
    assert found.across[0, 0].tolist() == [[1, 0], [0, 1]]
    assert found.down[0, 0].tolist() == [[0, 1, 0]]


def test_off_a_masks_support_its_laplacian_is_0_whatever_lies_there():
    free = (random(2, 1, HEIGHT, WIDTH, seed=6) < 0.6).double()
    operator = mask_laplacian(free, torch.full((1, 1, HEIGHT, WIDTH), 4.0).double())
    u = random(2, 3, HEIGHT, WIDTH, seed=4)
    found = operator.apply(u, slice(0, HEIGHT), torch.empty_like(u))
    assert not found[(free == 0).expand_as(found)].any()
    kept = operator.apply(u * free, slice(0, HEIGHT), torch.empty_like(u))
    torch.testing.assert_close(found, kept)

"""The 5-point operator against a matrix put together edge by edge, whole and band by band."""

import numpy as np
import pytest
import torch

from blending.poisson import stencil
from blending.poisson.stencil import (
    BandOperator,
    Stencil,
    band,
    band_height,
    bands,
    framed,
    mask_laplacian,
    unframed,
)

HEIGHT, WIDTH = 7, 5


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def ringed(plane, value=0.0):
    """A plane in a ring of a value, as the operator wants it."""
    wide = torch.full((*plane.shape[:2], plane.shape[2] + 2, plane.shape[3] + 2), value).to(plane)
    unframed(wide).copy_(plane)
    return wide


@pytest.fixture
def operator():
    """A stencil whose edges and diagonals have nothing in common; two pictures."""
    across, down = random(2, 1, HEIGHT, WIDTH, seed=2), random(2, 1, HEIGHT, WIDTH, seed=3)
    across[..., -1] = 0
    down[..., -1, :] = 0
    return Stencil(*(ringed(p) for p in (random(2, 1, HEIGHT, WIDTH, seed=1), across, down)))


def by_edges(operator, u):
    """diagonal·u less every edge times the neighbour on its other side, pixel by pixel."""
    diagonal, across, down = (
        unframed(p).numpy() for p in (operator.diagonal, operator.across, operator.down)
    )
    image = np.zeros(tuple(u.shape))
    for sample, channel, row, column in np.ndindex(*u.shape):
        plane, own = u[sample, channel], (sample, 0)
        value = diagonal[own][row, column] * plane[row, column]
        if column > 0:
            value -= across[own][row, column - 1] * plane[row, column - 1]
        if column < WIDTH - 1:
            value -= across[own][row, column] * plane[row, column + 1]
        if row > 0:
            value -= down[own][row - 1, column] * plane[row - 1, column]
        if row < HEIGHT - 1:
            value -= down[own][row, column] * plane[row + 1, column]
        image[sample, channel, row, column] = value
    return torch.from_numpy(image)


def without_ring(flat):
    """What a band operator wrote, (B, C, h, W)."""
    return flat.unflatten(2, (-1, WIDTH + 2))[..., 1:-1]


ROWS = [(0, HEIGHT), (0, 1), (0, 3), (2, 4), (3, 4), (4, HEIGHT), (HEIGHT - 1, HEIGHT)]


@pytest.mark.parametrize(("first", "last"), ROWS)
def test_any_rows_of_the_operator_are_those_of_the_whole(operator, first, last):
    u = random(2, 3, HEIGHT, WIDTH, seed=4)
    rows = slice(first, last)
    out = torch.full((2, 3, (last - first) * (WIDTH + 2)), torch.nan, dtype=torch.float64)
    assert BandOperator(operator, ringed(u), rows).apply(out) is out
    torch.testing.assert_close(without_ring(out), by_edges(operator, u)[:, :, rows])


@pytest.mark.parametrize(("first", "last"), ROWS)
def test_any_rows_of_the_residual_are_the_right_hand_side_less_the_operator(operator, first, last):
    u, rhs = random(2, 3, HEIGHT, WIDTH, seed=4), random(2, 3, HEIGHT, WIDTH, seed=5)
    rows = slice(first, last)
    out = torch.full((2, 3, (last - first) * (WIDTH + 2)), torch.nan, dtype=torch.float64)
    assert BandOperator(operator, ringed(u), rows).residual(band(ringed(rhs), rows), out) is out
    torch.testing.assert_close(without_ring(out), (rhs - by_edges(operator, u))[:, :, rows])


def test_the_ring_of_u_does_not_count_where_the_edges_to_it_are_0(operator):
    u = random(2, 3, HEIGHT, WIDTH, seed=4)
    found = [
        without_ring(BandOperator(operator, ringed(u, value), slice(0, HEIGHT)).apply(out))
        for value, out in ((v, torch.zeros(2, 3, HEIGHT * (WIDTH + 2)).double()) for v in (0, 9))
    ]
    assert torch.equal(*found)


def test_the_inputs_are_not_modified(operator):
    u, rhs = (ringed(random(2, 3, HEIGHT, WIDTH, seed=seed)) for seed in (4, 5))
    tensors = (operator.diagonal, operator.across, operator.down, u, rhs)
    before = [tensor.clone() for tensor in tensors]
    (whole,) = operator.on(u)
    out = torch.empty(2, 3, HEIGHT * (WIDTH + 2), dtype=torch.float64)
    whole.apply(out)
    whole.residual(band(rhs, slice(0, HEIGHT)), out)
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def test_an_operator_reads_what_its_plane_holds_when_it_is_called(operator):
    u = ringed(random(2, 3, HEIGHT, WIDTH, seed=4))
    (whole,) = operator.on(u)
    out = torch.empty(2, 3, HEIGHT * (WIDTH + 2), dtype=torch.float64)
    once = whole.apply(out).clone()
    u.mul_(2)
    torch.testing.assert_close(whole.apply(out), 2 * once)


def test_a_single_row_and_a_single_column_have_edges_one_way_only():
    diagonal, across = (torch.tensor(v).view(1, 1, 1, -1) for v in ([3.0, 4, 5], [1.0, 2, 0]))
    zeros = torch.zeros(1, 1, 1, 3)
    u = torch.tensor([1.0, 10, 100]).view(1, 1, 1, 3)
    wanted = [3 * 1 - 1 * 10, 4 * 10 - 1 * 1 - 2 * 100, 5 * 100 - 2 * 10]
    row = Stencil(*map(ringed, (diagonal, across, zeros)))
    column = Stencil(*map(ringed, (diagonal.mT, zeros.mT, across.mT)))
    for operator, plane in ((row, u), (column, u.mT)):
        (whole,) = operator.on(ringed(plane))
        height, width = plane.shape[2:]
        found = whole.apply(torch.empty(1, 1, height * (width + 2)))
        assert found.unflatten(2, (height, -1))[..., 1:-1].flatten().tolist() == wanted


def test_a_framed_plane_stands_at_the_top_left_of_its_grid_in_zeros():
    plane = random(2, 3, 4, 5)
    found = framed(plane, 6, 9)
    assert found.shape == (2, 3, 8, 11)
    assert torch.equal(unframed(found)[..., :4, :5], plane)
    assert found.sum() == pytest.approx(plane.sum().item())


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
    batch, channels, rows, columns = shape  # the ring's columns count, its rows do not
    assert band_height(torch.empty(batch, channels, rows + 2, columns)) == height


@pytest.mark.parametrize("height", [1, 2, 5, 8, 13])
def test_bands_follow_each_other_over_all_rows(monkeypatch, height):
    monkeypatch.setattr(stencil, "BAND", 4 * 6)
    found = list(bands(torch.empty(1, 2, height + 2, 3)))  # four rows a band
    rows = [row for band in found for row in range(band.start, band.stop)]
    assert rows == list(range(height))
    assert all(band.stop - band.start == 4 for band in found[:-1])


def test_the_laplacian_of_a_mask_has_edges_of_1_and_the_degrees():
    free = ringed(torch.tensor([[1.0, 1, 0], [0, 1, 1]])[None, None])
    degree = ringed(torch.tensor([[2.0, 3, 2], [2, 3, 2]])[None, None])
    found = mask_laplacian(free, degree)
    # Pixels off the support count in the diagonal of those beside them: there u is the boundary's.
    assert unframed(found.diagonal)[0, 0].tolist() == [[2, 3, 0], [0, 3, 2]]
    assert found.across is found.down is None
    u = free * ringed(torch.tensor([[1.0, 10, 0], [0, 100, 1000]])[None, None])
    (whole,) = found.on(u)
    image = whole.apply(torch.empty(1, 1, 2 * 5)).unflatten(2, (2, 5))[..., 1:-1][0, 0]
    assert image[0, :2].tolist() == [2 * 1 - 10, 3 * 10 - 1 - 100]
    assert image[1, 1:].tolist() == [3 * 100 - 10 - 1000, 2 * 1000 - 100]

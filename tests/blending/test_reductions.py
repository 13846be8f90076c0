"""Long sums: NumPy's in float64, in any number of rows, the same bits at any number of threads."""

import numpy as np
import pytest
import torch

from blending.reductions import (
    COLUMNS,
    PART,
    inner_products,
    outer_products,
    row_means,
    row_sums,
)

LENGTHS = [1, 7, COLUMNS - 1, COLUMNS, PART - 1, PART, PART + 1, 3 * PART, 13 * PART + 100]
THREADS = (1, 2, 3, 5, 8)


def uneven(*shape, dtype=torch.float32):
    """Normal numbers of very different sizes, so that the order of additions shows."""
    generator = torch.Generator().manual_seed(sum(shape))
    values = torch.randn(*shape, generator=generator)
    return (values * torch.randn(*shape, generator=generator).exp()).to(dtype)


def close(found, expected, size, dtype):
    """Within a hundred roundings of the dtype, of the sum of the absolute values."""
    bound = 100 * torch.finfo(dtype).eps * np.asarray(size)
    return found.dtype == dtype and bool((np.abs(found.numpy() - expected) <= bound).all())


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_and_products_are_numpys(length, dtype):
    rows, vector = uneven(2, 3, length, dtype=dtype), uneven(2, length, dtype=dtype)
    other = uneven(2, 5, length, dtype=dtype)
    a, v, b = (x.double().numpy() for x in (rows, vector, other))
    whole = np.abs(a).sum((1, 2))
    assert close(row_sums(rows), a.sum((1, 2)), whole, dtype)
    assert close(row_means(rows), a.mean((1, 2)), whole / (3 * length), dtype)
    size = np.einsum("nmd,nd->nm", np.abs(a), np.abs(v))
    assert close(inner_products(rows, vector), np.einsum("nmd,nd->nm", a, v), size, dtype)
    size = np.abs(a) @ np.abs(b).swapaxes(1, 2)
    assert close(outer_products(rows, other), a @ b.swapaxes(1, 2), size, dtype)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_row_is_summed_as_if_it_were_alone(length):
    rows, vector, other = uneven(3, 4, length), uneven(3, length), uneven(3, 2, length)
    for row in range(3):
        one = slice(row, row + 1)
        assert torch.equal(row_sums(rows)[one], row_sums(rows[one]))
        assert torch.equal(
            inner_products(rows, vector)[one], inner_products(rows[one], vector[one])
        )
        assert torch.equal(outer_products(rows, other)[one], outer_products(rows[one], other[one]))


def test_sums_have_the_gradient_of_a_sum():
    values = uneven(2, 3, PART + 5, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad((row_sums(values) * torch.tensor([2.0, 3.0])).sum(), values)
    assert torch.equal(gradient, torch.tensor([2.0, 3.0]).view(2, 1, 1).expand_as(values))


@pytest.mark.parametrize("length", [COLUMNS + 3, 2 * PART, 40 * PART, 40 * PART + 1234])
def test_threads_do_not_change_a_bit(length, at_thread_counts):
    vector, rows = uneven(1, length), uneven(1, 10, length)
    for work in (
        lambda: row_sums(vector),
        lambda: inner_products(rows, vector),
        lambda: outer_products(rows, rows),
    ):
        first, *others = at_thread_counts(THREADS, work)
        assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize(("channels", "side"), [(64, 190), (256, 53), (512, 30)])
def test_threads_do_not_change_a_gram_matrix(channels, side, at_thread_counts):
    features = uneven(1, channels, side, side).contiguous(memory_format=torch.channels_last)
    first, *others = at_thread_counts(
        THREADS, lambda: outer_products(features.flatten(2), features.flatten(2))
    )
    assert all(torch.equal(first, other) for other in others)
    plain = at_thread_counts(THREADS, lambda: features.flatten(2) @ features.flatten(2).mT)
    assert (first - plain[0]).abs().max() <= 1e-5 * first.abs().max()

"""Sums of many values whose last bits do not depend on the number of threads.

Libraries cut a long sum into as many parts as there are threads, and the order of additions decides
the last bits. The optimiser enlarges such a difference by half with each evaluation: after 17 the
pictures of one and of two threads were up to 14 levels apart. So, on a processor, long sums are cut
into parts of fixed length here, and what is left is summed in float64. What torch and oneDNN do
beside long sums (convolutions, transforms) was the same in every bit at 1 to 8 threads.
"""

import torch
from torch import Tensor

PART = 4096  # values that are summed as one
COLUMNS = 512  # columns of a matrix that are multiplied as one


def row_sums(values: Tensor) -> Tensor:
    """The sum of each row.

    Args:
        values: (N, ...).

    Returns:
        (N,), differentiable in `values`.
    """
    flat = values.flatten(1)
    whole = flat.shape[1] // PART * PART
    if values.device.type != "cpu" or not whole:
        return flat.sum(1)
    parts = flat[:, :whole].unflatten(1, (-1, PART)).sum(2)
    return parts.sum(1) + flat[:, whole:].sum(1)


def row_means(values: Tensor) -> Tensor:
    """The mean of each row of `values`, (N, ...): (N,), differentiable."""
    return row_sums(values) / max(values[0].numel(), 1)


def inner_products(rows: Tensor, vector: Tensor) -> Tensor:
    """The inner products of m vectors with one.

    Args:
        rows: (N, m, D).
        vector: (N, D).

    Returns:
        (N, m).
    """
    if vector.device.type != "cpu":
        return torch.bmm(rows, vector[..., None])[..., 0]
    whole = vector.shape[1] // PART * PART
    rest = torch.bmm(rows[..., whole:].double(), vector[:, whole:, None].double())[..., 0]
    parts = [
        torch.bmm(
            some[:, :whole].unflatten(1, (-1, PART)).transpose(0, 1),
            one[:whole].view(-1, PART, 1),
        )
        for some, one in zip(rows, vector, strict=True)
    ]
    return (torch.stack(parts)[..., 0].sum(1) + rest).to(vector.dtype)


def outer_products(a: Tensor, b: Tensor) -> Tensor:
    """A Bᵀ, the sum over the columns of their outer products.

    Args:
        a: (N, C, P).
        b: (N, D, P).

    Returns:
        (N, C, D).
    """
    if a.device.type != "cpu":
        return a @ b.transpose(1, 2)
    whole = a.shape[2] // COLUMNS * COLUMNS
    total = torch.stack([_product(*both, whole) for both in zip(a, b, strict=True)])
    rest = a[..., whole:].double() @ b[..., whole:].transpose(1, 2).double()
    return (total + rest).to(a.dtype)


def _product(a: Tensor, b: Tensor, whole: int) -> Tensor:
    """A Bᵀ of the first `whole` columns of (C, P) and (D, P), in float64: (C, D)."""
    a, b = (x[:, :whole].unflatten(1, (-1, COLUMNS)).transpose(0, 1) for x in (a, b))
    return torch.bmm(a, b.transpose(1, 2)).sum(0, dtype=torch.float64)

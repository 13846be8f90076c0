"""Sums of many values whose last bits do not depend on the number of threads.

Libraries cut a long sum into as many parts as there are threads, and the order of additions decides
the last bits. The optimiser enlarges such a difference by half with each evaluation: after 17 the
pictures of one and of two threads were up to 14 levels apart. So, on a processor, long sums are cut
into parts of fixed length here. The convolutions that are used had the same bits at 1 to 16
threads, but for maps of some ten pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

PART = 1024  # values that are summed as one
COLUMNS = 512  # columns of a matrix that are multiplied as one
FEW = 64  # the same, of what is left


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
    pairs = zip(rows, vector, strict=True)
    return torch.stack([_product(some, one[None], PART)[:, 0] for some, one in pairs])


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
    pairs = zip(a, b, strict=True)
    return torch.stack([_product(one, other, COLUMNS) for one, other in pairs])


def _product(a: Tensor, b: Tensor, columns: int) -> Tensor:
    """A Bᵀ of (C, P) and (D, P), summed over `columns` at once, what is left over `FEW`: (C, D)."""
    whole = a.shape[1] // columns * columns
    rest, other = (F.pad(x[:, whole:], (0, -(a.shape[1] - whole) % FEW)) for x in (a, b))
    parts = _parts(a[:, :whole], b[:, :whole], columns), _parts(rest, other, FEW)
    total, left = (part.sum(0, dtype=torch.float64) for part in parts)
    return (total + left).to(a.dtype)


def _parts(a: Tensor, b: Tensor, columns: int) -> Tensor:
    """A Bᵀ of every `columns` columns of (C, P) and (D, P): (P / columns, C, D)."""
    a, b = (x.unflatten(1, (-1, columns)).transpose(0, 1) for x in (a, b))
    return torch.bmm(a, b.transpose(1, 2))

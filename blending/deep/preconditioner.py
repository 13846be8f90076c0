"""Sine transforms on a rectangle: fast inverses of the Laplacian and of its screened square.

Both serve as preconditioners for problems that live on a mask inside the rectangle.
"""

import math

import torch
from torch import Tensor


def sine_transform(x: Tensor, dim: int) -> Tensor:
    """Orthonormal discrete sine transform (DST-I) along one axis; its own inverse.

    Args:
        x: any shape, float.
        dim: the axis.

    Returns:
        The same shape: X_k = sqrt(2/(n+1)) Σ_j x_j sin(π (j+1)(k+1)/(n+1)).
    """
    length = x.shape[dim]
    zero = torch.zeros_like(x.narrow(dim, 0, 1))
    odd = torch.cat((zero, x, zero, -x.flip(dim)), dim)
    spectrum = torch.fft.rfft(odd, dim=dim).imag.narrow(dim, 1, length)
    return spectrum * (-1 / math.sqrt(2 * (length + 1)))


def laplacian_eigenvalues(height: int, width: int, like: Tensor) -> Tensor:
    """(H, W) eigenvalues of the 5-point Laplacian with zero values around an H x W rectangle."""

    def axis(length: int) -> Tensor:
        k = torch.arange(1, length + 1, dtype=torch.float64)
        return 4 * torch.sin(math.pi * k / (2 * (length + 1))) ** 2

    return (axis(height)[:, None] + axis(width)[None, :]).to(like.dtype).to(like.device)


def filter_spectrum(x: Tensor, response: Tensor) -> Tensor:
    """Multiply the two-dimensional sine spectrum of x, (..., H, W), by `response`, (H, W)."""
    spectrum = sine_transform(sine_transform(x, -1), -2) * response
    return sine_transform(sine_transform(spectrum, -1), -2)


def fast_length(length: int) -> int:
    """Smallest n >= length whose sine transform is fast: n + 1 has no factor but 2, 3, 5."""
    candidate = length + 1
    while True:
        rest = candidate
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return candidate - 1
        candidate += 1

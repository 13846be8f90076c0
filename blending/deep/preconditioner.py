"""The initial inverse Hessian of L-BFGS: that of the pixel terms, by sine transforms.

The transforms work on a rectangle around the mask, where the inverse is exact; on the mask itself
it is close enough to precondition.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.colour import from_opponent, to_opponent
from ..placement.box import Box, crop
from .problem import Problem

STIFFNESS = 40.0  # curvature of the feature terms per unit of their weights


def spectral_preconditioner(
    problems: Sequence[Problem], box: Box
) -> Callable[[Tensor], Tensor] | None:
    """An approximate inverse Hessian of each problem's pixel terms, to precondition L-BFGS.

    H⁻¹ ≈ 3·area / 2 · (w_gradient·Δ² + w_k + STIFFNESS·w_features)⁻¹, w_k the weight of luminance
    or chroma, by sine transforms on the opponent channels. Where the fidelity's texture leaves fine
    details of lightness free, the luminance weight falls off by a Gaussian in frequency.

    Args:
        problems: N, their windows of one size.
        box: around all masks on these.

    Returns:
        A function of gradients inside the box, (N, 3, h, w), to the same shape, symmetric and
        positive, 0 off the masks; None unless every problem has a gradient term.
    """
    if not all(problem.weights.gradient for problem in problems):
        return None
    height, width = box.size
    tall, wide = fast_length(height), fast_length(width)
    eigenvalues = laplacian_eigenvalues(tall, wide, problems[0].background)
    response = torch.stack([_response(problem, eigenvalues) for problem in problems])
    free = torch.cat([crop(problem.window.support, box) for problem in problems]).to(response)

    def precondition(gradient: Tensor) -> Tensor:
        padded = F.pad(to_opponent(free * gradient), (0, wide - width, 0, tall - height))
        return free * from_opponent(filter_spectrum(padded, response)[..., :height, :width])

    return precondition


def _response(problem: Problem, eigenvalues: Tensor) -> Tensor:
    """The factor of each frequency in the opponent channels, (3, h, w)."""
    weights = problem.weights
    lightness = weights.luminance * torch.exp(-(problem.fidelity.texture**2) * eigenvalues)
    chroma = torch.full_like(eigenvalues, weights.chroma)
    features = STIFFNESS * (weights.content + weights.style)
    curvature = weights.gradient * eigenvalues**2 + features
    curvature = curvature + torch.stack([lightness, chroma, chroma])
    return 1.5 * problem.window.support.sum() / curvature


def sine_transform(x: Tensor, dim: int) -> Tensor:
    """Orthonormal discrete sine transform (DST-I) along one axis; its own inverse.

    Args:
        x: (..., n, ...), float.
        dim: the axis, of length n.

    Returns:
        The same shape: X_k = sqrt(2/(n+1)) Σ_j x_j sin(π (j+1)(k+1)/(n+1)).
    """
    length = x.shape[dim]
    zero = torch.zeros_like(x.narrow(dim, 0, 1))
    odd = torch.cat((zero, x, zero, -x.flip(dim)), dim)
    spectrum = torch.fft.rfft(odd, dim=dim).imag.narrow(dim, 1, length)
    return spectrum * (-1 / math.sqrt(2 * (length + 1)))


def laplacian_eigenvalues(height: int, width: int, like: Tensor) -> Tensor:
    """Eigenvalues of the 5-point Laplacian on a rectangle with value 0 around it.

    Args:
        height: of the rectangle, pixels.
        width: of the rectangle, pixels.
        like: a tensor of the dtype and device wanted.

    Returns:
        (H, W), the eigenvalue of each pair of frequencies of `sine_transform`, in 1 per pixel².
    """

    def axis(length: int) -> Tensor:
        k = torch.arange(1, length + 1, dtype=torch.float64)
        return 4 * torch.sin(math.pi * k / (2 * (length + 1))) ** 2

    return (axis(height)[:, None] + axis(width)[None, :]).to(like.dtype).to(like.device)


def filter_spectrum(x: Tensor, response: Tensor) -> Tensor:
    """Multiply the two-dimensional sine spectrum of an image.

    Args:
        x: (..., H, W), float.
        response: (H, W) or broadcasting, the factor of each frequency.

    Returns:
        (..., H, W).
    """
    spectrum = sine_transform(sine_transform(x, -1), -2) * response
    return sine_transform(sine_transform(spectrum, -1), -2)


def fast_length(length: int) -> int:
    """The smallest n >= `length` with a fast sine transform: n + 1 has no prime factor above 5."""
    candidate = length + 1
    while True:
        rest = candidate
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return candidate - 1
        candidate += 1

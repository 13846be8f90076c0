"""The exact Poisson solve on a mask of any shape."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .filters import neighbour_sum
from .spectral import fast_length, filter_spectrum, laplacian_eigenvalues
from .window import bounding_box

MAX_ITERATIONS = 500
# The preconditioned residual estimates the error; this factor keeps the error itself below the
# tolerance.
SAFETY = 0.1


def solve_poisson(
    guidance: Tensor, support: Tensor, boundary: Tensor, tolerance: float = 0.1
) -> Tensor:
    """Solve Δu = guidance on the support with u = boundary outside it.

    For every pixel p of the support: Σ_q (u_p − u_q) = guidance_p over the neighbours q inside the
    frame, u_q = boundary_q where q is not in the support. Blobs, holes and masks that touch the
    frame are allowed. A support that covers the whole frame has no boundary: the result then keeps
    the mean of `boundary` in each channel (pass the source).

    Conjugate gradients, preconditioned by the inverse Laplacian of the support's bounding
    rectangle.

    Args:
        guidance: (1, C, H, W), float32 or float64, in image units per pixel².
        support: (1, 1, H, W), bool, at least one pixel.
        boundary: (1, C, H, W); also the first guess inside the support.
        tolerance: largest error, in grey levels (1/255).

    Returns:
        (1, C, H, W): the solution on the support, `boundary` elsewhere. Not clipped.

    Raises:
        ValueError: the support is empty.

    Source: Pérez, Gangnet, Blake 2003, eq. 7.
    """
    if not support.any():
        raise ValueError("support must have at least one pixel, got none")
    free = support.to(guidance.dtype)
    degree = neighbour_sum(torch.ones_like(free))
    covers_frame = bool(support.all())

    def operator(u: Tensor) -> Tensor:
        return free * (degree * u - neighbour_sum(u))

    residual = free * (guidance - degree * boundary + neighbour_sum(boundary))
    if covers_frame:
        residual = residual - residual.mean((2, 3), keepdim=True)
    invert = _rectangle_inverse(support, free)
    correction = _conjugate_gradients(operator, invert, residual, SAFETY * tolerance / 255)
    if covers_frame:
        correction = correction - correction.mean((2, 3), keepdim=True)
    return torch.where(support, boundary + correction, boundary)


def _conjugate_gradients(
    operator: Callable[[Tensor], Tensor],
    invert: Callable[[Tensor], Tensor],
    residual: Tensor,
    tolerance: float,
) -> Tensor:
    """Solve operator(u) = residual for each channel to max |invert(residual)| <= tolerance."""

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((2, 3), keepdim=True)

    tiny = torch.finfo(residual.dtype).tiny
    solution = torch.zeros_like(residual)
    preconditioned = invert(residual)
    direction, slope = preconditioned, dot(residual, preconditioned)
    for _ in range(MAX_ITERATIONS):
        if preconditioned.abs().amax() <= tolerance:
            break
        image = operator(direction)
        step = slope / dot(direction, image).clamp_min(tiny)
        solution = solution + step * direction
        residual = residual - step * image
        preconditioned = invert(residual)
        previous, slope = slope, dot(residual, preconditioned)
        direction = preconditioned + slope / previous.clamp_min(tiny) * direction
    return solution


def _rectangle_inverse(support: Tensor, free: Tensor) -> Callable[[Tensor], Tensor]:
    """The inverse Laplacian of the support's bounding rectangle, restricted to the support."""
    top, left, height, width = bounding_box(support)
    tall, wide = fast_length(height), fast_length(width)
    response = 1 / laplacian_eigenvalues(tall, wide, free)
    box = (..., slice(top, top + height), slice(left, left + width))
    around = (left, support.shape[3] - left - width, top, support.shape[2] - top - height)

    def invert(residual: Tensor) -> Tensor:
        padded = F.pad(residual[box], (0, wide - width, 0, tall - height))
        solved = filter_spectrum(padded, response)[..., :height, :width]
        return free * F.pad(solved, around)

    return invert

"""The exact Poisson solve on a mask of any shape."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .filters import neighbour_sum
from .spectral import fast_length, filter_spectrum, laplacian_eigenvalues
from .window import bounding_box

MAX_ITERATIONS = 10_000  # a mask like a sieve needs about its side in pixels, others some tens
RESTARTS = 4  # from the true residual: in float32 the running one drifts away from it
# The preconditioned residual estimates the error, too low where little of the mask has a boundary;
# with this factor the error itself stayed below the tolerance on every mask that was tried.
SAFETY = 0.02


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

    def centred(u: Tensor) -> Tensor:
        return u - u.mean((2, 3), keepdim=True) if covers_frame else u

    invert = _rectangle_inverse(support, free)
    solution, limit = boundary, SAFETY * tolerance / 255
    for _ in range(RESTARTS):
        residual = centred(free * (guidance - degree * solution + neighbour_sum(solution)))
        if invert(residual).abs().amax() <= limit:
            break
        correction = centred(_conjugate_gradients(operator, invert, residual, limit))
        solution = torch.where(support, solution + correction, boundary)
    return solution


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
    """The inverse Laplacian of a rectangle around the support, restricted to the support.

    The rectangle is zero around it, as the correction is at the mask's edge. Where the mask touches
    the frame nothing is fixed; there the rectangle goes on past the frame by its own length, which
    leaves smooth corrections nearly as free as they are.
    """
    top, left, height, width = bounding_box(support)
    above, below = _beyond(top, height, support.shape[2])
    before, after = _beyond(left, width, support.shape[3])
    tall = fast_length(above + height + below)
    wide = fast_length(before + width + after)
    response = 1 / laplacian_eigenvalues(tall, wide, free)
    box = (..., slice(top, top + height), slice(left, left + width))
    inner = (..., slice(above, above + height), slice(before, before + width))
    margins = (before, wide - width - before, above, tall - height - above)
    around = (left, support.shape[3] - left - width, top, support.shape[2] - top - height)

    def invert(residual: Tensor) -> Tensor:
        solved = filter_spectrum(F.pad(residual[box], margins), response)[inner]
        return free * F.pad(solved, around)

    return invert


def _beyond(start: int, length: int, frame: int) -> tuple[int, int]:
    """How far the rectangle reaches past the box, before and after, along one axis."""
    return (length if start == 0 else 0), (length if start + length == frame else 0)

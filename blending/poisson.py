"""The exact Poisson solve on a mask of any shape, with or without a screen."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .filters import neighbour_sum
from .preconditioner import rectangle_inverse

MAX_ITERATIONS = 10_000  # a mask like a sieve needs about its side in pixels, others some tens
RESTARTS = 4  # from the true residual: in float32 the running one drifts away from it
# The preconditioned residual estimates the error, too low where little of the mask has a boundary;
# with this factor the error itself stayed below the tolerance on every mask that was tried.
SAFETY = 0.02


def solve_poisson(
    guidance: Tensor,
    support: Tensor,
    boundary: Tensor,
    tolerance: float = 0.1,
    screen: Tensor | None = None,
    anchor: Tensor | None = None,
) -> Tensor:
    """Solve Δu + screen·u = guidance + screen·anchor on the support with u = boundary outside it.

    For every pixel p of the support: Σ_q (u_p − u_q) + screen_p·u_p = guidance_p +
    screen_p·anchor_p over the neighbours q inside the frame, u_q = boundary_q where q is not in the
    support. Where guidance is the Laplacian of a field of differences v, this is the minimiser of
    Σ |∇u − v|² + Σ screen·(u − anchor)²: an edge's colours reach about 1 / √screen pixels far.

    Blobs, holes and masks that touch the frame are allowed. A support that covers the whole frame
    has no boundary: without a screen the result then keeps the mean of `boundary` in each channel
    (pass the source); a screen below about 1e-5 leaves that mean to the guidance's rounding.

    Conjugate gradients, preconditioned by the inverse Laplacian of the support's bounding
    rectangle.

    Args:
        guidance: (1, C, H, W), float32 or float64, in image units per pixel².
        support: (1, 1, H, W), bool, at least one pixel.
        boundary: (1, C, H, W); also the first guess inside the support.
        tolerance: largest error, in grey levels (1/255).
        screen: (1, 1, H, W), >= 0, in 1 per pixel²; how hard u is held to the anchor. None: 0.
        anchor: (1, C, H, W), finite; wanted with a screen.

    Returns:
        (1, C, H, W): the solution on the support, `boundary` elsewhere. Not clipped.

    Raises:
        ValueError: the support is empty; a screen below 0 or without an anchor.

    Source: Pérez, Gangnet, Blake 2003, eq. 7; the screen: Bhat et al. 2008.
    """
    if not support.any():
        raise ValueError("support must have at least one pixel, got none")
    free = support.to(guidance.dtype)
    hold = _hold(free, screen, anchor)
    equation = _Equation(guidance, free, neighbour_sum(torch.ones_like(free)), hold)
    singular = bool(support.all()) and hold is None

    def centred(u: Tensor) -> Tensor:
        return u - u.mean((2, 3), keepdim=True) if singular else u

    invert = rectangle_inverse(free, hold and hold.screen)
    solution, limit = equation.levelled(boundary), SAFETY * tolerance / 255
    for _ in range(RESTARTS):
        residual = centred(equation.residual(solution))
        if invert(residual).abs().amax() <= limit:
            break
        correction = centred(_conjugate_gradients(equation.operator, invert, residual, limit))
        solution = equation.levelled(torch.where(support, solution + correction, boundary))
    return solution


@dataclass(frozen=True)
class _Hold:
    """What pulls u to the anchor."""

    screen: Tensor  # 0 outside the support
    anchor: Tensor
    is_alone: bool  # the support is the whole frame: nothing else fixes the mean

    def pull(self, u: Tensor) -> Tensor:
        return self.screen * (self.anchor - u)

    def levelled(self, u: Tensor, guidance: Tensor) -> Tensor:
        """U plus, on the whole frame, the constant with which the sum of all equations holds.

        Differences drop out of that sum, each being counted from both sides; so it fixes the mean
        even where the screen is too weak beside the differences' rounding for the iterations to.
        """
        if not self.is_alone:
            return u
        missing = _total(guidance) + _total(self.pull(u))
        return u + missing / self.screen.sum()


@dataclass(frozen=True)
class _Equation:
    """The equation's two sides.

    The screen's share is added apart: of a sum such as 4 + 1e-6 float32 keeps the 4.
    """

    guidance: Tensor
    free: Tensor  # 1 on the support, 0 elsewhere
    degree: Tensor  # how many neighbours are inside the frame
    hold: _Hold | None

    def operator(self, u: Tensor) -> Tensor:
        """The left side, for u = 0 outside the support."""
        image = self.free * (self.degree * u - neighbour_sum(u))
        return image + self.hold.screen * u if self.hold else image

    def residual(self, u: Tensor) -> Tensor:
        """The right side less the left."""
        residual = self.free * (self.guidance - self.degree * u + neighbour_sum(u))
        return residual + self.hold.pull(u) if self.hold else residual

    def levelled(self, u: Tensor) -> Tensor:
        return self.hold.levelled(u, self.guidance) if self.hold else u


def _hold(free: Tensor, screen: Tensor | None, anchor: Tensor | None) -> _Hold | None:
    """The screen on the support; None where it is 0 throughout."""
    if screen is None:
        return None
    if not screen.amin() >= 0:  # NaN neither
        raise ValueError(f"screen must be >= 0, got {screen.amin().item():.4g}")
    screen = free * screen
    if not screen.any():
        return None
    if anchor is None:
        raise ValueError("anchor must be given with a screen, got None")
    return _Hold(screen, anchor, is_alone=bool(free.all()))


def _total(u: Tensor) -> Tensor:
    return u.sum((2, 3), keepdim=True)


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

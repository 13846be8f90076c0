"""The exact Poisson solve on a mask of any shape, with or without a screen."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .filters import neighbour_sum
from .multigrid import Stencil, mask_laplacian, multigrid

MAX_ITERATIONS = 1000  # 5 do on most masks
RESTARTS = 4  # from the true residual: in float32 the running one drifts away from it
# A W-cycle's correction is the error to within a factor of about two, on all masks that were tried.
SAFETY = 0.4
TINY = 1e-30  # below any sum that is not 0


@torch.no_grad()
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

    Conjugate gradients, preconditioned by multigrid on the mask: the time grows with the pixels.

    Args:
        guidance: (B, C, H, W), float32 or float64, in image units per pixel².
        support: (B, 1, H, W), bool, at least one pixel in each.
        boundary: (B, C, H, W); also the first guess inside the support.
        tolerance: largest error, in grey levels (1/255).
        screen: (B, 1, H, W), >= 0, in 1 per pixel²; how hard u is held to the anchor. None: 0.
        anchor: (B, C, H, W), finite; wanted with a screen.

    Returns:
        (B, C, H, W): the solution on the support, `boundary` elsewhere. Not clipped.

    Raises:
        ValueError: the support is empty; a screen below 0 or without an anchor.

    Source: Pérez, Gangnet, Blake 2003, eq. 7; the screen: Bhat et al. 2008; multigrid as
    preconditioner: Tatebe 1993.
    """
    filled = support.flatten(1).any(1)
    if not filled.all():
        raise ValueError(
            f"support must have at least one pixel, got none in picture {filled.int().argmin()}"
        )
    free = support.to(guidance.dtype)
    hold = _hold(free, screen, anchor)
    degree = neighbour_sum(torch.ones_like(free[:1]))
    equation = _Equation(guidance, free, degree, mask_laplacian(free, degree), hold)
    grids = multigrid(equation.laplacian, free, hold and hold.screen)
    # Nothing fixes the mean of a whole frame.
    loose = 0 if hold else _is_whole(free)

    def centred(u: Tensor) -> Tensor:
        return u - loose * u.mean((2, 3), keepdim=True)

    def invert(residual: Tensor) -> Tensor:
        return centred(grids.invert(residual))

    solution, limit = equation.levelled(boundary), SAFETY * tolerance / 255
    for _ in range(RESTARTS):
        residual = centred(equation.residual(solution))
        correction, is_small = _conjugate_gradients(equation.operator, invert, residual, limit)
        solution = equation.levelled(torch.where(support, solution + correction, boundary))
        if is_small:
            break
    return solution


@dataclass(frozen=True)
class _Hold:
    """What pulls u to the anchor."""

    screen: Tensor  # 0 outside the support
    anchor: Tensor
    is_alone: Tensor  # (B, 1, 1, 1), 1 where nothing else fixes the mean, or 0

    def pull(self, u: Tensor) -> Tensor:
        return self.screen * (self.anchor - u)

    def levelled(self, u: Tensor, guidance: Tensor) -> Tensor:
        """U plus, on the whole frame, the constant with which the sum of all equations holds.

        Differences drop out of that sum, each being counted from both sides; so it fixes the mean
        even where the screen is too weak beside the differences' rounding for the iterations to.
        """
        missing = _total(guidance) + _total(self.pull(u))
        return u + self.is_alone * missing / _total(self.screen).clamp_min(TINY)


@dataclass(frozen=True)
class _Equation:
    """The equation's two sides.

    The screen's share is added apart: of a sum such as 4 + 1e-6 float32 keeps the 4.
    """

    guidance: Tensor
    free: Tensor  # 1 on the support, 0 elsewhere
    degree: Tensor  # how many neighbours are inside the frame
    laplacian: Stencil  # of the support
    hold: _Hold | None

    def operator(self, u: Tensor) -> Tensor:
        """The left side, for u = 0 outside the support."""
        image = self.laplacian.apply(u)
        return image.addcmul_(self.hold.screen, u) if self.hold else image

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
    return _Hold(screen, anchor, is_alone=_is_whole(free))


def _total(u: Tensor) -> Tensor:
    return u.sum((2, 3), keepdim=True)


def _is_whole(free: Tensor) -> Tensor:
    """(B, 1, 1, 1): 1 where the support is the whole frame, else 0."""
    return free.amin((2, 3), keepdim=True)


def _conjugate_gradients(
    operator: Callable[[Tensor], Tensor],
    invert: Callable[[Tensor], Tensor],
    residual: Tensor,
    limit: float,
) -> tuple[Tensor, bool]:
    """Solve operator(u) = residual for each channel until invert(residual) is within the limit.

    Flexible: `invert` need not be quite symmetric.

    Returns:
        u, and whether its very first guess, invert(residual), was within the limit.
    """

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((2, 3), keepdim=True)

    solution, preconditioned = torch.zeros_like(residual), invert(residual)
    direction = preconditioned
    for iteration in range(MAX_ITERATIONS):
        if preconditioned.abs().amax() <= limit:
            return solution.add_(preconditioned), iteration == 0
        slope = dot(residual, preconditioned)
        image = operator(direction)
        step = slope / dot(direction, image).clamp_min(TINY)
        solution.addcmul_(step, direction)
        residual = residual.addcmul(step, image, value=-1)
        preconditioned = invert(residual)
        turn = -step * dot(image, preconditioned) / slope.clamp_min(TINY)
        direction = preconditioned + turn * direction
    return solution, False

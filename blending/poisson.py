"""The exact Poisson solve on a mask of any shape, with or without a screen."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .filters import neighbour_sum
from .multigrid import Multigrid, Stencil, grid_shape, mask_laplacian, multigrid
from .window import bounding_box, crop, window_around

MAX_ITERATIONS = 60  # 6 do on most masks
# The iterations end when the next correction is within this share of the tolerance. It is the error
# to within a factor of about two on all masks that were tried, and it is still applied.
SAFETY = 0.8
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

    Conjugate gradients, preconditioned by multigrid on the mask. Time and memory grow with the box
    around the support.

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
    held = _held(support, screen, anchor)
    box = window_around(bounding_box(support.any(0, keepdim=True)), 1, support.shape)
    inner, start = crop(support, box), crop(boundary, box)
    equation = _equation(
        crop(guidance, box),
        inner,
        start,
        *(plane if plane is None else crop(plane, box) for plane in held),
    )
    height, width = inner.shape[2:]
    correction = _conjugate_gradients(equation, SAFETY * tolerance / 255)[..., :height, :width]
    solution = boundary.clone(memory_format=torch.contiguous_format)
    crop(solution, box).copy_(torch.where(inner, start + correction, start))
    return solution


@dataclass(frozen=True)
class _Equation:
    """For the correction w = u − boundary: Laplacian·w + screen·w = image on the support.

    The screen's share is added apart: of a sum such as 4 + 1e-6 float32 keeps the 4.
    """

    image: Tensor  # the right side
    laplacian: Stencil  # of the support
    grids: Multigrid
    screen: Tensor | None
    # Where a support is a whole frame, (B, 1, 1, 1), nothing but a screen fixes the mean; None:
    # there is no such support.
    loose: Tensor | None
    total: Tensor  # of the right side, without the differences, which cancel

    def operator(self, w: Tensor, out: Tensor) -> Tensor:
        image = self.laplacian.apply(w, out)
        return image if self.screen is None else image.addcmul_(self.screen, w)

    def residual(self, w: Tensor, out: Tensor) -> Tensor:
        residual = self.laplacian.residual(self.image, w, out)
        if self.screen is not None:
            residual.addcmul_(self.screen, w, value=-1)
        return self.centred(residual)

    def levelled(self, w: Tensor) -> Tensor:
        """W with the mean that its screen asks for on a whole frame.

        Differences drop out of the sum of all equations, each being counted from both sides; so it
        fixes the mean even where the screen is too weak beside the differences' rounding for the
        iterations to.
        """
        if self.loose is None or self.screen is None:
            return w
        missing = self.total - _total(self.screen * w)
        return w + self.loose * missing / _total(self.screen).clamp_min(TINY)

    def centred(self, w: Tensor) -> Tensor:
        """W less its mean, in place, where nothing fixes that."""
        if self.loose is None or self.screen is not None:
            return w
        free = self.grids.levels[0].free
        return w.sub_(self.loose * free * _total(w) / _total(free))


def _held(
    support: Tensor, screen: Tensor | None, anchor: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Screen and anchor; None where the screen is 0 throughout the support."""
    if screen is None:
        return None, None
    if not screen.amin() >= 0:  # NaN neither
        raise ValueError(f"screen must be >= 0, got {screen.amin().item():.4g}")
    if not (support * screen).any():
        return None, None
    if anchor is None:
        raise ValueError("anchor must be given with a screen, got None")
    return screen, anchor


def _equation(
    guidance: Tensor,
    support: Tensor,
    boundary: Tensor,
    screen: Tensor | None,
    anchor: Tensor | None,
) -> _Equation:
    """The equation on a window, padded to a shape that the grids like."""
    free = support.to(guidance.dtype)
    degree = neighbour_sum(torch.ones_like(free[:1]))
    wanted = guidance
    if screen is not None and anchor is not None:
        screen = free * screen
        wanted = guidance + screen * (anchor - boundary)
    total = _total(free * wanted)
    image = free * (wanted - degree * boundary + neighbour_sum(boundary))
    height, width = grid_shape(*support.shape[2:])
    margins = (0, width - support.shape[3], 0, height - support.shape[2])
    image, padded, degree = (F.pad(plane, margins) for plane in (image, free, degree))
    if screen is not None:
        screen = F.pad(screen, margins)
    laplacian = mask_laplacian(padded, degree)
    loose = free.amin((2, 3), keepdim=True)
    return _Equation(
        image=image,
        laplacian=laplacian,
        grids=multigrid(laplacian, padded, screen, channels=image.shape[1]),
        screen=screen,
        loose=loose if loose.any() else None,
        total=total,
    )


def _total(u: Tensor) -> Tensor:
    return u.sum((2, 3), keepdim=True)


def _conjugate_gradients(equation: _Equation, limit: float) -> Tensor:
    """Solve for each channel until the multigrid's correction is within the limit.

    Flexible, for the multigrid is not quite symmetric; the residual is always the true one, for in
    float32 a running one drifts away from it.
    """

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return torch.einsum("bchw,bchw->bc", a, b)[..., None, None]

    def correction() -> Tensor:
        equation.residual(w, out=residual)
        return equation.centred(equation.grids.invert(residual))

    w = equation.levelled(torch.zeros_like(equation.image))
    image, residual = torch.empty_like(w), torch.empty_like(w)
    preconditioned = correction()
    direction = preconditioned.clone()
    for _ in range(MAX_ITERATIONS):
        if _largest(preconditioned) <= limit:
            break
        slope = dot(residual, preconditioned)
        equation.operator(direction, out=image)
        step = slope / dot(direction, image).clamp_min(TINY)
        w = equation.levelled(w.addcmul_(step, direction))
        preconditioned = correction()
        turn = -step * dot(image, preconditioned) / slope.clamp_min(TINY)
        direction.mul_(turn).add_(preconditioned)
    return equation.levelled(w.add_(preconditioned))


def _largest(w: Tensor) -> float:
    low, high = torch.aminmax(w)
    return max(-low.item(), high.item())

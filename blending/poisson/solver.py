"""The exact Poisson solve on a mask of any shape, with or without a screen."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..float64 import float64_device
from ..image.filters import neighbour_sum
from ..placement.box import Box, bounding_box, crop
from .multigrid import Multigrid, grid_shape, multigrid
from .stencil import Stencil, band, framed, mask_laplacian, unframed

# The iterations end when the largest element of the preconditioned residual, which estimates the
# error, is within this share of the tolerance. The estimate was right to within a factor of about
# two on all masks that were tried, and it is added to the solution in the end.
SAFETY = 0.8
MAX_ITERATIONS = 60  # most masks need 6
LONGEST_STEP = (
    1e4  # about 1 with this preconditioner; 1e14 where rounding errors are all that is left
)
TINY = 1e-30  # smaller than any sum that is not 0
# Levels of error that float32 leaves by unit of stiffness: twice what was measured against float64
# on strips that are held at a short end, 0.16 level at 2 x 512, 0.6 at 64 x 4096, 5 at 3 x 8192.
ROUNDING = 4e-5


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
    support. Where guidance is the Laplacian of a field of differences v, this is the minimiser of Σ
    |∇u − v|² + Σ screen·(u − anchor)²: the boundary's colours reach about 1 / √screen pixels far.

    Blobs, holes and masks that touch the frame are allowed. A support that covers the whole frame
    has no boundary: without a screen the result then keeps the mean of `boundary` in each channel
    (pass the source); with a screen below about 1e-5 that mean is set by the guidance's rounding
    errors.

    Conjugate gradients, preconditioned by multigrid on the mask. Time and memory grow with the
    bounding box of the support.

    Args:
        guidance: (B, C, H, W), float32 or float64, in image units per pixel².
        support: (B, 1, H, W), bool, at least one pixel in each.
        boundary: (B, C, H, W); also the first guess inside the support.
        tolerance: largest error, in grey levels (1/255).
        screen: (B, 1, H, W), >= 0, in 1 per pixel²; how strongly u is drawn to the anchor. None: 0.
        anchor: (B, C, H, W), finite; required with a screen.

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
    screen, anchor = _checked_screen(support, screen, anchor)
    box = bounding_box(support.any(0, keepdim=True))
    ring = box.grown(1).clipped(support.shape)
    inside, guidance, start = (crop(plane, ring) for plane in (support, guidance, boundary))
    screen, anchor = (None if p is None else crop(p, ring) for p in (screen, anchor))
    system = _linear_system(
        guidance, inside, start, box.relative_to(ring), screen, anchor, tolerance
    )
    correction = conjugate_gradients(system, SAFETY * tolerance / 255)
    solution = boundary.clone(memory_format=torch.contiguous_format)
    inside, part = crop(support, box), crop(solution, box)
    correction = unframed(correction)[..., : box.height, : box.width].to(part.device)
    part.copy_(torch.where(inside, correction.add_(part), part))
    return solution


def _checked_screen(
    support: Tensor, screen: Tensor | None, anchor: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Screen and anchor, or None for both where the screen is 0 on the whole support."""
    if screen is None:
        return None, None
    if not screen.amin() >= 0:  # refuses NaN, too
        raise ValueError(f"screen must be >= 0, got {screen.amin().item():.4g}")
    if not (support * screen).any():
        return None, None
    if anchor is None:
        raise ValueError("anchor must be given with a screen, got None")
    return screen, anchor


@dataclass(frozen=True)
class LinearSystem:
    """(Laplacian + screen)·w = rhs on the support, for the correction w = u − boundary.

    The screen is added separately from the Laplacian's diagonal: of 4 + 1e-6 float32 keeps the 4.

    Attributes:
        rhs: (B, C, H + 2, W + 2), framed, the right-hand side; 0 off the support.
        laplacian: the operator of the support's Laplacian.
        grids: the preconditioner.
        screen: (B, 1, H + 2, W + 2), framed, >= 0, 0 off the support; None: 0.
        floating: (B, 1, 1, 1), 1 for a support that is a whole frame without a screen, whose mean
            nothing fixes, else 0. None: there is no such support.
    """

    rhs: Tensor
    laplacian: Stencil
    grids: Multigrid
    screen: Tensor | None
    floating: Tensor | None

    def operator(self, w: Tensor, out: Tensor) -> "SystemOperator":
        """The left-hand side bound to two planes, both framed, (B, C, H + 2, W + 2).

        Args:
            w: 0 off the support.
            out: 0 on the ring.
        """
        return SystemOperator(self, w, out)

    def without_free_mean(self, w: Tensor) -> Tensor:
        """Subtract from w, (B, C, H + 2, W + 2), in place, a mean that nothing fixes; returns w."""
        if self.floating is None:
            return w
        free = self.grids.grids[0].free
        mean = inner_product(free.expand_as(w), w) / pixel_sum(free)
        return w.sub_(self.floating * free * mean)


class SystemOperator:
    """out = (Laplacian + screen)·w for two planes whose views are made once."""

    def __init__(self, system: LinearSystem, w: Tensor, out: Tensor) -> None:
        """Bind to the planes, see `LinearSystem.operator`."""
        self._parts = [
            (
                laplacian,
                band(out, laplacian.rows),
                None if system.screen is None else band(system.screen, laplacian.rows),
            )
            for laplacian in system.laplacian.on(w)
        ]

    def __call__(self) -> Tensor:
        """Apply it to what w holds now.

        Returns:
            The inner products w·out, (B, C, 1, 1). What out holds off the support has no meaning.
        """
        products = []
        for laplacian, out, screen in self._parts:
            laplacian.apply(out)
            if screen is not None:
                out.addcmul_(screen, laplacian.here)
            products.append(inner_product(laplacian.here, out))
        return products[0] if len(products) == 1 else torch.stack(products).sum(0)


def _linear_system(
    guidance: Tensor,
    support: Tensor,
    boundary: Tensor,
    box: Box,
    screen: Tensor | None,
    anchor: Tensor | None,
    tolerance: float,
) -> LinearSystem:
    """The equation on the support's bounding box, padded to a shape that the grids can halve.

    The grids begin at the box, not at the ring around it: with the ring a rectangle would not be
    aligned with the coarse pixels, and more cycles would be needed. It is in float64 where float32
    would leave more than the tolerance, in levels, of rounding errors.
    """
    if needs_float64(support, screen, tolerance):
        device = float64_device(guidance.device)
        support, guidance = support.to(device), guidance.to(device).double()
        boundary = boundary.to(device).double()
        screen, anchor = (
            None if plane is None else plane.to(device).double() for plane in (screen, anchor)
        )
    free = support.to(guidance.dtype)
    degree = neighbour_sum(torch.ones_like(free[:1]))
    shifted = guidance  # as it is for the correction w instead of u
    if screen is not None and anchor is not None:
        screen = free * screen
        shifted = guidance + screen * (anchor - boundary)
    rhs = free * (shifted - degree * boundary + neighbour_sum(boundary))
    shape = grid_shape(*box.size)
    rhs, wide, degree = (framed(crop(plane, box), *shape) for plane in (rhs, free, degree))
    screen = None if screen is None else framed(crop(screen, box), *shape)
    laplacian = mask_laplacian(wide, degree)
    floating = free.amin((2, 3), keepdim=True)
    if screen is not None:  # of each picture of a batch by itself
        floating = floating * (screen.amax((2, 3), keepdim=True) == 0)
    return LinearSystem(
        rhs=rhs,
        laplacian=laplacian,
        grids=multigrid(laplacian, wide, screen, rhs.shape[1], extent=box.size),
        screen=screen,
        floating=floating if floating.any() else None,
    )


def needs_float64(support: Tensor, screen: Tensor | None, tolerance: float = 0.1) -> bool:
    """Whether the rounding errors of float32, in guidance or solution, would show.

    Args:
        support: (B, 1, H, W), bool.
        screen: (B, 1, H, W), >= 0. None: 0.
        tolerance: largest error, in grey levels (1/255).
    """
    return ROUNDING * stiffness(support, screen) > tolerance


def stiffness(support: Tensor, screen: Tensor | None) -> float:
    """About how much the solution enlarges rounding errors of the equations.

    Where n pixels are fixed by h, their edges to fixed pixels and their screen added up, a pixel is
    about L = n / h pixels away from what fixes it. Random errors of size e in the equations move
    the slowest mode by about e·L² / √n, as on a strip of length L and width n / L.

    Args:
        support: (B, 1, H, W), bool.
        screen: (B, 1, H, W), >= 0. None: 0.

    Returns:
        The largest L² / √n of the batch; 0 where nothing fixes a support.
    """
    pixels = support.flatten(1).sum(1)
    down = support[..., 1:, :] != support[..., :-1, :]
    across = support[..., 1:] != support[..., :-1]
    fixed = down.flatten(1).sum(1) + across.flatten(1).sum(1)  # edges of the mask's outline
    if screen is not None:
        fixed = fixed + (support * screen).flatten(1).sum(1)
    return torch.where(fixed > 0, (pixels / fixed).square() / pixels.sqrt(), 0).max().item()


def conjugate_gradients(system: LinearSystem, limit: float) -> Tensor:
    """Solve a system for each channel until the preconditioned residual is within a limit.

    Flexible (Polak-Ribière's factor), since the multigrid cycle is not quite symmetric.

    Args:
        system: to solve.
        limit: largest element of the last preconditioned residual, in image units, > 0.

    Returns:
        (B, C, H + 2, W + 2), framed, the correction w; 0 off the support.

    Source: Notay 2000, flexible conjugate gradients.
    """
    w, image = torch.zeros_like(system.rhs), torch.zeros_like(system.rhs)
    residual = system.grids.rhs.copy_(system.rhs)
    preconditioned = _preconditioned(system)
    direction = preconditioned.clone()
    operator = system.operator(direction, out=image)
    for _ in range(MAX_ITERATIONS):
        if _largest(preconditioned) <= limit:
            break
        slope = inner_product(residual, preconditioned)
        curvature = operator()
        # Where rounding has eaten either, the precision is used up: that channel stays as it is. It
        # would end in NaN where it is solved to the last bit, beside others that are not.
        goes_on = (slope > 0) & (curvature > slope / LONGEST_STEP)
        if not goes_on.any():
            break
        step = torch.where(goes_on, slope / curvature.clamp_min(TINY), 0)
        w.addcmul_(step, direction)
        residual.addcmul_(step, image, value=-1)
        preconditioned = _preconditioned(system)
        turn = -step * inner_product(image, preconditioned) / slope.clamp_min(TINY)
        torch.addcmul(preconditioned, direction, turn, out=direction)
    return w.add_(preconditioned)


def _preconditioned(system: LinearSystem) -> Tensor:
    """The preconditioner applied to the residual that the grids hold; the next call overwrites."""
    system.without_free_mean(system.grids.rhs)
    return system.without_free_mean(system.grids.cycle())


def pixel_sum(u: Tensor) -> Tensor:
    """The sums over all pixels of (B, C, H, W): (B, C, 1, 1)."""
    return u.sum((2, 3), keepdim=True)


def inner_product(a: Tensor, b: Tensor) -> Tensor:
    """The sums over all pixels of a·b, both (B, C, H, W): (B, C, 1, 1).

    Each sum is one thread's, so that their number does not show, see `reductions`.
    """
    return torch.einsum("bcn,bcn->bc", a.flatten(2), b.flatten(2))[..., None, None]


def _largest(w: Tensor) -> float:
    low, high = torch.aminmax(w)
    return torch.maximum(-low, high).item()

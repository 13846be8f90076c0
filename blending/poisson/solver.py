"""The exact Poisson solve on a mask of any shape, with or without a screen."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.filters import neighbour_sum
from ..placement.window import bounding_box, crop, window_around
from .equation import Equation, conjugate_gradients, total_of
from .multigrid import grid_shape, multigrid
from .stencil import mask_laplacian

# The iterations end when the next correction is within this share of the tolerance. It is the error
# to within a factor of about two on all masks that were tried, and it is still applied.
SAFETY = 0.8


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
    own = bounding_box(support.any(0, keepdim=True))
    box = window_around(own, 1, support.shape)
    inner, start = crop(support, box), crop(boundary, box)
    equation = _equation(
        crop(guidance, box),
        inner,
        start,
        (own[0] - box[0], own[1] - box[1], *own[2:]),
        *(plane if plane is None else crop(plane, box) for plane in held),
    )
    correction = conjugate_gradients(equation, SAFETY * tolerance / 255)
    solution = boundary.clone(memory_format=torch.contiguous_format)
    inner, window = crop(support, own), crop(solution, own)
    correction = correction[..., : own[2], : own[3]]
    window.copy_(torch.where(inner, correction.add_(window), window))
    return solution


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
    own: tuple[int, int, int, int],
    screen: Tensor | None,
    anchor: Tensor | None,
) -> Equation:
    """The equation on the support's own box in a window, padded to a shape that the grids like.

    The grids begin at the box, not at the ring around it: there a rectangle would lie across the
    coarse pixels and take more cycles.
    """
    free = support.to(guidance.dtype)
    degree = neighbour_sum(torch.ones_like(free[:1]))
    wanted = guidance
    if screen is not None and anchor is not None:
        screen = free * screen
        wanted = guidance + screen * (anchor - boundary)
    total = total_of(free * wanted)
    image = free * (wanted - degree * boundary + neighbour_sum(boundary))
    height, width = grid_shape(*own[2:])
    margins = (0, width - own[3], 0, height - own[2])
    image, padded, degree = (F.pad(crop(p, own), margins) for p in (image, free, degree))
    if screen is not None:
        screen = F.pad(crop(screen, own), margins)
    laplacian = mask_laplacian(padded, degree)
    loose = free.amin((2, 3), keepdim=True)
    return Equation(
        image=image,
        laplacian=laplacian,
        grids=multigrid(laplacian, padded, screen, channels=image.shape[1]),
        screen=screen,
        loose=loose if loose.any() else None,
        total=total,
    )

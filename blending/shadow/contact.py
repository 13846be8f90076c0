"""Contact darkening: the little light that reaches the crack between an object and its ground."""

import torch
from torch import Tensor

from .canvas import Canvas
from .ground import Ground
from .penumbra import spread

# All of the size.
BAND = 0.08  # the part of an object above its lower edge that keeps light from the ground
NARROW, WIDE = 0.012, 0.05  # standard deviations of the crack, and of what is near it
UNDER = 0.08  # under what is as high above the ground, 0.6 of the darkness is left
FORESHORTENED = 0.5  # the darkness, as the ground is
CRACK = 0.5  # share of the crack in the darkness at the edge


def contact_on_ground(canvas: Canvas, ground: Ground) -> Tensor:
    """How dark the ground is where an upright object touches it, and between its feet.

    Args:
        canvas: the silhouette with the room that the darkness needs.
        ground: under the silhouette.

    Returns:
        (1, 1, H, W), in [0, 1], 1 at a straight edge that touches.

    Source: ambient occlusion, Landis 2002, "Production-ready global illumination"; here of a band
    that stands on the ground.
    """
    size, rows = canvas.size, canvas.rows
    above = torch.where(ground.bottom > 0, ground.foot - ground.bottom, torch.inf)
    own = torch.arange(len(above), dtype=above.dtype) + 0.5
    is_between = (own >= ground.base[0]) & (own <= ground.base[1])
    under = torch.exp(-above.square() / (2 * (UNDER * size) ** 2)) * is_between
    bottom, foot = canvas.laid(ground.bottom), canvas.laid(ground.foot)
    band = canvas.plane * _below(rows, bottom - BAND * size) * canvas.laid(ground.touching)
    gap = _below(rows, bottom) * (1 - _below(rows, foot)) * canvas.laid(under)
    return _occluded(torch.maximum(band, gap), size, FORESHORTENED)


def contact_on_wall(canvas: Canvas) -> Tensor:
    """How dark a surface is around an object that lies flat on it.

    Args:
        canvas: the silhouette with the room that the darkness needs.

    Returns:
        (1, 1, H, W), in [0, 1], 1 at a straight edge.
    """
    return _occluded(canvas.plane, canvas.size, 1.0)


def _below(rows: Tensor, edge: Tensor) -> Tensor:
    """The share of each pixel, (H, W), that lies below an edge: rows (H, 1), edges (1, W)."""
    return (rows - edge + 0.5).clamp(0, 1)


def _occluded(shade: Tensor, size: float, tilt: float) -> Tensor:
    """Twice a blur, as a straight edge is blurred to one half."""
    narrow, wide = (
        (2 * spread(shade, max(0.5, width * size), tilt)).clamp(0, 1) for width in (NARROW, WIDE)
    )
    return torch.lerp(wide, narrow, CRACK)

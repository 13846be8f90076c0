"""Flip, turn and size a cut-out: pixels moved where they can be, resampled where they must be."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .cutout import OPAQUE_ENOUGH, resize_to
from .layout import Spot

FLIPPED = {"off": (), "horizontal": (3,), "vertical": (2,), "both": (2, 3)}  # dimensions
INSIDE = 0.5  # coverage from which a pixel of a turned source counts as known


def pose(
    colour: Tensor, alpha: Tensor, mask: Tensor, flip: str, spot: Spot
) -> tuple[Tensor, Tensor, Tensor]:
    """A cut-out as it will lie: flipped, turned clockwise, sized.

    Flips and multiples of 90 degrees move pixels; another size is resampled by antialiased bicubic
    interpolation; other angles by one bicubic warp, after that where the object shrinks.

    Args:
        colour: (N, 3, h, w).
        alpha: (N, 1, h, w), in [0, 1]; it weighs the colours, so that hidden ones do not bleed.
        mask: (N, 1, h, w), in [0, 1].
        flip: one of `FLIPS`.
        spot: the size, factors and rotation wanted.

    Returns:
        Colour; where it is known, 0 or 1; the mask, soft where a turned edge crosses pixels. All of
        the spot's size. Colour is continued a little beyond what is known, for that soft edge.
    """
    colour, alpha, mask = (plane.flip(FLIPPED[flip]) for plane in (colour, alpha, mask))
    if not spot.is_quarter_turn:
        return _warp(colour, alpha, mask, spot)
    turns = -round(spot.rotation / 90)  # rot90 counts against the clock
    colour, alpha, mask = (torch.rot90(plane, turns, (2, 3)) for plane in (colour, alpha, mask))
    if spot.down == spot.across == 1:
        return colour, (alpha > 0).to(mask.dtype), mask
    return resize_to(colour, alpha, mask, spot.height, spot.width)


def _warp(colour: Tensor, alpha: Tensor, mask: Tensor, spot: Spot) -> tuple[Tensor, Tensor, Tensor]:
    """Sample the source's pixels at the spot's; beyond the source's edge its colours go on."""
    grid = _sampling_grid(colour, spot)
    dtype = torch.promote_types(colour.dtype, torch.float32)
    colour, alpha, mask = (plane.to(dtype) for plane in _shrunk(colour, alpha, mask, spot))

    def sample(plane: Tensor, beyond: str) -> Tensor:
        wanted = grid.to(plane).expand(plane.shape[0], -1, -1, -1)
        return F.grid_sample(plane, wanted, "bicubic", beyond, align_corners=False)

    weight, low, high = sample(alpha, "border"), colour.min(), colour.max()
    turned = sample(colour * alpha, "border") / weight.clamp_min(OPAQUE_ENOUGH)
    coverage = sample(torch.ones_like(alpha[:1]), "zeros")
    known = ((coverage >= INSIDE) & (weight > OPAQUE_ENOUGH)).to(dtype)
    colour = torch.where(coverage > 0, turned.clamp(low, high), 0)
    return colour, known, sample(mask, "zeros").clamp(0, 1)


def _shrunk(
    colour: Tensor, alpha: Tensor, mask: Tensor, spot: Spot
) -> tuple[Tensor, Tensor, Tensor]:
    """The source as small as the spot shows it, so that the warp skips none of its pixels."""
    height, width = colour.shape[2:]
    cosine, sine = _direction(spot)
    across = math.hypot(spot.across * cosine, spot.down * sine)
    down = math.hypot(spot.across * sine, spot.down * cosine)
    if min(across, down) >= 1:
        return colour, alpha, mask
    sides = (height * min(down, 1)), (width * min(across, 1))
    return resize_to(colour, alpha, mask, *(max(1, round(side)) for side in sides))


def _sampling_grid(colour: Tensor, spot: Spot) -> Tensor:
    """Where on the source, -1 to 1 along its sides, the spot's pixels lie, (1, H, W, 2)."""
    height, width = colour.shape[2:]
    cosine, sine = _direction(spot)
    across, down = spot.width / spot.across, spot.height / spot.down
    matrix = [
        [cosine * across / width, sine * down / width, 0.0],
        [-sine * across / height, cosine * down / height, 0.0],
    ]
    theta = torch.tensor([matrix], dtype=torch.float64, device=colour.device)
    size = [1, 1, spot.height, spot.width]
    return F.affine_grid(theta, size, align_corners=False)


def _direction(spot: Spot) -> tuple[float, float]:
    angle = math.radians(spot.rotation)
    return math.cos(angle), math.sin(angle)

"""Flip, rotate and resize a cut-out, without resampling where whole pixels can be moved."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..float64 import float64_device
from ..validation import common_batch
from .alpha import OPAQUE_ENOUGH, resize_to
from .layout import Spot, direction

FLIPPED = {"off": (), "horizontal": (3,), "vertical": (2,), "both": (2, 3)}  # dimensions
INSIDE = 0.5  # coverage from which a pixel of a rotated source counts as valid
NEIGHBOURS = torch.arange(-1, 3)  # pixels that a cubic kernel reaches
STRIP = 1 << 19  # pixels sampled at a time: 16 places and weights each


def pose(
    colour: Tensor, alpha: Tensor, mask: Tensor, flip: str, spot: Spot
) -> tuple[Tensor, Tensor, Tensor]:
    """Flip, rotate clockwise and resize a cut-out.

    Flips and multiples of 90 degrees move whole pixels; another size is resampled by antialiased
    bicubic interpolation; other angles by one bicubic warp, after antialiased shrinking where the
    object becomes smaller.

    Args:
        colour: (N, 3, h, w), in [0, 1].
        alpha: (N, 1, h, w), in [0, 1]; it weights the colours, so that those of transparent pixels
            do not bleed into visible ones.
        mask: (N, 1, h, w), in [0, 1].
        flip: one of `FLIPS`.
        spot: the size, factors and rotation of the result.

    Returns:
        Colour (N, 3, H, W); where it is valid (N, 1, H, W), 0 or 1; the mask (N, 1, H, W), soft
        where a rotated edge crosses pixels. All of the spot's size; colour is continued a little
        beyond the valid pixels, for that soft edge.
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
    """Sample the source at the spot's pixels; its edge colours continue beyond its frame."""
    places = _places(colour.shape[2:], spot, float64_device(colour.device))
    dtype = torch.promote_types(colour.dtype, torch.float32)
    colour, alpha, mask = (plane.to(dtype) for plane in _shrunk(colour, alpha, mask, spot))
    places = places * torch.tensor(colour.shape[2:], device=places.device) - 0.5
    batch = common_batch(source=colour, alpha=alpha, mask=mask)
    colour, alpha, mask = (plane.expand(batch, -1, -1, -1) for plane in (colour, alpha, mask))
    continued = F.pad(torch.cat((colour * alpha, alpha), 1), (1, 1, 1, 1), "replicate")
    ended = F.pad(torch.cat((mask, torch.ones_like(mask)), 1), (1, 1, 1, 1))
    warped = cubic_samples(torch.cat((continued, ended), 1), places + 1)
    turned, weight, mask, coverage = warped.split((3, 1, 1, 1), 1)
    low, high = (extreme(colour, (1, 2, 3), keepdim=True) for extreme in (torch.amin, torch.amax))
    turned = (turned / weight.clamp_min(OPAQUE_ENOUGH)).clamp(low, high)
    valid = ((coverage >= INSIDE) & (weight > OPAQUE_ENOUGH)).to(dtype)
    return torch.where(coverage > 0, turned, 0), valid, mask.clamp(0, 1)


def cubic_samples(planes: Tensor, places: Tensor) -> Tensor:
    """Values between pixels, by cubic convolution with a = -1/2.

    It reproduces linear ramps. PyTorch's `grid_sample` has a = -3/4, which ripples them by 5 % of
    their slope; a Laplacian would show that.

    Args:
        planes: (N, C, h, w), float; beyond the frame the nearest pixel inside counts.
        places: (H, W, 2), rows and columns; pixel (0, 0) has its centre at (0, 0).

    Returns:
        (N, C, H, W).

    Source: Keys 1981.
    """
    height, width = planes.shape[2:]
    tables = planes.permute(0, 2, 3, 1).flatten(1, 2).contiguous()
    strips = []
    for strip in places.split(max(1, STRIP // places.shape[1])):
        first = strip.floor()
        rest = (strip - first).to(planes)[..., None] - NEIGHBOURS.to(planes)
        down, across = _keys(rest).unbind(2)
        near = first.int().to(planes.device)[..., None]
        near = near + NEIGHBOURS.to(planes.device, torch.int32)
        rows, columns = near[..., 0, :].clamp(0, height - 1), near[..., 1, :].clamp(0, width - 1)
        pixels = (rows[..., :, None] * width + columns[..., None, :]).flatten(-2).flatten(0, 1)
        weights = (down[..., :, None] * across[..., None, :]).flatten(-2).flatten(0, 1)
        sums = [
            F.embedding_bag(pixels, table, mode="sum", per_sample_weights=weights)
            for table in tables
        ]
        strips.append(torch.stack(sums).unflatten(1, strip.shape[:2]))
    return torch.cat(strips, 1).permute(0, 3, 1, 2).contiguous()


def _keys(distance: Tensor) -> Tensor:
    """Keys' kernel: the weight of a pixel at a distance below 2."""
    size = distance.abs()
    near = (1.5 * size - 2.5) * size**2 + 1
    far = ((-0.5 * size + 2.5) * size - 4) * size + 2
    return torch.where(size <= 1, near, far)


def _shrunk(
    colour: Tensor, alpha: Tensor, mask: Tensor, spot: Spot
) -> tuple[Tensor, Tensor, Tensor]:
    """The source shrunk to the spot's scale with antialiasing, so that the warp skips no pixel."""
    height, width = colour.shape[2:]
    cosine, sine = direction(spot.rotation)
    across = math.hypot(spot.across * cosine, spot.down * sine)
    down = math.hypot(spot.across * sine, spot.down * cosine)
    if min(across, down) >= 1:
        return colour, alpha, mask
    sides = (height * min(down, 1)), (width * min(across, 1))
    return resize_to(colour, alpha, mask, *(max(1, round(side)) for side in sides))


def _places(size: tuple[int, ...], spot: Spot, device: torch.device) -> Tensor:
    """The spot's pixel centres on a source of (height, width), as shares of its sides."""
    cosine, sine = direction(spot.rotation)

    def from_middle(count: int, factor: float) -> Tensor:
        steps = torch.arange(count, dtype=torch.float64, device=device)
        return (steps - (count - 1) / 2) / factor

    down = from_middle(spot.height, spot.down)[:, None]
    across = from_middle(spot.width, spot.across)[None]
    row = 0.5 + (cosine * down - sine * across) / size[0]
    column = 0.5 + (cosine * across + sine * down) / size[1]
    return torch.stack((row, column), 2)

"""The cast shadow: the silhouette laid on the ground away from the light, or on a wall behind."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..settings import ShadowSettings
from .canvas import Canvas
from .ground import TILT, Ground
from .penumbra import penumbra, spread

THICKNESS = 0.1  # of its size: how far an object that lies flat stands out from its surface
DEPTH = 0.6  # of an upright object at any place, by its width there, and at most by its height
FADE = 0.6  # of the shadow is lost at its end, to light from all around
CRISPEST = 0.005  # of the size: standard deviation of the sharpest edge
EDGE = 4.0  # standard deviations in a penumbra's width: 2 % to 98 %
NEAREST = 0.03, 0.12, 0.5  # of the size: how far off heights are looked for, the nearest first


def shadow_offset(settings: ShadowSettings, height: float, tilt: float) -> tuple[float, float]:
    """By how much a point's shadow lies off the point's foot.

    Args:
        settings: direction and length.
        height: of the point above the surface, pixels.
        tilt: how a length down the surface is drawn.

    Returns:
        Rows and columns, pixels.
    """
    angle, away = math.radians(settings.direction), settings.length / 100 * height
    return away * tilt * math.cos(angle), -away * math.sin(angle)


def cast_on_ground(canvas: Canvas, ground: Ground, settings: ShadowSettings) -> Tensor:
    """The shadow that an upright object casts on the ground.

    A point at the height z above its foot casts z · length away from that foot. The silhouette is
    no sheet: it reaches back by a share of its width there, and so does its shadow. The penumbra
    grows, and light from all around comes in, with the height of what casts.

    Args:
        canvas: with the room that the shadow needs.
        ground: under the silhouette.
        settings: direction, length, softness, lift.

    Returns:
        (1, 1, H, W), in [0, 1], 1 = no direct light.

    Source: a planar projection; a penumbra is as wide as the light looks from the occluder times
    the distance to it, Fernando 2005, "Percentage-closer soft shadows".
    """
    lifted = settings.lift / 100 * ground.height
    places, values, heights = _projected(canvas, ground, settings, lifted)
    shadow = _laid(canvas, ground, places, values)
    height = _heights(canvas, places, values, heights)
    slant = math.hypot(settings.length / 100, 1) * height
    sigma = settings.softness / 100 / EDGE * slant + CRISPEST * canvas.size
    fading = 1 - FADE * (height / (ground.height + lifted)).clamp(max=1)
    return penumbra(shadow, sigma, 0.5) * fading


def cast_on_wall(canvas: Canvas, settings: ShadowSettings) -> Tensor:
    """The shadow of an object that lies flat on a surface parallel to the picture.

    Args:
        canvas: with the room that the shadow needs.
        settings: direction, length, softness, lift.

    Returns:
        (1, 1, H, W), in [0, 1], 1 = no direct light.

    Source: see `cast_on_ground`; all of the object has one height.
    """
    height = wall_height(canvas.size, settings)
    down, across = shadow_offset(settings, height, 1.0)
    shadow = canvas.sampled(canvas.plane, canvas.rows - down, canvas.columns - across)
    slant = math.hypot(settings.length / 100, 1) * height
    sigma = settings.softness / 100 / EDGE * slant + CRISPEST * canvas.size
    return penumbra(shadow, torch.full_like(shadow, sigma), 1.0)


def wall_height(size: float, settings: ShadowSettings) -> float:
    """How far an object that lies flat is above its surface, pixels.

    Args:
        size: of the object, pixels.
        settings: lift.

    Returns:
        Pixels.
    """
    return size * (THICKNESS + settings.lift / 100)


def _projected(
    canvas: Canvas, ground: Ground, settings: ShadowSettings, lifted: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Of every point of the silhouette its shadow's place on the canvas, opacity and height."""
    own = canvas.silhouette[0, 0]
    down, across = shadow_offset(settings, 1.0, TILT)
    finer = max(1, math.ceil(max(abs(across), abs(down))))  # no gaps where it is stretched
    rows = (torch.arange(finer * len(own), dtype=own.dtype, device=own.device) + 0.5) / finer
    columns = torch.arange(own.shape[1], dtype=own.dtype, device=own.device) + 0.5
    foot = ground.foot.to(own)
    heights = (foot - rows[:, None]).clamp_min(0) + lifted
    row = foot + lifted + heights * down + canvas.top
    column = columns + heights * across + canvas.left
    height, width = canvas.shape
    row = row.floor().long().clamp(0, height - 1)
    column = column.floor().long().clamp(0, width - 1)
    return row * width + column, own.repeat_interleave(finer, 0), heights


def _laid(canvas: Canvas, ground: Ground, places: Tensor, values: Tensor) -> Tensor:
    """The points at their places, each drawn up by the depth of the object there.

    Points of one depth are laid together, the deepest first: what is drawn up further is drawn up
    by the rest of it together with the others.
    """
    own = canvas.silhouette[0, 0]
    depth = TILT * DEPTH * _runs(own >= 0.5 * own.max()).clamp(max=ground.height)
    step = (2 * depth.clamp_min(1).log2()).round().long()
    step = step.repeat_interleave(len(places) // len(own), 0)
    result = own.new_zeros(1, 1, *canvas.shape)
    for one in range(int(step.max()), -1, -1):
        chosen = step == one
        plane = own.new_zeros(result.numel())
        plane.scatter_reduce_(0, places[chosen], values[chosen], "amax")
        result = torch.maximum(result, plane.view_as(result))
        further = round(2 ** (one / 2)) - round(2 ** ((one - 1) / 2)) if one else 0
        result = _drawn_up(result, further)
    return result


def _heights(canvas: Canvas, places: Tensor, values: Tensor, heights: Tensor) -> Tensor:
    """The mean height of what casts at each place, and elsewhere of the nearest that does."""
    height, width = canvas.shape
    weight, total = (values.new_zeros(height * width) for _ in range(2))
    weight.index_add_(0, places.flatten(), values.flatten())
    total.index_add_(0, places.flatten(), (values * heights).flatten())
    count = weight.clamp_min(1)
    weight, total = ((sums / count).view(1, 1, height, width) for sums in (weight, total))
    above = below = torch.zeros_like(weight)
    for share, reach in enumerate(NEAREST):
        sigma = max(1.0, reach * canvas.size)
        above = above + 1e-3**share * spread(total, sigma)
        below = below + 1e-3**share * spread(weight, sigma)
    return above / below.clamp_min(1e-12)


def _runs(taken: Tensor) -> Tensor:
    """For every pixel of (h, w), the length of the unbroken row of pixels that it belongs to."""
    width = taken.shape[1]
    columns = torch.arange(width, device=taken.device).expand_as(taken)
    before = torch.where(taken, -1, columns).cummax(1).values
    behind = torch.where(taken, width, columns).flip(1).cummin(1).values.flip(1)
    return torch.where(taken, behind - before - 1, 0)


def _drawn_up(plane: Tensor, rows: int) -> Tensor:
    """The largest value from a pixel to so many rows below it."""
    step = 1
    while rows > 0:
        step = min(step, rows)
        plane = torch.maximum(plane, F.pad(plane[..., step:, :], (0, 0, 0, step)))
        rows, step = rows - step, 2 * step
    return plane

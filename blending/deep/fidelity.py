"""Where an object keeps its colours: the weights of the luminance and chroma terms."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.colour import to_opponent
from ..placement.window import Window

# A step between neighbours counts as 1 pixel plus CONTOUR times its contrast beyond NOISE: with a
# rim of 32 a contour of 100 levels counts from its inner side on, skin and fur hardly count.
CONTOUR = 30.0
NOISE = 0.03
HUE = 0.04  # opponent chroma, in [0, 1], at which half of the chroma is held at the very edge
RAMP_END = 3  # rims from the edge at which the colours count as good as wholly
EDGE = 2  # pixels along the mask's edge that count more in the refine stage
EDGE_FACTOR = 10.0
TEXTURE = 3.0  # pixels: the refine stage paints strokes up to this width, tones stay
NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))


@dataclass(frozen=True)
class FidelityWeights:
    """How much the colours of each pixel count.

    Attributes:
        luminance: (1, 1, h, w), >= 0, 0 outside the mask.
        chroma: likewise.
        texture: pixels; lightness is free in details finer than this.
    """

    luminance: Tensor
    chroma: Tensor
    texture: float = 0.0


def edge_ramp(window: Window, rim: int) -> FidelityWeights:
    """Free at the mask's edge, held inside: what the Poisson stage wants.

    The way from the edge is measured through the source, where a contour counts as many pixels. So
    the border of a loosely cut source takes on the target's colours up to the object, and an object
    cut out tightly is held from its first pixels on, without a glow. Chroma is held at the edge,
    too, where the source has a hue: hues do not turn.

    Args:
        window: the window.
        rim: pixels, >= 0; at this distance two thirds are held. 0: all on the mask.
    """
    free = window.support.to(window.source.dtype)
    if rim == 0:
        return FidelityWeights(free, free)
    way = (_way_from_edge(window, RAMP_END * rim) - 0.5).clamp_min(0)
    inside = free * torch.special.erf(way / (rim * 2**0.5))
    colourful = to_opponent(window.source)[:, 1:].square().sum(1, keepdim=True)
    hued = free * colourful / (colourful + HUE**2)
    return FidelityWeights(inside, torch.maximum(inside, hued))


def edge_emphasis(window: Window) -> FidelityWeights:
    """Held evenly, and harder along the mask's edge: a blend without a seam is not to get one."""
    free = window.support.to(window.source.dtype)
    outside = F.max_pool2d(1 - free, 2 * EDGE + 1, 1, EDGE)
    weight = free * (1 + (EDGE_FACTOR - 1) * outside)
    return FidelityWeights(weight, weight, TEXTURE)


def _way_from_edge(window: Window, reach: int) -> Tensor:
    """Length of the shortest way from outside the mask to each of its pixels, at most `reach`."""
    costs = [1 + CONTOUR * _contrast(window, step) for step in NEIGHBOURS]
    way = torch.where(window.support, float(reach), 0).to(window.source)
    for _ in range(reach):
        steps = (
            _shifted(way, step, reach) + cost for step, cost in zip(NEIGHBOURS, costs, strict=True)
        )
        shorter = torch.where(window.support, torch.stack([way, *steps]).amin(0), 0)
        if torch.equal(shorter, way):
            break
        way = shorter
    return way


def _contrast(window: Window, step: tuple[int, int]) -> Tensor:
    """The source's difference to its neighbour beyond the noise; 0 where it has none."""
    difference = (window.source - _shifted(window.source, step, 0)).abs().amax(1, keepdim=True)
    return (
        window.source_valid
        * _shifted(window.source_valid, step, 0)
        * (difference - NOISE).clamp_min(0)
    )


def _shifted(x: Tensor, step: tuple[int, int], beyond: float) -> Tensor:
    """X at the neighbour; `beyond` where that lies outside the frame."""
    rows, columns = step
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1), value=beyond)
    return padded[..., 1 + rows : 1 + rows + height, 1 + columns : 1 + columns + width]

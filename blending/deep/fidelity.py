"""Fidelity to the object's own colours: pixel weights of the luminance and chroma terms."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.colour import to_opponent
from ..placement.window import Window

# The distance between neighbours is 1 pixel plus CONTOUR times their contrast beyond NOISE: with a
# rim of 32 the weights rise at once behind a contour of 100 levels; skin and fur hardly matter.
CONTOUR = 30.0
NOISE = 0.03
HUE = 0.04  # opponent chroma, in [0, 1], at which chroma has half its weight at the very edge
RAMP_END = 3  # rims from the edge at which the weights are as good as 1
EDGE = 2  # pixels along the mask's edge that weigh more in the refine stage
EDGE_FACTOR = 10.0
TEXTURE = 4.0  # pixels: the refine stage paints strokes up to this width, tones stay
NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))


@dataclass(frozen=True)
class FidelityWeights:
    """Pixel weights of the luminance and chroma terms.

    Attributes:
        luminance: (1, 1, h, w), >= 0, 0 outside the mask.
        chroma: (1, 1, h, w), >= 0, 0 outside the mask.
        texture: standard deviation of a Gaussian in pixels; lightness may differ in details finer
            than it. 0: in none.
    """

    luminance: Tensor
    chroma: Tensor
    texture: float = 0.0


def edge_ramp(window: Window, rim: int, contour: Tensor | None = None) -> FidelityWeights:
    """Weights that rise from 0 at the mask's edge to 1 inside, for the Poisson stage.

    The distance from the edge is that of the shortest path through the source, where crossing a
    contour counts as many pixels. So the border of a loosely cut source takes on the target's
    colours up to the object, and a tightly cut object keeps its own from its first pixels on,
    without a glow. Chroma has weight at the edge, too, where the source has a hue, so that hues do
    not turn.

    Args:
        window: source, mask and where the source has pixels.
        rim: scale of the ramp in pixels, >= 0; at this distance the weight is two thirds. 0: the
            weight is 1 on the whole mask.
        contour: (1, 1, h, w), 0 to 1, how far the mask's edge is known to be a contour, beside it
            outside; 1: as far as the ramp reaches. None: what the source's contrast says.

    Returns:
        Luminance and chroma in [0, 1]; no texture.
    """
    free = window.support.to(window.source.dtype)
    if rim == 0:
        return FidelityWeights(free, free)
    reach = RAMP_END * rim
    start = torch.zeros_like(free) if contour is None else reach * contour * (1 - free)
    way = (_way_from_edge(window, reach, start) - 0.5).clamp_min(0)
    inside = free * torch.special.erf(way / (rim * 2**0.5))
    colourful = to_opponent(window.source)[:, 1:].square().sum(1, keepdim=True)
    hued = free * colourful / (colourful + HUE**2)
    return FidelityWeights(inside, torch.maximum(inside, hued))


def raised(fidelity: FidelityWeights, least: Tensor) -> FidelityWeights:
    """Fidelity weights that are nowhere below `least`, (1, 1, h, w), >= 0."""
    luminance, chroma = (torch.maximum(w, least) for w in (fidelity.luminance, fidelity.chroma))
    return FidelityWeights(luminance, chroma, fidelity.texture)


def edge_emphasis(window: Window, is_painted: bool = True) -> FidelityWeights:
    """Even weights, larger along the mask's edge, so that the refine stage makes no seam.

    Args:
        window: source and mask; (1, C, h, w) each.
        is_painted: whether there are strokes to paint; where there are none no detail is free.

    Returns:
        Luminance and chroma 1 on the mask, 10 within 2 pixels of its edge; of what is painted,
        texture finer than 4 pixels is free in lightness.
    """
    free = window.support.to(window.source.dtype)
    outside = F.max_pool2d(1 - free, 2 * EDGE + 1, 1, EDGE)
    weight = free * (1 + (EDGE_FACTOR - 1) * outside)
    return FidelityWeights(weight, weight, TEXTURE if is_painted else 0.0)


def _way_from_edge(window: Window, reach: int, start: Tensor) -> Tensor:
    """Length of the shortest path to each pixel from outside the mask, at most `reach`.

    It is `start`, (1, 1, h, w), outside.
    """
    costs = [
        torch.where(window.support, 1 + CONTOUR * _contrast(window, step), torch.inf)
        for step in NEIGHBOURS
    ]
    way = F.pad(torch.where(window.support, float(reach), start), (1, 1, 1, 1), value=reach)
    inner, before, longer = way[..., 1:-1, 1:-1], torch.empty_like(start), torch.empty_like(start)
    for _ in range(reach):  # a path of n pixels is no shorter than n
        before.copy_(inner)
        for (rows, columns), cost in zip(NEIGHBOURS, costs, strict=True):
            height, width = 1 + rows + inner.shape[2], 1 + columns + inner.shape[3]
            torch.add(way[..., 1 + rows : height, 1 + columns : width], cost, out=longer)
            torch.minimum(inner, longer, out=inner)
        if torch.equal(before, inner):
            break
    return inner


def _contrast(window: Window, step: tuple[int, int]) -> Tensor:
    """The source's contrast to a neighbour beyond the noise; 0 where either has no pixel."""
    difference = (window.source - _shifted(window.source, step, 0)).abs().amax(1, keepdim=True)
    return (
        window.source_valid
        * _shifted(window.source_valid, step, 0)
        * (difference - NOISE).clamp_min(0)
    )


def _shifted(x: Tensor, step: tuple[int, int], beyond: float) -> Tensor:
    """The neighbour's value of x at each pixel; `beyond` where it lies outside the frame."""
    rows, columns = step
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1), value=beyond)
    return padded[..., 1 + rows : 1 + rows + height, 1 + columns : 1 + columns + width]

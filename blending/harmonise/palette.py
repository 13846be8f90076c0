"""Palettes: what is remembered of the colours of an object, and of the place around it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..image.colour import to_oklab
from ..image.filters import gaussian_blur
from .place_gamut import lightness_ends

RING = 80  # pixels around the object that count as its place
RING_SIGMA = 32.0  # pixels, by which their weight falls off
SAMPLES = 16384  # pixels that a palette is read of; evenly spaced ones where there are more
HIGHLIGHTS = 0.9  # the quantile of lightness above which a pixel is a highlight


@dataclass(frozen=True)
class Palette:
    """Colours of the pixels that count in a picture, in OKLab.

    Few numbers, so they stay on the processor in float64: pictures of any device and dtype can
    share them.

    Attributes:
        lightness: (1,), the mean, 0 to 1.
        spread: (1,), the standard deviation of lightness.
        chroma: (1, 2), the mean of a and b.
        covariance: (1, 2, 2), of a and b.
        highlights: (1, 2), the mean of a and b of the brightest tenth.
        highlights_from: (1,), the lightness at which that tenth begins.
        pixels: (1,), how many pixels count; 0: there are none, and all else is 0.
        ends: (1, 2), the darkest and the lightest, but for the very few.
    """

    lightness: Tensor
    spread: Tensor
    chroma: Tensor
    covariance: Tensor
    highlights: Tensor
    highlights_from: Tensor
    pixels: Tensor
    ends: Tensor

    @property
    def is_empty(self) -> bool:
        """Whether no pixel counts, so that nothing is known."""
        return self.pixels.item() == 0


@torch.no_grad()
def palette(picture: Tensor, weight: Tensor) -> Palette:
    """The colours of a picture where it counts.

    Args:
        picture: (1, 3, H, W), float, sRGB in [0, 1].
        weight: (1, 1, H, W), >= 0, how much each pixel counts.

    Returns:
        The palette; an empty one where no pixel counts.
    """
    places = weight.flatten().nonzero()[:, 0]
    count = len(places)
    if not count:
        return _palette_of(*(torch.zeros(1, dtype=torch.float64) for _ in range(3)))
    places = places[:: -(-count // SAMPLES)]
    colours = to_oklab(picture.flatten(2)[:, :, None, places])[0, :, 0]
    total = torch.tensor([count], dtype=torch.float64)
    return _palette_of(colours.cpu().double(), weight.flatten()[places].cpu().double(), total)


def _palette_of(colours: Tensor, weight: Tensor, pixels: Tensor) -> Palette:
    """Of colours (3, n) and their weights (n,); zeros for the one pixel of an empty palette."""
    lightness, chroma = colours.expand(3, -1).split((1, 2))
    lightness = lightness[0]
    share = weight / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
    mean, mean_chroma = (share * lightness).sum(), (share * chroma).sum(1)
    away = chroma - mean_chroma[:, None]
    order = lightness.argsort(stable=True)
    below = (share[order].cumsum(0) < HIGHLIGHTS).sum().clamp(max=len(order) - 1)
    start = lightness[order[below]]
    top = share * (lightness >= start)
    bright = (top * chroma).sum(1) / top.sum().clamp_min(torch.finfo(top.dtype).tiny)
    return Palette(
        lightness=mean[None],
        spread=(share * (lightness - mean).square()).sum().sqrt()[None],
        chroma=mean_chroma[None],
        covariance=((share * away) @ away.T)[None],
        highlights=bright[None],
        highlights_from=start[None],
        pixels=pixels,
        ends=torch.tensor([lightness_ends(lightness)], dtype=lightness.dtype),
    )


def mixed(palettes: Sequence[Palette], shares: Sequence[float] | None = None) -> Palette:
    """The palette of several ones' pixels together: of a sequence, or of two references.

    Means and covariance are those of the mixture; highlights are the mean of the parts', ends their
    utmost.

    Args:
        palettes: one or more; empty ones do not count.
        shares: how much each counts, >= 0, as many as palettes. None: all alike.

    Returns:
        One palette; an empty one where all are empty.

    Raises:
        ValueError: no palettes, or another number of shares.
    """
    shares = [1.0] * len(palettes) if shares is None else shares
    if not palettes or len(shares) != len(palettes):
        raise ValueError(
            "palettes must be one or more with a share for each, "
            f"got {len(palettes)} and {len(shares)} shares"
        )
    parts = [(p, s) for p, s in zip(palettes, shares, strict=True) if s > 0 and not p.is_empty]
    if len(parts) < 2:
        return parts[0][0] if parts else palette(torch.zeros(1, 3, 1, 1), torch.zeros(1, 1, 1, 1))
    weight = torch.tensor([s for _, s in parts], dtype=torch.float64)
    weight = weight / weight.sum()

    def stacked(name: str) -> Tensor:
        return torch.cat([getattr(part, name) for part, _ in parts])

    def mean(values: Tensor) -> Tensor:
        return torch.tensordot(weight, values, 1)[None]

    lightness, chroma = mean(stacked("lightness")), mean(stacked("chroma"))
    away = stacked("chroma") - chroma
    spread = stacked("spread") ** 2 + (stacked("lightness") - lightness) ** 2
    return Palette(
        lightness=lightness,
        spread=mean(spread).sqrt(),
        chroma=chroma,
        covariance=mean(stacked("covariance") + away[:, :, None] * away[:, None]),
        highlights=mean(stacked("highlights")),
        highlights_from=mean(stacked("highlights_from")),
        pixels=stacked("pixels").sum()[None],
        ends=torch.stack((stacked("ends")[:, 0].amin(), stacked("ends")[:, 1].amax()))[None],
    )


@torch.no_grad()
def place_weight(mask: Tensor) -> Tensor:
    """How much each pixel of the target counts as the place of an object.

    Args:
        mask: (1, 1, H, W), in [0, 1]; where it is above 0 the object covers the target.

    Returns:
        (1, 1, H, W), >= 0, at least float32: 0 under the mask and beyond 80 px of it, falling off
        in between; 1 everywhere where the mask is empty.
    """
    covered = (mask > 0).to(torch.promote_types(mask.dtype, torch.float32))
    if not bool(covered.any()):
        return torch.ones_like(covered)
    # Whole rows and columns beyond the kernel's reach are exactly 0.
    return gaussian_blur(covered, RING_SIGMA, RING) * (mask == 0)

"""Grain: the finest of a place's texture, that an object lacks, taken from the place itself."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ..image.colour import from_oklab, to_linear, to_oklab, to_srgb
from ..image.percentile import percentile
from ..image.texture import contrast_of, local_contrast, octaves
from .matching import CELL, Matches

FINE = 2  # bands, of 1 and 2 pixels: strokes of 4 pixels are a matter of features
FLATTEST = 1e-4  # OKLab; a band that is flatter has no grain
PEAK = 2.5  # times its own strength near a pixel, beyond which a band is an edge and not grain
LEAST, MOST = 0.6, 1.0  # times the median of a painting's: plain parts, and edges, are not it
SURFACE = 1.5  # times the lower quartile: more than that is drawn, not the surface drawn on
# An object that is finer than its place: from how much on it is subdued, by which power, at most.
ROUGHER, EASE, SUBDUED = 1.25, 1 / 4, 0.8
EDGES = 0.9  # the quantile of a band's local contrast above which it is at an edge
EDGE = 0.01  # OKLab; a picture whose edges are fainter says nothing of sharpness
SOFTEST, AS_SHARP = 0.4, 0.9  # shares of a band that are left; that are no difference
PLAIN = 0.3  # the quantile of a photograph's local contrast that is its grain, not its detail
REFLECTIONS = 4  # of a place that falls on the object again, before its nearest edge serves


@dataclass(frozen=True)
class GrainLevel:
    """How strong the grain of a place is.

    Attributes:
        least: for each band, OKLab, >= 0, what a pixel is given at least.
        most: for each band, what it is given at most.
        ease: by which power of its excess over `most` a rougher pixel is subdued, 0: it is not.
    """

    least: list[float]
    most: list[float]
    ease: float = 0.0


@torch.no_grad()
def with_grain(
    picture: Tensor,
    target: Tensor,
    places: Tensor,
    level: GrainLevel,
    amount: float,
    beside: Tensor | None = None,
) -> Tensor:
    """Give a picture the target's grain where it has less of its own.

    In two bands of lightness, each pixel takes what the target has at its place, of unit strength,
    by as much as its own local contrast is below that of the place.

    Args:
        picture: (1, 3, h, w), RGB; may exceed [0, 1].
        target: (1, 3, H, W), RGB in [0, 1].
        places: (h, w), whole numbers: row · W + column of the target's pixel; -1: left as it is.
        level: of the target's grain.
        amount: 0 to 1.
        beside: (h, w), other places, whose texture serves where the target is plainer than its
            level at the first ones. None: nothing does.

    Returns:
        (1, 3, h, w), not clipped; `picture` where there is no place.
    """
    known = places >= 0
    if not amount or not bool(known.any()):
        return picture
    shown = picture.clamp(0, 1)
    oklab = to_oklab(shown)
    lightness, seen = oklab[:, :1], to_oklab(target)[:, :1]
    change = torch.zeros_like(lightness)
    bands = octaves(lightness), octaves(seen)
    ours, theirs = (zip(own, contrast_of(own), strict=True) for own in bands)
    limits = zip(level.least, level.most, strict=True)
    for (band, own), (other, contrast), (least, most) in zip(ours, theirs, limits, strict=False):
        unit = (other / contrast.clamp_min(FLATTEST)).clamp(-PEAK, PEAK)
        there = _at(contrast, places)
        texture = _at(unit, places)
        if beside is not None:  # what is plain there has none to give
            plain = 1 - (there / max(least, FLATTEST)).clamp_max(1)
            texture = (1 - plain.square()).sqrt() * texture + plain * _at(unit, beside)
        wanted = there.clamp(least, most)
        change += (wanted.square() - own.square()).clamp_min(0).sqrt() * texture
        if level.ease:
            excess = own / max(most, FLATTEST) / ROUGHER
            change += (excess.clamp_min(1) ** -level.ease).clamp_min(SUBDUED) * band - band
    oklab[:, :1] += amount * change
    moved = to_srgb(from_oklab(oklab).clamp(0, 1)) - to_srgb(to_linear(shown))
    return torch.where(known, picture + moved, picture)


def matched_places(matches: Matches, size: tuple[int, int], target: tuple[int, int]) -> Tensor:
    """The target's pixel that each pixel of an object has its like at.

    Args:
        matches: of positions.
        size: (h, w) of the object's window, pixels.
        target: (H, W) of the target.

    Returns:
        (h, w), whole numbers, as `with_grain` takes them.
    """
    place = matches.places.repeat_interleave(CELL, 0).repeat_interleave(CELL, 1)
    place = place[: size[0], : size[1]]
    down = torch.arange(size[0], device=place.device)[:, None] % CELL
    along = torch.arange(size[1], device=place.device)[None] % CELL
    row = (CELL * (place // matches.width) + down).clamp_max(target[0] - 1)
    column = (CELL * (place % matches.width) + along).clamp_max(target[1] - 1)
    return torch.where(place >= 0, row * target[1] + column, -1)


def reflected_places(support: Tensor) -> Tensor:
    """The pixel beside an object that each of its pixels mirrors across the nearest edge.

    Args:
        support: (1, 1, h, w), bool, the object, on its target.

    Returns:
        (h, w), whole numbers, as `with_grain` takes them; -1 beside the object, and everywhere
        where it covers all.
    """
    from scipy.ndimage import distance_transform_edt

    inside = support[0, 0].cpu()
    if bool(inside.all()):
        return torch.full(inside.shape, -1, device=support.device)
    found = distance_transform_edt(inside.numpy(), return_distances=False, return_indices=True)
    nearest = torch.from_numpy(found).long()
    height, width = inside.shape
    here = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
    limits = torch.tensor([height - 1, width - 1])[:, None, None]
    place = here
    for _ in range(REFLECTIONS):
        covered = inside[place[0], place[1]]
        edge = nearest[:, place[0], place[1]]
        mirrored = (2 * edge - place).abs()
        mirrored = limits - (limits - mirrored).abs()
        place = torch.where(covered, mirrored.clamp_min(0), place)
    covered = inside[place[0], place[1]]
    place = torch.where(covered, nearest, place)
    return torch.where(inside, place[0] * width + place[1], -1).to(support.device)


@torch.no_grad()
def photograph_level(target: Tensor, free: Tensor) -> GrainLevel:
    """The grain of a photograph: its local contrast where it is plain.

    Args:
        target: (1, 3, H, W), RGB in [0, 1].
        free: (1, 1, H, W), bool, where to look; somewhere True.

    Returns:
        The same everywhere.
    """
    level = [percentile(band[free], PLAIN) for band in _fine(target)]
    return GrainLevel(level, level)


@torch.no_grad()
def painting_level(target: Tensor, free: Tensor) -> GrainLevel:
    """The finest texture of a painting, which it has nearly everywhere.

    Args:
        target: (1, 3, H, W), RGB in [0, 1].
        free: (1, 1, H, W), bool, where to look; somewhere True.

    Returns:
        Around its median; lower where most of it is plain, as between the lines of a drawing.
    """
    middle = []
    for band in _fine(target):
        quarter, half = (percentile(band[free], share) for share in (0.25, 0.5))
        middle.append(min(half, SURFACE * quarter))
    return GrainLevel([LEAST * m for m in middle], [MOST * m for m in middle], EASE)


def _fine(target: Tensor) -> list[Tensor]:
    return local_contrast(to_oklab(target)[:, :1])[:FINE]


@torch.no_grad()
def as_sharp_as(
    picture: Tensor, inside: Tensor, target: Tensor, free: Tensor, amount: float
) -> Tensor:
    """Soften an object whose edges are sharper than its place's.

    Sharpness is by how much an edge's local contrast falls from one band to the next finer one; the
    finer is lowered by the quotient of both. Nothing is sharpened.

    Args:
        picture: (1, 3, h, w), RGB.
        inside: (1, 1, h, w), bool, the object; somewhere True.
        target: (1, 3, H, W), RGB in [0, 1].
        free: (1, 1, H, W), bool, its visible part; somewhere True.
        amount: 0 to 1.

    Returns:
        (1, 3, h, w), not clipped; `picture` where the target is as sharp or has no edges.
    """
    own = _falls(local_contrast(to_oklab(picture.clamp(0, 1))[:, :1]), inside)
    wanted = _falls(local_contrast(to_oklab(target)[:, :1]), free)
    shares, left = [], 1.0
    for ours, theirs in reversed(list(zip(own, wanted, strict=True))):
        left *= 1.0 if ours is None or theirs is None else min(1.0, theirs / ours / AS_SHARP)
        shares.insert(0, max(left, SOFTEST))
    if min(shares) == 1:
        return picture
    lost = sum((1 - s) * band for s, band in zip(shares, octaves(picture), strict=False))
    return picture - amount * lost


def _falls(contrast: list[Tensor], where: Tensor) -> list[float | None]:
    """From each of the finer bands to the next coarser one, at the edges of the coarser."""
    found = []
    for fine, coarse in pairwise(contrast):
        values = coarse[where]
        limit = percentile(values, EDGES)
        at = where & (coarse >= limit)
        found.append(None if limit < EDGE else (fine[at] / coarse[at]).mean().item())
    return found


def _at(plane: Tensor, places: Tensor) -> Tensor:
    """A target's plane (1, 1, H, W) at the places, (1, 1, h, w)."""
    return plane.flatten()[places.clamp_min(0)][None, None]

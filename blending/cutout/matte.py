"""An alpha from a rough mask: rests of the source's background between object and edge are found.

First a hard decision in a band along the mask's edge: local colours of the outside and of the
object give each pixel a log likelihood ratio, a graph cut a labelling whose borders follow edges,
and the object's colours are learnt anew from it. Of what is labelled background only the rests
are removed (`rests`). Then alpha in between, over a few pixels at the contour alone.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..checks import check_range
from ..placement.box import Box, bounding_box, crop
from ..report import OnPicture
from ..validation import check_image, check_mask, check_same_size, common_batch
from .foreground import continued
from .graph_cut import graph_cut
from .local_colours import LocalColours
from .mask_edge import MaskEdge
from .rests import PURE, beside, deep_rests, distance, rests

Array = np.ndarray

LARGEST_WIDTH = 128
MARGIN = 16  # pixels outside the mask, beyond the band's width, that teach the old background
ROUNDS = 3  # of labelling; in the first a thin part has no colours to be compared with
SETTLED = 0.002  # share of the band: with fewer changes the labels stay
BIAS = 0.1  # log likelihood by which a pixel is the object's if nothing else speaks
BEYOND = 6  # pixels beyond the band that are labelled too, to see whether background goes on there
DEEPER_BIAS = 1.0
CLIPPED = 4.0  # the largest log likelihood ratio that counts
SEED_DEPTH = 12  # pixels beyond twice the width: how deep the object's colours are learnt at first
CHANCE = 0.5  # a log ratio that says nothing
SURE = 2.0  # a log ratio that makes a pixel a sample of the object, however thin
THIN = 0.9  # log ratio of parts that a cut gives away and that stay; 1.2 breaks a spectacle frame
FEW = 50  # pixels outside that teach too little, if those next to the mask are left out
ZONE = 3.0  # pixels on both sides of a contour in which alpha may be in between
SOFTNESS = (0.6, 1.2, 1.8)  # sigma in pixels, of contours that are tried
TRUST = 0.2  # standard deviation of alpha from the contour's profile, at the contour
LEAST_ALPHA = 0.03  # below it alpha is 0, above one minus it 1
LEAST_VARIANCE = 1e-4
NEARLY_PURE = 0.15  # weight of colours within a pixel of the zone, where better ones are near
CLEAR = 4.0  # times the variance that |F − B|² must be for a contour's softness to be seen


@dataclass(frozen=True)
class Matte:
    """What was found of an object's alpha.

    Attributes:
        alpha: (N, 1, h, w), at most the mask, in its dtype; its own bits where nothing was removed.
        share: (N, 1, h, w), the object's share in the source's colours: it differs from alpha where
            a mask's edge is hard and the picture's is not, or the mask's soft and not the
            picture's.
        confidence: for each picture, from 0 (nothing outside the mask, or the same colours on both
            sides) to 1 (clearly separable).
    """

    alpha: Tensor
    share: Tensor
    confidence: tuple[float, ...]


@torch.no_grad()
def matte(
    source: Tensor,
    mask: Tensor,
    width: int,
    source_valid: Tensor | None = None,
    on_picture: OnPicture | None = None,
) -> Matte:
    """Find an object's alpha in a band along the edge of a rough mask.

    Args:
        source: (N or 1, 3, h, w), in [0, 1].
        mask: (N or 1, 1, h, w), in [0, 1], 1 = take the source; every value above 0 counts.
        width: of the band inside the mask's edge, holes' edges too, in which rests may lie; pixels,
            0 to 128; 0 changes nothing. A rest that ends there is followed up to 5 pixels deeper.
            The frame is no edge.
        source_valid: (N or 1, 1, h, w), > 0 where the source has pixels; None: everywhere.
        on_picture: called before each picture with how many are done and how many there are; an
            exception that it raises ends the work and is passed on.

    Returns:
        Alpha, share and confidence; each row as if it were alone.

    Raises:
        ValueError: wrong shapes, ranges, sizes or batches; width out of range.
        TypeError: not float tensors; width not a whole number.
    """
    batch, valid = check_cutout(source, mask, width, source_valid)
    alpha = mask.expand(batch, -1, -1, -1).clone()
    share = alpha.clone()
    confidence = [0.0] * batch
    for row in range(batch if width else 0):
        if on_picture:
            on_picture(row, batch)
        # Contiguous: in another layout sums are rounded otherwise.
        planes = [plane[row % len(plane)].contiguous() for plane in (source, mask, valid)]
        if not bool((planes[1] > 0).any()):
            continue
        box = worked_on(planes[1], width)
        image, plane, there = (crop(tensor, box).cpu().double().numpy() for tensor in planes)
        found = _matte(image[:3].astype(np.float32), plane[0], there[0] > 0, width)
        confidence[row] = found[2]
        for tensor, values in zip((alpha, share), found[:2], strict=True):
            crop(tensor[row, 0], box).copy_(torch.from_numpy(values))
    return Matte(alpha, share, tuple(confidence))


def check_cutout(
    source: Tensor, mask: Tensor, width: int, source_valid: Tensor | None
) -> tuple[int, Tensor]:
    """Check a source, its mask and the width of the band.

    Args:
        source: (N or 1, 3, h, w), in [0, 1].
        mask: (N or 1, 1, h, w), in [0, 1].
        width: pixels, 0 to 128.
        source_valid: (N or 1, 1, h, w), in [0, 1]; None: everywhere.

    Returns:
        The batch size, and where the source has pixels, (N or 1, 1, h, w).

    Raises:
        ValueError: wrong shapes, ranges, sizes or batches; width out of range.
        TypeError: not float tensors; width not a whole number.
    """
    check_image("source", source)
    if source.shape[1] != 3:
        raise ValueError(f"source must be (B, 3, H, W), got {tuple(source.shape)}")
    check_mask("mask", mask)
    check_same_size("mask", mask, "source", source)
    check_range("width", width, 0, LARGEST_WIDTH, whole=True)
    valid = torch.ones_like(mask[:1]) if source_valid is None else source_valid
    check_mask("source_valid", valid)
    check_same_size("source_valid", valid, "source", source)
    return common_batch(source=source, mask=mask, source_valid=valid), valid


def worked_on(mask: Tensor, width: int) -> Box:
    """The box that is looked at: a mask's, and a margin that teaches the old background.

    Args:
        mask: (1, h, w), > 0 somewhere.
        width: of the band, pixels.

    Returns:
        Inside the mask's (h, w).
    """
    return bounding_box(mask[None] > 0).grown(width + MARGIN).clipped(tuple(mask.shape))


def _matte(image: Array, mask: Array, valid: Array, width: int) -> tuple[Array, Array, float]:
    """Alpha, share and confidence of one picture, (h, w) each."""
    inside = mask > 0
    outside = ~inside & valid
    if not outside.any():
        return mask, mask, 0.0
    edge = MaskEdge(inside)
    own, ratio = _labelled(image, edge.depth, outside, width)
    old = rests(image, outside, own, ratio, edge, width)
    removed = deep_rests(old, mask, edge)
    kept = inside & ~(old | removed)
    if not kept.any():
        return mask, mask, 0.0
    share = _share(image, kept, inside & ~kept | outside, inside)
    alpha = mask.copy()
    changed = inside & (distance(~removed) <= ZONE) if removed.any() else removed
    alpha[changed] = np.minimum(mask, share)[changed]
    alpha[removed & (distance(~kept) > ZONE)] = 0
    return alpha, share, _confidence(ratio, kept, edge.depth <= width + BEYOND)


def _labelled(image: Array, depth: Array, outside: Array, width: int) -> tuple[Array, Array]:
    """The mask's pixels that are the object's, and the last log likelihood ratios."""
    inside = depth > 0
    away = distance(~inside)
    asked = inside & (depth <= width + BEYOND)
    taught = outside & (away <= width + MARGIN - 2)
    # Next to a tight mask lie mixed pixels.
    if (taught & (away > PURE)).sum() >= FEW:
        taught &= away > PURE
    colours = LocalColours(image, asked, taught, away, width)
    seeds = inside & (depth > width + 2)
    shallow = depth <= 2 * width + SEED_DEPTH
    samples, own, ratio = seeds & shallow, inside, np.zeros(inside.shape)
    for _ in range(ROUNDS):
        ratio = colours.log_ratio(samples)
        weighed = ratio.clip(-CLIPPED, 2 * CLIPPED) + BIAS + DEEPER_BIAS * (depth > width + 2)
        cut = graph_cut(image, weighed, asked, inside & ~asked, outside)
        before, own = own, _with_thin_parts(cut | (inside & ~asked), ratio > THIN)
        if (before ^ own).sum() <= SETTLED * asked.sum():
            break
        sound = shallow & ~beside(~own) & (ratio > -1)
        samples = own & ((seeds & shallow) | sound | (asked & (ratio > SURE)))
    return own, ratio


def _with_thin_parts(own: Array, sure: Array) -> Array:
    """The object, and parts of its own colours joined to it that a short cut has given away.

    Of those that lie along it within 2 pixels the contour's place is the cut's to say.
    """
    from scipy.ndimage import binary_opening, label

    solid, parts = np.zeros_like(own), np.empty(own.shape, np.int32)
    binary_opening(sure, np.ones((2, 2), bool), output=solid)
    label(solid & ~own, np.ones((3, 3), bool), output=parts)
    near = beside(own)
    touching, far = (np.zeros(parts.max() + 1, bool) for _ in range(2))
    touching[parts[near]] = True
    far[parts[~beside(near)]] = True
    joined = touching & far
    joined[0] = False
    return own | joined[parts]


def _share(image: Array, kept: Array, background: Array, inside: Array) -> Array:
    """The object's share of each pixel: 0 or 1 but for a few pixels at the contour.

    (⟨I − B, F − B⟩ + v p / s²) / (|F − B|² + v / s²), the mean of what the picture I says (with the
    variance v of F and B nearby) and of p, the contour blurred by that Gaussian which explains I
    best, with the standard deviation s, which falls with the distance from the contour.
    """
    to_own, to_old = distance(~kept), distance(~background)
    where = np.where(kept, to_old, to_own)
    zone = (kept | background) & (where <= ZONE)
    near_own = _continued(image, _pure(kept, to_old))
    pure = background * np.where(to_own > ZONE + 1, 1, NEARLY_PURE) * (to_own > ZONE - 0.5)
    near_old = _continued(image, pure.astype(np.float32))
    gap = near_own[:3] - near_old[:3]
    squared = np.square(gap).sum(0)
    variance = (near_own[3] + near_old[3]) / 2 + LEAST_VARIANCE
    profile, sigma = _profile(image, kept, zone, near_old[:3], gap, variance)
    deviation = TRUST * np.exp(-np.square(where / (0.8 + sigma)) / 2)
    weight = variance / np.maximum(deviation, 1e-3) ** 2
    along = ((image - near_old[:3]) * gap).sum(0)
    share = ((along + weight * profile) / (squared + weight)).clip(0, 1)
    share[share < LEAST_ALPHA] = 0
    share[share > 1 - LEAST_ALPHA] = 1
    share = np.where(zone, share, kept)
    return np.where(inside, share, 0).astype(np.float64)


def _pure(kept: Array, to_old: Array) -> Array:
    """Weights of pixels that are the object's alone; of thin parts, of their middle lines."""
    from scipy.ndimage import maximum_filter

    pure = kept & (to_old > ZONE - 0.5)
    weight = np.where(to_old > ZONE + 1, 1, NEARLY_PURE) * pure
    middle = kept & (to_old >= maximum_filter(to_old, 5) - 0.01) & (distance(~pure) > 5)
    return np.maximum(weight, 0.5 * middle).astype(np.float32)


def _continued(image: Array, weight: Array) -> Array:
    """(4, h, w): colours of the nearest pure pixels, and their variance around them."""
    known = torch.from_numpy(weight)[None, None]
    spread = np.square(image - _smoothed(image, weight)).mean(0, keepdims=True)
    planes = torch.from_numpy(np.concatenate([image, spread]))[None]
    return continued(planes, known)[0].numpy()


def _smoothed(image: Array, weight: Array) -> Array:
    """Means over 7 x 7 known pixels."""
    from scipy.ndimage import uniform_filter

    total = np.maximum(uniform_filter(weight, 7, mode="constant"), 1e-7)
    return np.stack([uniform_filter(one * weight, 7, mode="constant") for one in image]) / total


def _profile(
    image: Array, kept: Array, zone: Array, near_old: Array, gap: Array, variance: Array
) -> tuple[Array, Array]:
    """The contour's blur that explains the picture best nearby, and its sigma."""
    from scipy.ndimage import gaussian_filter

    def nearby(plane: Array) -> Array:
        return gaussian_filter((plane * zone).astype(np.float32), 4)

    total = np.maximum(nearby(np.ones(zone.shape)), 1e-9)
    clear = nearby(np.square(gap).sum(0)) > CLEAR * nearby(variance)
    hard = kept.astype(np.float32)
    best, profile, sigma = np.zeros(0), hard, np.zeros(kept.shape)
    for tried in SOFTNESS:
        soft = gaussian_filter(hard, tried)
        error = nearby(np.square(image - near_old - soft * gap).sum(0)) / total
        if not best.size:
            best, profile, sigma = error, soft, np.full(kept.shape, tried)
            continue
        better = clear & (error < 0.9 * best)
        best, profile = np.where(better, error, best), np.where(better, soft, profile)
        sigma = np.where(better, tried, sigma)
    return profile, sigma


def _confidence(ratio: Array, kept: Array, band: Array) -> float:
    """How far the outside's colours fail to explain what stays in the band, 0 to 1."""
    stays = ratio[kept & band]
    return float(np.tanh(np.maximum(stays - CHANCE, 0) / 2).mean()) if stays.size else 0.0

"""Which of the pixels that look like the old background are rests of it: bounds on what goes.

A rest is joined to the outside without a step of colour and ends at one: at the object's contour,
within the band. What goes on beyond the band is of the object's own colours, or too wide to be
judged; what has its step at the mask's own edge is a part of the object that was masked well; what
the outside explains as well as the object's pixels beside it lies at no contour; and what would
take a thin part away as a whole is no rest of anything.

A connected region goes or stays as a whole where its borders agree. Where they don't, stretches of
the mask's edge are judged by what belongs to them, and a rest ends straight across the edge.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .mask_edge import MaskEdge

Array = np.ndarray

FAR = 1e9  # pixels; where there is nothing to be far from
TOUCHING = np.ones((3, 3), bool)
PURE = 2.0  # pixels from a contour on, colours are not mixed
TEXTURE_SHARE = 0.5  # of the standard deviation beside it that the inner border's step exceeds
LEAST_STEP = 0.03  # of RGB, at the inner border: less is no contour
ALONG = 6.0  # pixels, standard deviation of local means along the mask's edge
SHORTEST = 12  # pixels along the mask's edge
# Of a border's pixels beside the object: least mean log ratio of the object there, least share with
# a clear contour, least share that ends within the band, most of the outer step in inner ones.
# True rests of the cases have log ratios from 2.3 on but for a few; false ones in fur, paint, folds
# and shadows up to 1.9.
SURE = 1.6, 0.85, 0.9, 0.35  # a region that goes as a whole
POSSIBLE = 1.2, 0.6, 0.75, 0.3  # a region of which stretches may go
LIKELY = 2.2, 0.8, 0.7, 0.6  # such a stretch
LITTLE = 1e-3  # pixels of a border
# Pixels beyond the width: from the first on background is followed, before the second it must end.
OVER, ENDS = 1.5, 4.5
ACROSS, ASIDE = 5, 11  # pixels a side, of mean colours beside the mask's edge and the contour
LEAST_DEPTH = 1.2  # pixels inside the mask's half: a rest reaches them somewhere near, or is none
NEAR_DEPTH = 8  # pixels around these
SPECK, SMALL = 12, 20  # square pixels: of the object among rests, of a rest


def distance(pixels: Array) -> Array:
    """The distance to the nearest pixel that is not marked.

    Args:
        pixels: (h, w), bool.

    Returns:
        (h, w), in pixels, 0 where not marked; FAR where all are. The frame is no edge.
    """
    from scipy.ndimage import distance_transform_edt

    if pixels.all():
        return np.full(pixels.shape, FAR)
    return np.asarray(distance_transform_edt(pixels))


def beside(pixels: Array) -> Array:
    """The marked pixels and their eight neighbours.

    Args:
        pixels: (h, w), bool.

    Returns:
        (h, w), bool.
    """
    rows = pixels.copy()
    rows[1:] |= pixels[:-1]
    rows[:-1] |= pixels[1:]
    every = rows.copy()
    every[:, 1:] |= rows[:, :-1]
    every[:, :-1] |= rows[:, 1:]
    return every


def rests(
    image: Array,
    outside: Array,
    own: Array,
    ratio: Array,
    edge: MaskEdge,
    width: int,
) -> Array:
    """The labelled background that is a rest of the old one.

    Args:
        image: (3, h, w), float.
        outside: (h, w), bool, the old background's pixels outside the mask.
        own: (h, w), bool, inside the mask, those labelled as the object's.
        ratio: (h, w), log likelihood ratios, > 0 where the object explains a pixel better.
        edge: of the mask.
        width: of the band along the mask's edge in which rests may lie, pixels.

    Returns:
        (h, w), bool.
    """
    inside = edge.depth > 0
    labelled = _joined(inside & ~own, outside)
    band, limit = _within(labelled, edge, width)
    band = _joined(band, outside)
    kept = inside & ~labelled
    regions = _labelled(band)
    borders = _Borders(band & beside(outside), band & beside(kept), limit & band)
    if not (borders.outer.any() and borders.inner.any()):
        return np.zeros_like(band)
    evidence = _evidence(image, ratio, band, labelled | outside, kept, borders)
    count = int(regions.max()) + 1

    def of_regions(pixels: Array, values: Array) -> Array:
        return np.bincount(regions[pixels], values[pixels], count)

    def of_edge(pixels: Array, values: Array) -> Array:
        return edge.smoothed(edge.sums(pixels, values), ALONG)

    whole = _verdict(of_regions, borders, evidence, SURE)
    partly = _verdict(of_regions, borders, evidence, POSSIBLE)
    stretches = edge.stretches(_verdict(of_edge, borders, evidence, LIKELY))
    long = np.bincount(stretches, minlength=1) >= SHORTEST
    long[0] = False
    removed = band & (whole[regions] | partly[regions] & edge.over(long[stretches]))
    return _joined(_without_vanished(removed, edge, width), outside)


def deep_rests(removed: Array, mask: Array, edge: MaskEdge) -> Array:
    """Those rests that a mask's own soft edge does not explain; the mask is right elsewhere.

    Args:
        removed: (h, w), bool, rests as from `rests`.
        mask: (h, w), in [0, 1].
        edge: of the mask.

    Returns:
        (h, w), bool, with specks of the object among rests; small rests are none.
    """
    deep = removed & (distance(mask >= 0.5) > LEAST_DEPTH)
    if not deep.any():
        return deep
    kept = removed & edge.over(edge.grown(edge.sums(deep) > 0, NEAR_DEPTH))
    stays = (mask > 0) & ~kept
    kept |= _smaller(stays, SPECK) & (distance(~kept) <= 2 * PURE)
    return kept & ~_smaller(kept, SMALL)


def _joined(removed: Array, outside: Array) -> Array:
    """The removed pixels that are joined, by sides, to the outside."""
    labels = _labelled(removed | outside)
    touching = np.zeros(labels.max() + 1, bool)
    touching[labels[outside]] = True
    return removed & touching[labels]


def _within(labelled: Array, edge: MaskEdge, width: int) -> tuple[Array, Array]:
    """What of the labelled background may be a rest, and those of it where it goes on deeper."""
    from scipy.ndimage import binary_opening

    depth = edge.depth
    parts = _labelled(labelled & (depth > width + OVER))
    goes_on = np.bincount(parts.ravel(), depth.ravel() > width + ENDS) > 0
    goes_on[0] = False
    deep = goes_on[parts]
    beyond = np.zeros_like(deep)
    binary_opening(deep, TOUCHING, output=beyond)
    band = labelled & ~deep
    return band, band & (depth > width) & beside(beside(beyond))


@dataclass(frozen=True)
class _Borders:
    """Of the labelled background in the band: pixels (h, w) along three borders.

    Outer: the mask's edge; inner: the object's contour; limit: where it goes on deeper.
    """

    outer: Array
    inner: Array
    limit: Array


@dataclass(frozen=True)
class _Evidence:
    """What speaks for a rest at each pixel of a border, (h, w).

    Attributes:
        outer: colour difference to the outside, at the outer border.
        inner: colour difference to the object, at the inner one.
        clear: whether that is more than texture.
        foreign: the log likelihood ratio of the object beside the inner border.
    """

    outer: Array
    inner: Array
    clear: Array
    foreign: Array


def _evidence(
    image: Array, ratio: Array, band: Array, background: Array, kept: Array, borders: _Borders
) -> _Evidence:
    step = _mean(image, background & ~band, ACROSS) - _mean(image, band, ACROSS)
    pure = background * np.where(_within_two(kept), 0.02, 1)
    own = kept * np.where(_within_two(~kept), 0.02, 1)
    behind, before = _mean(image, pure, ASIDE), _mean(image, own, ASIDE)
    inner = np.sqrt(np.square(behind - before).sum(0))
    spread = _mean(np.square(image - behind).sum(0)[None], pure, ASIDE)
    spread += _mean(np.square(image - before).sum(0)[None], own, ASIDE)
    texture = np.sqrt(np.maximum(spread[0], 0) / 2)
    clear = inner > np.maximum(LEAST_STEP, TEXTURE_SHARE * texture)
    foreign = _mean(ratio[None].clip(-4, 4), kept & (ratio != 0), 7)[0]
    return _Evidence(np.sqrt(np.square(step).sum(0)), inner, clear.astype(float), foreign)


def _verdict(
    sums: Callable[[Array, Array], Array],
    borders: _Borders,
    evidence: _Evidence,
    least: tuple[float, float, float, float],
) -> Array:
    """Which regions or stretches are rests, from sums over the pixels of their borders."""
    ones = np.ones_like(evidence.inner)
    inner, outer = sums(borders.inner, ones), sums(borders.outer, ones)
    limit = sums(borders.limit, ones)
    steps_in, steps_out = sums(borders.inner, evidence.inner), sums(borders.outer, evidence.outer)
    foreign, clear, ends, ratio = least
    return (
        (inner > LITTLE)
        & (steps_out * inner < ratio * steps_in * outer)
        & (sums(borders.inner, evidence.clear) >= clear * inner)
        & (sums(borders.inner, evidence.foreign) >= foreign * inner)
        & (inner >= ends * (inner + limit))
    )


def _without_vanished(removed: Array, edge: MaskEdge, width: int) -> Array:
    """Without those that take a whole cross-section of the mask, or a part far from what stays.

    A cross-section is known by its middle: what is there and has nothing that stays as near as the
    mask's edge, and a quarter more, would interrupt a thin part.
    """
    from scipy.ndimage import maximum_filter

    depth, inside = edge.depth, edge.depth > 0
    to_kept = distance(~(inside & ~removed))
    middle = (depth > PURE) & (depth >= maximum_filter(depth, 5))
    vanished = removed & (to_kept > np.where(middle, 1.25 * depth + PURE, 2 * width + 3))
    spoilt = edge.grown(edge.sums(vanished) > 0, 2 * width)
    return removed & ~edge.over(spoilt)


def _within_two(pixels: Array) -> Array:
    """The marked pixels and those within 2 pixels of one: two steps sideways, up or down."""
    for _ in range(2):
        grown = pixels.copy()
        grown[1:] |= pixels[:-1]
        grown[:-1] |= pixels[1:]
        grown[:, 1:] |= pixels[:, :-1]
        grown[:, :-1] |= pixels[:, 1:]
        pixels = grown
    return pixels


def _smaller(pixels: Array, area: int) -> Array:
    """The pixels of components, joined at corners too, below an area."""
    labels = _labelled(pixels, TOUCHING)
    small = np.bincount(labels.ravel()) < area
    small[0] = False
    return small[labels]


def _labelled(pixels: Array, joined: Array | None = None) -> Array:
    """Each pixel's component, from 1 (0: in none)."""
    from scipy.ndimage import label

    labels = np.empty(pixels.shape, np.int32)
    label(pixels, joined, output=labels)
    return labels


def _blurred(plane: Array, side: int) -> Array:
    from scipy.ndimage import uniform_filter

    return uniform_filter(plane.astype(np.float32), side, mode="constant")


def _mean(image: Array, weight: Array, side: int) -> Array:
    """Local means of a picture over a weight, (C, h, w)."""
    total = np.maximum(_blurred(weight, side), 1e-6)
    return np.stack([_blurred(channel * weight, side) for channel in image]) / total

"""Which of the pixels that look like the old background are rests of it: bounds on what goes.

A rest is joined to the outside without a step of colour and ends at one: at the object's contour.
It ends within the band. What goes on beyond the band is of the object's own colours, or too wide
to be judged; what has its step at the mask's own edge is a part of the object that was masked well;
and what would take a thin part away as a whole is no rest of anything.
"""

import numpy as np

Array = np.ndarray

FAR = 1e9  # pixels; where there is nothing to be far from
TOUCHING = np.ones((3, 3), bool)
PURE = 2.0  # pixels from a contour on, colours are not mixed
# The inner border's step must be this much larger than the outer one's: outer < 0.8 · inner. 0.65
# leaves 11 % of a rest beside a starry night, 1 takes twice as much from clean masks.
STEP_RATIO = 0.8
TEXTURE_SHARE = 0.5  # of the standard deviation beside it that the inner border's step exceeds
LEAST_STEP = 0.03  # of RGB, at the inner border: less is no contour
ALONG = 25  # pixels a side, of means along a border
ACROSS, ASIDE = 5, 11  # pixels a side, of mean colours beside the mask's edge and the contour
OPEN = 0.5  # of the border beside a pixel that may end at the band's inner edge
WINDOW = 1.3  # widths of the band, on each side, of the window that this is counted in
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


def rests(image: Array, mask: Array, outside: Array, own: Array, width: int) -> Array:
    """The labelled background that is a rest of the old one.

    Args:
        image: (3, h, w), float.
        mask: (h, w), in [0, 1].
        outside: (h, w), bool, the old background's pixels outside the mask.
        own: (h, w), bool, inside the mask, those labelled as the object's.
        width: of the band along the mask's edge in which rests may lie, pixels.

    Returns:
        (h, w), bool.
    """
    inside = mask > 0
    removed = _joined(inside & ~own, outside)
    removed = _ending(removed, inside, width)
    removed = _with_steps(image, removed, inside, outside)
    return _joined(_without_vanished(removed, inside, width), outside)


def deep_rests(removed: Array, mask: Array) -> Array:
    """Those rests that a mask's own soft edge does not explain; the mask is right elsewhere.

    Args:
        removed: (h, w), bool, rests as from `rests`.
        mask: (h, w), in [0, 1].

    Returns:
        (h, w), bool, with specks of the object among rests; small rests are none.
    """
    deep = removed & (distance(mask >= 0.5) > LEAST_DEPTH)
    if not deep.any():
        return deep
    kept = removed & (distance(~deep) <= NEAR_DEPTH)
    stays = (mask > 0) & ~kept
    kept |= _smaller(stays, SPECK) & (distance(~kept) <= 2 * PURE)
    return kept & ~_smaller(kept, SMALL)


def _joined(removed: Array, outside: Array) -> Array:
    """The removed pixels that are joined, by sides, to the outside."""
    labels = _labelled(removed | outside)
    touching = np.zeros(labels.max() + 1, bool)
    touching[labels[outside]] = True
    return removed & touching[labels]


def _ending(removed: Array, inside: Array, width: int) -> Array:
    """Without those beside which the background's colours go on beyond the band."""
    from scipy.ndimage import binary_opening

    depth = distance(inside)
    beyond = np.zeros_like(removed)
    binary_opening(removed & (depth > width + 1.5), TOUCHING, output=beyond)
    ends = removed & (depth <= width + 1.5)
    if beyond.any():
        limit = ends & (depth > width + 0.5) & (distance(~beyond) <= PURE)
        proper = ends & beside(inside & ~removed)
        side = 2 * round(WINDOW * width) + 1
        ends &= _blurred(limit, side) <= OPEN * _blurred(proper, side)
    return ends


def _with_steps(image: Array, removed: Array, inside: Array, outside: Array) -> Array:
    """Those whose inner border is a clearer step of colour than the mask's edge before them."""
    kept = inside & ~removed
    outer_border = removed & beside(outside)
    to_kept = distance(~kept)
    inner_border = removed & beside(kept)
    if not (outer_border.any() and inner_border.any()):
        return np.zeros_like(removed)
    step = _mean(image, outside, ACROSS) - _mean(image, removed, ACROSS)
    outer = _along(np.sqrt(np.square(step).sum(0)), outer_border)
    background = (removed | outside) * np.where(to_kept > PURE, 1, 0.02)
    own = kept * np.where(distance(kept) > PURE, 1, 0.02)
    behind, before = _mean(image, background, ASIDE), _mean(image, own, ASIDE)
    inner = _along(np.sqrt(np.square(behind - before).sum(0)), inner_border)
    spread = _mean(np.square(image - behind).sum(0)[None], background, ASIDE)
    spread += _mean(np.square(image - before).sum(0)[None], own, ASIDE)
    texture = _along(np.sqrt(np.maximum(spread[0], 0) / 2), inner_border)
    return (
        removed
        & (outer < STEP_RATIO * inner)
        & (inner > np.maximum(LEAST_STEP, TEXTURE_SHARE * texture))
    )


def _without_vanished(removed: Array, inside: Array, width: int) -> Array:
    """Without those that take a whole cross-section of the mask, or a part far from what stays.

    A cross-section is known by its middle: what is there and has nothing that stays as near as the
    mask's edge, and a quarter more, would interrupt a thin part.
    """
    from scipy.ndimage import maximum_filter

    depth, to_kept = distance(inside), distance(~(inside & ~removed))
    middle = (depth > PURE) & (depth >= maximum_filter(depth, 5))
    vanished = removed & (to_kept > np.where(middle, 1.25 * depth + PURE, width + 3))
    if not vanished.any():
        return removed
    return removed & (distance(~vanished) > 2 * width)


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


def _along(values: Array, border: Array) -> Array:
    """Local means over a border's pixels, at each pixel that of the nearest of them."""
    from scipy.ndimage import distance_transform_edt

    mean = _mean(values[None], border, ALONG)[0]
    indices = distance_transform_edt(~border, return_distances=False, return_indices=True)
    return mean[tuple(np.asarray(indices))]

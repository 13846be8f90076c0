"""Put an object on a target as a layout says: paste, source and mask, all of the target's size."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..validation import check_image, common_batch, pixel_size
from .alpha import check_extent, cut_out
from .box import Box, crop, full_box
from .layout import Layout, Spot
from .place import SOLVED_FROM, check_taken, pasted, visible_part
from .warp import pose
from .window import lay_out


@dataclass(frozen=True)
class PlacedObject:
    """An object at its place.

    Attributes:
        paste: (N, 3 or 4, H, W), the target with the object pasted on it, in the target's dtype,
            with its alpha. Soft edges are blended, even where the mask is below 0.5.
        source: (N, 4, H, W), RGBA; alpha is 1 where the source has pixels, 0 elsewhere.
        mask: (N, 1, H, W), in [0, 1], 1 = source, soft edges kept; multiplied by the source's
            alpha.
        words: where the object lies, for people.
    """

    paste: Tensor
    source: Tensor
    mask: Tensor
    words: str


def place_object(
    source: Tensor, target: Tensor, mask: Tensor | None, layout: Layout
) -> PlacedObject:
    """Flip, rotate, fit, scale a source and its mask and put them on a target.

    Without rotation and flip the result, given to `place` at row 0, column 0, is to the bit what
    `place` makes of source and mask at the same corner and scale.

    Args:
        source: (N, 3 or 4, h, w), in [0, 1]. Its alpha multiplies the mask, or is the mask where
            none is given.
        target: (N, 3 or 4, H, W), in [0, 1].
        mask: (N, 1, h, w), in [0, 1], 1 = take the source; or None.
        layout: where, how large, in which pose; the object may overhang.

    Returns:
        The object at its place. N is 1 or the batch size for each argument.

    Raises:
        ValueError: wrong shapes, ranges, sizes or batches; neither mask nor alpha; an object larger
            than 32768 pixels a side or 100 million in all, or wholly outside the target.
        TypeError: not float tensors.
    """
    check_image("source", source)
    check_image("target", target)
    colour, alpha, mask, notes = cut_out(source, mask)
    batch = common_batch(source=colour, mask=mask, target=target)
    check_taken(mask)
    (height, width), (rows, columns) = colour.shape[2:], target.shape[2:]
    spot = layout.spot((height, width), (rows, columns))
    size = f"{spot.width} x {spot.height} pixels"
    check_extent(spot.height, spot.width, "scale and fit", size)
    planes = pose(colour, alpha, mask, layout.flip, spot)
    shown = visible_part(planes[0], target, spot.row, spot.column)
    colour, valid, mask = (crop(plane, shown) for plane in planes)
    if not bool((mask >= SOLVED_FROM).any()):
        raise ValueError(
            f"mask must be above 0 inside the target of {pixel_size(target)}, got nothing "
            f"there with the object's corner at column {spot.column}, row {spot.row}; move it"
        )
    at, frame = shown.shifted(spot.row, spot.column), full_box(target.shape)
    own_batch = common_batch(source=colour, alpha=valid)
    rgba = torch.cat([plane.expand(own_batch, -1, -1, -1) for plane in (colour, valid)], 1)
    return PlacedObject(
        paste=pasted(target.expand(batch, -1, -1, -1), colour, mask, at),
        source=lay_out(rgba, at, frame),
        mask=lay_out(mask, at, frame).to(target.dtype),
        words=_words(spot, shown, notes),
    )


def _words(spot: Spot, shown: Box, notes: tuple[str, ...]) -> str:
    """Lines on where the object lies."""
    lines = [f"{spot.width} x {spot.height} pixels at column {spot.column}, row {spot.row}"]
    hidden = 1 - shown.height * shown.width / (spot.width * spot.height)
    if hidden:
        lines.append(f"overhangs: {max(1, round(100 * hidden))} % of that are cut off")
    return "\n".join([*lines, *notes])

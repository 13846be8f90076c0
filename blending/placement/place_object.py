"""Put an object on a target as a layout says: paste, source and mask, all of the target's size."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..validation import check_image, common_batch, pixel_size
from .alpha import check_extent, cut_out
from .box import Box, bounding_box, crop, full_box
from .layout import Layout
from .place import SOLVED_FROM, check_taken, pasted, solved_mask, visible_part
from .warp import pose
from .window import lay_out

SURROUNDINGS = 64  # pixels that are kept around a trimmed object, and half its longer side


@dataclass(frozen=True)
class PlacedObject:
    """An object at its place.

    Attributes:
        paste: (N, 3 or 4, H, W), the target with the object pasted on it, in the target's dtype,
            with its alpha. Soft edges are blended, even where the mask is below 0.5.
        source: (N, 4, H, W), RGBA in [0, 1]; alpha is 1 where the source has pixels, 0 elsewhere.
        mask: (N, 1, H, W), in [0, 1], 1 = source, soft edges kept; multiplied by the source's
            alpha; 0 where it was below 1/256.
        words: where the object lies, for people.
    """

    paste: Tensor
    source: Tensor
    mask: Tensor
    words: str


@torch.no_grad()
def place_object(
    source: Tensor, target: Tensor, mask: Tensor | None, layout: Layout, trim: bool = False
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
        trim: whether fit and anchor refer to the box around the mask, of all pictures of a batch,
            instead of to the whole source; of that, half the box's longer side and 64 pixels are
            kept around it, for what reads an object's surroundings.

    Returns:
        The object at its place. N is 1 or the batch size for each argument.

    Raises:
        ValueError: wrong shapes, ranges, sizes or batches; neither mask nor alpha; an object larger
            than 32768 pixels a side or 100 million in all, or wholly outside the target, or so
            small that nothing of its mask is left.
        TypeError: not float tensors.
    """
    check_image("source", source)
    check_image("target", target)
    colour, alpha, mask, notes = cut_out(source, mask)
    batch = common_batch(source=colour, mask=mask, target=target)
    check_taken(mask)
    part = None
    if trim:
        part = bounding_box((mask > 0).any(0, keepdim=True))
        kept = part.grown(max(part.size) // 2 + SURROUNDINGS).clipped(mask.shape)
        colour, alpha, mask = (crop(plane, kept) for plane in (colour, alpha, mask))
        part = part.relative_to(kept)
    (height, width), (rows, columns) = colour.shape[2:], target.shape[2:]
    spot = layout.spot((height, width), (rows, columns), part)
    size = f"{spot.width} x {spot.height} pixels"
    check_extent(spot.height, spot.width, "scale and fit", size)
    planes = pose(colour, alpha, mask, layout.flip, spot)
    whole = _told_box(planes[2], size, trim=trim)
    shown = visible_part(planes[0], target, spot.row, spot.column)
    colour, valid, mask = (crop(plane, shown) for plane in planes)
    mask = solved_mask(mask)
    if not bool((mask > 0).any()):
        raise ValueError(
            f"mask must be above 0 inside the target of {pixel_size(target)}, got nothing "
            f"there with the object's corner at column {spot.column}, row {spot.row}; move it"
        )
    at, frame = shown.shifted(spot.row, spot.column), full_box(target.shape)
    own_batch = common_batch(source=colour, alpha=valid)
    colour = colour.clamp(0, 1)  # what is resampled may leave it
    rgba = torch.cat([plane.expand(own_batch, -1, -1, -1) for plane in (colour, valid)], 1)
    return PlacedObject(
        paste=pasted(target.expand(batch, -1, -1, -1), colour, mask, at),
        source=lay_out(rgba, at, frame),
        mask=lay_out(mask, at, frame).to(target.dtype),
        words=_words(whole.shifted(spot.row, spot.column), frame, notes),
    )


def _told_box(mask: Tensor, size: str, *, trim: bool) -> Box:
    """The box that is told of an object at its size: of its mask, or of its whole source."""
    taken = (mask >= SOLVED_FROM).any(0, keepdim=True)
    if not bool(taken.any()):
        raise ValueError(
            f"scale and fit must leave something of the mask, got none of it at {size}; make the "
            "object larger"
        )
    return bounding_box(taken) if trim else full_box(mask.shape)


def _words(box: Box, frame: Box, notes: tuple[str, ...]) -> str:
    """Lines on where the object lies."""
    lines = [f"{box.width} x {box.height} pixels at column {box.left}, row {box.top}"]
    shown = box.intersection(frame)
    hidden = 1 - shown.height * shown.width / (box.width * box.height)
    if hidden:
        lines.append(f"overhangs: {max(1, round(100 * hidden))} % of that are cut off")
    return "\n".join([*lines, *notes])

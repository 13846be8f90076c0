"""What the figures of an object's looks are measured on: the object and its surroundings."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..image.colour import to_lab
from ..image.distance import distance_inside
from ..placement.box import Box, bounding_box, crop, full_box

OBJECT_FROM = 0.5  # pixels whose mask is at least this are the object's
RING = 80  # pixels: what lies so near an object is its surroundings
DEEPEST = 16  # pixels: deeper inside, no figure asks how deep
REACH = RING + 24  # pixels around the object's box that are looked at: the ring, and its blurs
STRIP_PIXELS = 2**18  # what is blurred at a time
MOST_STRIPS = 4  # of an object of over 1 million pixels; the figures are means and medians
FRAME = 10  # pixels: where an object ends at the picture's frame it has no contour
FEWEST = 50  # pixels: a figure of fewer would be chance


@dataclass(frozen=True)
class ObjectView:
    """An object in three pictures, in CIELAB, with the distances to its outline.

    Attributes:
        result: (1, 3, h, w), the blend.
        paste: (1, 3, h, w), the plain paste.
        target: (1, 3, h, w), what the object was put on.
        is_object: (1, 1, h, w), bool; where it is nowhere True, the figures have no basis.
        depth: (1, 1, h, w), pixels from an object's pixel to the nearest one outside, 0 outside;
            infinity beyond 16.
        distance: (1, 1, h, w), pixels from a pixel outside to the object's nearest, 0 inside;
            infinity beyond 80.
        off_frame: (1, 1, h, w), bool, True where the picture's frame is 10 pixels away or more.
    """

    result: Tensor
    paste: Tensor
    target: Tensor
    is_object: Tensor
    depth: Tensor
    distance: Tensor
    off_frame: Tensor

    def strips(
        self, margin: int, overlap: int | None = None
    ) -> Iterator[tuple["ObjectView", Tensor]]:
        """The object in strips of rows, one after the other: time and memory of blurs are bounded.

        Four evenly spaced strips, the first and the last among them, stand for a larger object.

        Args:
            margin: pixels around the object's box.
            overlap: pixels above and below each strip; None: `margin`.

        Yields:
            The view cropped to a strip, and which of its pixels, (1, 1, h, w), bool, are in no
            other strip; nothing without an object.
        """
        if not bool(self.is_object.any()):
            return
        box = bounding_box(self.is_object)
        around = box.grown(margin).clipped(self.is_object.shape)
        rows = max(1, STRIP_PIXELS // around.width)
        tops = range(box.top, box.bottom, rows)
        if len(tops) > MOST_STRIPS:
            last = len(tops) - 1
            tops = [tops[round(n * last / (MOST_STRIPS - 1))] for n in range(MOST_STRIPS)]
        for top in tops:
            own = Box(top, around.left, min(rows, box.bottom - top), around.width)
            part = own.grown(margin if overlap is None else overlap).intersection(around)
            planes = {field.name: crop(getattr(self, field.name), part) for field in fields(self)}
            is_own = torch.zeros_like(planes["is_object"])
            crop(is_own, own.relative_to(part)).fill_(True)
            yield ObjectView(**planes), is_own


def surroundings(mask: Tensor) -> Box | None:
    """The box of an object and of what is looked at around it.

    Args:
        mask: (1, 1, H, W), in [0, 1], 1 = source.

    Returns:
        The box inside the picture; None where the mask reaches 0.5 nowhere: there is no object.
    """
    is_object = mask >= OBJECT_FROM
    if not bool(is_object.any()):
        return None
    return bounding_box(is_object).grown(REACH).clipped(mask.shape)


@torch.no_grad()
def object_view(
    result: Tensor, paste: Tensor, target: Tensor, mask: Tensor, whole: Box | None = None
) -> ObjectView:
    """Look at an object that was put on a target.

    Args:
        result: (1, 3, h, w), float, sRGB in [0, 1]: the blend, best cropped to `surroundings`.
        paste: (1, 3, h, w), float, sRGB in [0, 1].
        target: (1, 3, h, w), float, sRGB in [0, 1].
        mask: (1, 1, h, w), in [0, 1]; the object is where it is at least 0.5.
        whole: the box of the whole picture, seen from the crop's corner; None: nothing is cropped.

    Returns:
        The view, at least float32, on the device of `result`.

    Raises:
        ValueError: not three channels.
    """
    device = result.device
    is_object = (mask >= OBJECT_FROM).to(device)
    whole = whole or full_box(mask.shape)
    inner = whole.grown(-FRAME).clipped(mask.shape)
    off_frame = torch.zeros_like(is_object)
    crop(off_frame, inner).fill_(True)
    labs = (to_lab(picture.to(device)) for picture in (result, paste, target))
    return ObjectView(
        *labs,
        is_object=is_object,
        depth=distance_inside(is_object, DEEPEST),
        distance=distance_inside(~is_object, RING),
        off_frame=off_frame,
    )

"""What an eye sees first in a blend, in figures: opacity, contour, tone, colours that belong."""

import torch
from torch import Tensor

from ..placement.box import crop, full_box
from ..placement.window import pick
from ..validation import check_image, check_mask, check_same_size, common_batch
from .belonging import foreign_colours, highlights
from .contour import contour_kept
from .object_view import ObjectView, object_view, surroundings
from .see_through import see_through
from .strokes import strokes
from .tone import tone_kept


@torch.no_grad()
def appearance(
    result: Tensor, paste: Tensor, target: Tensor, mask: Tensor
) -> list[dict[str, float]]:
    """The figures of each picture; one alone means little, together they say what an eye sees.

    Args:
        result: (N, 3 or 4, H, W), float, sRGB in [0, 1]; the blend. Alpha is not looked at.
        paste: (N or 1, 3 or 4, H, W): the plain paste, which is opaque, with its own contour and
            tone.
        target: (N or 1, 3 or 4, H, W).
        mask: (N or 1, 1, H, W), in [0, 1]; the object is where it is at least 0.5.

    Returns:
        N dicts, empty where there is no object: those of `figures_of` and `foreign_colours` and
        `strokes`. NaN where a figure has no basis.

    Raises:
        ValueError: shapes, ranges, sizes or batches.
        TypeError: not a float tensor.
    """
    for name, picture in (("result", result), ("paste", paste), ("target", target)):
        check_image(name, picture)
        check_same_size(name, picture, "mask", mask)
    check_mask("mask", mask)
    batch = common_batch(result=result, paste=paste, target=target, mask=mask)
    samples = ([pick(x, n)[:, :3] for x in (result, paste, target, mask)] for n in range(batch))
    return [_appearance(*sample) for sample in samples]


def _appearance(result: Tensor, paste: Tensor, target: Tensor, mask: Tensor) -> dict[str, float]:
    box = surroundings(mask)
    if box is None:
        return {}
    crops = (crop(tensor, box) for tensor in (result, paste, target, mask))
    view = object_view(*crops, whole=full_box(mask.shape).relative_to(box))
    foreign = foreign_colours(result, target, mask)
    return {**figures_of(view), "foreign_colours": foreign, "strokes": strokes(view)}


@torch.no_grad()
def figures_of(view: ObjectView) -> dict[str, float]:
    """The figures of one object that its surroundings suffice for.

    Args:
        view: (1, C, h, w) planes, from `object_view`.

    Returns:
        `see_through_rim`, `see_through_inside`, `contour_kept`, `tone_kept`, `highlights`, see the
        functions of these names; NaN where a figure has no basis.
    """
    rim, inside = see_through(view)
    return {
        "see_through_rim": rim,
        "see_through_inside": inside,
        "contour_kept": contour_kept(view),
        "tone_kept": tone_kept(view),
        "highlights": highlights(view),
    }

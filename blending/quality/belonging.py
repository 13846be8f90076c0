"""Whether an object's colours and highlights are ones that its target has."""

import math

import torch
from torch import Tensor

from ..image.colour import to_lab
from ..image.percentile import percentile
from ..placement.box import Box, bounding_box, full_box
from ..placement.levels import pixels_at
from .object_view import FEWEST, OBJECT_FROM, RING, ObjectView

OBJECT_COLOURS, TARGET_COLOURS = 3000, 6000  # pixels looked at, about
AT_ONCE = 512  # colours that are compared with all of the target's
NEIGHBOURS = 3  # a colour that the target has at one pixel by chance does not count
FOREIGN = 0.9  # share of the object's colours that are nearer than the figure
HIGHLIGHTS = 0.9  # share of an area that is darker than its highlights
BINOMIAL = (
    1,
    4,
    6,
    4,
    1,
)  # has the variance of a Gaussian of 1 pixel: no pixel's noise is a colour
GOLDEN = 0.6180339887498949  # shears the grid: no row of samples stands below another


@torch.no_grad()
def foreign_colours(result: Tensor, target: Tensor, mask: Tensor, part: Box | None = None) -> float:
    """How far the object's colours lie from the colours of the target.

    Of the distance in CIELAB from a colour of the object to the third nearest colour of the target
    outside the mask, the 90th percentile over the object. Large areas are looked at on a regular
    grid, about 3000 and 6000 pixels: how rare colours fall on it moves the figure by up to 10 %.

    Args:
        result: (1, 3, h, w), float, sRGB in [0, 1].
        target: (1, 3, H, W), sRGB, float in [0, 1] or levels, whole: its colours may be anywhere.
        mask: (1, 1, h, w), in [0, 1]; the object is where it is at least 0.5.
        part: the box of the target that result and mask are of, with 2 pixels or more around the
            object where the target has them; None: all of it.

    Returns:
        ΔE (1976), >= 0; NaN where the object or the target outside has fewer than 50 pixels.

    Raises:
        ValueError: not three channels.
    """
    is_object = (mask >= OBJECT_FROM).to(result.device)
    pixels, frame = int(is_object.count_nonzero()), full_box(target.shape)
    others = frame.height * frame.width - pixels
    if pixels < FEWEST or others < FEWEST:
        return math.nan
    own = smooth_colours(result, is_object, bounding_box(is_object), OBJECT_COLOURS)
    rows, columns = _sheared_grid(others, frame, TARGET_COLOURS)
    is_free = ~_looked_up(is_object, part or frame, rows, columns)
    around = _smoothed(target, rows[is_free], columns[is_free]).to(own)
    nearest = [
        torch.cdist(part, around, compute_mode="donot_use_mm_for_euclid_dist")
        .topk(NEIGHBOURS, 1, largest=False)
        .values[:, -1]
        for part in own.split(AT_ONCE)
    ]
    return percentile(torch.cat(nearest), FOREIGN)


@torch.no_grad()
def highlights(view: ObjectView) -> float:
    """How far the colour of the object's highlights is from that of the target's.

    Highlights are the lightest tenth of an area: of the object, and of the target up to 80 pixels
    around it.

    Args:
        view: (1, C, h, w) planes, from `object_view`.

    Returns:
        The distance of their mean (a*, b*), CIELAB, >= 0; NaN where either area has fewer than 50
        pixels.
    """
    is_around = ~view.is_object & (view.distance <= RING)
    if view.is_object.count_nonzero() < FEWEST or is_around.count_nonzero() < FEWEST:
        return math.nan
    own = _highlight(view.result, view.is_object)
    return (own - _highlight(view.target, is_around)).norm().item()


def _highlight(lab: Tensor, where: Tensor) -> Tensor:
    """Mean (a*, b*) of an area's lightest pixels, (2,)."""
    colours = lab[:, :, where[0, 0]][0]
    return colours[1:, colours[0] >= percentile(colours[0], HIGHLIGHTS)].mean(1)


def smooth_colours(picture: Tensor, where: Tensor, box: Box, most: int) -> Tensor:
    """Colours of an area on a regular grid, blurred by a standard deviation of 1 pixel.

    Only what the grid asks for is computed: a large picture costs no more than a small one.

    Args:
        picture: (1, 3, H, W), float, sRGB in [0, 1]; its edge pixels repeat beyond the frame.
        where: (1, 1, H, W), bool; the area, at least one pixel.
        box: the area's.
        most: about how many colours; an area of fewer pixels gives each of its own.

    Returns:
        (N, 3), CIELAB, at least float32.

    Raises:
        ValueError: not three channels.
    """
    rows, columns = _sheared_grid(int(where.count_nonzero()), box, most)
    chosen = _looked_up(where, full_box(where.shape), rows, columns)
    return _smoothed(picture, rows[chosen], columns[chosen])


def _looked_up(where: Tensor, part: Box, rows: Tensor, columns: Tensor) -> Tensor:
    """What a plane, (1, 1, h, w), bool, of a part of a picture says of its pixels, (N,); or False.

    On the processor, as rows and columns are, (N,) each.
    """
    rows, columns = rows - part.top, columns - part.left
    is_inside = (rows >= 0) & (rows < part.height) & (columns >= 0) & (columns < part.width)
    found = torch.zeros_like(is_inside)
    places = (rows[is_inside].to(where.device), columns[is_inside].to(where.device))
    found[is_inside] = where[0, 0][places].cpu()
    return found


def _smoothed(picture: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Colours at rows and columns, (N,) each, blurred: (N, 3), CIELAB."""
    binomial = torch.tensor(BINOMIAL, dtype=torch.float64)
    weights = torch.outer(binomial, binomial).flatten() / binomial.sum() ** 2
    offset = torch.arange(len(BINOMIAL)) - len(BINOMIAL) // 2
    height, width = picture.shape[2:]
    down, across = (grid.flatten() for grid in torch.meshgrid(offset, offset, indexing="ij"))
    rows = (rows[:, None] + down).clamp(0, height - 1).to(picture.device)
    columns = (columns[:, None] + across).clamp(0, width - 1).to(picture.device)
    patches = to_lab(pixels_at(picture, rows, columns))  # (1, 3, N, 25)
    return (patches @ weights.to(patches))[0].T


def _sheared_grid(pixels: int, box: Box, most: int) -> tuple[Tensor, Tensor]:
    """Rows and columns, (N,) each, of a grid of which about `most` lie on an area of a box.

    Args:
        pixels: of the area.
        box: around it.
        most: about how many.

    Returns:
        Whole numbers, on the processor.
    """
    pixels_each = max(1.0, pixels / most)
    across = min(pixels_each**0.5, box.width)
    count = max(1, round(box.height * across / pixels_each))  # of rows
    down = box.height / count
    across = max(1.0, pixels_each / down)
    steps = torch.arange(count, dtype=torch.float64)
    rows = (steps * down).long()
    shear = (steps * GOLDEN).frac()[:, None]
    columns = ((torch.arange(math.ceil(box.width / across)) + shear) * across).long()
    rows = rows[:, None].expand_as(columns)
    is_inside = columns < box.width
    return rows[is_inside] + box.top, columns[is_inside] + box.left

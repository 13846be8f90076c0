"""Whether an object's colours and highlights are ones that its target has."""

import math

import torch
from torch import Tensor

from ..image.colour import to_lab
from ..image.percentile import percentile
from ..placement.box import Box, bounding_box, full_box
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
def foreign_colours(result: Tensor, target: Tensor, mask: Tensor) -> float:
    """How far the object's colours lie from the colours of the target.

    Of the distance in CIELAB from a colour of the object to the third nearest colour of the target
    outside the mask, the 90th percentile over the object. Large areas are looked at on a regular
    grid, about 3000 and 6000 pixels: how rare colours fall on it moves the figure by up to 10 %.

    Args:
        result: (1, 3, H, W), float, sRGB in [0, 1].
        target: (1, 3, H, W), float, sRGB in [0, 1], whole: its colours may be anywhere.
        mask: (1, 1, H, W), in [0, 1]; the object is where it is at least 0.5.

    Returns:
        ΔE (1976), >= 0; NaN where the object or the target outside has fewer than 50 pixels.

    Raises:
        ValueError: not three channels.
    """
    is_object = (mask >= OBJECT_FROM).to(result.device)
    pixels = int(is_object.count_nonzero())
    if pixels < FEWEST or is_object.numel() - pixels < FEWEST:
        return math.nan
    own = smooth_colours(result, is_object, bounding_box(is_object), OBJECT_COLOURS)
    around = smooth_colours(target, ~is_object, full_box(mask.shape), TARGET_COLOURS)
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
    rows, columns = _sheared_grid(where, box, most)
    binomial = torch.tensor(BINOMIAL, dtype=torch.float64)
    weights = torch.outer(binomial, binomial).flatten() / binomial.sum() ** 2
    offset = torch.arange(len(BINOMIAL), device=where.device) - len(BINOMIAL) // 2
    height, width = where.shape[2:]
    down, across = (grid.flatten() for grid in torch.meshgrid(offset, offset, indexing="ij"))
    rows = (rows[:, None] + down).clamp(0, height - 1).to(picture.device)
    columns = (columns[:, None] + across).clamp(0, width - 1).to(picture.device)
    patches = to_lab(picture[:, :, rows, columns])  # (1, 3, N, 25)
    return (patches @ weights.to(patches))[0].T


def _sheared_grid(where: Tensor, box: Box, most: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of about `most` pixels of an area, (N,) each, evenly spread over it."""
    pixels_each = max(1.0, int(where.count_nonzero()) / most)
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
    rows, columns = (x[is_inside].to(where.device) for x in (rows + box.top, columns + box.left))
    chosen = where[0, 0, rows, columns]
    return rows[chosen], columns[chosen]

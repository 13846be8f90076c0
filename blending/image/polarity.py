"""Whether a mask is the wrong way round: takes the surroundings and leaves the object out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..validation import check_mask

RIGHT, WRONG, UNSURE = "right", "wrong", "unsure"
TAKEN = 0.5  # from this value on a pixel counts as taken
WHOLE_SIDE = 0.98  # share of a side of the frame from which all of it counts as taken
WHOLE_SIDES = 3  # an object may be cut off by one side of the frame: a bust, a car
BORDER, CENTRE = 0.7, 0.5  # least share of the border, most of the frame's middle ninth
LEAST_OBJECT = 0.01  # share of the frame; smaller ones are specks in a mask that takes everything
# Share of its bounding box that an object fills. More: a rectangle, as masks for outpainting leave
# out. Less: specks all over, or several things far apart.
FILLS = (0.15, 0.9)


@dataclass(frozen=True)
class Polarity:
    """What is found about one mask.

    Attributes:
        verdict: RIGHT; WRONG, it is to be turned round; UNSURE.
        taken: share of the frame's pixels that are taken, 0 to 1.
        border: share of the pixels along the frame's sides that are taken, 0 to 1.
    """

    verdict: str
    taken: float
    border: float


def find_polarity(mask: Tensor) -> list[Polarity]:
    """Find masks that take everything around an object, and not the object.

    WRONG where three sides of the frame are taken whole, or 0.7 of its border and at most half of
    its middle, and what is left out is no speck and fills its bounding box as objects do; RIGHT
    where less than half of the border is taken, and something; else UNSURE, as a mask for
    outpainting is: all around a rectangle.

    Args:
        mask: (B, 1, H, W), in [0, 1], 1 = taken.

    Returns:
        One for each mask of the batch.

    Raises:
        ValueError, TypeError: wrong mask.
    """
    check_mask("mask", mask)
    return [_judged(plane) for plane in mask[:, 0] >= TAKEN]


def _judged(taken: Tensor) -> Polarity:
    """The polarity of one mask, (H, W), bool."""
    sides = [taken[0], taken[-1], taken[:, 0], taken[:, -1]]
    whole = sum(_share(side) >= WHOLE_SIDE for side in sides)
    share, border = _share(taken), _share(torch.cat(sides))
    height, width = taken.shape
    middle = taken[height // 3 : -(height // 3) or None, width // 3 : -(width // 3) or None]
    is_around = border >= BORDER and _share(middle) <= CENTRE
    if (whole >= WHOLE_SIDES or is_around) and _is_object(~taken):
        return Polarity(WRONG, share, border)
    is_right = share > 0 and border < 0.5
    return Polarity(RIGHT if is_right else UNSURE, share, border)


def _is_object(pixels: Tensor) -> bool:
    """Whether pixels, (H, W), bool, are as many and as close together as an object's."""
    if _share(pixels) < LEAST_OBJECT:
        return False
    rows, columns = (pixels.any(axis).nonzero() for axis in (1, 0))
    box = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
    return FILLS[0] <= int(pixels.sum()) / int(box) < FILLS[1]


def _share(pixels: Tensor) -> float:
    return pixels.sum().item() / pixels.numel()

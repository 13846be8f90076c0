"""What the refine stage may change: the object, a band around it, or the whole picture."""

import torch
from torch import Tensor

from ..image.mask import adjust_mask
from ..placement.place import SOLVED_FROM
from ..placement.window import Box, bounding_box, crop, window_around
from ..settings import RefineSettings


def region_box(box: Box, settings: RefineSettings, shape: tuple[int, ...]) -> Box:
    """The box of what may change, for an object's box in a (..., H, W) frame."""
    if settings.region == "picture":
        return 0, 0, shape[-2], shape[-1]
    return window_around(box, settings.band if settings.region == "band" else 0, shape)


def region_mask(mask: Tensor, settings: RefineSettings) -> Tensor:
    """The mask of what may change, (N, 1, H, W), 1 = may change; below 0.5 it does not count.

    Args:
        mask: the object's, (N, 1, H, W), in [0, 1].
        settings: region and band.
    """
    if settings.region == "picture":
        return torch.ones_like(mask)
    taken = (mask >= SOLVED_FROM).any(0, keepdim=True)
    if settings.region == "object" or not taken.any():
        return mask
    box = region_box(bounding_box(taken), settings, mask.shape)
    grown = mask.clone()
    crop(grown, box).copy_(adjust_mask(crop(mask, box), grow=settings.band))
    return grown

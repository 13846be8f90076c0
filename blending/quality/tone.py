"""How much of an object's own contrast is left."""

import math

import torch
from torch import Tensor

from ..image.filters import gaussian_blur
from .object_view import FEWEST, ObjectView

SIGMA, REACH = 2.0, 8  # pixels: grain and strokes are not the object's tone
LEAST_SPREAD = 0.5  # L*; an object of one lightness has no contrast to keep


@torch.no_grad()
def tone_kept(view: ObjectView) -> float:
    """The spread of the object's lightness, against the paste's.

    Args:
        view: (1, C, h, w) planes, from `object_view`.

    Returns:
        Ratio of the standard deviations of L*, blurred by 2 pixels, over the object; 1 is the
        paste's contrast, below it is washed out, above it harsh; NaN for fewer than 50 pixels or a
        paste of one lightness.
    """
    if view.is_object.count_nonzero() < FEWEST:
        return math.nan
    parts = [_smooth_lightness(strip, own) for strip, own in view.strips(REACH)]
    found, before = torch.cat(parts, 1).std(dim=1, correction=0).tolist()
    return found / before if before >= LEAST_SPREAD else math.nan


def _smooth_lightness(near: ObjectView, own: Tensor) -> Tensor:
    """Of result and paste at the object's pixels, (2, N)."""
    lightness = torch.cat((near.result[:, :1], near.paste[:, :1]), 1)
    return gaussian_blur(lightness, SIGMA, REACH)[0][:, (near.is_object & own)[0, 0]]

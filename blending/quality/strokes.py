"""Whether an object is painted as roughly as the target around it."""

import math

import torch
from torch import Tensor

from ..image.percentile import percentile
from ..image.texture import local_contrast
from .object_view import RING, ObjectView

INNER, OUTER = 6.0, 3.0  # pixels from the outline, whose own contrast is no stroke
FEWEST_PIXELS = 200
LEAST_CONTRAST = 1e-3  # L*; what two areas without any contrast are compared by


@torch.no_grad()
def strokes(view: ObjectView) -> float:
    """How unlike the local contrast of the object is to that of the target around it.

    The median of L*'s `local_contrast` is taken over the object, and over the target 3 to 80 pixels
    around it.

    Args:
        view: (1, C, h, w) planes, from `object_view`.

    Returns:
        Mean over the three bands of |log2| of the ratio of both, >= 0; 1 is twice or half the
        contrast; NaN where either area has 200 pixels or fewer.
    """
    is_body = view.is_object & (view.depth > INNER)
    is_ring = (view.distance > OUTER) & (view.distance <= RING)
    if is_body.count_nonzero() <= FEWEST_PIXELS or is_ring.count_nonzero() <= FEWEST_PIXELS:
        return math.nan
    lightness = torch.cat((view.result[:, :1], view.target[:, :1]), 1)
    differences = [
        abs(_octave(contrast[:, :1], is_body) - _octave(contrast[:, 1:], is_ring))
        for contrast in local_contrast(lightness)
    ]
    return sum(differences) / len(differences)


def _octave(contrast: Tensor, where: Tensor) -> float:
    return math.log2(percentile(contrast[where], 0.5) + LEAST_CONTRAST)

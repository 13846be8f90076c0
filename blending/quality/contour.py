"""How much of the step at an object's outline is left."""

import math

import torch
from torch import Tensor

from ..image.filters import gaussian_blur
from ..image.percentile import percentile
from .object_view import ObjectView

BAND = (2.0, 5.0)  # pixels from the outline, on either side: past its soft edge
OUTLINE = 1.5  # pixels: the object's outermost pixels, where the step is measured
SIGMA, REACH = 4.0, 16  # pixels: what is beside a pixel of the outline
LEAST_WEIGHT = 0.02  # of a band beside a pixel, for its mean to be known
LEAST_STEP = 12.0  # CIELAB; a fainter step of the paste is no contour
FEWEST_STEPS = 40  # pixels of the outline


@torch.no_grad()
def contour_kept(view: ObjectView) -> float:
    """The contrast of inside against outside along the outline, against the paste's.

    The colours 2 to 5 pixels inside and outside are averaged by a Gaussian around each pixel of the
    outline; the step is the distance of the two means in CIELAB. The frame is no outline, nor is
    where the paste has a step below 12.

    Args:
        view: (1, C, h, w) planes, from `object_view`.

    Returns:
        Median ratio of the two steps, >= 0; 1 is the paste's contour, 0 none; NaN where the paste
        has a contour at no more than 40 pixels.
    """
    ratios = [_step_ratios(strip, own) for strip, own in view.strips(REACH + int(BAND[1]))]
    if sum(map(len, ratios)) <= FEWEST_STEPS:
        return math.nan
    return percentile(torch.cat(ratios), 0.5)


def _step_ratios(near: ObjectView, own: Tensor) -> Tensor:
    """The result's step over the paste's at the outline's pixels that have a contour, (N,)."""
    inside, outside = ((BAND[0] <= d) & (d <= BAND[1]) for d in (near.depth, near.distance))
    means, is_known = zip(*(_local_means(near, band) for band in (inside, outside)), strict=True)
    steps = (means[0] - means[1]).unflatten(1, (2, 3)).square().sum(2).sqrt()
    before, after = steps.split(1, 1)  # of paste and result
    is_outline = own & near.is_object & (near.depth <= OUTLINE) & near.off_frame
    chosen = is_outline & is_known[0] & is_known[1] & (before > LEAST_STEP)
    return after[chosen] / before[chosen]


def _local_means(view: ObjectView, band: Tensor) -> tuple[Tensor, Tensor]:
    """Mean colours of paste and result, (1, 6, h, w), of the band beside each pixel; is it near?"""
    labs = torch.cat((view.paste, view.result), 1)
    weight = band.to(labs.dtype)
    sums = gaussian_blur(torch.cat((labs * weight, weight), 1), SIGMA, REACH)
    colours, weight = sums[:, :-1], sums[:, -1:]
    return colours / (weight + 1e-6), weight > LEAST_WEIGHT

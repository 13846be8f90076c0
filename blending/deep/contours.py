"""Where a mask's edge lies on the object's own contour, and where it cuts through one surface."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.filters import blur, gaussian_kernel, smoothstep
from ..placement.window import Window

SIGMA, REACH = 3.0, 9  # pixels, of the Gaussian means on both sides of the edge
PIXELS = 4 * math.pi * SIGMA**2  # that such a mean is worth where all count
SIGNIFICANT = 2.0  # standard errors of the means by which texture may make them differ
NEAR = 0.03  # least share of each side under that Gaussian: within five pixels of a straight edge
SAME, OTHER = 0.06, 0.18  # image units; means that differ by that: one surface, two surfaces
BESIDE, FAINT = 3, 0.02  # pixels beside the mask, which may be mixed or cleaned, and their weight
SOLID = 0.5  # alpha from which a pixel is the object's


@torch.no_grad()
def contour_share(window: Window) -> Tensor:
    """The share, at every pixel near the mask's edge, by which that edge is the object's contour.

    The source's mean colours inside and outside the mask are compared there. Where they are alike
    the mask cuts through one surface (a loosely cut object's background, a patch of sky) and its
    edge must not be seen; where they differ the object ends there, and so it must in the target.

    Args:
        window: source, mask and where the source has pixels, (1, C, h, w).

    Returns:
        (1, 1, h, w), 0 to 1; 0 away from the edge and where the source has nothing outside.
    """
    inside = window.mask * (window.mask >= SOLID)
    beside = F.max_pool2d(window.support.to(window.source), 2 * BESIDE + 1, 1, BESIDE)
    outside = window.source_valid * ~window.support * torch.where(beside > 0, FAINT, 1.0)
    kernel = gaussian_kernel(SIGMA, REACH, window.source)
    totals, means, variances = [], [], []
    for weight in (inside, outside):
        total = blur(weight, kernel)
        mean = blur(weight * window.source, kernel) / total.clamp_min(1e-6)
        square = blur(weight * window.source.square(), kernel) / total.clamp_min(1e-6)
        variances.append((square - mean.square()).clamp_min(0).sum(1, keepdim=True))
        totals.append(total)
        means.append(mean)
    step = (means[0] - means[1]).square().sum(1, keepdim=True).sqrt()
    # Few pixels do not show how much they vary: the larger variance counts for both sides.
    doubt = torch.maximum(*variances) * sum(1 / (PIXELS * t).clamp_min(1) for t in totals)
    step = step - SIGNIFICANT * doubt.sqrt()
    near = (totals[0] > NEAR) & (totals[1] > FAINT * NEAR)
    return torch.where(near, smoothstep(step, SAME, OTHER), 0)


def contour_of_edge(window: Window) -> Tensor:
    """How much of a mask's edge is the object's contour: 0, a patch of one surface, to 1.

    Args:
        window: (1, C, h, w) planes, as for `contour_share`.

    Returns:
        (), the mean share over the mask's outermost pixels; 0 where there are none.
    """
    outside = F.pad((~window.support).to(window.source), (1,) * 4)  # the frame is no edge
    edge = window.support & (F.max_pool2d(outside, 3, 1) > 0)
    return contour_share(window)[edge].sum() / edge.sum().clamp_min(1)

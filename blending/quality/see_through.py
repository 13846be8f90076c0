"""How much of the target can be seen through an object."""

import math

import torch
from torch import Tensor

from ..image.filters import gaussian_blur
from ..image.percentile import percentile
from .object_view import FEWEST, ObjectView

RIM = 12.0  # pixels: the object's outer part, where soft edges and Poisson's ghosts are
OUTERMOST = 1.0  # pixels at the outline itself, where paste and target are mixed anyway
FINE, COARSE = 0.7, 6.0  # pixels: detail is what lies between these two Gaussians
COARSE_REACH = 24  # pixels: 4 sigma
LEAST_TRUST = 0.4  # the share of pixels where the target has least detail says least
# Squared CIELAB. Rounding to 8 bits makes a detail of 0.03; a target of less has nothing to show.
LEAST_DETAIL = 0.1
# Share of the target's detail that the paste has not; less where a repaired crop shows the same
# scene: then nothing tells what is seen through it.
LEAST_OWN = 0.2
FLAT = 1e-3  # squared CIELAB: keeps a flat object, which explains nothing, from dividing by 0


@torch.no_grad()
def see_through(view: ObjectView) -> tuple[float, float]:
    """The share of the target's detail in the blend that the paste's detail does not explain.

    With p, t, r the detail of paste, target and result (a difference of Gaussians of 0.7 and 6
    pixels, CIELAB), and <,> a product summed over the channels and blurred over the object:
    r is regressed on p and t at every pixel, the figure is the coefficient of t,

        (<t, r> − <t, p> <p, r> / <p, p>) / (<t, t> − <t, p>² / <p, p>),

    numerator and denominator summed over the pixels whose denominator is not among the lowest 40 %.
    An alpha blend a · paste + (1 − a) · target has 1 − a.

    Args:
        view: (1, C, h, w) planes, from `object_view`.

    Returns:
        In the object's outer 12 pixels, and further inside; 0 is opaque, 1 a ghost; NaN where
        fewer than 50 pixels count, or the target has no detail to show that the paste has not.
    """
    parts = [_regression(strip, own) for strip, own in view.strips(COARSE_REACH, 2 * COARSE_REACH)]
    if not parts:
        return math.nan, math.nan
    *planes, is_rim = (torch.cat(values) for values in zip(*parts, strict=True))
    rim, inside = (_coefficient(*(plane[part] for plane in planes)) for part in (is_rim, ~is_rim))
    return rim, inside


def _regression(near: ObjectView, own: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of the strip's own pixels numerator, denominator, <t, t>, and which are of the rim."""
    labs = torch.cat((near.paste, near.target, near.result), 1)
    detail = gaussian_blur(labs, FINE, 3) - gaussian_blur(labs, COARSE, COARSE_REACH)
    paste, target, result = (detail * near.is_object).chunk(3, 1)
    pairs = ((paste, paste), (target, target), (paste, target), (paste, result), (target, result))
    products = torch.cat([(one * other).sum(1, keepdim=True) for one, other in pairs], 1)
    pp, tt, pt, pr, tr = gaussian_blur(products, COARSE, COARSE_REACH).split(1, 1)
    shown = tr - pt * pr / (pp + FLAT)
    trust = tt - pt.square() / (pp + FLAT)
    is_rim = (near.depth > OUTERMOST) & (near.depth <= RIM) & near.off_frame
    chosen = own & (is_rim | (near.depth > RIM))
    return shown[chosen], trust[chosen], tt[chosen], is_rim[chosen]


def _coefficient(shown: Tensor, trust: Tensor, detail: Tensor) -> float:
    if len(trust) < FEWEST:
        return math.nan
    chosen = trust > percentile(trust, LEAST_TRUST)
    if chosen.count_nonzero() < FEWEST or trust[chosen].mean() < LEAST_DETAIL:
        return math.nan
    if trust[chosen].sum() < LEAST_OWN * detail[chosen].sum():
        return math.nan
    return (shown[chosen].sum() / trust[chosen].sum()).item()

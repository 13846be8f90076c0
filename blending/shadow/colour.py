"""The colour of a target's shadows: how its darker pixels relate to lighter ones beside them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.colour import to_linear

FALLBACK = 0.33, 0.35, 0.38  # of the light that is left, red, green, blue: a hazy day
GRID = 64  # cells along the longer side of what is looked at
STEPS = (1, 2, 4, 8)  # cells between the two of a pair
DARKEST = 0.01  # linear light; what is darker is not trusted
DEEPEST, SHALLOWEST = 0.2, 0.4  # the light that may be left
ALIKE = 0.7  # of the light: what keeps more is texture, not shade
PRIOR = 0.002  # of all pairs that are seen: the fallback counts as so many
SAMPLES, MEAN_SHIFTS = 1500, 5
CLUSTER = 0.1
LIKELY_DEPTH, LIKELY_TINT = 0.5, 0.3


def shadow_colour(target: Tensor, visible: Tensor) -> tuple[Tensor, float]:
    """The ratio of shadow to light in a picture, one for each channel.

    Where light changes on a surface, its colour is multiplied by the same ratio whatever the
    surface is; where the surface changes, the ratios are of all kinds. So ratios of neighbours are
    gathered, and their densest cluster is looked for by mean shifts from the fallback, which
    itself counts as some of them.

    Args:
        target: (1, 3, H, W), float, sRGB in [0, 1].
        visible: (1, 1, H, W), in [0, 1], where it is to be looked at.

    Returns:
        (3,), float64, on the processor, linear light, in (0, 1); and how sure it is, from 0: it is
        the fallback, to 1.

    Source: Barrow and Tenenbaum 1978; that a scene's shadows share one ratio is used by Guo, Dai
    and Hoiem 2011, "Single-image shadow detection and removal using paired regions".
    """
    fallback = torch.tensor(FALLBACK, dtype=torch.float64).log()
    light, seen = _cells(target, visible)
    found = [
        _pairs(light, seen, rows, columns)
        for step in STEPS
        for rows, columns in ((0, step), (step, 0), (step, step), (step, -step))
    ]
    away = torch.cat([ratio for ratio, _ in found], 1).log() - fallback[:, None]
    prior = max(1.0, PRIOR * sum(count for _, count in found))
    mean, support = _mode(away)
    share = support / (support + prior)
    colour = (fallback + share * mean).exp()
    level = colour.mean().clamp(DEEPEST, SHALLOWEST)
    return colour * level / colour.mean(), share


def _mode(ratios: Tensor) -> tuple[Tensor, float]:
    """The densest cluster of the likely ones of logarithms (3, n), and how many belong to it."""
    if not ratios.shape[1]:
        return ratios.new_zeros(3), 0.0
    depth = ratios.mean(0)
    tint = (ratios - depth).square().sum(0).sqrt()
    likely = torch.exp(-((depth / LIKELY_DEPTH) ** 2 + (tint / LIKELY_TINT) ** 2) / 2)
    step = -(-ratios.shape[1] // SAMPLES)
    some, chance = ratios[:, ::step], likely[::step]
    near = torch.exp(-torch.cdist(some.T, some.T).square() / (2 * CLUSTER**2))
    centre = some[:, (near.sum(1) * chance).argmax(), None]
    for _ in range(MEAN_SHIFTS):
        weight = torch.exp(-(ratios - centre).square().sum(0) / (2 * CLUSTER**2))
        centre = (ratios * weight).sum(1, keepdim=True) / weight.sum()
    return centre[:, 0], weight.sum().item()


def _cells(target: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Linear light in about `GRID` cells a side, (3, h, w), and where it is known, (h, w)."""
    height, width = target.shape[2:]
    side = max(1, -(-max(height, width) // GRID))
    size = max(1, height // side), max(1, width // side)
    # Thinned first, which spares most of the decoding.
    skip = max(1, side // 4)
    thin, free = target[..., ::skip, ::skip].cpu().double(), visible[..., ::skip, ::skip]
    light = to_linear(thin.clamp(0, 1))
    free = free.cpu().double()
    share = F.adaptive_avg_pool2d(free, size)
    mean = F.adaptive_avg_pool2d(light * free, size) / share.clamp_min(1e-6)
    return mean[0], (share > 0.5)[0, 0]


def _pairs(light: Tensor, seen: Tensor, rows: int, columns: int) -> tuple[Tensor, int]:
    """Ratios of darker to lighter cells so far apart, (3, n), and how many pairs are seen."""
    height, width = seen.shape
    if rows >= height or abs(columns) >= width:
        return light.new_zeros(3, 0), 0
    if columns < 0:
        return _pairs(light.flip(-1), seen.flip(-1), rows, -columns)
    near = slice(height - rows), slice(width - columns)
    far = slice(rows, None), slice(columns, None)
    one, other = (light[(slice(None), *place)].flatten(1) for place in (near, far))
    is_darker = one.mean(0) < other.mean(0)
    darker, lighter = torch.where(is_darker, one, other), torch.where(is_darker, other, one)
    both = (seen[near] & seen[far]).flatten()
    shaded = both & (darker.amin(0) > DARKEST) & (darker.mean(0) < ALIKE * lighter.mean(0))
    return (darker / lighter.clamp_min(DARKEST))[:, shaded], int(both.sum())

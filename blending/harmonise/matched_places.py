"""Where a reference shows what the object shows: nearest neighbours of VGG features."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.vgg16 import Features
from ..placement.box import bounding_box, crop

LAYERS = ("relu2_1", "relu3_1")
LARGEST_SIDE = 224  # pixels: larger pictures are scaled down to it, for the network's time
SMALLEST_SIDE = 8  # pixels, two cells
CELL = 4  # pixels of a scaled picture that one position of relu3_1 stands for
HALO = 12  # scaled pixels around the object, so that the crop's edge is not in its features
AT_ONCE = 1024  # positions of the object that are compared at once, for the memory
NEIGHBOURS = 3


@torch.no_grad()
def matched_weight(
    source: Tensor, mask: Tensor, reference: Tensor, allowed: Tensor, network: Features
) -> Tensor:
    """How much each pixel of a reference resembles something of the object.

    Each position of the object, at relu3_1 with relu2_1 beside it, both of unit length, chooses its
    three nearest positions of the reference by the cosine of features less the reference's mean. A
    position counts by the root of how often it is chosen, so that a plain object does not learn
    from one spot alone.

    Args:
        source: (1, 3, h, w), float, sRGB in [0, 1].
        mask: (1, 1, h, w), in [0, 1], 1 = the object.
        reference: (1, 3, H, W), float, sRGB in [0, 1].
        allowed: (1, 1, H, W), >= 0; nothing is learnt where it is 0.
        network: on the pictures' device, see `Features.prepared`.

    Returns:
        (1, 1, H, W), >= 0, at least float32; 0 where not allowed, and everywhere where the object
        or what is allowed has no position for its own.
    """
    dtype = torch.promote_types(reference.dtype, torch.float32)
    nothing = torch.zeros_like(allowed, dtype=dtype)
    if not bool((mask > 0).any()):
        return nothing
    factor = min(1.0, LARGEST_SIDE / max(source.shape[2:]))  # not the box's: scales must agree
    box = bounding_box(mask > 0).grown(round(HALO / factor)).clipped(mask.shape)
    wanted, own_share = _positions(crop(source, box), crop(mask, box), factor, network)
    factor = min(1.0, LARGEST_SIDE / max(reference.shape[2:]))
    features, share = _positions(reference, (allowed > 0).to(dtype), factor, network)
    chosen, free = own_share.flatten() > 0.5, share.flatten() > 0.99
    if not bool(chosen.any()) or not bool(free.any()):
        return nothing
    counts = torch.zeros_like(share)
    counts.view(-1)[free] = _times_chosen(wanted[chosen], features[free]).sqrt()
    whole = F.interpolate(counts, size=reference.shape[2:], mode="nearest").to(dtype)
    return whole * (allowed > 0)


def _times_chosen(wanted: Tensor, features: Tensor) -> Tensor:
    """How often each of features (m, C) is among the nearest of one of wanted (n, C): (m,)."""
    middle = features.mean(0)
    units = F.normalize(features - middle, dim=1)
    nearest = [
        (F.normalize(part - middle, dim=1) @ units.T).topk(min(NEIGHBOURS, len(units)), 1).indices
        for part in wanted.split(AT_ONCE)
    ]
    return torch.bincount(torch.cat(nearest).flatten(), minlength=len(units)).to(features.dtype)


def _positions(
    picture: Tensor, weight: Tensor, factor: float, network: Features
) -> tuple[Tensor, Tensor]:
    """Features (n, C) of a scaled picture's positions; their share of a weight, (1, 1, h, w)."""
    rows, columns = (
        max(SMALLEST_SIDE // CELL, round(side * factor / CELL)) for side in picture.shape[2:]
    )
    size = [CELL * rows, CELL * columns]
    dtype = network.mean.dtype
    small = F.interpolate(picture.to(dtype), size, mode="bilinear", antialias=True)
    maps = network(small.clamp(0, 1), LAYERS)
    layers = [
        F.normalize(F.adaptive_avg_pool2d(maps[name], (rows, columns)), dim=1) for name in LAYERS
    ]
    return torch.cat(layers, 1)[0].flatten(1).T, F.adaptive_avg_pool2d(
        weight.to(dtype), (rows, columns)
    )

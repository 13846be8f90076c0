"""What the network sees of a window beside its object: the surroundings, and the style wanted."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..placement.window import Scene, bounding_box
from .cropped_features import LocalFeatures, local_features
from .feature_statistics import outer_sum
from .receptive_field import Box
from .tiled_features import TiledFeatures, tiled_features
from .tiles import GRID, everything, tiled_maps, tiled_sums
from .vgg16 import LAYERS, STYLE_LAYERS, Features


@dataclass(frozen=True)
class Backdrop:
    """Of N pictures, or of one where all have the same target and mask.

    Attributes:
        base: (N or 1, 3, h, w), what surrounds the object.
        target: (N or 1, 3, h, w), whose style is wanted.
        support: (N or 1, 1, h, w), bool, the pixels that are solved.
        surroundings: the network on what changes.
        whole: of each style layer, the target's Gram matrix, (N or 1, C, C).
        visible: likewise, of the pixels that the object leaves wholly visible; the whole's where
            there are none.
        styled: the target's maps, for the histogram term; else none.
    """

    base: Tensor
    target: Tensor
    support: Tensor
    surroundings: LocalFeatures | TiledFeatures
    whole: dict[str, Tensor]
    visible: dict[str, Tensor]
    styled: dict[str, Tensor]


@torch.no_grad()
def backdrop(
    scenes: Sequence[Scene],
    kept: Tensor,
    network: Features,
    keep_styled: bool,
    tile: int | None,
    former: Backdrop | None,
) -> Backdrop:
    """Run the network over what stays, once for all scenes with the same target and mask.

    Args: as `wanted_features`.
    """
    target, support = _common([scene.target for scene in scenes], [s.support for s in scenes])
    differs = ~torch.cat([scene.support for scene in scenes]) & (kept != target)
    base = target
    if differs.any():
        base, rows = kept, (len(kept), -1, -1, -1)
        target, support = target.expand(rows), support.expand(rows)
    elif former and _same(former, base, support, keep_styled, tile):
        return former
    grid = on_grid(base), on_grid(target)
    box = _changing(support.any(0, keepdim=True))
    seen = {name: _visible(support, name).to(base) for name in STYLE_LAYERS}
    around, sums, styled = (
        _at_once(network, *grid, box, seen, keep_styled)
        if tile is None
        else _in_tiles(network, *grid, box, seen, keep_styled, tile)
    )
    whole = {name: _mean(total, torch.ones_like(seen[name])) for name, total in sums[0].items()}
    visible = {
        name: torch.where(_count(seen[name]) > 0, _mean(total, seen[name]), whole[name])
        for name, total in sums[1].items()
    }
    return Backdrop(base, target, support, around, whole, visible, styled)


# The surroundings; sums of outer products of the target, of all and of the visible; its maps.
_Seen = tuple[LocalFeatures | TiledFeatures, list[dict[str, Tensor]], dict[str, Tensor]]


def _at_once(
    network: Features,
    base: Tensor,
    target: Tensor,
    box: Box,
    seen: dict[str, Tensor],
    keep_styled: bool,
) -> _Seen:
    """With all maps in memory; mostly base is target, and one pass does for both."""
    around, taps = local_features(network, base, box, STYLE_LAYERS, keep_styled)
    if not torch.equal(base, target):
        taps = network(target, STYLE_LAYERS)
    sums = [{n: outer_sum(tap, where.get(n)) for n, tap in taps.items()} for where in ({}, seen)]
    return around, sums, taps if keep_styled else {}


def _in_tiles(
    network: Features,
    base: Tensor,
    target: Tensor,
    box: Box,
    seen: dict[str, Tensor],
    keep_styled: bool,
    tile: int,
) -> _Seen:
    """The same, tile by tile."""
    around = tiled_features(network, base, box, tile, keep_styled)
    sums = tiled_sums(network, target, everything(target.shape), tile, (None, seen))
    styled = tiled_maps(network, target, tile) if keep_styled else {}
    return around, sums, styled


@torch.no_grad()
def picture_grams(network: Features, image: Tensor, tile: int | None) -> dict[str, Tensor]:
    """Gram matrices of a whole picture whose style is wanted.

    Args:
        network: where the image is.
        image: (N, 3, H, W), in [0, 1], any size.
        tile: as in `wanted_features`.

    Returns:
        Of each style layer, (N, C, C).
    """
    image = on_grid(image)
    side = tile or max(image.shape[2:])
    (sums,) = tiled_sums(network, image, everything(image.shape), side)
    one = torch.ones_like(image[:, :1])
    return {
        name: _mean(total, one[..., :: LAYERS[name][1], :: LAYERS[name][1]])
        for name, total in sums.items()
    }


def on_grid(image: Tensor) -> Tensor:
    """The image continued by its edge to the network's grid: pooling then drops no pixel."""
    return F.pad(image, _to_grid(image), mode="replicate")


def share_at(support: Tensor, layer: str) -> Tensor:
    """Share of the support in each of the layer's pixels."""
    padded = F.pad(support.float(), _to_grid(support))
    return F.avg_pool2d(padded, LAYERS[layer][1])


def _mean(total: Tensor, counted: Tensor) -> Tensor:
    """The Gram matrix of a sum of outer products over the pixels that counted."""
    return total / (total.shape[1] * _count(counted).clamp_min(1))


def _count(counted: Tensor) -> Tensor:
    return counted.flatten(1).sum(1)[:, None, None]


def _common(targets: list[Tensor], supports: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Each as one tensor, of a single row where all pictures have both in common."""
    pairs = zip(targets[1:], supports[1:], strict=True)
    if all(torch.equal(targets[0], t) and torch.equal(supports[0], s) for t, s in pairs):
        return targets[0], supports[0]
    return torch.cat(targets), torch.cat(supports)


def _same(
    former: Backdrop, base: Tensor, support: Tensor, keep_styled: bool, tile: int | None
) -> bool:
    """Whether a former backdrop is of these pictures and made the same way."""
    side = former.surroundings.side if isinstance(former.surroundings, TiledFeatures) else None
    return (
        side == tile
        and bool(former.styled) == keep_styled
        and torch.equal(former.base, base)
        and torch.equal(former.target, base)
        and torch.equal(former.support, support)
    )


def _changing(support: Tensor) -> Box:
    """The box around the support on the grid; the edge's continuation changes with the edge."""
    top, left, height, width = bounding_box(support)
    right, below = _to_grid(support)[1::2]
    bottom, end = top + height, left + width
    bottom += below if bottom == support.shape[2] else 0
    end += right if end == support.shape[3] else 0
    return slice(top, bottom), slice(left, end)


def _visible(support: Tensor, layer: str) -> Tensor:
    """The layer's pixels that see nothing of the support, (N, 1, h, w), bool."""
    padded = F.pad(support.float(), _to_grid(support), mode="replicate")
    return F.max_pool2d(padded, LAYERS[layer][1]) == 0


def _to_grid(image: Tensor) -> tuple[int, int, int, int]:
    height, width = image.shape[2:]
    return 0, -width % GRID, 0, -height % GRID

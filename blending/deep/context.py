"""What does not change while a window is solved: the object's surroundings, the target's style."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..placement.box import Box, bounding_box, full_box
from ..placement.window import Window
from .cropped_features import CroppedFeatures, cropped_context
from .feature_statistics import ContextRequest
from .receptive_field import STRIDE
from .tiled_features import TiledFeatures, tiled_context, tiled_sums
from .vgg16 import LAYERS, STYLE_LAYERS, Features


@dataclass(frozen=True)
class FixedContext:
    """Of N pictures, or of one where all have the same target and mask.

    Attributes:
        base: (N or 1, 3, h, w), what surrounds the object.
        target: (N or 1, 3, h, w), whose style is wanted.
        support: (N or 1, 1, h, w), bool, the pixels that are solved.
        features: the network on what changes.
        whole: of each style layer, the target's Gram matrix, (N or 1, C, C).
        visible: likewise, of the pixels that the object leaves wholly visible; the whole's where
            there are none.
        target_maps: the target's activations, for the histogram term; else none.
    """

    base: Tensor
    target: Tensor
    support: Tensor
    features: CroppedFeatures | TiledFeatures
    whole: dict[str, Tensor]
    visible: dict[str, Tensor]
    target_maps: dict[str, Tensor]


@torch.no_grad()
def fixed_context(
    windows: Sequence[Window],
    reference: Tensor,
    network: Features,
    keep_maps: bool,
    tile: int | None,
) -> FixedContext:
    """Run the network over what stays, once for all windows with the same target and mask.

    Args:
        windows: N of one size.
        reference: (N, 3, h, w), the sources pasted.
        network: where the windows are.
        keep_maps: whether the histogram term will run.
        tile: side of the tiles to work in, pixels, a multiple of 8; None: all at once.
    """
    target, support = _in_common(windows)
    base = target
    if _differs_outside(windows, reference):
        base, rows = reference, (len(reference), -1, -1, -1)
        target, support = target.expand(rows), support.expand(rows)
    visible = {name: _visible(support, name).to(base) for name in STYLE_LAYERS}
    box = _changing_box(support.any(0, keepdim=True))
    padded = pad_to_stride(base), pad_to_stride(target)
    request = ContextRequest(network, *padded, box, visible, keep_maps)
    features, sums = cropped_context(request) if tile is None else tiled_context(request, tile)
    whole = {
        name: _mean(total, torch.ones_like(visible[name])) for name, total in sums.whole.items()
    }
    seen = {
        name: torch.where(_count(visible[name]) > 0, _mean(total, visible[name]), whole[name])
        for name, total in sums.visible.items()
    }
    return FixedContext(base, target, support, features, whole, seen, sums.maps)


def serves(
    context: FixedContext,
    windows: Sequence[Window],
    reference: Tensor,
    keep_maps: bool,
    tile: int | None,
) -> bool:
    """Whether a context is what `fixed_context` would make of these arguments."""
    target, support = _in_common(windows)
    side = context.features.side if isinstance(context.features, TiledFeatures) else None
    return (
        side == tile
        and bool(context.target_maps) == keep_maps
        and not _differs_outside(windows, reference)
        and torch.equal(context.base, target)
        and torch.equal(context.target, target)
        and torch.equal(context.support, support)
    )


@torch.no_grad()
def picture_grams(network: Features, image: Tensor, tile: int | None) -> dict[str, Tensor]:
    """Gram matrices of a whole picture whose style is wanted.

    Args:
        network: where the image is.
        image: (N, 3, H, W), in [0, 1], any size.
        tile: as in `fixed_context`.

    Returns:
        Of each style layer, (N, C, C).
    """
    image = pad_to_stride(image)
    side = tile or max(image.shape[2:])
    (sums,) = tiled_sums(network, image, full_box(image.shape), side)
    one = torch.ones_like(image[:, :1])
    return {
        name: _mean(total, one[..., :: LAYERS[name][1], :: LAYERS[name][1]])
        for name, total in sums.items()
    }


def pad_to_stride(image: Tensor) -> Tensor:
    """The image continued by its edge to multiples of 8: pooling then drops no pixel.

    Args:
        image: (N, C, H, W).

    Returns:
        (N, C, H', W'), less than 8 rows and columns more, below and on the right.
    """
    return F.pad(image, _padding(image), mode="replicate")


def pooled_share(support: Tensor, layer: str) -> Tensor:
    """Share of a support, (N, 1, H, W), in each of a layer's pixels, (N, 1, H' / s, W' / s)."""
    padded = F.pad(support.float(), _padding(support))
    return F.avg_pool2d(padded, LAYERS[layer][1])


def _mean(total: Tensor, counted: Tensor) -> Tensor:
    """The Gram matrix of a sum of outer products over the pixels that counted."""
    return total / (total.shape[1] * _count(counted).clamp_min(1))


def _count(counted: Tensor) -> Tensor:
    return counted.flatten(1).sum(1)[:, None, None]


def _in_common(windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """Targets and supports, each of a single row where all windows have both in common."""
    first, *others = windows
    if all(
        torch.equal(first.target, other.target) and torch.equal(first.support, other.support)
        for other in others
    ):
        return first.target, first.support
    return torch.cat([w.target for w in windows]), torch.cat([w.support for w in windows])


def _differs_outside(windows: Sequence[Window], reference: Tensor) -> bool:
    """Whether what surrounds the object is not the target, as in a refined whole picture."""
    targets, supports = ([getattr(w, name) for w in windows] for name in ("target", "support"))
    return bool((~torch.cat(supports) & (reference != torch.cat(targets))).any())


def _changing_box(support: Tensor) -> Box:
    """The box around a (1, 1, h, w) support; the edge's continuation changes with the edge."""
    box = bounding_box(support)
    _, right, _, below = _padding(support)
    below = below if box.bottom == support.shape[2] else 0
    right = right if box.right == support.shape[3] else 0
    return Box(box.top, box.left, box.height + below, box.width + right)


def _visible(support: Tensor, layer: str) -> Tensor:
    """The layer's pixels that see nothing of the support, (N, 1, h, w), bool."""
    padded = F.pad(support.float(), _padding(support), mode="replicate")
    return F.max_pool2d(padded, LAYERS[layer][1]) == 0


def _padding(image: Tensor) -> tuple[int, int, int, int]:
    height, width = image.shape[2:]
    return 0, -width % STRIDE, 0, -height % STRIDE

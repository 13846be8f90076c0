"""What does not depend on x while windows are solved: their surroundings and the target's style."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.receptive_field import STRIDE
from ..network.vgg16 import LAYERS, STYLE_LAYERS, Features
from ..placement.box import Box, bounding_box, full_box
from ..placement.window import Window
from .cropped_features import CroppedFeatures, cropped_context
from .feature_statistics import ContextRequest
from .tiled_features import TiledFeatures, tiled_context, tiled_sums


@dataclass(frozen=True)
class FixedContext:
    """What stays fixed while N windows are solved; one row of it where all share target and mask.

    Attributes:
        base: (N or 1, 3, h, w), RGB in [0, 1], the picture around the object.
        target: (N or 1, 3, h, w), RGB in [0, 1], whose style is matched.
        support: (N or 1, 1, h, w), bool, the pixels that are solved.
        compared: layers whose features are compared instead of Gram matrices; empty: Grams are.
        features: the network on the part of the picture that changes.
        whole: the target's Gram matrix over the whole window, (N or 1, C, C), by style layer; empty
            where features are compared.
        visible: the target's Gram matrix over the pixels that the object does not cover, (N or 1,
            C, C), by style layer; that of the whole window where there are none.
        target_maps: the target's activations, (N or 1, C, h / s, w / s), by style layer, for the
            histogram term; empty without it.
    """

    base: Tensor
    target: Tensor
    support: Tensor
    compared: tuple[str, ...]
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
    compared: tuple[str, ...] = (),
) -> FixedContext:
    """Run the network once over what stays fixed while windows are solved.

    Args:
        windows: N of one size.
        reference: (N, 3, h, w), RGB in [0, 1], the sources pasted.
        network: on the windows' device.
        keep_maps: whether to keep whole activations for the histogram term.
        tile: side of the tiles that the network works in, pixels, a multiple of 8; None: all at
            once.
        compared: names of the layers whose features are compared instead of Gram matrices: what is
            deeper is not run, unless maps are kept. Empty: Gram matrices of all style layers are.

    Returns:
        The context, of one row where all windows have the same target and mask.
    """
    target, support = _in_common(windows)
    base = target
    if _differs_outside(windows, reference):
        base, rows = reference, (len(reference), -1, -1, -1)
        target, support = target.expand(rows), support.expand(rows)
    visible = {}
    if not compared:
        visible = {name: _visible(support, name).to(base) for name in STYLE_LAYERS}
    box = changing_box(support.any(0, keepdim=True))
    padded = pad_to_stride(base), pad_to_stride(target)
    layers = STYLE_LAYERS if keep_maps or not compared else compared
    request = ContextRequest(*padded, box, visible, keep_maps, layers)
    features, sums = (
        cropped_context(network, request) if tile is None else tiled_context(network, request, tile)
    )
    whole = {
        name: _mean(total, torch.ones_like(visible[name])) for name, total in sums.whole.items()
    }
    seen = {
        name: torch.where(_count(visible[name]) > 0, _mean(total, visible[name]), whole[name])
        for name, total in sums.visible.items()
    }
    return FixedContext(base, target, support, compared, features, whole, seen, sums.maps)


def known_context(window: Window, features: CroppedFeatures) -> FixedContext:
    """The context of a window whose surroundings the network has seen already.

    Args:
        window: that will be solved.
        features: the network on its changing part, of those layers whose features are compared;
            made of any picture that is the window's target but for what lies under its mask.

    Returns:
        What `fixed_context` would make for these layers.
    """
    compared = tuple(features.boxes)
    return FixedContext(
        window.target, window.target, window.support, compared, features, {}, {}, {}
    )


def serves(
    context: FixedContext,
    windows: Sequence[Window],
    reference: Tensor,
    keep_maps: bool,
    tile: int | None,
    compared: tuple[str, ...] = (),
) -> bool:
    """Whether a context is the one that `fixed_context` would make of these arguments.

    Args:
        context: from `fixed_context`.
        windows: N of one size.
        reference: (N, 3, h, w), RGB in [0, 1], the sources pasted.
        keep_maps: whether whole activations are needed for the histogram term.
        tile: side of the tiles, pixels; None: all at once.
        compared: as for `fixed_context`.

    Returns:
        False, too, where the surroundings are not the target, as in a refined whole picture.
    """
    target, support = _in_common(windows)
    side = context.features.side if isinstance(context.features, TiledFeatures) else None
    return (
        side == tile
        and bool(context.target_maps) == keep_maps
        and context.compared == compared
        and not _differs_outside(windows, reference)
        and torch.equal(context.base, target)
        and torch.equal(context.target, target)
        and torch.equal(context.support, support)
    )


@torch.no_grad()
def picture_grams(network: Features, image: Tensor, tile: int | None) -> dict[str, Tensor]:
    """Gram matrices of a whole picture whose style is to be matched.

    Args:
        network: on the image's device.
        image: (N, 3, H, W), RGB in [0, 1], any size.
        tile: side of the tiles that the network works in, pixels, a multiple of 8; None: all at
            once.

    Returns:
        By style layer, (N, C, C).
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
    """Pad an image to sides that are multiples of 8, so that pooling drops no pixel.

    Args:
        image: (N, C, H, W).

    Returns:
        (N, C, H', W'), less than 8 rows and columns more, below and on the right: the edge
        repeated.
    """
    return F.pad(image, _padding(image), mode="replicate")


def pooled_share(support: Tensor, layer: str) -> Tensor:
    """The share of a layer's pixel that the support covers.

    Args:
        support: (N, 1, H, W), bool, or a weight of each pixel, >= 0.
        layer: a name out of `LAYERS`, of stride s.

    Returns:
        (N, 1, H' / s, W' / s), the mean, in [0, 1] of a support; H' and W' are H and W padded to
        multiples of 8.
    """
    padded = F.pad(support.float(), _padding(support))
    return F.avg_pool2d(padded, LAYERS[layer][1])


def _mean(total: Tensor, counted: Tensor) -> Tensor:
    """The Gram matrix of a sum of outer products over the pixels that are counted."""
    return total / (total.shape[1] * _count(counted).clamp_min(1))


def _count(counted: Tensor) -> Tensor:
    return counted.flatten(1).sum(1)[:, None, None]


def _in_common(windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """Targets and supports, of one row where they are the same in all windows."""
    first, *others = windows
    if all(
        torch.equal(first.target, other.target) and torch.equal(first.support, other.support)
        for other in others
    ):
        return first.target, first.support
    return torch.cat([w.target for w in windows]), torch.cat([w.support for w in windows])


def _differs_outside(windows: Sequence[Window], reference: Tensor) -> bool:
    """Whether the surroundings are not the target, as in a refined whole picture."""
    targets, supports = ([getattr(w, name) for w in windows] for name in ("target", "support"))
    return bool((~torch.cat(supports) & (reference != torch.cat(targets))).any())


def changing_box(support: Tensor) -> Box:
    """The box of a support, with the padding that repeats its pixels at the edge.

    Args:
        support: (1, 1, h, w), bool, somewhere True.

    Returns:
        On the picture padded by `pad_to_stride`.
    """
    box = bounding_box(support)
    _, right, _, below = _padding(support)
    below = below if box.bottom == support.shape[2] else 0
    right = right if box.right == support.shape[3] else 0
    return Box(box.top, box.left, box.height + below, box.width + right)


def _visible(support: Tensor, layer: str) -> Tensor:
    """The layer's pixels whose block of image pixels the support does not touch, (N, 1, h, w)."""
    padded = F.pad(support.float(), _padding(support), mode="replicate")
    return F.max_pool2d(padded, LAYERS[layer][1]) == 0


def _padding(image: Tensor) -> tuple[int, int, int, int]:
    height, width = image.shape[2:]
    return 0, -width % STRIDE, 0, -height % STRIDE

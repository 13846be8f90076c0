"""Figures of a blend on the network's activations, for the quality benchmark."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from blending.deep.losses import gram_matrix, style_loss
from blending.network.vgg16 import STYLE_LAYERS

STROKES = "relu3_1"
AT_ONCE = 2048  # cells compared at once

# From `load_features`, or what stands for it: picture, layers to the activations by layer.
Activations = Callable[[Tensor, tuple[str, ...]], dict[str, Tensor]]


def content_error(blend: Tensor, source: Tensor, mask: Tensor, network: Activations) -> float:
    """Mean squared difference of relu2_2 features of the two pictures, each black outside the mask.

    Args:
        blend: (B, 3, H, W), in [0, 1]; cropped to where the source lies.
        source: (B, 3, H, W), in [0, 1].
        mask: (B, 1, H, W), in [0, 1]; 0.5 is the edge.
        network: from `load_features`.

    Returns:
        Squared activations of that network.
    """
    inside = (mask >= 0.5).to(blend.dtype)
    with torch.no_grad():
        found, reference = (
            network(picture * inside, ("relu2_2",))["relu2_2"] for picture in (blend, source)
        )
    return F.mse_loss(found, reference).item()


def style_error(
    blend: Tensor, target: Tensor, network: Activations, layers: tuple[str, ...] = STYLE_LAYERS
) -> float:
    """Mean over layers of the mean squared Gram difference to the target.

    Args:
        blend: (B, 3, H, W), in [0, 1].
        target: (B, 3, H, W), in [0, 1].
        network: from `load_features`.
        layers: which; the ones that are not optimised show whether the figure is gamed.

    Returns:
        Squared Gram entries of that network.
    """
    with torch.no_grad():
        found, reference = network(blend, layers), network(target, layers)
        losses = [
            style_loss(gram_matrix(found[name]), gram_matrix(reference[name])) for name in layers
        ]
    return torch.stack(losses).mean().item()


def stroke_distances(
    blend: Tensor, target: Tensor, mask: Tensor, network: Activations
) -> tuple[float, float]:
    """How far the object is from having been painted by the target's hand, at relu3_1.

    No objective sees that layer's features of one place of the target at one place of the object;
    noise has the wrong ones and does not pass. A distance is one minus the cosine of features less
    their mean over the visible target.

    Args:
        blend: (1, 3, H, W), in [0, 1].
        target: (1, 3, H, W), in [0, 1].
        mask: (1, 1, H, W), in [0, 1], 1 = the object.
        network: from `load_features`.

    Returns:
        The mean over the object's cells of the distance to the nearest visible cell of the target,
        and over these of that to the nearest of the object; NaN where there is no cell of either.
    """
    with torch.no_grad():
        own, place = (network(picture, (STROKES,))[STROKES] for picture in (blend, target))
        share = F.adaptive_avg_pool2d(mask, own.shape[2:]).flatten()
        inside, free = share > 0.5, share == 0
        if not bool(inside.any() and free.any()):
            return float("nan"), float("nan")
        cells = place.flatten(2)[0].T[free]
        middle = cells.mean(0)
        seen = F.normalize(cells - middle, dim=1)
        painted = F.normalize(own.flatten(2)[0].T[inside] - middle, dim=1)
        return _to_nearest(painted, seen), _to_nearest(seen, painted)


def _to_nearest(these: Tensor, those: Tensor) -> float:
    """The mean distance of unit vectors (n, C) to the nearest of others (m, C)."""
    nearest = [(part @ those.T).amax(1) for part in these.split(AT_ONCE)]
    return 1 - torch.cat(nearest).mean().item()

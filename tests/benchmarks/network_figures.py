"""Figures of a blend on the network's activations, for the quality benchmark."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from blending.deep.losses import gram_matrix, style_loss
from blending.deep.vgg16 import STYLE_LAYERS

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

"""What the feature terms read of a picture: few numbers, however large the maps behind them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..placement.box import Box, crop
from .losses import content_loss
from .vgg16 import Features

CONTENT_LAYER = "relu2_2"


@dataclass(frozen=True)
class FeatureStatistics:
    """Of N pictures.

    Attributes:
        grams: of each style layer, (N, C, C), over the whole window.
        content: (N,), the weighted squared distance to the reference features.
        activations: (N, C, H, W) of each style layer, where the histogram term runs; else none.
    """

    grams: dict[str, Tensor]
    content: Tensor
    activations: dict[str, Tensor]


@dataclass(frozen=True)
class ContentReference:
    """What content is compared with, on the part of its layer that changes.

    Attributes:
        features: (N, C, h, w), of the picture whose content is held.
        weight: (N, 1, h, w), >= 0, the mask at this layer.
    """

    features: Tensor
    weight: Tensor

    def distance(self, features: Tensor) -> Tensor:
        """The content loss of (N, C, h, w), (N,)."""
        return content_loss(features, self.features, self.weight)

    def part(self, box: Box) -> "ContentReference":
        """Of a box of its map."""
        return ContentReference(crop(self.features, box), crop(self.weight, box))

    @property
    def scale(self) -> Tensor:
        """The weighted sum of squares of the features themselves, (N,)."""
        return self.distance(torch.zeros_like(self.features))


@dataclass(frozen=True)
class ContextRequest:
    """What is asked of the network about a window in which only a box will change.

    Attributes:
        network: where the pictures are.
        base: (N, 3, H, W), RGB in [0, 1], what surrounds the box; sides multiples of 8.
        target: (N, 3, H, W), likewise, whose style is wanted; mostly the same picture.
        box: what will change.
        visible: of each style layer, (N or 1, 1, H / s, W / s), 0 or 1, the pixels that the object
            leaves wholly visible.
        keep_maps: whether the target's maps are wanted themselves, for the histogram term.
    """

    network: Features
    base: Tensor
    target: Tensor
    box: Box
    visible: dict[str, Tensor]
    keep_maps: bool


@dataclass(frozen=True)
class TargetStatistics:
    """What the network says of a target.

    Attributes:
        whole: of each style layer, (N, C, C), the sum of outer products over all pixels.
        visible: likewise, over the visible ones.
        maps: of each style layer, (N, C, H / s, W / s), if they were asked for; else none.
    """

    whole: dict[str, Tensor]
    visible: dict[str, Tensor]
    maps: dict[str, Tensor]


def outer_sum(features: Tensor, where: Tensor | None = None) -> Tensor:
    """The sum of the feature vectors' outer products, (N, C, C).

    Args:
        features: (N, C, H, W).
        where: (N or 1, 1, H, W), 0 or 1, which of them. None: all.

    Returns:
        (N, C, C), differentiable in `features`.
    """
    flat = features.flatten(2)
    if where is None:
        return _OuterSum.apply(flat)
    return (flat * where.flatten(2)) @ flat.transpose(1, 2)


class _OuterSum(torch.autograd.Function):
    """F Fᵀ, whose slope (S + Sᵀ) F is one product; autograd takes two and adds them up."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        return flat @ flat.transpose(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        return (slope + slope.transpose(1, 2)) @ flat

"""What the feature terms read of a picture: few numbers, however large the maps behind them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..placement.box import Box, crop
from ..reductions import outer_products
from .losses import content_loss

CONTENT_LAYER = "relu2_2"


@dataclass(frozen=True)
class FeatureStatistics:
    """Statistics of the features of N pictures.

    Attributes:
        grams: (N, C, C) over the whole window, by style layer; empty if they are not asked for.
        content: (N,), the weighted squared distance to the reference features.
        activations: (N, C, H / s, W / s), by style layer, for the histogram term; empty without it.
        wanted: (N,), the weighted squared distance to the wanted features; None without these.
    """

    grams: dict[str, Tensor]
    content: Tensor
    activations: dict[str, Tensor]
    wanted: Tensor | None = None


@dataclass(frozen=True)
class FeatureReference:
    """Features to be compared with, on the part of their layer that changes.

    Attributes:
        features: (N, C, h, w), of the picture whose content is kept, or those that are wanted.
        weight: (N, 1, h, w), >= 0, the mask at this layer's size.
    """

    features: Tensor
    weight: Tensor

    def distance(self, features: Tensor) -> Tensor:
        """The weighted squared distance of features, (N, C, h, w), to the reference: (N,)."""
        return content_loss(features, self.features, self.weight)

    def part(self, box: Box) -> "FeatureReference":
        """The reference inside a box of its map."""
        return FeatureReference(crop(self.features, box), crop(self.weight, box))

    @property
    def scale(self) -> Tensor:
        """The weighted sum of squares of the reference features themselves, (N,)."""
        return self.distance(torch.zeros_like(self.features))


@dataclass(frozen=True)
class FeatureReferences:
    """All that an evaluation's features are compared with.

    Attributes:
        content: of the content layer.
        wanted: by layer, the features that matched style wants; empty where style is a matter of
            Gram matrices.
        has_grams: whether Gram matrices are read.
    """

    content: FeatureReference
    wanted: dict[str, FeatureReference] = field(default_factory=dict)
    has_grams: bool = True

    def part(self, box: Callable[[str], Box]) -> "FeatureReferences":
        """The references inside boxes of their maps, from a layer's name to its box."""
        wanted = {name: reference.part(box(name)) for name, reference in self.wanted.items()}
        return FeatureReferences(self.content.part(box(CONTENT_LAYER)), wanted, self.has_grams)

    def distances(self, activations: dict[str, Tensor]) -> list[Tensor]:
        """The distance of activations by layer to the content, (N,), and to what is wanted."""
        found = [self.content.distance(activations[CONTENT_LAYER])]
        if self.wanted:
            each = [one.distance(activations[name]) for name, one in self.wanted.items()]
            found.append(torch.stack(each).sum(0))
        return found


@dataclass(frozen=True)
class ContextRequest:
    """What the network is to compute for a window in which only a box will change.

    Attributes:
        base: (N, 3, H, W), RGB in [0, 1], the picture around the box; sides multiples of 8.
        target: (N, 3, H, W), RGB in [0, 1], whose style is matched; mostly the same picture.
        box: the part that will change.
        visible: (N or 1, 1, H / s, W / s), 1 at the pixels that the object does not cover, else 0,
            by style layer; empty where no Gram matrices are compared.
        keep_maps: whether to return the target's maps, for the histogram term.
        layers: names of the activations that are read.
    """

    base: Tensor
    target: Tensor
    box: Box
    visible: dict[str, Tensor]
    keep_maps: bool
    layers: tuple[str, ...]


@dataclass(frozen=True)
class TargetStatistics:
    """Sums over a target's features.

    Attributes:
        whole: (N, C, C), the sum of outer products over all pixels, by style layer; empty where no
            Gram matrices are compared.
        visible: (N, C, C), the same over the visible pixels only, by style layer.
        maps: (N, C, H / s, W / s), by style layer, if they were asked for; else empty.
    """

    whole: dict[str, Tensor]
    visible: dict[str, Tensor]
    maps: dict[str, Tensor]


def compared_layers(wanted: Sequence[Iterable[str]] | None) -> tuple[str, ...]:
    """The layers whose features are compared instead of Gram matrices.

    Args:
        wanted: for each picture the layers in which features are wanted, the same in all that want
            any. None: Gram matrices are compared.

    Returns:
        These layers and the content layer, in the network's order; empty with Gram matrices.
    """
    if wanted is None:
        return ()
    return tuple(sorted({CONTENT_LAYER, *next((one for one in wanted if one), ())}))


def outer_sum(features: Tensor, where: Tensor | None = None) -> Tensor:
    """The sum of the outer products of the feature vectors, F Fᵀ.

    Args:
        features: (N, C, H, W).
        where: (N or 1, 1, H, W), 0 or 1, the pixels to sum over. None: all.

    Returns:
        (N, C, C), differentiable in `features`.
    """
    flat = features.flatten(2)
    if where is None:
        return _OuterSum.apply(flat)
    return outer_products(flat * where.flatten(2), flat)


class _OuterSum(torch.autograd.Function):
    """F Fᵀ with the gradient (S + Sᵀ) F as one product, where autograd would add up two."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        return outer_products(flat, flat)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        return (slope + slope.transpose(1, 2)) @ flat

"""What the feature terms read of a picture: few numbers, however large the maps behind them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .losses import content_loss

CONTENT_LAYER = "relu2_2"


@dataclass(frozen=True)
class Statistics:
    """Of N pictures.

    Attributes:
        grams: of each style layer, (N, C, C), over the whole window.
        content: (N,), the weighted squared distance to what is kept.
        taps: (N, C, H, W) of each style layer, where the histogram term runs; else none.
    """

    grams: dict[str, Tensor]
    content: Tensor
    taps: dict[str, Tensor]


@dataclass(frozen=True)
class Content:
    """What content is compared with, on the part of its layer that changes.

    Attributes:
        wanted: (N, C, h, w), the kept features.
        weight: (N, 1, h, w), >= 0, the mask at this layer.
    """

    wanted: Tensor
    weight: Tensor

    def distance(self, features: Tensor) -> Tensor:
        """(N,), the content loss."""
        return content_loss(features, self.wanted, self.weight)

    def part(self, rows: slice, columns: slice) -> "Content":
        """Of a box."""
        return Content(self.wanted[..., rows, columns], self.weight[..., rows, columns])

    @property
    def scale(self) -> Tensor:
        """(N,), the distance of nothing to what is kept."""
        return self.distance(torch.zeros_like(self.wanted))


def outer_sum(features: Tensor, where: Tensor | None = None) -> Tensor:
    """The sum of the feature vectors' outer products, (N, C, C).

    Args:
        features: (N, C, H, W).
        where: (N or 1, 1, H, W), 0 or 1, which of them. None: all.
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

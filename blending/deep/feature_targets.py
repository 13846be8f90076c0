"""What the feature terms compare with: computed once a picture, none of it depends on x."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..placement.window import Window
from .context import FixedContext, fixed_context, pad_to_stride, pooled_share
from .cropped_features import CroppedFeatures
from .feature_statistics import CONTENT_LAYER, ContentReference, FeatureStatistics
from .losses import histogram_loss, style_loss
from .tiled_features import TiledFeatures
from .vgg16 import Features

STYLE_FLOOR = 0.02  # of the target's own squared Gram: below that the styles count as equal
# A layer whose start is as far off as STRANGE times the target's own squared Gram counts half, and
# less beyond: a smooth place has no style to give, and an object made as smooth is an outline. At
# infinity balloons in fog turn transparent; paintings, all below 0.2, do not feel it.
STRANGE = 2.0
# The target's Gram matrices are this much those of its visible pixels, and for the rest those of
# the whole window. The pixels hidden under the object belong to the place, but what stood there
# must not be painted into the object: at 0 a tower behind a cat came out as bars in its fur. At 1
# the object misses the place's style (RESULTS.md).
VISIBLE_SHARE = 0.25


@dataclass(frozen=True)
class FeatureTargets:
    """Targets and scales of the feature terms of N pictures, and what makes what they compare.

    Attributes:
        context: the network's view of what stays.
        features: its network on what changes, for N pictures.
        grams: of each style layer, (N, C, C), to be matched.
        style_weights: of each style layer, (N,).
        content: the reference features where they change.
        content_scale: (N,).
    """

    context: FixedContext
    features: CroppedFeatures | TiledFeatures
    grams: dict[str, Tensor]
    style_weights: dict[str, Tensor]
    content: ContentReference
    content_scale: Tensor

    def statistics(self, image: Tensor) -> FeatureStatistics:
        """What the terms read of (N, 3, H, W) that differ under the masks only."""
        keep_maps = bool(self.context.target_maps)
        return self.features.statistics(pad_to_stride(image), self.content, keep_maps)

    def content_loss(self, found: FeatureStatistics) -> Tensor:
        """(N,), relative to the mean square of the reference features."""
        return found.content / self.content_scale

    def style_loss(self, found: FeatureStatistics) -> Tensor:
        """(N,): 1 at the start, less where the styles are alike then or strange to each other."""
        losses = (
            self.style_weights[name] * style_loss(found.grams[name], gram)
            for name, gram in self.grams.items()
        )
        return torch.stack(list(losses)).sum(0)

    def histogram_loss(self, found: FeatureStatistics) -> Tensor:
        """(N,), relative to the mean square of the target's features."""
        losses = (
            histogram_loss(found.activations[name], values)
            for name, values in self.sorted_activations.items()
        )
        return torch.stack(list(losses)).mean(0) / self.histogram_scale

    @cached_property
    def sorted_activations(self) -> dict[str, Tensor]:
        """The target's, (N or 1, C, K), sorted once, and only where the histogram term runs."""
        maps = self.context.target_maps
        return {name: x.flatten(2).sort(2).values for name, x in maps.items()}

    @cached_property
    def histogram_scale(self) -> Tensor:
        """(N or 1,), likewise."""
        maps = self.context.target_maps.values()
        return torch.stack([x.square().flatten(1).mean(1) for x in maps]).mean(0)


@torch.no_grad()
def feature_targets(
    windows: Sequence[Window],
    reference: Tensor,
    network: Features,
    *,
    keep_maps: bool = False,
    tile: int | None = None,
    style: dict[str, Tensor] | None = None,
    context: FixedContext | None = None,
) -> FeatureTargets:
    """Style from the windows' targets, content from the reference.

    Args:
        windows: N of one size.
        reference: (N, 3, h, w), the sources pasted: content and the style's start are theirs.
        network: where the windows are.
        keep_maps: for the histogram term; as large as a pass of the network.
        tile: side of the tiles to work in, pixels, a multiple of 8; None: all at once.
        style: Gram matrices to match instead of the targets', (N or 1, C, C) of each layer.
        context: one that serves these arguments; None: it is made.
    """
    context = context or fixed_context(windows, reference, network, keep_maps, tile)
    features = context.features.expand_batch(len(reference))
    start_grams, content = features.gram_and_content(pad_to_stride(reference))
    grams = style or {name: _local_gram(context, name, gram) for name, gram in start_grams.items()}
    weight = torch.cat([pooled_share(window.support, CONTENT_LAYER) for window in windows])
    rows, columns = features.content_box.slices
    content_reference = ContentReference(content, weight[..., rows, columns].to(content))
    return FeatureTargets(
        context=context,
        features=features,
        grams=grams,
        style_weights=_style_weights(grams, start_grams),
        content=content_reference,
        content_scale=content_reference.scale,
    )


def _local_gram(context: FixedContext, layer: str, start_gram: Tensor) -> Tensor:
    """The target's Gram matrix: its visible pixels' and the whole window's, mixed.

    A reference that has the window's style already, as a target pasted on itself, is to stay so:
    the nearer it is, the less the visible pixels count.
    """
    whole, visible = context.whole[layer], context.visible[layer]
    distance = style_loss(start_gram, whole)
    size = STYLE_FLOOR * whole.square().flatten(1).mean(1)
    share = VISIBLE_SHARE * distance / (distance + size).clamp_min(1e-30)
    return torch.lerp(whole, visible, share[:, None, None])


def _style_weights(grams: dict[str, Tensor], start: dict[str, Tensor]) -> dict[str, Tensor]:
    """What each layer's loss is multiplied by: 1 / its own start, so that every layer counts alike.

    As they are, the shallow layers would be nearly all of the sum, and these are matched by colour
    and contrast; even layers bring texture of every size and leave the colours. Layers that are
    alike from the start count less, and so do those that are strange to each other.
    """
    weights = {}
    for name, gram in grams.items():
        distance, size = style_loss(start[name], gram), gram.square().flatten(1).mean(1)
        strangeness = 1 + (distance / (STRANGE * size)).square()
        weights[name] = 1 / (len(grams) * strangeness * (distance + STYLE_FLOOR * size))
    return weights

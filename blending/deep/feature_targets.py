"""Targets and scales of the feature terms: computed once a picture, independent of x."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..network.vgg16 import Features
from ..placement.box import crop
from ..placement.window import Window
from ..reductions import row_means
from .context import FixedContext, fixed_context, pad_to_stride, pooled_share
from .cropped_features import CroppedFeatures
from .feature_statistics import (
    CONTENT_LAYER,
    FeatureReference,
    FeatureReferences,
    FeatureStatistics,
    compared_layers,
)
from .losses import histogram_loss, style_loss
from .tiled_features import TiledFeatures

STYLE_FLOOR = 0.02  # share of the target's mean squared Gram below which styles count as equal
# A layer whose style loss at the start is STRANGE times the target's mean squared Gram has half its
# weight, and less beyond: a smooth place has no style to give, and an object made as smooth is an
# outline. At infinity balloons in fog turn transparent; paintings, all below 0.2, are not affected.
STRANGE = 2.0
# The weight of the visible pixels' Gram matrix in the target's, the rest being the whole window's.
# The pixels hidden under the object belong to the place, but what stood there must not be painted
# into the object: at 0 a tower behind a cat came out as bars in its fur. At 1 the object misses the
# place's style (RESULTS.md).
VISIBLE_SHARE = 0.25


@dataclass(frozen=True)
class FeatureTargets:
    """Targets and scales of the feature terms of N pictures, and the network to compare with them.

    Attributes:
        context: what stays fixed in the windows.
        features: the network on the part that changes, for N pictures.
        grams: (N, C, C), to be matched, by style layer.
        style_weights: (N,), factor of the layer's loss, by style layer.
        references: features of the content layer, and those that are wanted, where the picture
            changes; wanted ones are weighted so that their distance at the start is 1.
        content_scale: (N,), the weighted sum of squares of the reference features.
    """

    context: FixedContext
    features: CroppedFeatures | TiledFeatures
    grams: dict[str, Tensor]
    style_weights: dict[str, Tensor]
    references: FeatureReferences
    content_scale: Tensor

    def statistics(self, image: Tensor) -> FeatureStatistics:
        """What the terms read of an image, (N, 3, h, w), that changes under the masks only."""
        keep_maps = bool(self.context.target_maps)
        return self.features.statistics(pad_to_stride(image), self.references, keep_maps)

    def content_loss(self, found: FeatureStatistics) -> Tensor:
        """The content loss relative to the reference features' sum of squares, (N,)."""
        return found.content / self.content_scale

    def style_loss(self, found: FeatureStatistics) -> Tensor:
        """The weighted sum of the layers' style losses, (N,), or the distance to what is wanted.

        About 1 at the start; less where the styles are equal by then, or very different.
        """
        if found.wanted is not None:
            return found.wanted
        losses = (
            self.style_weights[name] * style_loss(found.grams[name], gram)
            for name, gram in self.grams.items()
        )
        return torch.stack(list(losses)).sum(0)

    def histogram_loss(self, found: FeatureStatistics) -> Tensor:
        """The mean histogram loss of the layers relative to the target's mean square, (N,)."""
        losses = (
            histogram_loss(found.activations[name], values)
            for name, values in self.sorted_activations.items()
        )
        return torch.stack(list(losses)).mean(0) / self.histogram_scale

    @cached_property
    def sorted_activations(self) -> dict[str, Tensor]:
        """The target's activations, ascending, (N or 1, C, K), by layer, for the histogram term."""
        maps = self.context.target_maps
        return {name: x.flatten(2).sort(2).values for name, x in maps.items()}

    @cached_property
    def histogram_scale(self) -> Tensor:
        """The mean square of the target's activations, averaged over the layers, (N,) or (1,)."""
        maps = self.context.target_maps.values()
        return torch.stack([row_means(x.square()) for x in maps]).mean(0)


@torch.no_grad()
def feature_targets(  # noqa: PLR0913 - what is compared with what, and how
    windows: Sequence[Window],
    reference: Tensor,
    network: Features,
    *,
    keep_maps: bool = False,
    tile: int | None = None,
    style: dict[str, Tensor] | None = None,
    wanted: Sequence[dict[str, Tensor]] | None = None,
    detail: Tensor | None = None,
    known: dict[str, Tensor] | None = None,
    context: FixedContext | None = None,
) -> FeatureTargets:
    """Targets of the feature terms: style of the windows' targets, content of the reference.

    Args:
        windows: N of one size.
        reference: (N, 3, h, w), RGB in [0, 1], the sources pasted: the content term's reference,
            and the start at which the style loss is normalised.
        network: on the windows' device.
        keep_maps: whether to keep whole activations for the histogram term, as large as those of a
            pass of the network.
        tile: side of the tiles that the network works in, pixels, a multiple of 8; None: all at
            once.
        style: Gram matrices to match instead of the targets', (N or 1, C, C) by layer.
        wanted: features to match instead of Gram matrices, for each window (1, C, H / s, W / s) by
            layer; empty where none are.
        detail: (N, 1, h, w), >= 0, how much content counts at each pixel; None: wholly.
        known: the reference's features of the layers that are compared, where they change, (N, C,
            h / s, w / s), without tiles; None or empty: they are computed.
        context: one that `serves` these arguments; None: it is computed.

    Returns:
        The targets, none of which depends on x.
    """
    context = context or fixed_context(
        windows, reference, network, keep_maps, tile, compared_layers(wanted)
    )
    features = context.features.expand_batch(len(reference))
    own: dict[str, FeatureReference] = {}
    if wanted is None:
        start_grams, content = features.gram_and_content(pad_to_stride(reference))
    else:
        start = known if tile is None else None
        start = start or features.maps(pad_to_stride(reference), context.compared)
        start_grams, content = {}, start[CONTENT_LAYER]
        own = _wanted(windows, features, start, wanted)
    grams = style or {name: _local_gram(context, name, gram) for name, gram in start_grams.items()}
    content_weight = _share(windows, features, CONTENT_LAYER)
    if detail is not None:
        held = pooled_share(detail, CONTENT_LAYER)
        content_weight = content_weight * crop(held, features.map_box(CONTENT_LAYER))
    content_reference = FeatureReference(content, content_weight)
    references = FeatureReferences(content_reference, own, has_grams=wanted is None)
    return FeatureTargets(
        context=context,
        features=features,
        grams=grams,
        style_weights=_style_weights(grams, start_grams),
        references=references,
        content_scale=content_reference.scale,
    )


def _share(
    windows: Sequence[Window], features: CroppedFeatures | TiledFeatures, layer: str
) -> Tensor:
    """The share of the mask in a layer's pixels, where they change: (N, 1, h, w)."""
    weight = torch.cat([pooled_share(window.support, layer) for window in windows])
    return crop(weight, features.map_box(layer)).to(windows[0].source)


def _wanted(
    windows: Sequence[Window],
    features: CroppedFeatures | TiledFeatures,
    start: dict[str, Tensor],
    wanted: Sequence[dict[str, Tensor]],
) -> dict[str, FeatureReference]:
    """By layer, weighted so that the layers count alike and the distance of `start` is 1."""
    names, references = tuple(next((own for own in wanted if own), {})), {}
    for name in names:
        box, empty = features.map_box(name), torch.zeros_like(start[name][:1])
        parts = torch.cat([crop(own[name], box) if own else empty for own in wanted])
        weight = _share(windows, features, name)
        distance = FeatureReference(parts, weight).distance(start[name])
        scale = 1 / (len(names) * distance.clamp_min(1e-30))
        known = torch.tensor([float(bool(own)) for own in wanted]).to(scale)
        weight = weight * (known * scale)[:, None, None, None]
        references[name] = FeatureReference(parts, weight)
    return references


def _local_gram(context: FixedContext, layer: str, start_gram: Tensor) -> Tensor:
    """The target's Gram matrix, (N, C, C): a mix of the visible pixels' and the whole window's.

    The nearer the reference is to the window's style, the less the visible pixels weigh: a
    reference that has this style already, as a target pasted on itself, must not be changed.
    """
    whole, visible = context.whole[layer], context.visible[layer]
    distance = style_loss(start_gram, whole)
    size = STYLE_FLOOR * row_means(whole.square())
    share = VISIBLE_SHARE * distance / (distance + size).clamp_min(1e-30)
    return torch.lerp(whole, visible, share[:, None, None])


def _style_weights(grams: dict[str, Tensor], start: dict[str, Tensor]) -> dict[str, Tensor]:
    """The factor of each layer's loss: 1 / its value at the start, so that all layers weigh alike.

    Unweighted, the shallow layers would be nearly all of the sum, and they are matched by colour
    and contrast; equal layers bring texture of every size and leave the colours. Layers whose
    styles are equal from the start weigh less, and so do those whose styles are very different.
    """
    weights = {}
    for name, gram in grams.items():
        distance, size = style_loss(start[name], gram), row_means(gram.square())
        strangeness = 1 + (distance / (STRANGE * size)).square()
        weights[name] = 1 / (len(grams) * strangeness * (distance + STYLE_FLOOR * size))
    return weights

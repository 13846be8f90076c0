"""What the feature terms compare with: computed once a picture, none of it depends on x."""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from .features import LAYERS, STYLE_LAYERS, Features
from .local import LocalFeatures, local_features, part
from .losses import content_loss, gram_matrix, histogram_loss, style_loss
from .objective import Views
from .window import Scene, bounding_box

CONTENT_LAYER = "relu2_2"
GRID = 8  # the network's coarsest pixel, in image pixels
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
class Wanted:
    """Targets and scales of the feature terms, and the network that makes what they compare."""

    local: LocalFeatures
    styled: dict[str, Tensor]  # the target's features, for the histogram term
    grams: dict[str, Tensor]
    style_weights: dict[str, Tensor]
    content: Tensor  # the kept features where they change
    content_weight: Tensor
    content_scale: Tensor

    def features(self, image: Tensor) -> dict[str, Tensor]:
        """What changes of each tap, (1, C, h, w), of a picture that differs under the mask only."""
        return self.local(part(on_grid(image), self.local.box))

    def content_loss(self, views: Views) -> Tensor:
        """Relative to the mean square of what is kept."""
        features = views.features[CONTENT_LAYER]
        return content_loss(features, self.content, self.content_weight) / self.content_scale

    def style_loss(self, views: Views) -> Tensor:
        """1 at the start, or less where the styles are alike then or strange to each other."""
        losses = (
            self.style_weights[name] * style_loss(self.local.gram(name, views.features[name]), gram)
            for name, gram in self.grams.items()
        )
        return torch.stack(list(losses)).sum()

    def histogram_loss(self, views: Views) -> Tensor:
        """Relative to the mean square of the target's features."""
        losses = (
            histogram_loss(self.local.whole(name, views.features[name]), values)
            for name, values in self.sorted_taps.items()
        )
        return torch.stack(list(losses)).mean() / self.histogram_scale

    @cached_property
    def sorted_taps(self) -> dict[str, Tensor]:
        """Sorted once, and only where the histogram term runs."""
        return {name: taps.flatten(2).sort(2).values for name, taps in self.styled.items()}

    @cached_property
    def histogram_scale(self) -> Tensor:
        """Likewise."""
        return torch.stack([taps.square().mean() for taps in self.styled.values()]).mean()


@torch.no_grad()
def wanted_features(scene: Scene, kept: Tensor, network: Features, keep_styled: bool) -> Wanted:
    """Style from the scene's target, content from `kept`, (1, 3, h, w), its source pasted.

    `keep_styled`: for the histogram term; as large as a pass of the network.
    """
    box = _changing(scene.support)
    differs = ~scene.support & (kept != scene.target)
    base = kept if differs.any() else scene.target  # mostly, one pass does for both
    local, styled = local_features(network, on_grid(base), box, STYLE_LAYERS, keep_styled)
    if base is kept:
        styled = network(on_grid(scene.target), STYLE_LAYERS)
    kept_taps = local(part(on_grid(kept), box))  # not cut from the whole: that rounds otherwise
    kept_grams = {name: local.gram(name, taps) for name, taps in kept_taps.items()}
    grams = {
        name: _local_gram(taps, kept_grams[name], scene.support, name)
        for name, taps in styled.items()
    }
    content = kept_taps[CONTENT_LAYER]
    weight = part(_share_at(scene.support, CONTENT_LAYER), local.boxes[CONTENT_LAYER])
    return Wanted(
        local=local,
        styled=styled if keep_styled else {},
        grams=grams,
        style_weights=_style_weights(grams, kept_grams),
        content=content,
        content_weight=weight,
        content_scale=content_loss(content, torch.zeros_like(content), weight),
    )


def _changing(support: Tensor) -> tuple[slice, slice]:
    """The box around the support on the grid; the edge's continuation changes with the edge."""
    top, left, height, width = bounding_box(support)
    right, below = _to_grid(support)[1::2]
    bottom, end = top + height, left + width
    bottom += below if bottom == support.shape[2] else 0
    end += right if end == support.shape[3] else 0
    return slice(top, bottom), slice(left, end)


def on_grid(image: Tensor) -> Tensor:
    """The image continued by its edge to the network's grid: pooling then drops no pixel."""
    return F.pad(image, _to_grid(image), mode="replicate")


def _local_gram(taps: Tensor, kept_gram: Tensor, support: Tensor, layer: str) -> Tensor:
    """The target's Gram matrix: its visible pixels' and the whole window's, mixed.

    What is kept and has the window's style already, as a target pasted on itself, is to stay so:
    the nearer it is, the less the visible pixels count.
    """
    whole = gram_matrix(taps)
    padded = F.pad(support.float(), _to_grid(support), mode="replicate")
    visible = F.max_pool2d(padded, LAYERS[layer][1]) == 0
    if not visible.any():
        return whole
    distance, size = style_loss(kept_gram, whole), STYLE_FLOOR * whole.square().mean()
    share = VISIBLE_SHARE * distance / (distance + size).clamp_min(1e-30)
    return share * gram_matrix(taps, visible) + (1 - share) * whole


def _style_weights(grams: dict[str, Tensor], start: dict[str, Tensor]) -> dict[str, Tensor]:
    """What each layer's loss is multiplied by: 1 / its own start, so that every layer counts alike.

    As they are, the shallow layers would be nearly all of the sum, and these are matched by colour
    and contrast; even layers bring texture of every size and leave the colours. Layers that are
    alike from the start count less, and so do those that are strange to each other.
    """
    weights = {}
    for name, gram in grams.items():
        distance, size = style_loss(start[name], gram), gram.square().mean()
        strangeness = 1 + (distance / (STRANGE * size)).square()
        weights[name] = 1 / (len(grams) * strangeness * (distance + STYLE_FLOOR * size))
    return weights


def _share_at(support: Tensor, layer: str) -> Tensor:
    """Share of the support in each of the layer's pixels."""
    padded = F.pad(support.float(), _to_grid(support))
    return F.avg_pool2d(padded, LAYERS[layer][1])


def _to_grid(image: Tensor) -> tuple[int, int, int, int]:
    height, width = image.shape[2:]
    return 0, -width % GRID, 0, -height % GRID

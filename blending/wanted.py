"""What the feature terms compare with: computed once a picture, none of it depends on x."""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from .features import LAYERS, STYLE_LAYERS, Features
from .losses import content_loss, gram_matrix, histogram_loss, style_loss
from .objective import Views
from .window import Scene

CONTENT_LAYER = "relu2_2"
GRID = 8  # the network's coarsest pixel, in image pixels
STYLE_FLOOR = 0.02  # of the target's own squared Gram: below that the styles count as equal
# The target's Gram matrices are this much those of its visible pixels, and for the rest those of
# the whole window. The pixels hidden under the object belong to the place, but what stood there
# must not be painted into the object: at 0 a tower behind a cat came out as bars in its fur. At 1
# the object misses the place's style (RESULTS.md).
VISIBLE_SHARE = 0.25


@dataclass(frozen=True)
class Wanted:
    """Targets and scales of the feature terms."""

    styled: dict[str, Tensor]  # the target's features, for the histogram term
    grams: dict[str, Tensor]
    style_weights: dict[str, Tensor]
    content: Tensor  # the kept features
    content_weight: Tensor
    content_scale: Tensor

    def content_loss(self, views: Views) -> Tensor:
        """Relative to the mean square of what is kept."""
        features = views.features[CONTENT_LAYER]
        return content_loss(features, self.content, self.content_weight) / self.content_scale

    def style_loss(self, views: Views) -> Tensor:
        """1 at the start, or less where the styles are nearly equal then."""
        losses = (
            self.style_weights[name] * style_loss(views.features[name], gram)
            for name, gram in self.grams.items()
        )
        return torch.stack(list(losses)).sum()

    def histogram_loss(self, views: Views) -> Tensor:
        """Relative to the mean square of the target's features."""
        losses = (histogram_loss(views.features[n], s) for n, s in self.sorted_taps.items())
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
    """Style from the scene's target, content from `kept`, (1, 3, h, w).

    `keep_styled`: for the histogram term; as large as a pass of the network.
    """
    styled = network(on_grid(scene.target), STYLE_LAYERS)
    kept_taps = network(on_grid(kept), STYLE_LAYERS)
    grams = {
        name: _local_gram(taps, kept_taps[name], scene.support, name)
        for name, taps in styled.items()
    }
    content, weight = kept_taps[CONTENT_LAYER], _share_at(scene.support, CONTENT_LAYER)
    return Wanted(
        styled=styled if keep_styled else {},
        grams=grams,
        style_weights=_style_weights(grams, kept_taps),
        content=content,
        content_weight=weight,
        content_scale=content_loss(content, torch.zeros_like(content), weight),
    )


def on_grid(image: Tensor) -> Tensor:
    """The image continued by its edge to the network's grid: pooling then drops no pixel."""
    return F.pad(image, _to_grid(image), mode="replicate")


def _local_gram(taps: Tensor, kept: Tensor, support: Tensor, layer: str) -> Tensor:
    """The target's Gram matrix: its visible pixels' and the whole window's, mixed.

    What is kept and has the window's style already, as a target pasted on itself, is to stay so:
    the nearer it is, the less the visible pixels count.
    """
    whole = gram_matrix(taps)
    padded = F.pad(support.float(), _to_grid(support), mode="replicate")
    visible = F.max_pool2d(padded, LAYERS[layer][1]) == 0
    if not visible.any():
        return whole
    distance, size = style_loss(kept, whole), STYLE_FLOOR * whole.square().mean()
    share = VISIBLE_SHARE * distance / (distance + size).clamp_min(1e-30)
    return share * gram_matrix(taps, visible) + (1 - share) * whole


def _style_weights(grams: dict[str, Tensor], start: dict[str, Tensor]) -> dict[str, Tensor]:
    """What each layer's loss is multiplied by: 1 / its own start, so that every layer counts alike.

    As they are, the shallow layers would be nearly all of the sum, and these are matched by colour
    and contrast; even layers bring texture of every size and leave the colours.
    """
    return {
        name: 1
        / (len(grams) * (style_loss(start[name], gram) + STYLE_FLOOR * gram.square().mean()))
        for name, gram in grams.items()
    }


def _share_at(support: Tensor, layer: str) -> Tensor:
    """Share of the support in each of the layer's pixels."""
    padded = F.pad(support.float(), _to_grid(support))
    return F.avg_pool2d(padded, LAYERS[layer][1])


def _to_grid(image: Tensor) -> tuple[int, int, int, int]:
    height, width = image.shape[2:]
    return 0, -width % GRID, 0, -height % GRID

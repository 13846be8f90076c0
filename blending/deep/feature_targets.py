"""What the feature terms compare with: computed once a picture, none of it depends on x."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..placement.window import Scene
from .context import Backdrop, backdrop, on_grid, share_at
from .cropped_features import LocalFeatures
from .feature_statistics import CONTENT_LAYER, Content, Statistics
from .losses import histogram_loss, style_loss
from .objective import Views
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
class Wanted:
    """Targets and scales of the feature terms of N pictures, and what makes what they compare.

    Attributes:
        backdrop: the network's view of what stays.
        surroundings: its network on what changes, for N pictures.
        grams: of each style layer, (N, C, C).
        style_weights: of each style layer, (N,).
        content: the kept features where they change.
        content_scale: (N,).
    """

    backdrop: Backdrop
    surroundings: LocalFeatures | TiledFeatures
    grams: dict[str, Tensor]
    style_weights: dict[str, Tensor]
    content: Content
    content_scale: Tensor

    def features(self, image: Tensor) -> Statistics:
        """What the terms read of (N, 3, H, W) that differ under the masks only."""
        keep_taps = bool(self.backdrop.styled)
        return self.surroundings.statistics(on_grid(image), self.content, keep_taps)

    def content_loss(self, views: Views) -> Tensor:
        """(N,), relative to the mean square of what is kept."""
        return views.features.content / self.content_scale

    def style_loss(self, views: Views) -> Tensor:
        """(N,): 1 at the start, less where the styles are alike then or strange to each other."""
        losses = (
            self.style_weights[name] * style_loss(views.features.grams[name], gram)
            for name, gram in self.grams.items()
        )
        return torch.stack(list(losses)).sum(0)

    def histogram_loss(self, views: Views) -> Tensor:
        """(N,), relative to the mean square of the target's features."""
        losses = (
            histogram_loss(views.features.taps[name], values)
            for name, values in self.sorted_taps.items()
        )
        return torch.stack(list(losses)).mean(0) / self.histogram_scale

    @cached_property
    def sorted_taps(self) -> dict[str, Tensor]:
        """Sorted once, and only where the histogram term runs."""
        return {name: taps.flatten(2).sort(2).values for name, taps in self.backdrop.styled.items()}

    @cached_property
    def histogram_scale(self) -> Tensor:
        """(N or 1,), likewise."""
        squares = [taps.square().flatten(1).mean(1) for taps in self.backdrop.styled.values()]
        return torch.stack(squares).mean(0)


@torch.no_grad()
def wanted_features(
    scenes: Sequence[Scene],
    kept: Tensor,
    network: Features,
    *,
    keep_styled: bool = False,
    tile: int | None = None,
    style: dict[str, Tensor] | None = None,
    former: Backdrop | None = None,
) -> Wanted:
    """Style from the scenes' targets, content from `kept`, (N, 3, h, w), their sources pasted.

    Args:
        scenes: N of one size.
        kept: what content and the style's start are taken from.
        network: where the scenes are.
        keep_styled: for the histogram term; as large as a pass of the network.
        tile: side of the tiles to work in, pixels, a multiple of 8; None: all at once.
        style: Gram matrices to want instead of the targets', (N or 1, C, C) of each layer.
        former: from another call; taken again where target and masks are the same.
    """
    behind = backdrop(scenes, kept, network, keep_styled, tile, former)
    surroundings = behind.surroundings.spread(len(kept))
    kept_grams, content = surroundings.survey(on_grid(kept))
    grams = style or {name: _local_gram(behind, name, gram) for name, gram in kept_grams.items()}
    weight = torch.cat([share_at(scene.support, CONTENT_LAYER) for scene in scenes])
    rows, columns = surroundings.content_box
    wanted = Content(content, weight[..., rows, columns].to(content))
    return Wanted(
        backdrop=behind,
        surroundings=surroundings,
        grams=grams,
        style_weights=_style_weights(grams, kept_grams),
        content=wanted,
        content_scale=wanted.scale,
    )


def _local_gram(behind: Backdrop, layer: str, kept_gram: Tensor) -> Tensor:
    """The target's Gram matrix: its visible pixels' and the whole window's, mixed.

    What is kept and has the window's style already, as a target pasted on itself, is to stay so:
    the nearer it is, the less the visible pixels count.
    """
    whole, visible = behind.whole[layer], behind.visible[layer]
    distance = style_loss(kept_gram, whole)
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

"""Features of a picture of which only a box changes: cost follows the box, the result is exact.

A change reaches one pixel further at every convolution. What lies beyond is computed once; each
evaluation runs every layer on the box that the change has reached by then and on the ring of fixed
values around it, which is that layer's padding.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..placement.box import Box, crop
from .feature_statistics import (
    CONTENT_LAYER,
    ContentReference,
    ContextRequest,
    FeatureStatistics,
    TargetStatistics,
    outer_sum,
)
from .receptive_field import changed_box
from .vgg16 import LAYERS, STYLE_LAYERS, Features, in_layer_dtype


@dataclass(frozen=True)
class CroppedLayer:
    """One layer on the part of its map that changes.

    Attributes:
        layer: of the network.
        inner: where the changing part lies on the padded input.
        padded: (N, C, h, w), the input that the layer reads: the changing part, into which it is
            copied at each evaluation, and the fixed values around it. None: there are none.
        name: of its activation, if that is wanted.
    """

    layer: nn.Module
    inner: Box
    padded: Tensor | None
    name: str | None

    def run(self, x: Tensor) -> Tensor:
        """The changing part of the layer's output, (N, C', h', w'), of that of its input."""
        x = in_layer_dtype(x, self.layer)
        if self.padded is not None:
            x = _CopyIntoPadded.apply(x, self.padded, self.inner)
        if isinstance(self.layer, nn.Conv2d):
            return F.conv2d(x, self.layer.weight, self.layer.bias)  # it is padded already
        return self.layer(x)

    def expand_batch(self, rows: int) -> "CroppedLayer":
        """With a padded input for each of so many pictures, to be written into."""
        if self.padded is None or len(self.padded) == rows:
            return self
        padded = self.padded.repeat(rows, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        return replace(self, padded=padded)


class _CopyIntoPadded(torch.autograd.Function):
    """Copy the changing part into a preallocated padded input: nothing is allocated or summed.

    The buffer is one for all evaluations, so one graph at a time may be alive. Autograd refuses a
    backward pass through an older one: the buffer's version has changed since.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, padded: Tensor, inner: Box) -> Tensor:
        ctx.inner = inner
        crop(padded, inner).copy_(x)
        return padded.detach()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        return crop(slope, ctx.inner), None, None


@dataclass(frozen=True)
class CroppedFeatures:
    """The network on what changes of a picture; made by `cropped_features`.

    Attributes:
        network: whose.
        box: of the picture, what changes.
        layers: of the network, each on what changes of its map.
        boxes: of each activation, what changes of its map.
        fixed_sums: of each activation, (N, C, C), the sum of outer products over the pixels that do
            not change.
        fixed_maps: of each activation that was to be kept whole, its map, 0 where it changes.
        sizes: of each activation, (channels, height, width) of the whole map.
    """

    network: Features
    box: Box
    layers: tuple[CroppedLayer, ...]
    boxes: dict[str, Box]
    fixed_sums: dict[str, Tensor]
    fixed_maps: dict[str, Tensor]
    sizes: dict[str, tuple[int, int, int]]

    def __call__(self, patch: Tensor) -> dict[str, Tensor]:
        """What changes of each activation.

        Args:
            patch: (N, 3, h, w), the pictures' box, in [0, 1].

        Returns:
            Name to (N, C, h', w').
        """
        x, activations = self.network.normalised(patch), {}
        for layer in self.layers:
            x = layer.run(x)
            if layer.name:
                activations[layer.name] = x.to(patch.dtype)
        return activations

    def gram_and_content(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Gram matrices, and the features where content is compared, of (N, 3, H, W)."""
        changed = self(crop(image, self.box))
        return {name: self.gram(name, x) for name, x in changed.items()}, changed[CONTENT_LAYER]

    def statistics(
        self, image: Tensor, content: ContentReference, keep_maps: bool
    ) -> FeatureStatistics:
        """What the feature terms read of (N, 3, H, W) that differ inside the box only."""
        changed = self(crop(image, self.box))
        return FeatureStatistics(
            grams={name: self.gram(name, x) for name, x in changed.items()},
            content=content.distance(changed[CONTENT_LAYER]),
            activations={n: self.whole(n, x) for n, x in changed.items()} if keep_maps else {},
        )

    @property
    def content_box(self) -> Box:
        """Of the content layer's map, what `gram_and_content` returns."""
        return self.boxes[CONTENT_LAYER]

    def expand_batch(self, rows: int) -> "CroppedFeatures":
        """For so many pictures; their surroundings are one for each, or in common."""
        return replace(self, layers=tuple(layer.expand_batch(rows) for layer in self.layers))

    def gram(self, name: str, changed: Tensor) -> Tensor:
        """The whole map's Gram matrix, (N, C, C), of what changes of it, (N, C, h, w)."""
        channels, height, width = self.sizes[name]
        return (self.fixed_sums[name] + outer_sum(changed)) / (channels * height * width)

    def whole(self, name: str, changed: Tensor) -> Tensor:
        """The whole map, (N, C, H, W), where it was kept, of what changes, (N, C, h, w)."""
        box, (_, height, width) = self.boxes[name], self.sizes[name]
        margins = (box.left, width - box.right, box.top, height - box.bottom)
        return self.fixed_maps[name] + F.pad(changed, margins)


@torch.no_grad()
def cropped_features(
    network: Features, image: Tensor, box: Box, layers: tuple[str, ...], keep_whole: bool = False
) -> tuple[CroppedFeatures, dict[str, Tensor]]:
    """Run the network once and keep what an evaluation needs of it.

    Args:
        network: of the image's dtype and device.
        image: (N, 3, H, W), RGB in [0, 1], sides multiples of 8.
        box: of it, what will change.
        layers: names of the activations.
        keep_whole: for `CroppedFeatures.whole`.

    Returns:
        The network on the box, and the image's own activations, whole, (N, C, H / s, W / s).
    """
    names = {LAYERS[name][0]: name for name in layers}
    activations, cropped, boxes, fixed_sums, fixed_maps, sizes = {}, [], {}, {}, {}, {}
    x, changed = network.normalised(image), box
    for index, layer in enumerate(network.features[: max(names) + 1]):
        x, (read, after) = in_layer_dtype(x, layer), changed_box(layer, changed, x.shape[2:])
        name = names.get(index)
        padded = None if read == changed else _padded_input(x, read)
        cropped.append(CroppedLayer(layer, changed.relative_to(read), padded, name))
        x, changed = layer(x), after
        if name:
            activation = activations[name] = x.to(image.dtype)
            boxes[name], sizes[name] = changed, tuple(x.shape[1:])
            fixed_sums[name] = outer_sum(activation) - outer_sum(crop(activation, changed))
            if keep_whole:
                fixed_maps[name] = _zero_inside(activation, changed)
    features = CroppedFeatures(network, box, tuple(cropped), boxes, fixed_sums, fixed_maps, sizes)
    return features, activations


def cropped_context(request: ContextRequest) -> tuple[CroppedFeatures, TargetStatistics]:
    """Answer a request with all maps in memory; one pass does where base and target are the same."""
    features, activations = cropped_features(
        request.network, request.base, request.box, STYLE_LAYERS, request.keep_maps
    )
    if not torch.equal(request.base, request.target):
        activations = request.network(request.target, STYLE_LAYERS)
    target = TargetStatistics(
        whole={name: outer_sum(x) for name, x in activations.items()},
        visible={name: outer_sum(x, request.visible[name]) for name, x in activations.items()},
        maps=activations if request.keep_maps else {},
    )
    return features, target


def _padded_input(x: Tensor, read: Box) -> Tensor:
    """The box that a layer reads of its input; 0 beyond the map, as the network pads it."""
    padded = x.new_zeros(*x.shape[:2], *read.size)
    padded = padded.contiguous(memory_format=torch.channels_last)
    inside = read.clipped(x.shape)
    crop(padded, inside.relative_to(read)).copy_(crop(x, inside))
    return padded


def _zero_inside(x: Tensor, box: Box) -> Tensor:
    x = x.clone()
    crop(x, box).zero_()
    return x

"""Features of a picture of which only a box changes: cost follows the box, the result is exact.

A change spreads by one pixel at every convolution. The features beyond its reach are computed once;
each evaluation runs every layer only on the box that the change has reached there, padded by the
ring of fixed values around it.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..network.convolution import Convolution
from ..network.receptive_field import changed_box
from ..network.vgg16 import LAYERS, Features, in_layer_dtype
from ..placement.box import Box, crop
from .feature_statistics import (
    CONTENT_LAYER,
    ContextRequest,
    FeatureReferences,
    FeatureStatistics,
    TargetStatistics,
    outer_sum,
)

T = TypeVar("T")


@dataclass(frozen=True)
class CroppedLayer:
    """One layer on the part of its map that changes.

    Attributes:
        layer: of the network.
        inner: the changing part's box on the padded input.
        padded: (N, C, h, w), the input that the layer reads: the changing part, copied in at each
            evaluation, and the fixed values around it. None: there are none.
        name: of the layer's activation, if it is to be returned; else None.
    """

    layer: nn.Module
    inner: Box
    padded: Tensor | None
    name: str | None

    def run(self, x: Tensor) -> Tensor:
        """Run the layer on the changing part of its input.

        Args:
            x: (N, C, h, w), the changing part of the input.

        Returns:
            (N, C', h', w'), the changing part of the output.
        """
        x = in_layer_dtype(x, self.layer)
        if self.padded is None:
            return self.layer(x)
        if isinstance(self.layer, Convolution):
            return _PaddedConvolution.apply(x, self.padded, self.inner, self.layer)
        return self.layer(_CopyIntoPadded.apply(x, self.padded, self.inner))

    def expand_batch(self, rows: int) -> "CroppedLayer":
        """The layer with a padded input of its own for each of `rows` pictures."""
        if self.padded is None or len(self.padded) == rows:
            return self
        padded = self.padded.repeat(rows, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        return replace(self, padded=padded)


class _CopyIntoPadded(torch.autograd.Function):
    """Copy the changing part into a preallocated padded input: nothing is allocated or summed.

    All evaluations share the buffer, so only one graph may be alive at a time. Autograd refuses a
    backward pass through an older one, as the buffer's version has changed since.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, padded: Tensor, inner: Box) -> Tensor:
        ctx.inner = inner
        crop(padded, inner).copy_(x)
        return padded.detach()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        return crop(slope, ctx.inner), None, None


class _PaddedConvolution(torch.autograd.Function):
    """Copy the changing part into the padded input and convolve that, which needs no more padding.

    The gradient is that of a padded convolution on the output's box: it holds the changing part,
    and oneDNN computes it in the same order at any number of threads. The gradient at the whole
    padded input is larger, and at 4 threads or more had other last bits in a fifth of the sizes.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, padded: Tensor, inner: Box, layer: Convolution) -> Tensor:
        ctx.inner, ctx.layer = inner.shifted(-1, -1), layer
        crop(padded, inner).copy_(x)
        return layer.valid(padded)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None, None]:
        return crop(ctx.layer.input_slope(slope), ctx.inner), None, None, None


@dataclass(frozen=True)
class CroppedFeatures:
    """The network on the part of a picture that changes; made by `cropped_features`.

    Attributes:
        network: the whole one.
        box: the part of the picture that changes.
        layers: the network's layers, each on the part of its map that changes.
        boxes: the part of each activation's map that changes, by name.
        fixed_sums: (N, C, C), the sum of outer products over the pixels that do not change, by
            name; empty where no Gram matrices are asked for.
        fixed_maps: (N, C, H, W), the whole map with 0 where it changes, by name; empty unless maps
            are kept.
        sizes: (channels, height, width) of the whole map, by name.
    """

    network: Features
    box: Box
    layers: tuple[CroppedLayer, ...]
    boxes: dict[str, Box]
    fixed_sums: dict[str, Tensor]
    fixed_maps: dict[str, Tensor]
    sizes: dict[str, tuple[int, int, int]]

    def __call__(self, patch: Tensor) -> dict[str, Tensor]:
        """The changing part of each activation.

        Args:
            patch: (N, 3, h, w), RGB in [0, 1], the box of the pictures.

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
        """Gram matrices of all layers, and the content layer's features inside its `map_box`.

        Args:
            image: (N, 3, H, W), RGB in [0, 1]; outside the box that of `cropped_features`.

        Returns:
            Name to (N, C, C); and (N, C, h, w).
        """
        changed = self(crop(image, self.box))
        return {name: self.gram(name, x) for name, x in changed.items()}, changed[CONTENT_LAYER]

    def maps(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """The changing part of activations' maps.

        Args:
            image: (N, 3, H, W), RGB in [0, 1].
            names: of the activations.

        Returns:
            Name to (N, C, h, w), of the size of `map_box`.
        """
        changed = self(crop(image, self.box))
        return {name: changed[name] for name in names}

    def statistics(
        self, image: Tensor, references: FeatureReferences, keep_maps: bool
    ) -> FeatureStatistics:
        """What the feature terms read of a picture, differentiable in it.

        Args:
            image: (N, 3, H, W), RGB in [0, 1]; outside the box that of `cropped_features`.
            references: what the features are compared with, inside each layer's `map_box`.
            keep_maps: whether to return whole activations, for the histogram term.

        Returns:
            Gram matrices, distances and, if asked for, activations.
        """
        changed = self(crop(image, self.box))
        content, *wanted = references.distances(changed)
        grams = changed.items() if references.has_grams else ()
        return FeatureStatistics(
            grams={name: self.gram(name, x) for name, x in grams},
            content=content,
            activations={n: self.whole(n, x) for n, x in changed.items()} if keep_maps else {},
            wanted=wanted[0] if wanted else None,
        )

    def map_box(self, name: str) -> Box:
        """The part of an activation's map that changes."""
        return self.boxes[name]

    def expand_batch(self, rows: int) -> "CroppedFeatures":
        """The same for `rows` pictures, which share their surroundings or have one each."""
        return replace(self, layers=tuple(layer.expand_batch(rows) for layer in self.layers))

    def only(self, names: tuple[str, ...]) -> "CroppedFeatures":
        """The same for some of the activations; what is deeper is not run."""
        deepest = max(LAYERS[name][0] for name in names)
        layers = tuple(
            replace(layer, name=layer.name if layer.name in names else None)
            for layer in self.layers[: deepest + 1]
        )

        def own(kept: dict[str, T]) -> dict[str, T]:
            return {name: kept[name] for name in names if name in kept}

        return replace(
            self,
            layers=layers,
            boxes=own(self.boxes),
            fixed_sums=own(self.fixed_sums),
            fixed_maps=own(self.fixed_maps),
            sizes=own(self.sizes),
        )

    def gram(self, name: str, changed: Tensor) -> Tensor:
        """The Gram matrix of a whole map of which only a part changes.

        Args:
            name: of the activation.
            changed: (N, C, h, w), the part of its map that changes.

        Returns:
            (N, C, C).
        """
        channels, height, width = self.sizes[name]
        return (self.fixed_sums[name] + outer_sum(changed)) / (channels * height * width)

    def whole(self, name: str, changed: Tensor) -> Tensor:
        """A whole map with the part that changes put in; only where maps are kept.

        Args:
            name: of the activation.
            changed: (N, C, h, w), the part of its map that changes.

        Returns:
            (N, C, H, W).
        """
        box, (_, height, width) = self.boxes[name], self.sizes[name]
        margins = (box.left, width - box.right, box.top, height - box.bottom)
        return self.fixed_maps[name] + F.pad(changed, margins)


@torch.no_grad()
def cropped_features(
    network: Features,
    image: Tensor,
    box: Box,
    layers: tuple[str, ...],
    keep_whole: bool = False,
    has_grams: bool = True,
) -> tuple[CroppedFeatures, dict[str, Tensor]]:
    """Run the network once over a picture and keep what later evaluations of a box need.

    Args:
        network: of the image's dtype and device.
        image: (N, 3, H, W), RGB in [0, 1], sides multiples of 8.
        box: the part of the image that will change.
        layers: names of the activations, out of `LAYERS`.
        keep_whole: whether to keep whole maps for `CroppedFeatures.whole`.
        has_grams: whether to keep what `CroppedFeatures.gram` needs.

    Returns:
        The network on the box; and the image's own activations by name, (N, C, H / s, W / s).
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
            if has_grams:
                fixed_sums[name] = outer_sum(activation) - outer_sum(crop(activation, changed))
            if keep_whole:
                fixed_maps[name] = _zero_inside(activation, changed)
    features = CroppedFeatures(network, box, tuple(cropped), boxes, fixed_sums, fixed_maps, sizes)
    return features, activations


def cropped_context(
    network: Features, request: ContextRequest
) -> tuple[CroppedFeatures, TargetStatistics]:
    """Answer a request with all maps in memory; one pass serves both where base equals target.

    Args:
        network: on the pictures' device.
        request: pictures, box and visible pixels.

    Returns:
        The network on the box, and the target's sums of outer products, (N, C, C) by layer.
    """
    features, activations = cropped_features(
        network,
        request.base,
        request.box,
        request.layers,
        request.keep_maps,
        bool(request.visible),
    )
    is_read = bool(request.visible) or request.keep_maps
    if is_read and not torch.equal(request.base, request.target):
        activations = network(request.target, request.layers)
    target = TargetStatistics(
        whole={name: outer_sum(activations[name]) for name in request.visible},
        visible={name: outer_sum(activations[name], w) for name, w in request.visible.items()},
        maps=activations if request.keep_maps else {},
    )
    return features, target


def _padded_input(x: Tensor, read: Box) -> Tensor:
    """The box that a layer reads of its input, 0 beyond the map as in the network's own padding."""
    padded = x.new_zeros(*x.shape[:2], *read.size)
    padded = padded.contiguous(memory_format=torch.channels_last)
    inside = read.clipped(x.shape)
    crop(padded, inside.relative_to(read)).copy_(crop(x, inside))
    return padded


def _zero_inside(x: Tensor, box: Box) -> Tensor:
    x = x.clone()
    crop(x, box).zero_()
    return x

"""Features of a picture in tiles: exact, in as little memory as wanted, for a third more work.

Gram matrices and the content distance are sums over pixels. They are added up tile by tile without
a graph; on the way back each tile is run again, with the slopes of these sums, which stand by then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..placement.box import Box, crop, full_box
from .feature_statistics import (
    CONTENT_LAYER,
    ContentReference,
    ContextRequest,
    FeatureStatistics,
    TargetStatistics,
    outer_sum,
)
from .receptive_field import HALO, STRIDE
from .vgg16 import LAYERS, STYLE_LAYERS, Features


@dataclass(frozen=True)
class Tile:
    """A part of a picture and what its features need around it; all sides multiples of 8.

    Attributes:
        own: the part of the picture that the tile stands for.
        seen: the same and HALO pixels around, inside the picture.
    """

    own: Box
    seen: Box

    def owned(self, activation: Tensor, layer: str) -> Tensor:
        """Of a map made of what is seen, (N, C, h, w), the part that the tile stands for."""
        return crop(activation, self.place(layer, self.seen))

    def place(self, layer: str, box: Box) -> Box:
        """Where that part lies on the layer's map of a box of the picture."""
        return self.own.relative_to(box).pooled(LAYERS[layer][1])


def tiles(box: Box, shape: tuple[int, ...], side: int) -> Iterator[Tile]:
    """Cut a box of a (..., H, W) picture into tiles; box, shape and side are multiples of 8."""
    for row in range(box.top, box.bottom, side):
        for column in range(box.left, box.right, side):
            own = Box(row, column, side, side).intersection(box)
            yield Tile(own, with_halo(own, shape))


def with_halo(box: Box, shape: tuple[int, ...]) -> Box:
    """HALO pixels larger on every side, inside a (..., H, W) picture."""
    return box.grown(HALO).clipped(shape)


@torch.no_grad()
def tiled_sums(
    network: Features,
    image: Tensor,
    box: Box,
    side: int,
    counted: Sequence[dict[str, Tensor] | None] = (None,),
) -> list[dict[str, Tensor]]:
    """The sums of outer products over a box, (N, C, C) of each style layer; one pass for all.

    Args:
        network: of the image's device.
        image: (N, 3, H, W), sides multiples of 8.
        box: of it, sides multiples of 8.
        side: of the tiles, pixels.
        counted: for each set of sums which pixels count, of each layer (N or 1, 1, H / s, W / s),
            0 or 1. None: all.
    """
    every: list[dict[str, Tensor]] = [{} for _ in counted]
    whole = full_box(image.shape)
    for tile in tiles(box, image.shape, side):
        activations = network(crop(image, tile.seen), STYLE_LAYERS)
        for name, activation in activations.items():
            own, place = tile.owned(activation, name), tile.place(name, whole)
            for sums, where in zip(every, counted, strict=True):
                part = outer_sum(own, crop(where[name], place) if where else None)
                sums[name] = sums[name] + part if name in sums else part
    return every


@torch.no_grad()
def tiled_maps(network: Features, image: Tensor, side: int) -> dict[str, Tensor]:
    """The activations of all style layers, made in tiles.

    Args:
        network: of the image's device.
        image: (N, 3, H, W), sides multiples of 8.
        side: of the tiles, pixels.

    Returns:
        Name to (N, C, H / s, W / s).
    """
    maps: dict[str, Tensor] = {}
    whole = full_box(image.shape)
    for tile in tiles(whole, image.shape, side):
        for name, activation in network(crop(image, tile.seen), STYLE_LAYERS).items():
            if name not in maps:
                size = whole.pooled(LAYERS[name][1]).size
                maps[name] = activation.new_empty(*activation.shape[:2], *size)
            crop(maps[name], tile.place(name, whole)).copy_(tile.owned(activation, name))
    return maps


@dataclass(frozen=True)
class TiledFeatures:
    """The same as `CroppedFeatures` in tiles; made by `tiled_features`.

    Attributes:
        network: whose.
        box: of the picture, where its features change; sides multiples of 8.
        shape: (H, W) of the picture.
        side: of the tiles.
        fixed_sums: of each activation, (N, C, C), the sum of outer products beyond the box.
        fixed_maps: of each activation that was to be kept whole, the picture's own.
    """

    network: Features
    box: Box
    shape: tuple[int, int]
    side: int
    fixed_sums: dict[str, Tensor]
    fixed_maps: dict[str, Tensor]

    @property
    def content_box(self) -> Box:
        """Of the content layer's map, what `gram_and_content` returns."""
        return self.box.pooled(LAYERS[CONTENT_LAYER][1])

    def expand_batch(self, rows: int) -> "TiledFeatures":
        """For so many pictures that have their surroundings in common: the sums broadcast."""
        return self

    def gram(self, name: str, changed: Tensor) -> Tensor:
        """The whole map's Gram matrix of the sum over the box, (N, C, C)."""
        pixels = self.shape[0] * self.shape[1] // LAYERS[name][1] ** 2
        return (self.fixed_sums[name] + changed) / (changed.shape[1] * pixels)

    @torch.no_grad()
    def gram_and_content(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Gram matrices, and the features where content is compared, of (N, 3, H, W)."""
        sums, content = {}, None
        for tile, activations in self.run(image):
            for name, activation in activations.items():
                part = outer_sum(activation)
                sums[name] = sums[name] + part if name in sums else part
            part = activations[CONTENT_LAYER]
            if content is None:
                content = part.new_zeros(*part.shape[:2], *self.content_box.size)
            crop(content, tile.place(CONTENT_LAYER, self.box)).copy_(part)
        assert content is not None
        return {name: self.gram(name, found) for name, found in sums.items()}, content

    def statistics(
        self, image: Tensor, content: ContentReference, keep_maps: bool
    ) -> FeatureStatistics:
        """What the feature terms read of (N, 3, H, W) that differ inside the box only."""
        found = _TileSums.apply(image, self, content, keep_maps)
        count = len(STYLE_LAYERS)
        sums = dict(zip(STYLE_LAYERS, found[:count], strict=True))
        grams = {name: self.gram(name, total) for name, total in sums.items()}
        maps = dict(zip(self.fixed_maps, found[count + 1 :], strict=False))
        return FeatureStatistics(grams, found[count], maps)

    def owned(self, tile: Tile, seen: Tensor) -> dict[str, Tensor]:
        """The activations that a tile stands for, of the pixels (N, 3, h, w) that it sees."""
        activations = self.network(seen, STYLE_LAYERS)
        return {name: tile.owned(x, name) for name, x in activations.items()}

    def run(self, image: Tensor) -> Iterator[tuple[Tile, dict[str, Tensor]]]:
        """The tiles of the box of (N, 3, H, W) and their activations."""
        for tile in tiles(self.box, self.shape, self.side):
            yield tile, self.owned(tile, crop(image, tile.seen))

    def sums(
        self, tile: Tile, activations: dict[str, Tensor], content: ContentReference
    ) -> list[Tensor]:
        """Of a tile: outer products of each layer, (N, C, C), and the content distance, (N,)."""
        part = content.part(tile.place(CONTENT_LAYER, self.box))
        outer = (outer_sum(activation) for activation in activations.values())
        return [*outer, part.distance(activations[CONTENT_LAYER])]


@torch.no_grad()
def tiled_features(
    network: Features, image: Tensor, box: Box, side: int, keep_whole: bool = False
) -> TiledFeatures:
    """Run the network over the surroundings of what changes.

    Args:
        network: of the image's device.
        image: (N, 3, H, W), RGB in [0, 1], sides multiples of 8.
        box: of it, what will change.
        side: of the tiles, pixels, a multiple of 8.
        keep_whole: keep its maps for the histogram term, nearly 500 bytes a pixel.
    """
    shape = (image.shape[2], image.shape[3])
    reached = with_halo(box.aligned(STRIDE), shape)
    whole, inside = (
        tiled_sums(network, image, part, side)[0] for part in (full_box(shape), reached)
    )
    fixed_sums = {name: whole[name] - inside[name] for name in whole}
    maps = tiled_maps(network, image, side) if keep_whole else {}
    return TiledFeatures(network, reached, shape, side, fixed_sums, maps)


def tiled_context(request: ContextRequest, side: int) -> tuple[TiledFeatures, TargetStatistics]:
    """Answer a request tile by tile, each of `side` pixels."""
    network, target = request.network, request.target
    features = tiled_features(network, request.base, request.box, side, request.keep_maps)
    counted = (None, request.visible)
    whole, visible = tiled_sums(network, target, full_box(target.shape), side, counted)
    maps = tiled_maps(network, target, side) if request.keep_maps else {}
    return features, TargetStatistics(whole, visible, maps)


class _TileSums(torch.autograd.Function):
    """Sums over all tiles, and whole maps if these are kept; the graph of one tile at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        features: TiledFeatures,
        content: ContentReference,
        keep_maps: bool,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(image)
        ctx.features, ctx.content = features, content
        rows, whole = image.shape[0], full_box(features.shape)
        maps = [x.repeat(rows // len(x), 1, 1, 1) for x in features.fixed_maps.values()]
        totals: list[Tensor] = []
        for tile, activations in features.run(image):
            found = features.sums(tile, activations, content)
            totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
            for kept, (name, activation) in zip(maps, activations.items(), strict=False):
                crop(kept, tile.place(name, whole)).copy_(activation)
        return (*totals, *(maps if keep_maps else ()))

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None]:
        (image,) = ctx.saved_tensors
        features, total = ctx.features, torch.zeros_like(image)
        count, whole = len(STYLE_LAYERS) + 1, full_box(features.shape)
        for tile in tiles(features.box, features.shape, features.side):
            with torch.enable_grad():
                seen = crop(image, tile.seen).detach().requires_grad_(True)
                activations = features.owned(tile, seen)
                found = features.sums(tile, activations, ctx.content)
                weighted = [(a * b).sum() for a, b in zip(found, slopes[:count], strict=True)]
                for slope, (name, x) in zip(slopes[count:], activations.items(), strict=False):
                    weighted.append((x * crop(slope, tile.place(name, whole))).sum())
                (slope,) = torch.autograd.grad(torch.stack(weighted).sum(), seen)
            crop(total, tile.seen).add_(slope)
        return total, None, None, None

"""Features of a picture in tiles: exact, in as little memory as needed, for a third more work.

Gram matrices and the content distance are sums over pixels. The forward pass adds them up tile by
tile without a graph; the backward pass runs each tile again, with the gradients of these sums,
which are known by then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..network.receptive_field import HALO, STRIDE
from ..network.vgg16 import LAYERS, STYLE_LAYERS, Features
from ..placement.box import Box, crop, full_box
from .feature_statistics import (
    CONTENT_LAYER,
    ContextRequest,
    FeatureReferences,
    FeatureStatistics,
    TargetStatistics,
    outer_sum,
)


@dataclass(frozen=True)
class Tile:
    """A part of a picture and the pixels that its features depend on; sides multiples of 8.

    Attributes:
        own: the part of the picture whose features the tile gives.
        seen: this part with HALO pixels around it, inside the picture.
    """

    own: Box
    seen: Box

    def owned(self, activation: Tensor, layer: str) -> Tensor:
        """The part of a map computed from `seen` that belongs to `own`.

        Args:
            activation: (N, C, h, w), of the pixels `seen`.
            layer: its name.

        Returns:
            (N, C, h', w'), a view.
        """
        return crop(activation, self.place(layer, self.seen))

    def place(self, layer: str, box: Box) -> Box:
        """Where the tile's own features lie on a layer's map.

        Args:
            layer: name of the layer.
            box: the part of the picture that the map is of.

        Returns:
            The box on that map.
        """
        return self.own.relative_to(box).pooled(LAYERS[layer][1])


def tiles(box: Box, shape: tuple[int, ...], side: int) -> Iterator[Tile]:
    """Cut a box of a picture into tiles, row by row.

    Args:
        box: the part to cut, sides multiples of 8.
        shape: of the picture, (..., H, W), multiples of 8.
        side: of the tiles, pixels, a multiple of 8; the last ones may be smaller.

    Returns:
        An iterator over the tiles.
    """
    for row in range(box.top, box.bottom, side):
        for column in range(box.left, box.right, side):
            own = Box(row, column, side, side).intersection(box)
            yield Tile(own, with_halo(own, shape))


def with_halo(box: Box, shape: tuple[int, ...]) -> Box:
    """A box with HALO pixels more on every side, inside a picture.

    Args:
        box: on the picture.
        shape: of the picture, (..., H, W).

    Returns:
        The larger box, clipped to the picture.
    """
    return box.grown(HALO).clipped(shape)


@torch.no_grad()
def tiled_sums(
    network: Features,
    image: Tensor,
    box: Box,
    side: int,
    counted: Sequence[dict[str, Tensor] | None] = (None,),
) -> list[dict[str, Tensor]]:
    """Sums of outer products over a box, for several sets of pixels in one pass of the network.

    Args:
        network: on the image's device.
        image: (N, 3, H, W), RGB in [0, 1], sides multiples of 8.
        box: the part of the image to sum over, sides multiples of 8.
        side: of the tiles, pixels, a multiple of 8.
        counted: for each set of sums the pixels to sum over, (N or 1, 1, H / s, W / s), 0 or 1, by
            style layer. None: all.

    Returns:
        For each set (N, C, C), by style layer.
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
def tiled_maps(
    network: Features, image: Tensor, side: int, layers: tuple[str, ...] = STYLE_LAYERS
) -> dict[str, Tensor]:
    """The whole activations of some layers, computed in tiles.

    Args:
        network: on the image's device.
        image: (N, 3, H, W), RGB in [0, 1], sides multiples of 8.
        side: of the tiles, pixels, a multiple of 8.
        layers: names out of `LAYERS`.

    Returns:
        Name to (N, C, H / s, W / s).
    """
    maps: dict[str, Tensor] = {}
    whole = full_box(image.shape)
    for tile in tiles(whole, image.shape, side):
        for name, activation in network(crop(image, tile.seen), layers).items():
            if name not in maps:
                size = whole.pooled(LAYERS[name][1]).size
                maps[name] = activation.new_empty(*activation.shape[:2], *size)
            crop(maps[name], tile.place(name, whole)).copy_(tile.owned(activation, name))
    return maps


@dataclass(frozen=True)
class TiledFeatures:
    """The same as `CroppedFeatures`, computed in tiles; made by `tiled_features`.

    Attributes:
        network: VGG16, on the pictures' device.
        box: the part of the picture whose features change; sides multiples of 8.
        shape: (H, W) of the picture.
        side: of the tiles, pixels.
        layers: names of the activations that are read.
        fixed_sums: (N, C, C), the sum of outer products outside the box, by style layer; empty
            where no Gram matrices are asked for.
        fixed_maps: (N, C, H / s, W / s), the picture's own whole maps, by style layer; empty unless
            maps are kept.
    """

    network: Features
    box: Box
    shape: tuple[int, int]
    side: int
    layers: tuple[str, ...]
    fixed_sums: dict[str, Tensor]
    fixed_maps: dict[str, Tensor]

    def map_box(self, name: str) -> Box:
        """The part of a style layer's map that changes."""
        return self.box.pooled(LAYERS[name][1])

    def expand_batch(self, rows: int) -> "TiledFeatures":
        """The same for `rows` pictures with common surroundings, over which the sums broadcast."""
        return self

    def gram(self, name: str, changed: Tensor) -> Tensor:
        """The Gram matrix of a whole map of which only the box changes.

        Args:
            name: of the style layer.
            changed: (N, C, C), the sum of outer products over the box.

        Returns:
            (N, C, C).
        """
        pixels = self.shape[0] * self.shape[1] // LAYERS[name][1] ** 2
        return (self.fixed_sums[name] + changed) / (changed.shape[1] * pixels)

    @torch.no_grad()
    def gram_and_content(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Gram matrices of all style layers, and the content layer's features inside its `map_box`.

        Args:
            image: (N, 3, H, W), RGB in [0, 1]; outside the box that of `tiled_features`.

        Returns:
            Name to (N, C, C); and (N, C, h, w). Without gradient.
        """
        sums, content = {}, None
        for tile, activations in self.run(image):
            for name, activation in activations.items():
                part = outer_sum(activation)
                sums[name] = sums[name] + part if name in sums else part
            part = activations[CONTENT_LAYER]
            if content is None:
                content = part.new_zeros(*part.shape[:2], *self.map_box(CONTENT_LAYER).size)
            crop(content, tile.place(CONTENT_LAYER, self.box)).copy_(part)
        assert content is not None
        return {name: self.gram(name, found) for name, found in sums.items()}, content

    def maps(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """The changing part of style layers' maps, without gradient.

        Args:
            image: (N, 3, H, W), RGB in [0, 1].
            names: of the style layers.

        Returns:
            Name to (N, C, h, w), of the size of `map_box`.
        """
        found: dict[str, Tensor] = {}
        for tile, activations in self.run(image):
            for name in names:
                part, size = activations[name], self.map_box(name).size
                if name not in found:
                    found[name] = part.new_zeros(*part.shape[:2], *size)
                crop(found[name], tile.place(name, self.box)).copy_(part)
        return found

    def statistics(
        self, image: Tensor, references: FeatureReferences, keep_maps: bool
    ) -> FeatureStatistics:
        """What the feature terms read of a picture, differentiable in it.

        Args:
            image: (N, 3, H, W), RGB in [0, 1]; outside the box that of `tiled_features`.
            references: what the features are compared with, inside each layer's `map_box`.
            keep_maps: whether to return whole activations, for the histogram term.

        Returns:
            Gram matrices, distances and, if asked for, activations.
        """
        found = iter(_TileSums.apply(image, self, references, keep_maps))
        grams = {name: self.gram(name, next(found)) for name in self.layers * references.has_grams}
        content = next(found)
        wanted = next(found) if references.wanted else None
        maps = dict(zip(self.fixed_maps, found, strict=False))
        return FeatureStatistics(grams, content, maps, wanted)

    def owned(self, tile: Tile, seen: Tensor) -> dict[str, Tensor]:
        """The activations that a tile stands for.

        Args:
            tile: the tile.
            seen: (N, 3, h, w), RGB in [0, 1], the pixels of `tile.seen`.

        Returns:
            By style layer, (N, C, h', w').
        """
        activations = self.network(seen, self.layers)
        return {name: tile.owned(x, name) for name, x in activations.items()}

    def run(self, image: Tensor) -> Iterator[tuple[Tile, dict[str, Tensor]]]:
        """The tiles of the box of an image, (N, 3, H, W), each with its own activations."""
        for tile in tiles(self.box, self.shape, self.side):
            yield tile, self.owned(tile, crop(image, tile.seen))

    def sums(
        self, tile: Tile, activations: dict[str, Tensor], references: FeatureReferences
    ) -> list[Tensor]:
        """One tile's part of the statistics that are sums.

        Args:
            tile: the tile.
            activations: (N, C, h, w), those it stands for, by style layer.
            references: what the features are compared with, inside each layer's `map_box`.

        Returns:
            The outer products of each style layer, (N, C, C), if they are asked for, then the
            content distance and, if there is one, the distance to the wanted features, (N,).
        """
        part = references.part(lambda name: tile.place(name, self.box))
        outer = [outer_sum(x) for x in activations.values()] if part.has_grams else []
        return [*outer, *part.distances(activations)]


@torch.no_grad()
def tiled_features(
    network: Features,
    image: Tensor,
    box: Box,
    side: int,
    keep_whole: bool = False,
    layers: tuple[str, ...] = STYLE_LAYERS,
    has_grams: bool = True,
) -> TiledFeatures:
    """Run the network in tiles over the surroundings of a box that will change.

    Args:
        network: on the image's device.
        image: (N, 3, H, W), RGB in [0, 1], sides multiples of 8.
        box: the part of the image that will change.
        side: of the tiles, pixels, a multiple of 8.
        keep_whole: whether to keep whole maps for the histogram term, nearly 500 bytes a pixel.
        layers: names of the activations that are read; all style layers where Gram matrices are.
        has_grams: whether to keep what `TiledFeatures.gram` needs.

    Returns:
        The network on the box of the features that change with it.
    """
    shape = (image.shape[2], image.shape[3])
    reached = with_halo(box.aligned(STRIDE), shape)
    fixed_sums = {}
    if has_grams:
        whole, inside = (
            tiled_sums(network, image, part, side)[0] for part in (full_box(shape), reached)
        )
        fixed_sums = {name: whole[name] - inside[name] for name in whole}
    maps = tiled_maps(network, image, side, layers) if keep_whole else {}
    return TiledFeatures(network, reached, shape, side, layers, fixed_sums, maps)


def tiled_context(
    network: Features, request: ContextRequest, side: int
) -> tuple[TiledFeatures, TargetStatistics]:
    """Answer a request tile by tile.

    Args:
        network: on the pictures' device.
        request: pictures, box and visible pixels.
        side: of the tiles, pixels, a multiple of 8.

    Returns:
        The network on the box, and the target's sums of outer products, (N, C, C) by layer.
    """
    target, has_grams = request.target, bool(request.visible)
    features = tiled_features(
        network, request.base, request.box, side, request.keep_maps, request.layers, has_grams
    )
    whole, visible = {}, {}
    if has_grams:
        counted = (None, request.visible)
        whole, visible = tiled_sums(network, target, full_box(target.shape), side, counted)
    maps = tiled_maps(network, target, side, request.layers) if request.keep_maps else {}
    return features, TargetStatistics(whole, visible, maps)


class _TileSums(torch.autograd.Function):
    """Sums over all tiles, and whole maps if they are kept; one tile's graph exists at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        features: TiledFeatures,
        references: FeatureReferences,
        keep_maps: bool,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(image)
        ctx.features, ctx.references = features, references
        rows, whole = image.shape[0], full_box(features.shape)
        maps = [x.repeat(rows // len(x), 1, 1, 1) for x in features.fixed_maps.values()]
        totals: list[Tensor] = []
        for tile, activations in features.run(image):
            found = features.sums(tile, activations, references)
            totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
            for kept, (name, activation) in zip(maps, activations.items(), strict=False):
                crop(kept, tile.place(name, whole)).copy_(activation)
        ctx.sums = len(totals)
        return (*totals, *(maps if keep_maps else ()))

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None]:
        (image,) = ctx.saved_tensors
        features, total = ctx.features, torch.zeros_like(image)
        count, whole = ctx.sums, full_box(features.shape)
        for tile in tiles(features.box, features.shape, features.side):
            with torch.enable_grad():
                seen = crop(image, tile.seen).detach().requires_grad_(True)
                activations = features.owned(tile, seen)
                found = features.sums(tile, activations, ctx.references)
                weighted = [(a * b).sum() for a, b in zip(found, slopes[:count], strict=True)]
                for slope, (name, x) in zip(slopes[count:], activations.items(), strict=False):
                    weighted.append((x * crop(slope, tile.place(name, whole))).sum())
                (slope,) = torch.autograd.grad(torch.stack(weighted).sum(), seen)
            crop(total, tile.seen).add_(slope)
        return total, None, None, None

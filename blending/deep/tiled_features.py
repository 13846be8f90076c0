"""Features of a picture in tiles: exact, in as little memory as wanted, for a third more work.

Gram matrices and the content distance are sums over pixels. They are added up tile by tile without
a graph; on the way back each tile is run again, with the slopes of these sums: they are known then.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .feature_statistics import CONTENT_LAYER, Content, Statistics, outer_sum
from .tiles import Box, Tile, everything, grown, outward, tiled_maps, tiled_sums, tiles
from .vgg16 import LAYERS, STYLE_LAYERS, Features


@dataclass(frozen=True)
class TiledFeatures:
    """The same as `LocalFeatures` in tiles; made by `tiled_features`.

    Attributes:
        network: whose.
        box: of the picture, where its features change; on the grid.
        shape: (H, W) of the picture.
        side: of the tiles.
        rest: of each tap, (N, C, C), the sum of outer products beyond the box.
        maps: of each tap that was to be kept whole, the picture's own.
    """

    network: Features
    box: Box
    shape: tuple[int, int]
    side: int
    rest: dict[str, Tensor]
    maps: dict[str, Tensor]

    @property
    def content_box(self) -> Box:
        """Of the content layer's map, what `survey` returns."""
        scale = LAYERS[CONTENT_LAYER][1]
        rows, columns = (slice(side.start // scale, side.stop // scale) for side in self.box)
        return rows, columns

    def spread(self, rows: int) -> "TiledFeatures":
        """For so many pictures that have their surroundings in common: the sums broadcast."""
        return self

    def gram(self, name: str, changed: Tensor) -> Tensor:
        """The whole map's Gram matrix of the sum over the box, (N, C, C)."""
        scale = LAYERS[name][1]
        pixels = self.shape[0] * self.shape[1] // scale**2
        return (self.rest[name] + changed) / (changed.shape[1] * pixels)

    @torch.no_grad()
    def survey(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Gram matrices, and the features where content is compared, of (N, 3, H, W)."""
        sums, content = {}, None
        for tile, taps in self.run(image):
            for name, tap in taps.items():
                part = outer_sum(tap)
                sums[name] = sums[name] + part if name in sums else part
            tap = taps[CONTENT_LAYER]
            if content is None:
                rows, columns = self.content_box
                size = rows.stop - rows.start, columns.stop - columns.start
                content = tap.new_zeros(*tap.shape[:2], *size)
            rows, columns = tile.place(CONTENT_LAYER, self.box)
            content[..., rows, columns] = tap
        assert content is not None
        return {name: self.gram(name, found) for name, found in sums.items()}, content

    def statistics(self, image: Tensor, content: Content, keep_taps: bool) -> Statistics:
        """What the feature terms read of (N, 3, H, W) that differ inside the box only."""
        found = _Sums.apply(image, self, content, keep_taps)
        count = len(STYLE_LAYERS)
        sums = dict(zip(STYLE_LAYERS, found[:count], strict=True))
        grams = {name: self.gram(name, total) for name, total in sums.items()}
        return Statistics(
            grams, found[count], dict(zip(self.maps, found[count + 1 :], strict=False))
        )

    def owned(self, tile: Tile, seen: Tensor) -> dict[str, Tensor]:
        """The taps that a tile stands for, of what it sees."""
        taps = self.network(seen, STYLE_LAYERS)
        return {name: tile.owned(tap, name) for name, tap in taps.items()}

    def run(self, image: Tensor) -> Iterator[tuple[Tile, dict[str, Tensor]]]:
        """The tiles of the box and their taps."""
        for tile in tiles(self.box, self.shape, self.side):
            yield tile, self.owned(tile, image[(..., *tile.seen)])

    def sums(self, tile: Tile, taps: dict[str, Tensor], content: Content) -> list[Tensor]:
        """Of a tile: outer products of each layer, and the content distance."""
        part = content.part(*tile.place(CONTENT_LAYER, self.box))
        return [*(outer_sum(tap) for tap in taps.values()), part.distance(taps[CONTENT_LAYER])]


@torch.no_grad()
def tiled_features(
    network: Features, image: Tensor, box: Box, side: int, keep_whole: bool = False
) -> TiledFeatures:
    """Run the network over the surroundings of what changes.

    Args:
        network: of the image's device.
        image: (N, 3, H, W), RGB in [0, 1], sides multiples of 8.
        box: rows and columns of it that will change.
        side: of the tiles, pixels, a multiple of 8.
        keep_whole: keep its maps for the histogram term, nearly 500 bytes a pixel.
    """
    shape = (image.shape[2], image.shape[3])
    reached = grown(outward(box), shape)
    whole, inside = (
        tiled_sums(network, image, part, side)[0] for part in (everything(shape), reached)
    )
    rest = {name: whole[name] - inside[name] for name in whole}
    maps = tiled_maps(network, image, side) if keep_whole else {}
    return TiledFeatures(network, reached, shape, side, rest, maps)


class _Sums(torch.autograd.Function):
    """Sums over all tiles, and whole maps if these are kept; the graph of one tile at a time."""

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, features: TiledFeatures, content: Content, keep_taps: bool
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(image)
        ctx.features, ctx.content = features, content
        rows, whole = image.shape[0], everything(features.shape)
        maps = [tap.repeat(rows // len(tap), 1, 1, 1) for tap in features.maps.values()]
        totals: list[Tensor] = []
        for tile, taps in features.run(image):
            found = features.sums(tile, taps, content)
            totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
            for kept, (name, tap) in zip(maps, taps.items(), strict=False):
                kept[(..., *tile.place(name, whole))] = tap
        return (*totals, *(maps if keep_taps else ()))

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None]:
        (image,) = ctx.saved_tensors
        features, total = ctx.features, torch.zeros_like(image)
        count, whole = len(STYLE_LAYERS) + 1, everything(features.shape)
        for tile in tiles(features.box, features.shape, features.side):
            with torch.enable_grad():
                seen = image[(..., *tile.seen)].detach().requires_grad_(True)
                taps = features.owned(tile, seen)
                found = features.sums(tile, taps, ctx.content)
                weighted = [(a * b).sum() for a, b in zip(found, slopes[:count], strict=True)]
                for slope, (name, tap) in zip(slopes[count:], taps.items(), strict=False):
                    part = slope[(..., *tile.place(name, whole))]
                    weighted.append((tap * part).sum())
                (slope,) = torch.autograd.grad(torch.stack(weighted).sum(), seen)
            total[(..., *tile.seen)] += slope
        return total, None, None, None

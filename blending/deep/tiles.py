"""Pictures cut into tiles for the network, and sums over all of them: exact, tile by tile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .feature_statistics import outer_sum
from .receptive_field import Box
from .vgg16 import LAYERS, STYLE_LAYERS, Features

GRID = 8  # the network's coarsest pixel, in image pixels
HALO = 48  # pixels beyond a tile that its features depend on: 42, and on the grid


@dataclass(frozen=True)
class Tile:
    """A part of a picture and what its features need around it; all on the grid.

    Attributes:
        own: rows and columns of the picture that the tile stands for.
        seen: the same and HALO pixels around, inside the picture.
    """

    own: Box
    seen: Box

    def owned(self, tap: Tensor, layer: str) -> Tensor:
        """Of a map made of what is seen, the part that the tile stands for."""
        scale = LAYERS[layer][1]
        rows, columns = (
            slice((own.start - seen.start) // scale, (own.stop - seen.start) // scale)
            for own, seen in zip(self.own, self.seen, strict=True)
        )
        return tap[..., rows, columns]

    def place(self, layer: str, box: Box) -> Box:
        """Where that part lies on the layer's map of a box of the picture."""
        scale = LAYERS[layer][1]
        rows, columns = (
            slice((own.start - whole.start) // scale, (own.stop - whole.start) // scale)
            for own, whole in zip(self.own, box, strict=True)
        )
        return rows, columns


def tiles(box: Box, shape: tuple[int, ...], side: int) -> Iterator[Tile]:
    """Cut a box of a picture of that shape; box, shape and side are multiples of 8."""
    for row in range(box[0].start, box[0].stop, side):
        for column in range(box[1].start, box[1].stop, side):
            own = (
                slice(row, min(row + side, box[0].stop)),
                slice(column, min(column + side, box[1].stop)),
            )
            yield Tile(own, grown(own, shape))


def grown(box: Box, shape: tuple[int, ...]) -> Box:
    """HALO pixels larger on every side, inside the picture."""
    rows, columns = (
        slice(max(side.start - HALO, 0), min(side.stop + HALO, size))
        for side, size in zip(box, shape[-2:], strict=True)
    )
    return rows, columns


def outward(box: Box) -> Box:
    """The box on the grid that holds this one."""
    rows, columns = (slice(side.start // GRID * GRID, -(-side.stop // GRID) * GRID) for side in box)
    return rows, columns


def everything(shape: tuple[int, ...]) -> Box:
    """The box of a whole picture, (..., H, W)."""
    return slice(0, shape[-2]), slice(0, shape[-1])


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
        box: on the grid.
        side: of the tiles, pixels.
        counted: for each set of sums which pixels count, of each layer (N or 1, 1, H / s, W / s),
            0 or 1. None: all.
    """
    every: list[dict[str, Tensor]] = [{} for _ in counted]
    for tile in tiles(box, image.shape, side):
        taps = network(image[(..., *tile.seen)], STYLE_LAYERS)
        for name, tap in taps.items():
            own, place = tile.owned(tap, name), tile.place(name, everything(image.shape))
            for sums, where in zip(every, counted, strict=True):
                part = outer_sum(own, where[name][(..., *place)] if where else None)
                sums[name] = sums[name] + part if name in sums else part
    return every


@torch.no_grad()
def tiled_maps(network: Features, image: Tensor, side: int) -> dict[str, Tensor]:
    """The taps of all style layers, whole, (N, C, H / s, W / s); made in tiles."""
    maps: dict[str, Tensor] = {}
    whole = everything(image.shape)
    for tile in tiles(whole, image.shape, side):
        taps = network(image[(..., *tile.seen)], STYLE_LAYERS)
        for name, tap in taps.items():
            if name not in maps:
                size = (side // LAYERS[name][1] for side in image.shape[2:])
                maps[name] = tap.new_empty(*tap.shape[:2], *size)
            maps[name][(..., *tile.place(name, whole))] = tile.owned(tap, name)
    return maps

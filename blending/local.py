"""Features of a picture of which only a box changes: cost follows the box, the result is exact.

A change reaches one pixel further at every convolution. What lies beyond is computed once; each
evaluation runs every layer on the box that the change has reached by then and the ring of fixed
values around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .features import LAYERS, Features

Box = tuple[slice, slice]  # rows and columns of a map


@dataclass(frozen=True)
class Step:
    """One layer on the part of its map that changes.

    Attributes:
        layer: of the network.
        inside: of the slab that the layer reads, what changes.
        ring: (1, C, h, w), the slab; what changes is written into it. None: nothing is around.
        tap: the name of what comes out, if it is wanted.
    """

    layer: nn.Module
    inside: Box
    ring: Tensor | None
    tap: str | None

    def run(self, x: Tensor) -> Tensor:
        """The changed part of what the layer makes, of that of what it takes."""
        if self.ring is not None:
            x = _InRing.apply(x, self.ring, self.inside)
        if isinstance(self.layer, nn.Conv2d):
            return F.conv2d(x, self.layer.weight, self.layer.bias)  # the slab is padded already
        return self.layer(x)


class _InRing(torch.autograd.Function):
    """Write what changes into its ring: no new slab, no sum over it.

    The graph of one evaluation must be done with before the next is made.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, ring: Tensor, inside: Box) -> Tensor:
        ctx.inside = inside
        part(ring, inside).copy_(x)
        return ring.detach()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        return part(slope, ctx.inside), None, None


@dataclass(frozen=True)
class LocalFeatures:
    """Made by `local_features`.

    Attributes:
        network: whose.
        box: of the picture, what changes.
        steps: its layers.
        boxes: of each tap, what changes of its map.
        rest: of each tap, (1, C, C), the sum of outer products over the pixels that do not change.
        outside: of each tap that was to be kept whole, its map, 0 where it changes.
        sizes: of each tap, (channels, height, width) of the whole map.
    """

    network: Features
    box: Box
    steps: tuple[Step, ...]
    boxes: dict[str, Box]
    rest: dict[str, Tensor]
    outside: dict[str, Tensor]
    sizes: dict[str, tuple[int, int, int]]

    def __call__(self, patch: Tensor) -> dict[str, Tensor]:
        """What changes of each tap.

        Args:
            patch: (1, 3, h, w), the picture's box, in [0, 1].
        """
        x, taps = self.network.normalised(patch), {}
        for step in self.steps:
            x = step.run(x)
            if step.tap:
                taps[step.tap] = x
        return taps

    def gram(self, name: str, changed: Tensor) -> Tensor:
        """The whole map's Gram matrix, as `losses.gram_matrix` has it."""
        flat = changed.flatten(2)
        channels, height, width = self.sizes[name]
        return (self.rest[name] + flat @ flat.transpose(1, 2)) / (channels * height * width)

    def whole(self, name: str, changed: Tensor) -> Tensor:
        """The whole map, where it was kept."""
        rows, columns = self.boxes[name]
        _, height, width = self.sizes[name]
        margins = (columns.start, width - columns.stop, rows.start, height - rows.stop)
        return self.outside[name] + F.pad(changed, margins)


@torch.no_grad()
def local_features(
    network: Features, image: Tensor, box: Box, layers: tuple[str, ...], keep_whole: bool = False
) -> tuple[LocalFeatures, dict[str, Tensor]]:
    """Run the network once and keep what an evaluation needs of it.

    Args:
        network: of the image's dtype and device.
        image: (1, 3, H, W), RGB in [0, 1], sides multiples of 8.
        box: rows and columns of it that will change.
        layers: names of the taps.
        keep_whole: for `LocalFeatures.whole`.

    Returns:
        The local network, and the image's own taps, whole.
    """
    wanted = {LAYERS[name][0]: name for name in layers}
    taps, steps, boxes, rest, outside, sizes = {}, [], {}, {}, {}, {}
    x, start = network.normalised(image), box
    for index, layer in enumerate(network.features[: max(wanted) + 1]):
        slab, reached = _reach(layer, box, x.shape[2:])
        name = wanted.get(index)
        steps.append(Step(layer, *_surroundings(x, box, slab), name))
        x, box = layer(x), reached
        if name:
            taps[name], boxes[name], sizes[name] = x, box, tuple(x.shape[1:])
            rest[name] = _outer(x) - _outer(part(x, box))
            if keep_whole:
                outside[name] = _without(x, box)
    return LocalFeatures(network, start, tuple(steps), boxes, rest, outside, sizes), taps


def _reach(layer: nn.Module, box: Box, shape: torch.Size) -> tuple[Box, Box]:
    """What a layer reads for the part that changes, and where that part is of what it makes.

    A convolution reads one pixel beyond the map where the part touches its edge.
    """
    slab, reached = [], []
    for side, size in zip(box, shape, strict=True):
        start, stop = side.start, side.stop
        if isinstance(layer, nn.Conv2d):
            start, stop = max(start - 1, 0), min(stop + 1, size)
            slab.append(slice(start - 1, stop + 1))
        elif isinstance(layer, nn.MaxPool2d):
            start, stop = start // 2, -(-stop // 2)
            slab.append(slice(2 * start, 2 * stop))
        else:
            slab.append(side)
        reached.append(slice(start, stop))
    return (slab[0], slab[1]), (reached[0], reached[1])


def _surroundings(x: Tensor, box: Box, slab: Box) -> tuple[Box, Tensor | None]:
    """Inside and ring of a step; 0 beyond the map, as the network pads it."""
    if box == slab:
        return box, None
    inside, seen, place = [], [], []
    for side, wide, size in zip(box, slab, x.shape[2:], strict=True):
        first, last = max(wide.start, 0), min(wide.stop, size)
        seen.append(slice(first, last))
        place.append(slice(first - wide.start, last - wide.start))
        inside.append(slice(side.start - wide.start, side.stop - wide.start))
    ring = x.new_zeros(*x.shape[:2], *(wide.stop - wide.start for wide in slab))
    part(ring, place).copy_(part(x, seen))
    return (inside[0], inside[1]), ring


def part(x: Tensor, box: Sequence[slice]) -> Tensor:
    """A view of a box of (..., H, W)."""
    return x[..., box[0], box[1]]


def _outer(x: Tensor) -> Tensor:
    flat = x.flatten(2)
    return flat @ flat.transpose(1, 2)


def _without(x: Tensor, box: Box) -> Tensor:
    x = x.clone()
    part(x, box).zero_()
    return x

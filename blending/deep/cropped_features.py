"""Features of a picture of which only a box changes: cost follows the box, the result is exact.

A change reaches one pixel further at every convolution. What lies beyond is computed once; each
evaluation runs every layer on the box that the change has reached by then and the ring of fixed
values around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .feature_statistics import CONTENT_LAYER, Content, Statistics, outer_sum
from .receptive_field import Box, reach
from .vgg16 import LAYERS, Features, as_taken


@dataclass(frozen=True)
class Step:
    """One layer on the part of its map that changes.

    Attributes:
        layer: of the network.
        inside: of the slab that the layer reads, what changes.
        ring: (N, C, h, w), the slab; what changes is written into it. None: nothing is around.
        tap: the name of what comes out, if it is wanted.
    """

    layer: nn.Module
    inside: Box
    ring: Tensor | None
    tap: str | None

    def run(self, x: Tensor) -> Tensor:
        """The changed part of what the layer makes, of that of what it takes."""
        x = as_taken(x, self.layer)
        if self.ring is not None:
            x = _InRing.apply(x, self.ring, self.inside)
        if isinstance(self.layer, nn.Conv2d):
            return F.conv2d(x, self.layer.weight, self.layer.bias)  # the slab is padded already
        return self.layer(x)

    def spread(self, rows: int) -> "Step":
        """With a ring for each of so many pictures, to be written into."""
        if self.ring is None or len(self.ring) == rows:
            return self
        ring = self.ring.repeat(rows, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        return replace(self, ring=ring)


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
        rest: of each tap, (N, C, C), the sum of outer products over the pixels that do not change.
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
            patch: (N, 3, h, w), the pictures' box, in [0, 1].
        """
        x, taps = self.network.normalised(patch), {}
        for step in self.steps:
            x = step.run(x)
            if step.tap:
                taps[step.tap] = x.to(patch.dtype)
        return taps

    def survey(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Gram matrices, and the features where content is compared, of (N, 3, H, W)."""
        taps = self(part(image, self.box))
        return {name: self.gram(name, tap) for name, tap in taps.items()}, taps[CONTENT_LAYER]

    def statistics(self, image: Tensor, content: Content, keep_taps: bool) -> Statistics:
        """What the feature terms read of (N, 3, H, W) that differ inside the box only."""
        taps = self(part(image, self.box))
        return Statistics(
            grams={name: self.gram(name, tap) for name, tap in taps.items()},
            content=content.distance(taps[CONTENT_LAYER]),
            taps={name: self.whole(name, tap) for name, tap in taps.items()} if keep_taps else {},
        )

    @property
    def content_box(self) -> Box:
        """Of the content layer's map, what `survey` returns."""
        return self.boxes[CONTENT_LAYER]

    def spread(self, rows: int) -> "LocalFeatures":
        """For so many pictures; their surroundings are one for each, or in common."""
        return replace(self, steps=tuple(step.spread(rows) for step in self.steps))

    def gram(self, name: str, changed: Tensor) -> Tensor:
        """The whole map's Gram matrix, as `losses.gram_matrix` has it."""
        channels, height, width = self.sizes[name]
        return (self.rest[name] + outer_sum(changed)) / (channels * height * width)

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
        image: (N, 3, H, W), RGB in [0, 1], sides multiples of 8.
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
        x, (slab, reached) = as_taken(x, layer), reach(layer, box, x.shape[2:])
        name = wanted.get(index)
        steps.append(Step(layer, *_surroundings(x, box, slab), name))
        x, box = layer(x), reached
        if name:
            tap = taps[name] = x.to(image.dtype)
            boxes[name], sizes[name] = box, tuple(x.shape[1:])
            rest[name] = outer_sum(tap) - outer_sum(part(tap, box))
            if keep_whole:
                outside[name] = _without(tap, box)
    return LocalFeatures(network, start, tuple(steps), boxes, rest, outside, sizes), taps


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
    size = (wide.stop - wide.start for wide in slab)
    ring = x.new_zeros(*x.shape[:2], *size).contiguous(memory_format=torch.channels_last)
    part(ring, place).copy_(part(x, seen))
    return (inside[0], inside[1]), ring


def part(x: Tensor, box: Sequence[slice]) -> Tensor:
    """A view of a box of (..., H, W)."""
    return x[..., box[0], box[1]]


def _without(x: Tensor, box: Box) -> Tensor:
    x = x.clone()
    part(x, box).zero_()
    return x

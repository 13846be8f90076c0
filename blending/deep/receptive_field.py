"""How far a change of a picture reaches at each layer of the network."""

import torch
from torch import nn

Box = tuple[slice, slice]  # rows and columns of a map


def reach(layer: nn.Module, box: Box, shape: torch.Size) -> tuple[Box, Box]:
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

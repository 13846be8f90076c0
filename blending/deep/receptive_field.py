"""How far a change of a picture reaches at each layer of the network, and how far features look."""

import torch
from torch import nn

from ..placement.box import Box

STRIDE = 8  # image pixels of the coarsest layer's pixel, relu4_3
# Pixels around an object whose relu4_3 changes with it: 2 convolutions at 1 pixel, 2 at 2, 3 at 4,
# 3 at 8 reach 42; the pooling's blocks, wherever they lie, make that 46 at most.
REACH = 46
HALO = 48  # pixels around a tile that its features depend on: 42, and on the coarsest layer's grid


def changed_box(layer: nn.Module, box: Box, shape: torch.Size) -> tuple[Box, Box]:
    """What a layer reads for the part of its input that changes, and what changes of its output.

    Args:
        layer: a 3 x 3 convolution padded by 1, a 2 x 2 pooling, or an activation.
        box: of its input, what changes.
        shape: (H, W) of its input.

    Returns:
        The box that it reads, which for a convolution is one pixel larger and sticks out where the
        part touches the input's edge; and the box of its output that changes.
    """
    if isinstance(layer, nn.Conv2d):
        changed = box.grown(1).clipped(shape)
        return changed.grown(1), changed
    if isinstance(layer, nn.MaxPool2d):
        read = box.aligned(2)
        return read, read.pooled(2)
    return box, box

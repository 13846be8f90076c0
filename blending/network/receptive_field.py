"""How far a change of the picture spreads in each layer, and how far a feature sees."""

import torch
from torch import nn

from ..placement.box import Box

STRIDE = 8  # of the coarsest layer, relu4_3, in image pixels
# Pixels by which a change spreads up to relu4_3: 2 convolutions at stride 1, 2 at 2, 3 at 4 and 3
# at 8 spread it by 42; alignment to the pooling's blocks makes that 49 at most.
REACH = 49
HALO = 48  # pixels around a tile that its features depend on: 42, rounded up to the stride of 8


def changed_box(layer: nn.Module, box: Box, shape: torch.Size) -> tuple[Box, Box]:
    """The boxes that a layer reads and changes when a box of its input changes.

    Args:
        layer: a 3 x 3 convolution padded by 1, a 2 x 2 pooling, or an activation.
        box: the part of its input that changes.
        shape: (H, W) of its input.

    Returns:
        The box of the input that it reads, which for a convolution is one pixel larger than the
        output's and sticks out where that touches the map's edge; and the box of the output that
        changes.
    """
    if isinstance(layer, nn.Conv2d):
        changed = box.grown(1).clipped(shape)
        return changed.grown(1), changed
    if isinstance(layer, nn.MaxPool2d):
        read = box.aligned(2)
        return read, read.pooled(2)
    return box, box

"""Keeping moved colours within what a screen can show, without clipping a channel."""

import torch
from torch import Tensor

KNEE = 0.5  # share of the room to the gamut's edge that is used before a change is compressed
SMALLEST = 1e-6  # linear light, far below a level


def within_gamut(linear: Tensor, change: Tensor) -> Tensor:
    """Add a change to linear RGB and keep to [0, 1] by compressing the change.

    What would become too bright is dimmed with its hue, as a tinted white is, which a channel's
    clipping would leave white. What would become too saturated takes a share of the change.

    Args:
        linear: (B, 3, H, W), float, linear light in [0, 1].
        change: (B, 3, H, W), to be added.

    Returns:
        (B, 3, H, W), in [0, 1]; `linear` where the change is 0.
    """
    moved = linear + change
    before, after = linear.amax(1, keepdim=True), moved.amax(1, keepdim=True)
    room = (1 - before).clamp_min(0)
    brighter = (after - before).clamp_min(0)
    allowed = room * compressed(brighter / room.clamp_min(SMALLEST))
    dimmed = (before + allowed) / after.clamp_min(SMALLEST)
    change = torch.where(brighter > 0, moved * dimmed, moved) - linear
    used = (-change / linear.clamp_min(SMALLEST)).amax(1, keepdim=True).clamp_min(SMALLEST)
    share = torch.where(used > KNEE, compressed(used) / used, 1.0)
    return (linear + share * change).clamp(0, 1)


def compressed(used: Tensor) -> Tensor:
    """The room that is used: as asked up to the knee, then rising smoothly towards 1.

    Args:
        used: (B, C, H, W), >= 0.

    Returns:
        (B, C, H, W), in [0, 1].
    """
    rest = 1 - KNEE
    return torch.where(used <= KNEE, used, KNEE + rest * torch.tanh((used - KNEE) / rest))

"""The window of the target that a stage works on, and compositing in it."""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..settings import RefineSettings
from .box import Box, full_box


@dataclass(frozen=True)
class Window:
    """One picture's window: (1, C, h, w) of one size, device and float dtype.

    Attributes:
        source: RGB; 0 where it does not reach.
        mask: in [0, 1], 0 below 0.5.
        source_valid: 0 or 1, where the source has pixels.
        target: RGB.
        box: the window on the target, pixels.
    """

    source: Tensor
    mask: Tensor
    source_valid: Tensor
    target: Tensor
    box: Box

    @cached_property
    def support(self) -> Tensor:
        """The pixels that are solved: mask >= 0.5, bool."""
        return self.mask > 0

    @cached_property
    def paste(self) -> Tensor:
        """Plain copy and paste of the source."""
        return composite(self.target, self.source, self.mask)


def window_box(box: Box, margin: int | None, shape: tuple[int, ...]) -> Box:
    """The box of a window around an object: with a margin, inside a (..., H, W) frame.

    Away from the frame the window begins where the object does, not on the canvas's grid: so the
    network's pooling, and with it the result, does not depend on the place.

    Args:
        box: of the object, inside the frame.
        margin: pixels on every side; None: the whole frame.
        shape: of the frame.
    """
    return full_box(shape) if margin is None else box.grown(margin).clipped(shape)


def region_box(box: Box, settings: RefineSettings, shape: tuple[int, ...]) -> Box:
    """The box of what the refine stage may change, for an object's box in a (..., H, W) frame."""
    if settings.region == "picture":
        return full_box(shape)
    return window_box(box, settings.band if settings.region == "band" else 0, shape)


def lay_out(tensor: Tensor, at: Box, box: Box) -> Tensor:
    """A part of a picture laid out on another part of it, 0 beyond.

    Args:
        tensor: (B, C, h, w), what is at `at`.
        at: its place, of its size.
        box: the part of the picture that is wanted; pixels of the tensor outside it are cut off.

    Returns:
        (B, C, H, W), of the size of `box`.
    """
    before, above = at.left - box.left, at.top - box.top
    return F.pad(
        tensor, (before, box.width - before - at.width, above, box.height - above - at.height)
    )


def composite(background: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """mask·x + (1 − mask)·background; the background bit for bit where x is or mask is 0.

    Args:
        background: (B, C, H, W).
        x: (B, C, H, W).
        mask: (B, 1, H, W), in [0, 1].

    Returns:
        (B, C, H, W).
    """
    return torch.where(mask == 1, x, background + mask * (x - background))


def pick(tensor: Tensor, sample: int) -> Tensor:
    """One sample of (N, ...), or the only one, still with its batch dimension."""
    return tensor[sample : sample + 1] if tensor.shape[0] > 1 else tensor

"""The window of the target that a stage works on, and compositing in it."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..settings import RefineSettings
from .box import Box, crop, full_box

SPARSE = 4  # times the area from which a part is laid out without touching the rest


@dataclass(frozen=True)
class Window:
    """One picture's window: (1, C, h, w) of one size, device and float dtype.

    Attributes:
        source: (1, 3, h, w), RGB; 0 beyond the source's frame.
        mask: (1, 1, h, w), in [0, 1], 1 = source; 0 or at least 1/256.
        source_valid: (1, 1, h, w), 0 or 1, where the source has pixels.
        target: (1, 3, h, w), RGB.
        box: the window on the target, pixels.
    """

    source: Tensor
    mask: Tensor
    source_valid: Tensor
    target: Tensor
    box: Box

    @cached_property
    def support(self) -> Tensor:
        """The pixels that are solved, those whose mask is above 0: (1, 1, h, w), bool."""
        return self.mask > 0

    @cached_property
    def paste(self) -> Tensor:
        """Plain copy and paste of the source, (1, 3, h, w)."""
        return composite(self.target, self.source, self.mask)


def window_box(box: Box, margin: int | None, shape: tuple[int, ...]) -> Box:
    """The box of a window around an object: with a margin, clipped to the frame.

    Away from the frame's edge the window begins where the object does, not on the canvas's grid: so
    the network's pooling, and with it the result, does not depend on the place.

    Args:
        box: of the object, inside the frame.
        margin: pixels on every side; None: the whole frame.
        shape: of the frame, (..., H, W).

    Returns:
        The box on the frame, pixels.
    """
    return full_box(shape) if margin is None else box.grown(margin).clipped(shape)


def region_box(box: Box, settings: RefineSettings, shape: tuple[int, ...]) -> Box:
    """The box of the pixels that the refine stage may change.

    Args:
        box: of the object, inside the frame.
        settings: region and band.
        shape: of the frame, (..., H, W).

    Returns:
        The box on the frame, pixels.
    """
    if settings.region == "picture":
        return full_box(shape)
    return window_box(box, settings.band if settings.region == "band" else 0, shape)


def lay_out(tensor: Tensor, at: Box, box: Box) -> Tensor:
    """A part of a picture laid out on another part of it, 0 where they do not overlap.

    Args:
        tensor: (B, C, h, w), the pixels of the box `at`.
        at: the place of these pixels on the picture, of their size.
        box: the part of the picture to fill, which overlaps `at`; pixels of `tensor` outside it are
            cut off.

    Returns:
        (B, C, H, W), of the size of `box`.
    """
    if tensor.device.type == "cpu" and SPARSE * at.height * at.width < box.height * box.width:
        plane = _untouched_zeros(tensor, (*tensor.shape[:2], *box.size))
        common = at.intersection(box)
        part = crop(tensor, common.relative_to(at))
        crop(plane, common.relative_to(box)).copy_(part)
        return plane
    before, above = at.left - box.left, at.top - box.top
    return F.pad(
        tensor, (before, box.width - before - at.width, above, box.height - above - at.height)
    )


def _untouched_zeros(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Zeros on the processor whose pages take memory once they are written: torch writes all."""
    size = math.prod(shape) * like.element_size()
    return torch.from_numpy(np.zeros(size, np.uint8)).view(like.dtype).view(shape)


def composite(background: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """mask·x + (1 − mask)·background, without rounding where the mask is 0 or 1.

    Args:
        background: (B, C, H, W).
        x: (B, C, H, W).
        mask: (B, 1, H, W), in [0, 1], 1 = x.

    Returns:
        (B, C, H, W); the background's bits where the mask is 0, those of x where it is 1.
    """
    return torch.where(mask == 1, x, background + mask * (x - background))


def pick(tensor: Tensor, sample: int) -> Tensor:
    """The picture of a batch for one sample.

    Args:
        tensor: (N, ...), or (1, ...) where all samples share one picture.
        sample: which one, from 0.

    Returns:
        (1, ...), a view.
    """
    return tensor[sample : sample + 1] if tensor.shape[0] > 1 else tensor

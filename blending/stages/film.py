"""Frames of a film: what was found for one, moved along with the object to the next."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..placement.box import Box, bounding_box, crop
from ..placement.window import Window


@dataclass(frozen=True)
class Frame:
    """What the next frame of a film starts from: the change found for this one, and where it is.

    Attributes:
        change: (1, C, h, w), in image units.
        box: the window on the target.
        centre: row and column on the target of the middle of the support's box, pixels.
    """

    change: Tensor
    box: Box
    centre: tuple[int, int]

    def moved_to(self, window: Window) -> Tensor:
        """The change, moved as the object has, in the next frame's window.

        Args:
            window: of the next frame, its planes (1, C, H, W).

        Returns:
            (1, C, H, W); 0 where this frame's window does not reach, and where it is far away.
        """
        size = window.mask.shape[2:]
        moved = self.change.new_zeros(1, self.change.shape[1], *size)
        if window.box.intersection(self.box).is_empty:
            return moved
        row, column = object_centre(window)
        come_along = self.box.shifted(row - self.centre[0], column - self.centre[1])
        shared = window.box.intersection(come_along)
        if not shared.is_empty:
            change = crop(self.change, shared.relative_to(come_along))
            crop(moved, shared.relative_to(window.box)).copy_(change)
        return moved


def frame_of(window: Window, change: Tensor) -> Frame:
    """What was found for a window, for the next frame.

    Args:
        window: planes (1, C, H, W).
        change: (1, C, H, W), in image units.

    Returns:
        The frame.
    """
    return Frame(change, window.box, object_centre(window))


def object_centre(window: Window) -> tuple[int, int]:
    """Row and column on the target of the middle of the box around a window's support.

    Args:
        window: planes (1, C, H, W); the mask is above 0 somewhere.

    Returns:
        In pixels.
    """
    return bounding_box(window.support).shifted(window.box.top, window.box.left).centre


def steadied(change: Tensor, window: Window, frame: Frame | None) -> Tensor:
    """A frame's texture, that of the frame before where the object was there, too.

    Args:
        change: (1, 3, H, W), what this frame alone would be given.
        window: of this frame.
        frame: the one before; None: this is the first.

    Returns:
        (1, 3, H, W).
    """
    if frame is None:
        return change
    before = frame.moved_to(window)
    known = (before != 0).any(1, keepdim=True) & window.support
    return torch.where(known, before, change)

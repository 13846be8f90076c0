"""Frames of a film: the matches of the frame before, where they are in the next one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..placement.box import Box
from .matching import CELL, NOWHERE, Matches


@dataclass(frozen=True)
class MatchedFrame:
    """A frame whose object has been matched.

    Attributes:
        matches: of its window's positions.
        box: the window on the canvas, pixels.
        corner: row and column on the canvas of the picture that was matched with.
        centre: row and column on the canvas of the object's middle.
    """

    matches: Matches
    box: Box
    corner: tuple[int, int]
    centre: tuple[int, int]


def carried(
    frame: MatchedFrame,
    box: Box,
    corner: tuple[int, int],
    centre: tuple[int, int],
    own: tuple[int, int],
    offered: tuple[int, int],
) -> Tensor:
    """Where each position of an object had its like in the frame before.

    The object has moved, the picture that it is matched with has not.

    Args:
        frame: the frame before.
        box: of the window, as `MatchedFrame`.
        corner: of the picture, as `MatchedFrame`.
        centre: of the object, as `MatchedFrame`.
        own: (h, w), positions of the window.
        offered: (H, W), positions of the picture.

    Returns:
        (h, w), whole numbers as in `Matches`, to the nearest position; -1 where there is none.
    """
    places, device = frame.matches.places, frame.matches.places.device
    old, found = [], []
    for axis, (start, before) in enumerate(((box.top, frame.box.top), (box.left, frame.box.left))):
        moved = centre[axis] - frame.centre[axis]
        here = torch.arange(own[axis], device=device) * CELL + start
        old.append(((here - moved - before) / CELL).round().long())
    inside = [(index >= 0) & (index < size) for index, size in zip(old, places.shape, strict=True)]
    rows, columns = (
        index.clamp(0, size - 1) for index, size in zip(old, places.shape, strict=True)
    )
    place = places[rows[:, None], columns[None]]
    known = (place != NOWHERE) & inside[0][:, None] & inside[1][None]
    for axis, part in enumerate((place // frame.matches.width, place % frame.matches.width)):
        pixel = part * CELL + frame.corner[axis] - corner[axis]
        index = (pixel / CELL).round().long()
        known &= (index >= 0) & (index < offered[axis])
        found.append(index)
    return torch.where(known, found[0] * offered[1] + found[1], NOWHERE)

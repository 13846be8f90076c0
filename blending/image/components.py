"""Connected components of a mask: by area, to fill holes and drop specks; and one by one."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..placement.box import Box

TAKEN = 0.5  # from this value on a pixel belongs to a component
TOUCHING = np.ones((3, 3), bool)  # components are 8-connected: joined at corners, too
# Holes are 4-connected, or they would leak through the corners at which components join.
BESIDE = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def drop_specks(mask: Tensor, area: int) -> Tensor:
    """Set components smaller than an area to 0, and with each the soft edge around it.

    A component is 8-connected (joined by sides or corners), of pixels >= 0.5. Its soft edge is
    every pixel below 0.5 that strictly falling steps reach from it: grey haze around a speck and
    soft parts elsewhere are not changed.

    Args:
        mask: (B, 1, H, W), in [0, 1].
        area: square pixels; components of at least this area stay; 0 or 1 drops nothing.

    Returns:
        (B, 1, H, W), the same dtype and device.
    """
    return _each(mask, lambda plane: np.where(_specks(plane, area), 0, plane))


def fill_holes(mask: Tensor, area: int) -> Tensor:
    """Set holes up to an area to 1, and with each the soft edge around it.

    A hole is 4-connected (joined by sides only), of pixels < 0.5, and does not reach the frame. Its
    soft edge is every pixel from 0.5 on that strictly rising steps reach from it.

    Args:
        mask: (B, 1, H, W), in [0, 1].
        area: square pixels; holes of at most this area are filled; 0 fills nothing.

    Returns:
        (B, 1, H, W), the same dtype and device.
    """
    return _each(mask, lambda plane: np.where(_holes(plane, area), 1, plane))


def connected_parts(mask: Tensor, most: int) -> list[tuple[Box, Tensor]]:
    """The parts of a mask that do not touch, each by itself.

    Args:
        mask: (1, 1, H, W), in [0, 1]; pixels above 0 are 8-connected (joined by sides or corners).
        most: how many are wanted at most; a mask of more parts yields the first of them.

    Returns:
        Each part's box, and what of the mask is the part's own in it, (1, 1, h, w), 0 elsewhere; in
        the order of their topmost pixels; none for an empty mask.
    """
    from scipy.ndimage import find_objects

    labels, _ = _labelled((mask[0, 0] > 0).cpu().numpy(), TOUCHING)
    found = []
    for number, (rows, columns) in enumerate(find_objects(labels)[:most], 1):
        own = torch.from_numpy(labels[rows, columns] == number).to(mask.device)
        box = Box(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
        found.append((box, torch.where(own, mask[..., rows, columns], 0)))
    return found


def _each(mask: Tensor, change: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    planes = [change(plane) for plane in mask[:, 0].detach().cpu().double().numpy()]
    return torch.from_numpy(np.stack(planes)[:, None]).to(mask)


def _specks(plane: np.ndarray, area: int) -> np.ndarray:
    labels, areas = _labelled(plane >= TAKEN, TOUCHING)
    small = areas < area
    small[0] = False
    return _with_slopes(small[labels], plane)


def _holes(plane: np.ndarray, area: int) -> np.ndarray:
    labels, areas = _labelled(plane < TAKEN, BESIDE)
    small = areas <= area
    small[0] = False
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        small[edge] = False
    return _with_slopes(small[labels], 1 - plane)


def _labelled(pixels: np.ndarray, joined: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's component, from 1 (0: in none), and the components' areas."""
    from scipy.ndimage import label  # takes a while to load

    labels = np.empty(pixels.shape, np.int32)
    label(pixels, joined, output=labels)
    return labels, np.bincount(labels.ravel())


def _with_slopes(reached: np.ndarray, height: np.ndarray) -> np.ndarray:
    """The marked pixels and those of `height` <= 0.5 that strictly falling steps then reach."""
    width = height.shape[1] + 2
    around = [row * width + column for row in (-1, 0, 1) for column in (-1, 0, 1)]
    height, padded = np.pad(height, 1).ravel(), np.pad(reached, 1)
    reached = padded.ravel()
    front = np.flatnonzero(reached)
    while front.size:
        next_to = front[:, None] + around
        falls = (height[next_to] < height[front, None]) & (height[next_to] > 0)
        front = np.unique(next_to[falls & (height[next_to] <= TAKEN) & ~reached[next_to]])
        reached[front] = True
    return padded[1:-1, 1:-1]

"""The parts and holes of a mask, by area: fill small holes, drop specks."""

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

TAKEN = 0.5  # from here on a pixel belongs to a part
TOUCHING = np.ones((3, 3), bool)  # parts join at corners, too
BESIDE = ndimage.generate_binary_structure(2, 1)  # holes don't, or they would leak between those


def drop_specks(mask: Tensor, area: int) -> Tensor:
    """Set parts of a smaller area to 0, and with each the soft edge that falls off from it.

    A part is what hangs together, at corners, too, of the pixels >= 0.5. Its soft edge is what is
    reached from it by steps that strictly fall: nothing else is changed, so grey haze around a
    speck and soft parts elsewhere stay.

    Args:
        mask: (B, 1, H, W), in [0, 1].
        area: square pixels; parts of at least this area stay; 0 or 1 drops nothing.

    Returns:
        (B, 1, H, W), the same dtype and device.
    """
    return _each(mask, lambda plane: np.where(_specks(plane, area), 0, plane))


def fill_holes(mask: Tensor, area: int) -> Tensor:
    """Set holes of at most this area to 1, and with each the soft edge that rises from it.

    A hole is what hangs together by sides of the pixels < 0.5 and does not reach the frame. Its
    soft edge is what is reached from it by steps that strictly rise.

    Args:
        mask: (B, 1, H, W), in [0, 1].
        area: square pixels; 0 fills nothing.

    Returns:
        (B, 1, H, W), the same dtype and device.
    """
    return _each(mask, lambda plane: np.where(_holes(plane, area), 1, plane))


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
    labels = np.empty(pixels.shape, np.int32)
    ndimage.label(pixels, joined, output=labels)
    return labels, np.bincount(labels.ravel())


def _with_slopes(reached: np.ndarray, height: np.ndarray) -> np.ndarray:
    """The pixels reached, and those below 0.5 from which steps that strictly rise lead to them."""
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

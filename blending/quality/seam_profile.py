"""The residual by distance from a mask's edge: a seam is a peak at 0."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

OUTSIDE, DEEPEST = 24, 48  # pixels from the edge that a profile reaches


@dataclass(frozen=True)
class SeamProfile:
    """Mean magnitude of residuals by distance from the mask's edge; empty where a mask has no edge.

    Attributes:
        distances: pixels, at the middle of bins of one pixel: -0.5 is the first pixel outside, 0.5
            the first inside.
        result: of the blend, in levels.
        paste: of plain copy and paste, in levels.
    """

    distances: list[float]
    result: list[float]
    paste: list[float]


def seam_profile(result: Tensor, paste: Tensor, support: Tensor) -> SeamProfile:
    """Average residuals over the pixels of equal distance from the mask's edge, in bins of a pixel.

    Args:
        result: (1, 3, h, w), the blend's Laplacian residual, in image units per pixel².
        paste: (1, 3, h, w), the plain paste's Laplacian residual, in image units per pixel².
        support: (1, 1, h, w), bool, the mask's pixels; the frame's edge is no edge.

    Returns:
        The profile, from 24 pixels outside to 48 inside, as far as there are such pixels.
    """
    inside = support[0, 0].cpu().numpy()
    if inside.all() or not inside.any():
        return SeamProfile([], [], [])
    depth = _distance(inside) - _distance(~inside)
    # The first pixels on either side have depth 1 and -1; the edge lies between them.
    bins = np.where(depth > 0, np.floor(depth), np.ceil(depth) + 1).astype(int) - 1 + OUTSIDE
    kept = (bins >= 0) & (bins < OUTSIDE + DEEPEST)
    counts = np.bincount(bins[kept], minlength=OUTSIDE + DEEPEST)
    there = counts > 0
    means = []
    for residual in (result, paste):
        sizes = 255 * residual.abs().mean((0, 1)).cpu().double().numpy()
        sums = np.bincount(bins[kept], sizes[kept], minlength=OUTSIDE + DEEPEST)
        means.append((sums[there] / counts[there]).tolist())
    distances = (np.flatnonzero(there) - OUTSIDE + 0.5).tolist()
    return SeamProfile(distances, *means)


def _distance(side: np.ndarray) -> np.ndarray:
    """Pixels to the nearest pixel that is not on this side."""
    from scipy.ndimage import distance_transform_edt  # takes a while to load

    distances = np.empty(side.shape)
    distance_transform_edt(side, distances=distances)
    return distances

"""Where a silhouette stands: the line that supports it, and the feet that touch the ground."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..image.filters import smoothstep
from .canvas import object_size

STEEPEST = 0.5  # rows a column, of the line of support: 27 degrees
TILT = 0.3  # a length on the ground that leads away from the camera, drawn to one that does not
# All of the size. As near to the hull a column touches, from there on not at all.
TOUCHING, CLEAR = 0.01, 0.05
# What rests on the line goes on up the sides of its base, by so much and as long as it is so flat
# (rows a column more than the line); what touches the hull elsewhere, as a bumper does, hangs soon;
# a leg may stand far behind.
RESTING = 0.02
BASE, ROUND, HANGING, BACK = (0.1, 0.25), (0.6, 1.0), (0.04, 0.12), (0.1, 0.25)
PROMINENT = 0.05  # what reaches as far below both its sides is a foot


@dataclass(frozen=True)
class Ground:
    """The ground under a silhouette of (h, w) pixels, as a camera sees it that looks down a little.

    Attributes:
        foot: (w,), where the ground is under every column, rows from the first one's upper edge.
        bottom: (w,), the silhouette's lower edge in every column, likewise; 0 where there is none.
        touching: (w,), in [0, 1], how near the column comes to the ground: 1 touches it.
        base: the columns between which it touches, from the first one's left edge.
        height: of the silhouette above the ground, pixels.
    """

    foot: Tensor
    bottom: Tensor
    touching: Tensor
    base: tuple[float, float]
    height: float


def ground_of(silhouette: Tensor) -> Ground:
    """The ground under an object that stands upright on it.

    The line of support is the edge of the silhouette's lower convex hull above which its centroid
    lies, as a body rests on those points between which its weight falls. Feet a little above that
    line stand farther back; the ground between two feet is taken for even.

    Args:
        silhouette: (1, 1, h, w), in [0, 1], cut to the object's box, at least one pixel above 0.

    Returns:
        The ground in the silhouette's pixels.

    Source: the support polygon of statics, in the picture's plane. The tilt is that of a camera
    that looks down by 17 degrees.
    """
    plane = silhouette[0, 0].cpu().double().numpy()
    taken = plane >= 0.5 * min(1.0, plane.max())
    height, width = plane.shape
    size = object_size(height, width)
    bottom = (taken * np.arange(1, height + 1)[:, None]).max(0).astype(float)
    columns, there = np.arange(width) + 0.5, bottom > 0
    weight = plane.sum(0)
    corners = _lower_hull(columns[there], bottom[there])
    slope = _slope(corners, (weight * columns).sum() / weight.sum())
    line = slope * columns
    line += (bottom - line)[there].max()
    hull = np.interp(columns, np.array(corners)[:, 0], np.array(corners)[:, 1])
    near = _base(bottom, hull, line, size)
    legs = _legs(bottom, size) * _falling((line - bottom) / size, *BACK)
    near = np.maximum(near, legs) * there
    is_foot = near >= 0.5
    offset = np.interp(columns, columns[is_foot], (near * (line - bottom))[is_foot])
    foot = line - offset
    tops = np.where(there, taken.argmax(0), height)
    return Ground(
        foot=torch.from_numpy(foot),
        bottom=torch.from_numpy(bottom),
        touching=torch.from_numpy(near),
        base=(columns[is_foot][0] - 0.5, columns[is_foot][-1] + 0.5),
        height=float((foot - tops)[there].max()),
    )


def _lower_hull(columns: np.ndarray, bottom: np.ndarray) -> list[tuple[float, float]]:
    """Corners of the convex hull as seen from below, from left to right; rows grow downwards."""
    hull: list[tuple[float, float]] = []
    for point in zip(columns.tolist(), bottom.tolist(), strict=True):
        while len(hull) > 1 and _is_inside(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _slope(hull: list[tuple[float, float]], centre: float) -> float:
    """Of the edge above which the centre lies."""
    for (start, row), (end, other) in pairwise(hull):
        if start <= centre <= end:
            return max(-STEEPEST, min(STEEPEST, (other - row) / (end - start)))
    return 0.0


def _base(bottom: np.ndarray, hull: np.ndarray, line: np.ndarray, size: float) -> np.ndarray:
    """How much of each column of a rounded or cornered base touches the ground."""
    above = (line - bottom) / size
    near = _falling((hull - bottom) / size, TOUCHING, CLEAR)
    edges = np.flatnonzero(np.diff((near > 0.5).astype(int))) + 1
    steep = np.abs(np.gradient(hull - line)) if len(hull) > 1 else np.zeros(1)
    for run in np.split(np.arange(len(bottom)), edges):
        if near[run[0]] > 0.5 and above[run].min() <= RESTING:
            near[run] *= _falling(above[run], *BASE) * _falling(steep[run], *ROUND)
        else:
            near[run] *= _falling(above[run], *HANGING)
    return np.maximum(near, _falling(above, TOUCHING, RESTING))  # a tip touches, however steep


def _legs(bottom: np.ndarray, size: float) -> np.ndarray:
    """1 at the ends of parts that reach below what is on both of their sides, 0 elsewhere."""
    found = np.zeros(len(bottom))
    edges = np.flatnonzero(np.diff(bottom)) + 1
    starts, ends = np.r_[0, edges], np.r_[edges, len(bottom)]
    levels = np.r_[-np.inf, bottom[starts], -np.inf]
    for run in range(1, len(levels) - 1):
        level = levels[run]
        if level <= max(levels[run - 1], levels[run + 1]):
            continue
        higher = np.flatnonzero(levels[:run] >= level)
        before = levels[higher[-1] if len(higher) else 0 : run].min()
        higher = np.flatnonzero(levels[run + 1 :] > level)
        behind = levels[run + 1 : run + 2 + (higher[0] if len(higher) else len(levels))].min()
        if level - max(before, behind) < PROMINENT * size:
            continue
        first = last = run
        while levels[first - 1] >= level - TOUCHING * size:
            first -= 1
        while levels[last + 1] >= level - TOUCHING * size:
            last += 1
        found[starts[first - 1] : ends[last - 1]] = 1
    return found


def _is_inside(first: tuple, middle: tuple, last: tuple) -> bool:
    """Whether the middle point lies on or above the line between the others."""
    (a, i), (b, j), (c, k) = first, middle, last
    return (j - i) * (c - a) <= (k - i) * (b - a)


def _falling(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """1 up to `low`, 0 from `high` on, smooth between them."""
    return 1 - smoothstep(torch.from_numpy(values), low, high).numpy()

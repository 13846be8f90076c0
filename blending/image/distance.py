"""Euclidean distances to the nearest pixel outside a set, up to a limit, on any device."""

import torch
from torch import Tensor

FARTHEST = 127  # pixels: 2 · 127² + 127 fits in 16 bits


@torch.no_grad()
def distance_inside(where: Tensor, limit: int) -> Tensor:
    """The distance of marked pixels to the nearest pixel that is not marked, centre to centre.

    Distances along the rows come first; a pixel's squared distance is then the least sum of one of
    these, squared, and of the squared step to its row. The cost grows with the limit, not with
    what is marked. scipy's transform has no limit, but loads for longer than a small blend takes.

    Args:
        where: (1, 1, h, w), bool.
        limit: the longest distance asked for, 1 to 127 pixels.

    Returns:
        (1, 1, h, w), float32, pixels; 0 where not marked, infinity beyond the limit, and everywhere
        if every pixel is marked. What lies beyond the frame is no pixel.

    Raises:
        ValueError: another limit.

    Source: Saito, Toriwaki 1994, "New algorithms for Euclidean distance transformation".
    """
    if not 1 <= limit <= FARTHEST:
        raise ValueError(f"limit must be 1 to {FARTHEST} pixels, got {limit}")
    along = _along_rows(where[0, 0], limit).square()
    squared = along.clone()
    moved = torch.empty_like(along)
    for step in range(1, min(limit, len(along) - 1) + 1):
        for above, below in ((along[:-step], squared[step:]), (along[step:], squared[:-step])):
            nearer = torch.add(above, step**2, out=moved[: len(above)])
            torch.minimum(below, nearer, out=below)
    distances = squared.float().sqrt()
    return distances.masked_fill_(squared > limit**2, torch.inf)[None, None]


def _along_rows(marked: Tensor, limit: int) -> Tensor:
    """Distances along the rows alone, (h, w), int16, at most `limit` + 1."""
    columns = torch.arange(marked.shape[1], dtype=torch.int32, device=marked.device)
    far = marked.shape[1] + limit + 1
    before = torch.where(marked, -far, columns).cummax(1).values
    after = torch.where(marked, far + far, columns).flip(1).cummin(1).values.flip(1)
    nearest = torch.minimum(columns - before, after - columns)
    return nearest.clamp_max_(limit + 1).short()

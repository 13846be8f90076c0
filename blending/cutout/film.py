"""Alphas of a film's frames, steadied: what one frame alone takes away or keeps is outvoted."""

import torch
from torch import Tensor

from ..placement.box import Box, full_box
from ..placement.window import lay_out
from ..validation import check_mask, check_same_size


@torch.no_grad()
def steadied(alpha: Tensor, mask: Tensor) -> Tensor:
    """For each pixel the median of what a frame and its two neighbours keep of the mask.

    The neighbours are moved along with the object: by whole pixels, as its mask's centre moves.
    Where a neighbour's mask does not reach, the frame's own word counts for it.

    Args:
        alpha: (N, 1, h, w), in [0, 1], at most the mask.
        mask: (N, 1, h, w), in [0, 1], 1 = the object, rough.

    Returns:
        (N, 1, h, w), at most the mask; `alpha` itself for fewer than three frames.

    Raises:
        ValueError: wrong shapes or ranges, or sizes or batches that differ.
        TypeError: not float tensors.
    """
    check_mask("alpha", alpha)
    check_mask("mask", mask)
    check_same_size("alpha", alpha, "mask", mask)
    if len(alpha) != len(mask):
        raise ValueError(f"alpha must have as many frames as mask, got {len(alpha)}, {len(mask)}")
    count = len(alpha)
    if count < 3:
        return alpha
    kept = torch.where(mask > 0, alpha / mask.clamp_min(1e-6), 1.0)
    centres = [_centre(row) for row in mask.split(1)]
    steady = torch.empty_like(alpha)
    for frame in range(count):
        first = min(max(frame - 1, 0), count - 3)
        votes = []
        for other in range(first, first + 3):
            here, there = centres[frame], centres[other]
            place = full_box(kept.shape).shifted(here[0] - there[0], here[1] - there[1])
            moved = _moved(kept[other : other + 1], mask[other : other + 1], place)
            votes.append(torch.where(moved < 0, kept[frame : frame + 1], moved))
        median = torch.cat(votes).median(0, keepdim=True).values
        steady[frame : frame + 1] = mask[frame : frame + 1] * median.clamp(0, 1)
    return steady


def _centre(mask: Tensor) -> tuple[int, int]:
    """Row and column of the middle of a (1, 1, h, w) mask, rounded; the frame's if it is empty."""
    total = mask.sum()
    if not bool(total > 0):
        return mask.shape[2] // 2, mask.shape[3] // 2
    return _middle(mask.sum((0, 1, 3)), total), _middle(mask.sum((0, 1, 2)), total)


def _middle(sums: Tensor, total: Tensor) -> int:
    """The mean place by sums (n,), rounded."""
    places = torch.arange(len(sums), dtype=sums.dtype, device=sums.device)
    return round(((sums * places).sum() / total).item())


def _moved(kept: Tensor, mask: Tensor, place: Box) -> Tensor:
    """What another frame keeps, moved to a place; -1 where its mask does not reach."""
    frame = full_box(kept.shape)
    if place.intersection(frame).is_empty:
        return torch.full_like(kept, -1.0)
    return lay_out(torch.where(mask > 0, kept + 1, 0), place, frame) - 1

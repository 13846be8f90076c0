"""Matches: for each position of an object the position of a target that resembles it most."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..placement.box import Box, bounding_box, crop

CELL = 4  # pixels of a position, relu3_1's
CANDIDATES = 64  # a position takes one of those that resemble it most
AROUND = 2  # positions on each side that a match should agree with
AGREEMENT = 0.3  # of all neighbours, in units of the cosine
STEADINESS = 0.3  # of the frame before, in the same unit
ROUNDS = 4
AT_ONCE = 2**23  # cosines that are held at once
NOWHERE = -1


@dataclass(frozen=True)
class Matches:
    """Where each position of an object has its like.

    Attributes:
        places: (h, w), whole numbers: row · W + column on the target's grid of H by W positions;
            -1 where the object is not.
        width: W.
    """

    places: Tensor
    width: int


@torch.no_grad()
def find_matches(
    wanted: Tensor,
    offered: Tensor,
    own: Tensor,
    free: Tensor,
    before: Tensor | None = None,
    coarse: tuple[Tensor, Tensor] | None = None,
) -> Matches:
    """Match each position to the one that is like it, in agreement with its neighbours.

    Likeness is the mean cosine over 3 x 3 positions. Each position has the best ones as candidates;
    over a few rounds it takes that which its neighbours' matches, moved along, name most often for
    the likeness that it has: so a stroke is taken as a whole.

    Args:
        wanted: (C, h, w), unit vectors of what is to be matched.
        offered: (C, H, W), unit vectors of what there is.
        own: (h, w), bool, positions that are matched.
        free: (H, W), bool, positions that may be taken; somewhere True.
        before: (h, w), whole numbers as in `Matches`, of the frame before: a candidate that was
            taken there is worth more. None: there is none.
        coarse: vectors as `wanted` and `offered`, of every 2 x 2 positions together, (C', h / 2,
            w / 2) and (C', H / 2, W / 2), whose products are added. None: there are none.

    Returns:
        The matches.

    Source: nearest neighbours as in Li and Wand 2016; coherence after Ashikhmin 2001 and Tong et
    al. 2002 (k-coherence). Differs: agreement is counted, and is worth a share of a cosine.
    """
    places = torch.full(own.shape, NOWHERE, device=own.device)
    if not bool(own.any()):
        return Matches(places, free.shape[1])
    likeness, candidates = _candidates(wanted, offered, own, free, coarse)
    if before is not None:
        likeness = likeness + STEADINESS * (candidates == before[own][:, None])
    places[own] = candidates.gather(1, likeness.argmax(1, keepdim=True))[:, 0]
    for _ in range(ROUNDS):
        named = _named_by_neighbours(places, own, free.shape)
        agreeing = (candidates[:, :, None] == named[:, None, :]).sum(2) / named.shape[1]
        best = (likeness + AGREEMENT * agreeing).argmax(1, keepdim=True)
        places[own] = candidates.gather(1, best)[:, 0]
    return Matches(places, free.shape[1])


def _candidates(
    wanted: Tensor,
    offered: Tensor,
    own: Tensor,
    free: Tensor,
    coarse: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """Each own position's best likenesses, falling, and where they are: (n, k) both."""
    count = min(CANDIDATES, int(free.sum()))
    number = own.flatten().cumsum(0).view(own.shape) - 1
    likeness = wanted.new_empty(int(own.sum()), count)
    candidates = torch.empty_like(likeness, dtype=torch.long)
    side = max(1, math.isqrt(AT_ONCE // free.numel()) - 2)
    box, is_taken = bounding_box(own[None, None]), ~free.flatten()
    near = F.max_pool2d(own[None, None].float(), 3, 1, 1)[0, 0] > 0
    products = coarse and coarse[0].flatten(1).T @ coarse[1].flatten(1)
    if coarse is not None and products is not None:
        products = products.view(*coarse[0].shape[1:], *coarse[1].shape[1:])
    for top in range(box.top, box.bottom, side):
        for left in range(box.left, box.right, side):
            block = Box(top, left, side, side).intersection(box)
            here = crop(own, block)
            if not bool(here.any()):
                continue
            alike = _alike(wanted, offered, block, near, products)[here].flatten(1)
            found = alike.masked_fill_(is_taken, -torch.inf).topk(count, 1)
            rows = crop(number, block)[here]
            likeness[rows], candidates[rows] = found.values / 9, found.indices
    return likeness, candidates


def _alike(
    wanted: Tensor, offered: Tensor, block: Box, near: Tensor, coarse: Tensor | None
) -> Tensor:
    """Sums of cosines over 3 x 3 neighbours of both, of a block's positions: (h, w, H, W).

    What lies beyond either grid counts as unlike, and so does what is not near the own positions,
    (h, w). The coarse products, (h / 2, w / 2, H / 2, W / 2), are added to the cosines.
    """
    height, width = offered.shape[1:]
    around = block.grown(1)
    seen = around.clipped(wanted.shape)
    asked = crop(near, seen)
    found = crop(wanted, seen)[:, asked].T @ offered.flatten(1)
    if coarse is not None:
        rows, columns = asked.nonzero().T
        parts = coarse[(rows + seen.top) // 2, (columns + seen.left) // 2]
        found.view(-1, height // 2, 2, width // 2, 2).add_(parts[:, :, None, :, None])
    cosines = offered.new_zeros(*around.size, height, width)
    inside = seen.relative_to(around)
    cosines[inside.slices][asked] = found.view(-1, height, width)
    along = cosines[1:-1].clone()
    along[:, :, 1:] += cosines[:-2, :, :-1]
    along[:, :, :-1] += cosines[2:, :, 1:]
    total = along[:, 1:-1].clone()
    total[..., 1:] += along[:, :-2, :, :-1]
    total[..., :-1] += along[:, 2:, :, 1:]
    return total


def _named_by_neighbours(places: Tensor, own: Tensor, shape: torch.Size) -> Tensor:
    """What each own position's neighbours name: their match, moved by as much; (n, neighbours)."""
    height, width = shape
    padded = F.pad(places, (AROUND,) * 4, value=NOWHERE)
    named = []
    for dy in range(-AROUND, AROUND + 1):
        for dx in range(-AROUND, AROUND + 1):
            rows, columns = AROUND + dy, AROUND + dx
            other = padded[rows : rows + own.shape[0], columns : columns + own.shape[1]][own]
            row, column = other // width - dy, other % width - dx
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            named.append(torch.where((other >= 0) & inside, row * width + column, NOWHERE))
    return torch.stack(named, 1)

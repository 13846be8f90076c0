"""A clean cut-out: rests of the old background removed, its share in the edge's colours too."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..placement.box import crop
from ..report import OnPicture
from .foreground import foreground
from .matte import check_cutout, matte, worked_on

# Pixels beside what is left that take its colours, for resampling; beyond, what lay beside the
# object is kept: its contour is told by it.
BESIDE = 3


@dataclass(frozen=True)
class CleanCutout:
    """A source and its alpha without rests of the old background.

    Attributes:
        source: (N, 3, h, w), in the source's dtype; its own bits outside the mask, where all within
            3 pixels was taken away, deeper than the width of the band, and wherever its colours are
            the object's alone.
        alpha: (N, 1, h, w), at most the mask, in its dtype.
        removed: (N, 1, h, w), mask − alpha.
        confidence: for each picture, 0 (nothing to learn from, or the same colours on both sides)
            to 1 (clearly separable).
        figures: for a report, ready for JSON: "width" in pixels, and for each picture "confidence",
            "removed" (the sum of what was taken away, in pixels), "removed_share" of the mask,
            "pixels" (of the mask, those above 0), "recoloured" (pixels of the mask whose colours
            have changed) and "background_known" (whether anything outside the mask teaches the old
            background).
    """

    source: Tensor
    alpha: Tensor
    removed: Tensor
    confidence: tuple[float, ...]
    figures: dict[str, object]


@torch.no_grad()
def clean_cutout(
    source: Tensor,
    mask: Tensor,
    width: int,
    source_valid: Tensor | None = None,
    on_picture: OnPicture | None = None,
) -> CleanCutout:
    """Clean a cut-out in a band along its rough mask's edge.

    What lies outside the mask teaches the old background. Where nothing does, alpha stays the mask,
    and soft pixels take their colours from the object's interior.

    Args:
        source: (N or 1, 3, h, w), in [0, 1].
        mask: (N or 1, 1, h, w), in [0, 1], 1 = take the source; every value above 0 counts.
        width: of the band inside the mask's edge, holes' edges too, pixels, 0 to 128; 0 returns the
            inputs bit for bit. A rest that ends there is
            followed up to 5 pixels deeper.
        source_valid: (N or 1, 1, h, w), > 0 where the source has pixels; None: everywhere.
        on_picture: called before each picture with how many are done and how many there are; an
            exception that it raises ends the work and is passed on.

    Returns:
        The cut-out; each row as if it were alone.

    Raises:
        ValueError: wrong shapes, ranges, sizes or batches; width out of range.
        TypeError: not float tensors; width not a whole number.
    """
    batch, valid = check_cutout(source, mask, width, source_valid)
    found = matte(source, mask, width, valid, on_picture)
    colours = source.expand(batch, -1, -1, -1).clone(memory_format=torch.contiguous_format)
    for row in range(batch if width else 0):
        inside = mask[row % len(mask)] > 0
        if not bool(inside.any()):
            continue
        box = worked_on(inside, width)
        left = (found.alpha[row : row + 1] > 0).to(colours.dtype)
        inside = inside & (F.max_pool2d(left, 2 * BESIDE + 1, 1, BESIDE) > 0)[0]
        planes = (colours[row], found.share[row], valid[row % len(valid)], inside)
        image, share, there, within = (crop(plane, box)[None] for plane in planes)
        cleaned = torch.where(within, foreground(image, share, there), image)
        crop(colours[row], box).copy_(cleaned[0])
    cut = CleanCutout(colours, found.alpha, mask - found.alpha, found.confidence, {"width": width})
    cut.figures.update(_figures(cut, source, mask, valid))
    return cut


def _figures(
    cut: CleanCutout, source: Tensor, mask: Tensor, valid: Tensor
) -> dict[str, list[float] | list[int] | list[bool]]:
    taken = cut.removed.cpu().double().sum((1, 2, 3))
    whole = mask.cpu().double().sum((1, 2, 3)).expand_as(taken).clamp_min(1e-12)
    changed = (cut.source != source).any(1, keepdim=True) & (mask > 0)
    known = ((mask == 0) & (valid > 0)).flatten(1).any(1)
    return {
        "confidence": [round(value, 3) for value in cut.confidence],
        "removed": [round(value, 1) for value in taken.tolist()],
        "removed_share": [round(value, 4) for value in (taken / whole).tolist()],
        "pixels": (mask > 0).sum((1, 2, 3)).expand_as(taken).tolist(),
        "recoloured": changed.sum((1, 2, 3)).tolist(),
        "background_known": known.expand_as(taken).tolist(),
    }

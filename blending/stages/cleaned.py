"""A placed source cleaned of its own background, before a stage blends it."""

from dataclasses import replace

import torch
from torch import Tensor

from ..cutout.clean import clean_cutout
from ..cutout.film import steadied
from ..placement.box import bounding_box, crop
from ..placement.place import Placed, solved_mask
from ..placement.window import pick
from ..report import OnPicture
from ..settings import PoissonSettings
from .continuity import shows_the_place
from .prepare import NARROW

CONTINUES = 0.5  # confidence from which a source is not cleaned


def cleaned(
    placed: Placed, settings: PoissonSettings, on_picture: OnPicture | None = None
) -> tuple[Placed, dict]:
    """A placed source without rests of its own background, if the settings ask for that.

    One that shows the target around the mask, as a repaired crop or an object does that was pasted
    there before, is left as it is: its background is the place's.

    Args:
        placed: from `place`.
        settings: width of the band.
        on_picture: called before each picture; an exception that it raises is passed on.

    Returns:
        What is to be blended, each row as if it were alone but for the frames of a film, whose
        alphas are `steadied`; and figures for the report: those of `CleanCutout`, and
        `continues_target`, for each picture.
    """
    width = settings.resolved_clean
    if not width:
        return placed, {}
    continues = [_continues(placed, sample) for sample in range(placed.batch)]
    if all(continues):
        return placed, {}
    mask = placed.mask.to(torch.promote_types(placed.mask.dtype, torch.float32))
    rows = max(len(placed.source), len(mask), len(placed.source_valid))
    found, figures = [], {"width": width, "continues_target": continues}
    for row in range(rows):
        if on_picture:
            on_picture(row, rows)
        valid = pick(placed.source_valid, row)
        source, alpha, own = _clean_row(pick(placed.source, row), pick(mask, row), valid, width)
        found.append((source, alpha))
        for name, values in own.items():
            figures.setdefault(name, []).extend(values)
    source, alpha = (torch.cat(parts) for parts in zip(*found, strict=True))
    if settings.sequence:
        alpha = steadied(alpha, mask.expand_as(alpha))
    for sample in (number for number, is_one in enumerate(continues) if is_one):
        source, alpha = (_own_rows(plane, placed.batch) for plane in (source, alpha))
        source[sample], alpha[sample] = pick(placed.source, sample)[0], pick(mask, sample)[0]
    return replace(placed, source=source, mask=solved_mask(alpha)), figures


def _continues(placed: Placed, sample: int) -> bool:
    """Whether a picture's source more likely shows its target around the mask than not."""
    if placed.is_empty(sample):
        return False
    return shows_the_place(placed.window(sample, NARROW)) >= CONTINUES


def _clean_row(
    source: Tensor, mask: Tensor, valid: Tensor, width: int
) -> tuple[Tensor, Tensor, dict[str, list]]:
    """One picture's source and alpha, and its figures.

    Only the box in which it has pixels is looked at: an empty canvas around it changes nothing.
    """
    if not bool((valid > 0).any()):
        return source, mask, {}
    box = bounding_box(valid > 0)
    cut = clean_cutout(crop(source, box), crop(mask, box), width, crop(valid, box))
    source, mask = source.clone(), mask.clone()
    crop(source, box).copy_(cut.source)
    crop(mask, box).copy_(cut.alpha)
    return source, mask, {k: v for k, v in cut.figures.items() if isinstance(v, list)}


def _own_rows(plane: Tensor, batch: int) -> Tensor:
    """A plane (N or 1, C, h, w) with a row of its own for each picture: (N, C, h, w)."""
    return plane if len(plane) == batch else plane.expand(batch, -1, -1, -1).clone()

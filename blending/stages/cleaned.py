"""A placed source cleaned of its own background, before a stage blends it."""

from dataclasses import replace

import torch
from torch import Tensor

from ..cutout.antialias import antialiased
from ..cutout.clean import clean_cutout
from ..cutout.film import steadied
from ..placement.box import bounding_box, crop
from ..placement.place import Placed, solved_mask
from ..placement.window import pick
from ..report import OnPicture
from ..settings import PoissonSettings
from .continuity import Relation, relation

CONTINUES = 0.5  # confidence from which a source is not cleaned
MARGIN = 12  # pixels around the object in which its edge is judged


def cleaned(
    placed: Placed, settings: PoissonSettings, on_picture: OnPicture | None = None
) -> tuple[Placed, dict]:
    """A placed source without rests of its own background, if the settings ask for that.

    The stairs of hard masks are smoothed, too. One that continues its target, as a repaired crop
    does, is left as it is; of an object that was pasted there before the edge alone is smoothed:
    its background is the place's.

    Args:
        placed: from `place`.
        settings: width of the band.
        on_picture: called before each picture; an exception that it raises is passed on.

    Returns:
        What is to be blended, each row as if it were alone but for the frames of a film, whose
        alphas are `steadied`; and figures for the report: those of `CleanCutout`, and for each
        picture `continues_target` and `pasted_before`.
    """
    width = settings.resolved_clean
    if not width:
        return placed, {}
    relations = [_relation(placed, sample) for sample in range(placed.batch)]
    continues = [known.continues >= CONTINUES for known in relations]
    pasted = [known.continues < CONTINUES <= known.continues + known.pasted for known in relations]
    if all(continues):
        return placed, {}
    source, alpha, figures = _cleaned_rows(placed, settings, width, on_picture)
    figures = {"width": width, "continues_target": continues, "pasted_before": pasted} | figures
    for sample, (is_same, was_pasted) in enumerate(zip(continues, pasted, strict=True)):
        if is_same or was_pasted:
            source, alpha = (_own_rows(plane, placed.batch) for plane in (source, alpha))
            own = pick(placed.mask, sample).to(alpha)
            source[sample] = pick(placed.source, sample)[0]
            alpha[sample] = (own if is_same else antialiased(own))[0]
            for name in ("removed", "removed_share"):
                if len(figures.get(name, ())) == placed.batch:
                    figures[name][sample] = 0.0
    return replace(placed, source=source, mask=solved_mask(alpha)), figures


def _cleaned_rows(
    placed: Placed, settings: PoissonSettings, width: int, on_picture: OnPicture | None
) -> tuple[Tensor, Tensor, dict]:
    """Sources, alphas and figures, a row for each picture that has one of its own."""
    mask = placed.mask.to(torch.promote_types(placed.mask.dtype, torch.float32))
    rows = max(len(placed.source), len(mask), len(placed.source_valid))
    found, figures = [], {}
    for row in range(rows):
        if on_picture:
            on_picture(row, rows)
        valid = pick(placed.source_valid, row)
        source, alpha, own = _clean_row(pick(placed.source, row), pick(mask, row), valid, width)
        found.append((source, antialiased(alpha)))
        for name, values in own.items():
            figures.setdefault(name, []).extend(values)
    source, alpha = (torch.cat(parts) for parts in zip(*found, strict=True))
    if settings.sequence:
        alpha = steadied(alpha, mask.expand_as(alpha))
    return source, alpha, figures


def _relation(placed: Placed, sample: int) -> Relation:
    """Whether a picture's source continues its target, or was pasted there before."""
    if placed.is_empty(sample):
        return Relation(0.0, 0.0)
    return relation(placed.window(sample, MARGIN))


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

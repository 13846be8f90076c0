"""Put repainted crops back where they were cut, without a seam."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_choice, check_type
from ..image.filters import gaussian_blur
from ..network.vgg16 import Features, load_features
from ..placement.box import crop
from ..placement.place import Placed
from ..placement.place import place as place_source
from ..placement.resample import resampled
from ..poisson.boundary_match import SAMPLE_DISTANCE, BoundaryMatch, match_boundary, matched_source
from ..presets import poisson_preset, refine_preset
from ..quality.guardrails import seam_figures
from ..report import json_ready, picture_size
from ..settings import FINISHES, Compute, PoissonSettings
from ..stages.batch import OnEvaluation, StageResult
from ..stages.finish import as_photographed
from ..stages.memory import estimated_memory
from ..stages.poisson import poisson_stage
from ..stages.refine import refine_stage
from ..validation import check_image, pixel_size
from .crop import CropPlace
from .region import Region

MARGIN = 64  # pixels around a region in which a photograph's grain is looked for
# Standard deviation and reach, pixels, of the smoothing under which colours are matched: where a
# blur of 1.5 pixels was answered by a gain of 1.33 (The Starry Night), it is 1.02.
SMOOTHING = 5.0, 15
MATCH_MARGIN = SMOOTHING[1] + SAMPLE_DISTANCE + 1  # pixels around a region that this looks at
AROUND = 128  # pixels around it that are worked on: more than any stage looks at
LARGEST_STRETCH = 0.02  # of the proportions, by whole cells
CELL = 8  # pixels of a picture in a latent's cell, by the side


@dataclass(frozen=True)
class Stitched:
    """What `stitch` returns.

    Attributes:
        image: (V · N, 3 or 4, H, W), the repaired pictures, in their dtype; where V crops came for
            each region, all pictures with the first, then all with the second, and so on.
        mask: (V · N, 1, H, W), in [0, 1], 1 = repaired; where it is 0 the picture has its own bits.
        report: JSON-ready: sizes, finish, notes, and of every crop its picture, place, scale,
            stages, `seam_ratio` to plain paste, `seam_share` of its texture, `moved`, the mean
            difference to plain paste under the mask in levels, and the `match` of its colours.
    """

    image: Tensor
    mask: Tensor
    report: dict

    @property
    def words(self) -> str:
        """How many crops were put back, how long it took, how far their colours moved."""
        regions = self.report["regions"]
        seconds = sum(stage["seconds"] for one in regions for stage in one["stages"])
        steps = sum(
            picture.get("evaluations", 0)
            for one in regions
            for stage in one["stages"]
            for picture in stage["pictures"]
        )
        moved = sorted((f"{one['moved']:.1f}" for one in regions), key=float)
        count = f"{len(regions)} crop{'s' * (len(regions) > 1)}"
        work = f"and refined in {steps} evaluations, " if steps else ""
        span = moved[0] if moved[0] == moved[-1] else f"{moved[0]} to {moved[-1]}"
        return (
            f"{count} stitched exactly, {work}{seconds:.1f} s; moved from the plain paste by "
            f"{span} levels on average"
        )


@dataclass(frozen=True)
class _Repair:
    """How each region is repaired; `total`: how many crops there are."""

    settings: PoissonSettings
    finish: str
    network: Features | None
    compute: Compute | None
    on_evaluation: OnEvaluation | None
    total: int

    def __call__(self, placed: Placed, number: int) -> tuple[Tensor, list[StageResult]]:
        """The picture repaired by crop `number`, from 0, and its stages."""
        tell = self._relayed(number)
        solved = poisson_stage(placed, self.settings, self.network, self.compute, tell)
        if self.finish == "photograph":
            return _photographed(solved), [solved]
        if self.finish == "none":
            return solved.image, [solved]
        painted = refine_stage(
            solved.image,
            placed.target,
            solved.mask,
            refine_preset("painting"),
            self.network,
            self.compute,
            tell,
            source=solved.source,
        )
        return painted.image, [solved, painted]

    def _relayed(self, number: int) -> OnEvaluation | None:
        """An observer of one crop's stages, of which the exact one evaluates nothing."""
        tell, total = self.on_evaluation, self.total
        if tell is None:
            return None
        return lambda event: tell(
            replace(event, sample=number, samples=total, done=number * event.budget + event.done)
        )


def stitch(
    crops: Tensor,
    place: CropPlace,
    finish: str = "none",
    bleed: float = 1.0,
    network: Features | None = None,
    compute: Compute | None = None,
    on_evaluation: OnEvaluation | None = None,
) -> Stitched:
    """Put repainted crops back at their places and sizes; the Poisson equation repairs the seam.

    Each crop is brought to the size of its box, its colours are matched to the picture's where both
    show the same scene beside the mask, and under the mask the equation is solved exactly: the
    crop's details, the picture's colours at the edge.

    Args:
        crops: (V · R, 3 or 4, h, w), in [0, 1], for R regions in their order, V times over; of the
            size that was cut out, or enlarged or shrunk as a whole.
        place: from `crop_for_repair`.
        finish: "none"; "photograph", the place's grain and softness where the crop has less; or
            "painting", the refine stage: the place's strokes.
        bleed: how far the picture's colours seep into the crop: from 0, it keeps its own (matched)
            ones, to 1, without limit.
        network: VGG16 for a painting; None: the bundled one, loaded if it is needed.
        compute: device, precision and memory; None: where the picture is, in the quickest
            precision.
        on_evaluation: called before each region and at every evaluation of a painting's; an
            exception that it raises, to cancel, is passed on.

    Returns:
        The repaired pictures, what was changed, and a report.

    Raises:
        ValueError: shapes, ranges; another number of crops, or crops of other proportions.
        TypeError: `place` or `crops` is something else.
        FileNotFoundError: the bundled weights are missing.

    Source: Pérez et al. 2003.
    """
    check_type("place", place, CropPlace)
    check_choice("finish", finish, FINISHES)
    check_image("crop", crops)
    check_crops(crops, place)
    is_painting = finish == "painting"
    repair = _Repair(
        replace(poisson_preset("seam repair"), bleed=bleed, match=False),
        finish,
        network or (load_features() if is_painting else None),
        compute,
        on_evaluation,
        len(crops),
    )
    variants, pictures = len(crops) // len(place.regions), len(place.picture)
    image = place.picture.repeat(variants, 1, 1, 1)
    mask = image.new_zeros(len(image), 1, *image.shape[2:])
    figures = []
    for number in range(len(crops)):
        region = place.regions[number % len(place.regions)]
        sample = number // len(place.regions) * pictures + region.sample
        own = slice(sample, sample + 1)
        around = region.box.grown(AROUND).clipped(image.shape)
        part, changed = crop(image[own], around), crop(mask[own], around)
        placed = _placed(crops[number : number + 1], place, region, part)
        matched, match = _matched(placed)
        blend, stages = repair(matched, number)
        found = _figures(place, region, sample, blend, placed, stages)
        figures.append(found | {"match": match.figures})
        part.copy_(blend)
        changed.copy_(torch.maximum(changed, placed.full_mask))
    sizes = {"picture": picture_size(place.picture), "crop": picture_size(crops)}
    notes = list(place.notes)
    return Stitched(image, mask, {**sizes, "finish": finish, "notes": notes, "regions": figures})


def check_crops(crops: Tensor, place: CropPlace) -> None:
    """Raise unless there is a crop for each region, or several, of the size or the proportions cut.

    Args:
        crops: (V · R, C, h, w).
        place: R regions and the size that was cut out.

    Raises:
        ValueError: another number, or another shape.
    """
    regions = len(place.regions)
    if len(crops) % regions:
        raise ValueError(
            f"crop must be {regions} pictures, one for each region that was cut out, or a multiple "
            f"of that, got {len(crops)}"
        )
    (height, width), (rows, columns) = place.size, crops.shape[2:]
    shrinks = {height - rows, width - columns}
    is_cut = min(shrinks) >= 0 and 0 < max(shrinks) < CELL
    if is_cut or not _is_scaled((height, width), (rows, columns)):
        cause = (
            f"VAE Encode cuts sides to multiples of {CELL}: set multiple to {CELL} where the crop "
            "is cut out"
            if is_cut
            else "hand on the whole crop, enlarged or shrunk at most"
        )
        raise ValueError(
            f"crop must have the size that was cut out, {width} x {height} pixels, or its "
            f"proportions, got {pixel_size(crops)}: {cause}"
        )


def _is_scaled(cut: tuple[int, int], found: tuple[int, int]) -> bool:
    """Whether a size is the one that was cut out times a factor, but for rounding.

    Rounded to pixels, or, where both sides were changed, to the whole cells of a latent.
    """
    factor = math.sqrt(found[0] * found[1] / (cut[0] * cut[1]))
    away = max(abs(side - factor * whole) for side, whole in zip(found, cut, strict=True))
    is_latent = not any(side % CELL for side in found)
    is_changed = all(side != whole for side, whole in zip(found, cut, strict=True))
    stretch = abs(found[1] * cut[0] / (found[0] * cut[1]) - 1)
    has_whole_cells = is_latent and is_changed and away < CELL / 2
    return away <= 1 or (has_whole_cells and stretch <= LARGEST_STRETCH)


def needed_memory(crops: Tensor, place: CropPlace, finish: str = "none") -> int:
    """Bytes that `stitch` wants beside its pictures, for its largest region.

    Args:
        crops: (V · R, 3 or 4, h, w), checked by `check_crops`.
        place: where they were cut.
        finish: one of `FINISHES`.

    Returns:
        An estimate.
    """
    number = max(range(len(place.regions)), key=lambda n: math.prod(place.regions[n].box.size))
    region = place.regions[number]
    around = region.box.grown(AROUND).clipped(place.picture.shape)
    part = crop(place.picture[region.sample : region.sample + 1], around)
    placed = _placed(crops[number : number + 1], place, region, part)
    own = refine_preset("painting") if finish == "painting" else poisson_preset("seam repair")
    return estimated_memory(placed, own)


def _placed(crops: Tensor, place: CropPlace, region: Region, part: Tensor) -> Placed:
    """A crop, (1, 3 or 4, h, w), at its place and size on its part of a picture, not padded."""
    frame = place.picture.shape
    inside = region.box.clipped(frame)
    source = crop(resampled(crops, region.box.size), inside.relative_to(region.box))
    at = inside.relative_to(region.box.grown(AROUND).clipped(frame))
    return place_source(source.to(part.device), part, region.mask, at.top, at.left)


@torch.no_grad()
def _matched(placed: Placed) -> tuple[Placed, BoundaryMatch]:
    """The same with its source's colours matched to the target's, and how.

    A sampler's crop is softer than the picture, with less contrast in its finest texture, which
    `match_boundary` would make up for by a gain: it is shown both smoothed alike, by the pixels
    beside the mask alone. Where the crop ends at the mask, there are none: as they are.
    """
    window = placed.window(0, MATCH_MARGIN)
    match, own = match_boundary(window), placed.source.to(window.source)
    near = F.max_pool2d(window.support.to(window.mask), 2 * SAMPLE_DISTANCE + 1, 1, SAMPLE_DISTANCE)
    known = window.source_valid * ~window.support
    if bool(((near > 0) & ~window.support & (known == 0)).any()):
        return replace(placed, source=matched_source(own, match)), match
    weight = gaussian_blur(known, *SMOOTHING).clamp_min(1e-6)
    source, target = (
        gaussian_blur(known * picture, *SMOOTHING) / weight
        for picture in (window.source, window.target)
    )
    broad = match_boundary(replace(window, source=source, target=target))
    match = replace(broad, confidence=match.confidence)
    return replace(placed, source=matched_source(own, match)), match


@torch.no_grad()
def _photographed(solved: StageResult) -> Tensor:
    """A repaired picture, (1, 3 or 4, H, W), with the grain and softness of its place."""
    image = solved.image.clone()
    window = solved.placed.window(0, MARGIN)
    part = crop(image[:, :3], window.box)
    x = as_photographed(part.to(window.target), window, 1.0)
    part.copy_(torch.where(window.support, x.clamp(0, 1).to(part), part))
    return image


def _figures(
    place: CropPlace,
    region: Region,
    sample: int,
    blend: Tensor,
    placed: Placed,
    stages: list[StageResult],
) -> dict:
    """What the report says of one crop."""
    box, window = region.box, placed.window(0, 0)
    found = crop(blend[:, :3], window.box).to(window.target)
    moved = (found - window.paste).abs()[window.support.expand_as(found)].mean().item()
    return {
        "picture": sample,
        "row": box.top,
        "column": box.left,
        "height": box.height,
        "width": box.width,
        "scale": round(place.scale(region), 4),
        "stages": [stage.report for stage in stages],
        **seam_figures(blend, placed),
        **json_ready({"moved": 255 * moved}),
    }

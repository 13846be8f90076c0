"""The figures of the quality benchmark: of one picture, relative to the paste, over the cases."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from statistics import fmean, median

import torch
from network_figures import Activations, content_error, stroke_distances, style_error
from quality_methods import Result
from torch import Tensor

from blending.network.vgg16 import STYLE_LAYERS
from blending.placement.box import Box, crop
from blending.placement.place import Placed
from blending.poisson.guidance import guidance_field
from blending.quality.appearance import appearance
from blending.quality.guardrails import MARGIN, guard_rails
from blending.quality.metrics import background_error, gradient_error
from blending.report import json_ready

HELD_OUT = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")  # no objective sees them
RELATIVE = ("style", *HELD_OUT)  # figures given as multiples of the paste's
LOOKS = {  # what an eye sees, by the keys of `appearance`
    "see_through_rim": "see-through rim",
    "see_through_inside": "inside",
    "contour_kept": "contour",
    "tone_kept": "tone",
    "foreign_colours": "foreign",
    "highlights": "highlights",
    "strokes": "strokes",
}
HAND = ("to the place", "to the object")  # distances of strokes, see `stroke_distances`
MEANS = ("seam ratio", "gradient", "content", *RELATIVE, "ΔE", "seconds")

Figures = dict[str, float | None]


def remembering(network: Activations, picture: Tensor) -> Activations:
    """The network with the activations of one picture (that very tensor) computed once."""
    with torch.no_grad():
        known = network(picture, (*STYLE_LAYERS, *HELD_OUT))

    def activations(image: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        if image is picture:
            return {name: known[name] for name in layers}
        return network(image, layers)

    return activations


def measure(result: Result, placed: Placed, network: Activations) -> Figures:
    """The figures of one picture, all as in the core.

    Args:
        result: the picture.
        placed: what was blended.
        network: from `load_features`, `remembering` the target or not.

    Returns:
        By column: seam ratio to the paste; gradient error (levels²); content error (squared
        activations at relu2_2, the source's frame, black outside the mask); style errors of the
        whole picture (squared Gram entries); ΔE₀₀ to the paste; share of hues flipped; what an eye
        sees, see `appearance`; distances of strokes, see `stroke_distances`; share clipped;
        background difference (levels); seconds. None where there is none.
    """
    rails = guard_rails(result.image, placed)[0]
    window = placed.window(0, MARGIN)
    guidance = guidance_field(window.source, window.source_valid, window.target, window.support)
    frame = Box(placed.row, placed.column, *placed.mask.shape[2:])
    style = partial(style_error, result.image, placed.target, remembering(network, result.image))
    full_mask, paste = placed.full_mask, placed.paste
    looks = json_ready(appearance(result.image, paste, placed.target, full_mask)[0])
    hand = stroke_distances(result.image, placed.target, full_mask, network)
    published = result.image if result.as_published is None else result.as_published
    return {
        "seam ratio": rails["seam_ratio"],
        "gradient": gradient_error(crop(result.image, window.box), guidance, window.mask),
        "content": content_error(crop(result.image, frame), placed.source, placed.mask, network),
        "style": style(),
        **{layer: style((layer,)) for layer in HELD_OUT},
        "ΔE": rails["colour_difference"],
        "hue flips": rails["hue_flip_share"],
        **{column: looks[key] for key, column in LOOKS.items()},
        **json_ready(dict(zip(HAND, hand, strict=True))),
        "clipped": result.clipped,
        "background": background_error(published, placed.target, full_mask),
        "seconds": result.seconds,
    }


def relative(rows: dict[str, Figures]) -> dict[str, Figures]:
    """The rows with the style errors as multiples of the first row's, the paste's.

    None where the paste has no error.
    """
    first = next(iter(rows.values()))
    return {
        method: row | {k: row[k] / first[k] if first[k] else None for k in RELATIVE}
        for method, row in rows.items()
    }


def summary(
    cases: list[dict[str, Figures]], columns: Iterable[str], combine: Callable[[list], float]
) -> dict[str, Figures]:
    """One row a method: a column's figures of all cases, those without left out, combined."""
    methods = dict.fromkeys(method for rows in cases for method in rows)
    combined: dict[str, Figures] = {}
    for method in methods:
        found = {name: _column(cases, method, name) for name in columns}
        combined[method] = {
            name: combine(values) if values else None for name, values in found.items()
        }
    return combined


def geometric_mean(values: list[float]) -> float:
    """The n-th root of the product; 0 where a value is 0. Values are ≥ 0."""
    return 0.0 if min(values) == 0 else math.exp(fmean(map(math.log, values)))


def held_out_gains(cases: list[dict[str, Figures]]) -> dict[str, float]:
    """By what a refine stage divides the style error of layers that no objective sees.

    Returns:
        Preset to the median, over layers and cases, of the Poisson stage's error over the refined
        picture's; above 1 the style came nearer. Presets without a refine stage are left out.
    """
    gains: dict[str, list[float]] = {}
    for rows in cases:
        for method, row in rows.items():
            name, _, stage = method.rpartition(": ")
            if stage == "refine":
                before = rows[f"{name}: poisson"]
                gains.setdefault(name, []).extend(before[k] / row[k] for k in HELD_OUT if row[k])
    return {name: median(values) for name, values in gains.items() if values}


def _column(cases: list[dict[str, Figures]], method: str, name: str) -> list[float]:
    found = (rows[method][name] for rows in cases if method in rows)
    return [value for value in found if value is not None]

"""The loss curves of a stage's report."""

import json
import math
import statistics
from dataclasses import fields

import torch
from torch import Tensor

from ..settings import Weights
from .canvas import Point
from .line_plot import COLOURS, STRONG, Axes, Curve, draw_plot

KNOWN = tuple(field.name for field in fields(Weights))  # a term has one colour in every plot
AXES = Axes("evaluation", "weighted term (no unit)", is_log=True)
SUM = "sum"
MOST_PLOTS = 8  # of a stage; a film of 60 pictures would fill a gigabyte
LARGEST = 1e300  # beyond it a plot's margins would overflow
REMEDY = "link the report output of a Poisson Stage or a Style Refine Stage"


def loss_curves(report: str) -> Tensor:
    """Draw the weighted terms of every stage and picture by evaluation, on a logarithmic scale.

    Args:
        report: the JSON of a stage's report, or of a whole blend's.

    Returns:
        (N, 3, 600, 960), RGB in [0, 1], a plot for each picture; without evaluations only a title
        that says why. A stage of more than 8 pictures has a single plot: of each term the median
        over the pictures, and thin lines for its lowest and highest; a picture that has stopped
        keeps its last values.

    Raises:
        ValueError: not a report of a stage or a blend.
    """
    plots = []
    for stage in _stages(report):
        pictures = stage["pictures"]
        if len(pictures) > MOST_PLOTS:
            plots.append(_overview(stage))
            continue
        for index, picture in enumerate(pictures):
            which = f", picture {index + 1} of {len(pictures)}" if len(pictures) > 1 else ""
            name = f"{str(stage['stage'])[:20]} stage{which}"
            plots.append(draw_plot(f"{name}: {_ending(picture)}", _curves(picture), AXES))
    return torch.cat(plots)


def _overview(stage: dict) -> Tensor:
    """One plot for all pictures of a stage."""
    traced = [_columns(picture.get("trace", [])) for picture in stage["pictures"]]
    drawn = [columns for columns in traced if columns]
    longest = max((len(columns[SUM]) for columns in drawn), default=0)
    name = f"{str(stage['stage'])[:20]} stage, {len(stage['pictures'])} pictures"
    if not drawn:
        return draw_plot(f"{name}: no evaluations to draw", [], AXES)
    curves = []
    for term in dict.fromkeys(term for columns in drawn for term in columns):
        rows = [c[term] + [c[term][-1]] * (longest - len(c[term])) for c in drawn if term in c]
        by_number = [
            sorted(filter(math.isfinite, at)) or [math.nan] for at in zip(*rows, strict=True)
        ]
        colour, width = _look(term)
        middle = [statistics.median(values) for values in by_number]
        curves += [_range(by_number, place, colour) for place in (0, -1)]
        curves.append(_curve(term[:20], middle, colour, width))
    return draw_plot(f"{name}: median; thin: lowest and highest", curves, AXES)


def _range(by_number: list[list[float]], place: int, colour: str) -> Curve:
    points: list[Point] = [(number, values[place]) for number, values in enumerate(by_number, 1)]
    return Curve("", points, colour, width=1)


def _stages(report: str) -> list[dict]:
    """The report's stages, checked as far as they are read."""
    try:
        content = json.loads(report)
    except (TypeError, ValueError) as error:
        raise ValueError(f"report must be a stage's JSON, got {report!r:.60}; {REMEDY}") from error
    stages = content.get("stages", [content]) if isinstance(content, dict) else None
    if not isinstance(stages, list) or not stages or not all(map(_is_stage, stages)):
        raise ValueError(f"report must be a stage's, got other JSON: {report!r:.60}; {REMEDY}")
    return stages


def _is_stage(stage: object) -> bool:
    if not isinstance(stage, dict) or "stage" not in stage:
        return False
    pictures = stage.get("pictures")
    return isinstance(pictures, list) and bool(pictures) and all(map(_is_picture, pictures))


def _is_picture(picture: object) -> bool:
    """Whether this is a picture's part of a report; its trace may be missing."""
    trace = picture.get("trace", []) if isinstance(picture, dict) else None
    return isinstance(trace, list) and all(
        isinstance(terms, dict)
        and all(value is None or isinstance(value, int | float) for value in terms.values())
        for terms in trace
    )


def _curves(picture: dict) -> list[Curve]:
    """The sum first, then the terms, the largest at the start first."""
    columns = _columns(picture.get("trace", []))
    if len(columns) == 2:  # a single term is its own sum
        del columns[SUM]
    return [_curve(name[:20], values, *_look(name)) for name, values in columns.items()]


def _columns(trace: list[dict]) -> dict[str, list[float]]:
    """The terms by evaluation, the largest at the start first, and before them their sum."""
    names = list(dict.fromkeys(name for terms in trace for name in terms))
    columns = {name: [_number(terms.get(name)) for terms in trace] for name in names}
    names.sort(key=lambda name: -next(filter(math.isfinite, columns[name]), 0.0))
    sums = [math.fsum(values) for values in zip(*columns.values(), strict=True)]
    return {SUM: sums} | {name: columns[name] for name in names} if names else {}


def _look(name: str) -> tuple[str, float]:
    """Colour and width of a term's line."""
    if name == SUM:
        return STRONG, 4
    place = KNOWN.index(name) if name in KNOWN else len(KNOWN)
    return COLOURS[place % len(COLOURS)], 2.5


def _curve(name: str, values: list[float], colour: str, width: float) -> Curve:
    points: list[Point] = [(number, value) for number, value in enumerate(values, 1)]
    return Curve(name, points, colour, f"{values[0]:.3g} to {values[-1]:.3g}", width)


def _number(value: float | None) -> float:
    return math.nan if value is None or not abs(value) < LARGEST else float(value)


def _ending(picture: dict) -> str:
    """How the stage ended, in words."""
    if picture.get("empty"):
        return "nothing was taken, nothing to draw"
    if not picture.get("trace"):
        return "no evaluations to draw (solved exactly, or strength 0)"
    return f"{len(picture['trace'])} evaluations, {str(picture.get('stop_reason'))[:20]}"

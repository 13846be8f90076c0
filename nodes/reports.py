"""The report of a stage node: what the core did, and what the node has to add."""

from dataclasses import replace
from typing import Any

import torch

from ..blending.placement.place import Placed
from ..blending.quality.guardrails import guard_rails
from ..blending.quality.verdicts import in_words, removal_in_words, verdicts
from ..blending.report import MemoryMark, machine_report
from ..blending.settings import Compute
from ..blending.stages.batch import StageResult
from ..blending.stages.cleaned import CONTINUES
from ..blending.stages.device import resolve_device


def stage_report(
    result: StageResult,
    placed: Placed,
    compute: Compute,
    gradients: str = "import",
    given: Placed | None = None,
    memory: MemoryMark | None = None,
    **more: Any,
) -> dict:
    """JSON-ready: `stages` with one stage, `guard_rails`, the machine, and `more` before them.

    `verdicts` has "good" or "look" for each picture's figures, `looks` says the same in a line,
    after what was removed of the cut-outs. A source that continues its target, as a repaired crop
    does, has no contour to keep: the step at its edge is to go.

    Args:
        result: of the stage.
        placed: what its guard rails compare with: the source, or the blend that came in.
        compute: where and how it was computed.
        gradients: those that were wanted.
        given: what the plain paste is made of that the seam is compared with; None: `placed`.
        memory: of the run's beginning.
        more: sizes, place, where the settings come from, warnings; None and empty are left out.
    """
    rails = guard_rails(result.image, placed, gradients, given)
    for figures, picture in zip(rails, result.report["pictures"], strict=True):
        if picture.get("match", {}).get("confidence", 0.0) >= CONTINUES:
            figures["contour_kept"] = None
    looks = removal_in_words(result.report.get("clean")), in_words(rails)
    return {
        **{name: value for name, value in more.items() if value},
        "stages": [result.report],
        "guard_rails": rails,
        "verdicts": [verdicts(figures) for figures in rails],
        "looks": "; ".join(filter(None, looks)),
        **machine_report(resolve_device(compute, placed.target.device), memory),
    }


def as_held(result: StageResult) -> Placed:
    """What the Style Refine Stage is given as source and mask: the one paste both can compare with.

    Args:
        result: of the Poisson stage.

    Returns:
        The source as it was held, on the target's frame.
    """
    valid = torch.ones_like(result.mask[:1])
    held = {"source": result.source, "mask": result.mask, "source_valid": valid}
    return replace(result.placed, **held, row=0, column=0)

"""From three pictures to a blend in one call."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from .checks import check_type
from .network.vgg16 import Features, load_features
from .placement.place import Placed, place
from .quality.guardrails import REACH, guard_rails
from .quality.verdicts import verdicts
from .report import machine_report, memory_mark, picture_size
from .settings import BlendSettings, Compute
from .stages.batch import OnEvaluation
from .stages.device import resolve_device
from .stages.memory import check_memory
from .stages.poisson import poisson_stage
from .stages.refine import refine_stage
from .stages.vicinity import on_whole_target, place_in_report, stages_reach, tell_of_whole


@dataclass(frozen=True)
class BlendResult:
    """What `blend` returns.

    Attributes:
        image: (N, 3 or 4, H, W), the blend, in the target's dtype and on its device.
        placed: what was blended, at its place on the target: after cleaning, if that was asked for.
        given: the same as it was given.
        report: JSON-ready: sizes, place, stages (settings, evaluations, terms, seconds, stop
            reasons), guard rails (measures of what can go wrong, see `guardrails`) and verdicts
            on them ("good", or "look" at the picture), machine.
    """

    image: Tensor
    placed: Placed
    given: Placed
    report: dict

    @property
    def mask(self) -> Tensor:
        """The mask on the target, (N, 1, H, W), in [0, 1], 1 = source; N is 1 where one came."""
        return self.placed.full_mask

    @property
    def cutout(self) -> Tensor:
        """What was blended, with its alpha, (N, 4, h, w): cleaned, at its scale, cut at the frame.

        Its corner lies at `placed.row` and `placed.column` of the target.
        """
        source, mask = self.placed.source, self.placed.mask
        rows = max(len(source), len(mask))
        planes = (plane.expand(rows, -1, -1, -1) for plane in (source, mask.to(source.dtype)))
        return torch.cat(tuple(planes), 1)

    @cached_property
    def paste(self) -> Tensor:
        """Plain copy and paste, (N, 3 or 4, H, W), for comparison; made when it is asked for."""
        return self.given.paste


def blend(  # noqa: PLR0913 - pictures, a place, and how
    source: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    *,
    row: int = 0,
    column: int = 0,
    scale: float = 1.0,
    settings: BlendSettings | None = None,
    on_evaluation: OnEvaluation | None = None,
    network: Features | None = None,
) -> BlendResult:
    """Blend a cut-out of a source into a target: the Poisson stage, then the refine stage.

    Args:
        source: (N, 3 or 4, h, w), in [0, 1]; its alpha multiplies the mask, or is the mask where
            none is given.
        target: (N, 3 or 4, H, W), in [0, 1], or levels of 8 or 16 bits, `torch.uint8` or
            `torch.uint16`, a quarter or half of the memory; its alpha is carried through.
        mask: (N, 1, h, w), in [0, 1], 1 = take the source; soft edges count down to
            1/255.
        row: row of the source's top-left corner on the target, pixels; may be negative. What
            overhangs the target is clipped.
        column: column of that corner, pixels; may be negative.
        scale: factor for source and mask, > 0.
        settings: None: the defaults.
        on_evaluation: called at every evaluation; an exception that it raises (to cancel) is passed
            on.
        network: from `load_features`, of the settings' weights, where many blends share it; None:
            it is loaded where it is needed.

    Returns:
        The blend and its report. N is 1 or the batch size for each argument. Outside the mask the
        image has the target's bits unless the refine stage was told to change a band or the whole
        picture.

    Raises:
        ValueError, TypeError: arguments that cannot be blended; the message names the argument.
        ValueError: less memory is free than the blend needs; said before anything is computed.
        FileNotFoundError: there is no such weights file.
    """
    settings = settings or BlendSettings()
    check_type("settings", settings, BlendSettings)
    placed = place(source, target, mask, row, column, scale)
    reach = stages_reach(settings)
    near = placed.vicinity(None if reach is None else max(reach, REACH))
    compute = settings.compute
    device = resolve_device(compute, target.device)
    memory, begun = check_memory(near, settings, device), memory_mark(device)
    if device.type == "cpu" or compute.memory is not None:
        compute = replace(compute, memory=int(memory))
    image, blended, stages = _staged(
        near, settings, compute, tell_of_whole(near, on_evaluation), network
    )
    rails = guard_rails(image, blended, settings.poisson.gradients)
    place_in_report(stages, near)
    whole = on_whole_target(image, near)
    report = {
        "source": picture_size(source),
        "target": picture_size(target),
        "place": {"row": row, "column": column, "scale": scale},
        "weights": settings.weights_file or "bundled",
        "input_scale": settings.input_scale,
        "stages": stages,
        "guard_rails": rails,
        "verdicts": [verdicts(figures) for figures in rails],
        **machine_report(device, begun),
    }
    return BlendResult(whole, blended.on_whole(), placed, report)


def needs_network(settings: BlendSettings) -> bool:
    """Whether a blend loads the network: where a stage computes with it, or its file is named.

    Args:
        settings: of all stages.

    Returns:
        True where it does.
    """
    is_deep = settings.poisson.method == "deep" or _is_refined(settings)
    return is_deep or bool(settings.weights_file)


def _is_refined(settings: BlendSettings) -> bool:
    return settings.refine is not None and settings.refine.strength > 0


def _staged(
    placed: Placed,
    settings: BlendSettings,
    compute: Compute,
    on_evaluation: OnEvaluation | None,
    network: Features | None,
) -> tuple[Tensor, Placed, list[dict]]:
    """The blend on a target, what was blended after cleaning, and the stages' reports."""
    if network is None and needs_network(settings):
        network = load_features(settings.weights_file, settings.input_scale)
    result = poisson_stage(placed, settings.poisson, network, compute, on_evaluation)
    if settings.refine is None:
        return result.image, result.placed, [result.report]
    refined = refine_stage(
        result.image,
        placed.target,
        result.mask,
        settings.refine,
        network,
        compute,
        on_evaluation,
        source=result.held_source if _is_refined(settings) else None,
    )
    return refined.image, result.placed, [result.report, refined.report]

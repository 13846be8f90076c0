"""The Poisson stage: a placed source blended into its target."""

from dataclasses import replace

import torch
from torch import Tensor

from ..cutout.clean import clean_cutout
from ..deep.vgg16 import Features, load_features
from ..harmonise.place_colours import PlaceColours
from ..optimize.minimize import OnRowEvaluation, RowEvaluation
from ..placement.place import Placed, solved_mask
from ..placement.window import Window
from ..settings import Compute, PoissonSettings
from .batch import Job, OnEvaluation, StageResult
from .deep_solver import deep_solver
from .device import resolve_device
from .memory import rows_at_once
from .prepare import poisson_start, prepare

EXACT_MARGIN = 4  # pixels: the solve needs the mask's neighbours, `match_boundary` 3


def poisson_stage(
    placed: Placed,
    settings: PoissonSettings | None = None,
    network: Features | None = None,
    compute: Compute | None = None,
    on_evaluation: OnEvaluation | None = None,
) -> StageResult:
    """Blend a placed source into its target.

    Args:
        placed: from `place`.
        settings: None: the defaults.
        network: VGG16, not changed or moved; None: the bundled one, loaded if the method needs it.
        compute: device, precision and memory; None: where the target is, in the quickest precision.
        on_evaluation: called at every evaluation of the deep method, before every picture of the
            exact one; an exception that it raises ends the stage and is passed on.

    Returns:
        The blend. Computed in float32 (float64 for a float64 target), clipped to [0, 1] once, under
        the mask.

    Raises:
        TypeError: `placed` is something else.
        FileNotFoundError, ValueError: the bundled weights are missing or changed; the device cannot
            be used.

    Source: Zhang et al. 2020, first stage; Pérez et al. 2003 for the exact method.
    """
    if not isinstance(placed, Placed):
        raise TypeError(f"placed must be what place() returns, got {type(placed).__name__}")
    settings, compute = settings or PoissonSettings(), compute or Compute()
    device = resolve_device(compute, placed.target.device)
    placed, figures = cleaned(placed, settings)
    is_exact = settings.method == "exact"
    margin = EXACT_MARGIN if is_exact else settings.margin
    rows = rows_at_once(settings, device)
    job = Job("poisson", placed, placed.target, margin, device, rows, on_evaluation, figures)
    if is_exact:
        return job.run(settings, lambda _, windows, tell: _solve_exactly(windows, settings, tell))
    solver = deep_solver(settings, network or load_features(), placed, compute, device)
    colours: PlaceColours | None = None  # of a film's first frame

    def solve(
        _: int, windows: list[Window], tell: OnRowEvaluation | None
    ) -> list[tuple[Tensor, dict]]:
        nonlocal colours
        prepared = [prepare(window, settings, solver.network, colours) for window in windows]
        colours = prepared[-1].colours if settings.sequence else None
        solved = solver.solve([poisson_start(p, settings) for p in prepared], tell)
        return [(x, p.figures | own) for p, (x, own) in zip(prepared, solved, strict=True)]

    return job.run(settings, solve)


def cleaned(placed: Placed, settings: PoissonSettings) -> tuple[Placed, dict]:
    """A placed source without rests of its own background, if the settings ask for that.

    Args:
        placed: from `place`.
        settings: width of the band.

    Returns:
        What is to be blended, and figures for the report, for each picture.
    """
    width = settings.clean
    if not width:
        return placed, {}
    mask = placed.mask.to(torch.promote_types(placed.mask.dtype, torch.float32))
    found = clean_cutout(placed.source, mask, width, placed.source_valid)
    return replace(placed, source=found.source, mask=solved_mask(found.alpha)), found.figures


def _solve_exactly(
    windows: list[Window], settings: PoissonSettings, tell: OnRowEvaluation | None
) -> list[tuple[Tensor, dict]]:
    """The Poisson equation's solution of each picture, and its figures for the report.

    `tell` is called before each picture, as evaluation 0, so that a batch can be cancelled.
    """
    found = []
    for row, window in enumerate(windows):
        if tell:
            tell(RowEvaluation(row, 0, row * settings.max_evaluations, {}, window.source))
        prepared = prepare(window, settings)
        found.append((prepared.exact, prepared.figures))
    return found

"""The Poisson stage: a placed source blended into its target."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import Tensor

from ..checks import check_type
from ..harmonise.place_colours import PlaceColours
from ..harmonise.placed import colours_at_place, placed_colours
from ..network.vgg16 import Features, load_features
from ..optimize.minimize import OnRowEvaluation, RowEvaluation
from ..placement.levels import is_levels
from ..placement.place import Placed
from ..placement.window import Window
from ..report import OnPicture
from ..settings import Compute, PoissonSettings
from .batch import Job, OnEvaluation, Solved, StageResult, announcing
from .cleaned import cleaned
from .deep_solver import DeepSolver, deep_solver, joined_figures
from .device import resolve_device
from .finish import as_photographed
from .memory import rows_at_once
from .prepare import NARROW, Prepared, poisson_start, prepare, without_network
from .reduced import View, reduced, working_factor

FINISHING = 4  # evaluations at full size of what was found in a reduced picture


def poisson_stage(
    placed: Placed,
    settings: PoissonSettings | None = None,
    network: Features | None = None,
    compute: Compute | None = None,
    on_evaluation: OnEvaluation | None = None,
) -> StageResult:
    """Blend a placed source into its target.

    Args:
        placed: from `place`. A target in levels is made float; of a large one take the `vicinity`.
        settings: None: the defaults.
        network: VGG16, not changed or moved; None: the bundled one, loaded if the method needs it.
        compute: device, precision and memory; None: where the target is, in the quickest precision.
        on_evaluation: called before every picture, as evaluation 0, and at every evaluation of the
            deep method; an exception that it raises ends the stage and is passed on.

    Returns:
        The blend. Computed in float32 (float64 for a float64 target), clipped to [0, 1] once, under
        the mask.

    Raises:
        TypeError: `placed`, settings or compute are something else.
        FileNotFoundError, ValueError: the bundled weights are missing or changed; the device cannot
            be used.

    Source: Zhang et al. 2020, first stage; Pérez et al. 2003 for the exact method.
    """
    if not isinstance(placed, Placed):
        raise TypeError(f"placed must be what place() returns, got {type(placed).__name__}")
    settings, compute = settings or PoissonSettings(), compute or Compute()
    check_type("settings", settings, PoissonSettings)
    check_type("compute", compute, Compute)
    if is_levels(placed.target):
        placed = placed.vicinity(None)
    device = resolve_device(compute, placed.target.device)
    on_picture = announcing("poisson", placed, settings.max_evaluations, on_evaluation)
    placed, figures = cleaned(placed, settings, on_picture)
    is_exact = settings.method == "exact"
    margin = NARROW if is_exact and not settings.grain else settings.margin
    rows = rows_at_once(settings, device)
    job = Job("poisson", placed, placed.target, margin, device, rows, on_evaluation, figures)
    solver = None
    if not is_exact:
        solver = deep_solver(settings, network or load_features(), placed, compute, device)
    colours = _colours(placed, settings, solver and solver.network, on_picture)

    def solve(first: int, windows: list[Window], tell: OnRowEvaluation | None) -> list[Solved]:
        prepared = [
            prepare(window, settings, partial(colours, sample))
            for sample, window in enumerate(windows, first)
        ]
        if solver is None:
            solved = [(one.exact, one.figures) for one in prepared]
        else:
            solved = _solve_deeply(prepared, settings, solver, tell)
        pairs = zip(prepared, solved, strict=True)
        return [Solved(finished(p, x), p.window.source, p.figures | own) for p, (x, own) in pairs]

    def finished(one: Prepared, x: Tensor) -> Tensor:
        """What continues its place has its grain already."""
        return as_photographed(x, one.window, settings.grain * (1 - one.match_confidence))

    return job.run(settings, solve)


def _colours(
    placed: Placed,
    settings: PoissonSettings,
    network: Features | None,
    on_picture: OnPicture | None,
) -> Callable[[int], PlaceColours | None]:
    """From a picture's number to the palettes that it is harmonised by, a film's being shared."""
    if not settings.resolved_harmonise:
        return lambda _: None
    if settings.sequence:
        return placed_colours(placed, network, sequence=True, on_picture=on_picture).__getitem__
    return partial(colours_at_place, placed, network=network)


def _solve_deeply(
    prepared: list[Prepared],
    settings: PoissonSettings,
    solver: DeepSolver,
    tell: OnRowEvaluation | None,
) -> list[tuple[Tensor, dict]]:
    """The joint objective's minimum for each picture, and its figures for the report.

    That of a large object is found in the reduced picture first, and finished at full size by a few
    evaluations of the terms that read pixels.
    """
    starts = [poisson_start(one, settings) for one in prepared]
    factor = 1.0 if settings.sequence else working_factor([one.window for one in prepared])
    budget = settings.max_evaluations - FINISHING
    if factor == 1 or budget < 1:
        return solver.solve(starts, tell)
    views = [View(one.window, factor) for one in prepared]
    own = replace(settings, rim=round(settings.rim / factor))
    seen = [
        poisson_start(reduced(one, view, settings.gradients), own)
        for one, view in zip(prepared, views, strict=True)
    ]

    def tell_shown(event: RowEvaluation) -> None:
        if tell:
            change = views[event.row].enlarged(event.x - seen[event.row].x0)
            tell(replace(event, x=starts[event.row].x0 + change))

    def tell_last(event: RowEvaluation) -> None:
        if tell:
            done = event.done + budget * len(prepared)
            tell(replace(event, number=event.number + budget, done=done))

    found = solver.solve(seen, tell_shown, budget)
    carried = [
        replace(
            without_network(start), x0=start.x0 + view.carried(x - small.x0, start.x0.clamp(0, 1))
        )
        for start, view, small, (x, _) in zip(starts, views, seen, found, strict=True)
    ]
    finished = solver.solve(carried, tell_last, FINISHING)
    return [
        (x, joined_figures(before, after, factor))
        for (_, before), (x, after) in zip(found, finished, strict=True)
    ]

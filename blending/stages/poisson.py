"""The Poisson stage: a placed source blended into its target."""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from ..harmonise.place_colours import PlaceColours
from ..harmonise.placed import colours_at_place, placed_colours
from ..network.vgg16 import Features, load_features
from ..optimize.minimize import OnRowEvaluation, RowEvaluation
from ..placement.place import Placed
from ..placement.window import Window
from ..report import OnPicture
from ..settings import Compute, PoissonSettings
from .batch import Job, OnEvaluation, Solved, StageResult, announcing
from .cleaned import cleaned
from .deep_solver import deep_solver
from .device import resolve_device
from .finish import as_photographed
from .memory import rows_at_once
from .prepare import NARROW, Prepared, poisson_start, prepare


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
            solved = _solve_exactly(prepared, settings, tell)
        else:
            solved = solver.solve([poisson_start(p, settings) for p in prepared], tell)
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


def _solve_exactly(
    prepared: list[Prepared], settings: PoissonSettings, tell: OnRowEvaluation | None
) -> list[tuple[Tensor, dict]]:
    """The Poisson equation's solution of each picture, and its figures for the report.

    `tell` is called before each picture, as evaluation 0, so that a batch can be cancelled.
    """
    found = []
    for row, one in enumerate(prepared):
        if tell:
            tell(RowEvaluation(row, 0, row * settings.max_evaluations, {}, one.window.source))
        found.append((one.exact, one.figures))
    return found

"""Minimise the joint objective for windows of one size, within the memory there is."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from ..deep.context import FixedContext, picture_grams
from ..deep.objective import joint_objective, reusable_context
from ..deep.preconditioner import spectral_preconditioner
from ..deep.problem import Problem
from ..network.vgg16 import Features
from ..optimize.minimize import OnRowEvaluation, RowEvaluation, Solution, minimize
from ..placement.box import Box, bounding_box, crop
from ..placement.place import Placed
from ..report import json_ready
from ..settings import Compute, PoissonSettings, RefineSettings
from .device import resolve_precision
from .film import Frame, frame_of
from .memory import Extent, Plan, first_that_fits, is_matched, memory_limit, pass_plans, plans
from .prepare import Start

T = TypeVar("T")

# Two iterations in a row that lower the objective by less than this share end a stage: all further
# ones together change the third digit of the score, and cannot be seen.
TOLERANCE = 0.004
# With matched style already this: after 6 to 8 evaluations the strokes are there.
MATCHED_TOLERANCE = 0.03
HISTORY = 10  # pairs of steps and gradients that are kept
NEGLIGIBLE = 1e-9  # the rounding of terms that are 0, as where the source is what is there already


class DeepSolver:
    """Minimises the joint objective for one stage's pictures, one group after the other."""

    def __init__(
        self, settings: PoissonSettings | RefineSettings, network: Features, memory: float
    ) -> None:
        """Keep what serves all groups.

        Args:
            settings: of the stage.
            network: on the pictures' device, in its precision.
            memory: bytes to stay within.
        """
        self.settings, self.network, self.memory = settings, network, memory
        self.context: FixedContext | None = None
        self.frame: Frame | None = None

    def solve(
        self,
        starts: Sequence[Start],
        on_evaluation: OnRowEvaluation | None,
        budget: int | None = None,
    ) -> list[tuple[Tensor, dict]]:
        """Solve pictures together.

        Args:
            starts: windows of one size; only one if the settings say `sequence`.
            on_evaluation: called for every picture at each of its evaluations.
            budget: evaluations that each may take; None: as many as the settings say.

        Returns:
            The best x of each, (1, 3, h, w), not clipped, and figures for the report.

        Raises:
            RuntimeError: even the smallest plan did not fit into the memory.
        """
        choices = plans(_extent(starts, self.settings), len(starts), self.memory)
        return first_that_fits(
            choices,
            lambda plan: self._solve(
                starts, plan, on_evaluation, budget or self.settings.max_evaluations
            ),
            self._forget,
        )

    def grams(self, style: Tensor) -> dict[str, Tensor]:
        """Gram matrices of a picture whose style is to be matched, in tiles if memory is short.

        Args:
            style: (1, 3, H, W), RGB in [0, 1].

        Returns:
            By style layer, (1, C, C).

        Raises:
            RuntimeError: even the smallest plan did not fit into the memory.
        """
        choices = pass_plans((style.shape[2], style.shape[3]), self.memory)
        with torch.inference_mode(False):
            style = style.to(self.network.mean, copy=True)
            return first_that_fits(
                choices, lambda plan: picture_grams(self.network, style, plan.tile), self._forget
            )

    def map_features(self, work: Callable[[Features, int | None], T], size: tuple[int, int]) -> T:
        """What is made of a picture's whole maps, in tiles if memory is short.

        Args:
            work: from the network and the side of its tiles (None: all at once) to what is wanted.
            size: (height, width) of the picture, pixels.

        Returns:
            What `work` returned.

        Raises:
            RuntimeError: even the smallest plan did not fit into the memory.
        """
        with torch.inference_mode(False):
            return first_that_fits(
                pass_plans(size, self.memory),
                lambda plan: work(self.network, plan.tile),
                self._forget,
            )

    def _forget(self) -> None:
        """Drop what a plan that failed has left in the memory."""
        self.context = None

    def _solve(
        self,
        starts: Sequence[Start],
        plan: Plan,
        on_evaluation: OnRowEvaluation | None,
        budget: int,
    ) -> list[tuple[Tensor, dict]]:
        solved = []
        for first in range(0, len(starts), plan.rows):
            part = starts[first : first + plan.rows]

            def tell(event: RowEvaluation, first: int = first) -> None:
                if on_evaluation:
                    before = first * budget
                    on_evaluation(replace(event, row=first + event.row, done=before + event.done))

            solutions = self._minimise(part, plan, tell, budget)
            solved += [(s.x[None], _figures(s, plan.tile, self.network)) for s in solutions]
        return solved

    @staticmethod
    def _tolerance(problems: Sequence[Problem]) -> float:
        is_painted = any(problem.wanted for problem in problems)
        return MATCHED_TOLERANCE if is_painted else TOLERANCE

    def _minimise(
        self, starts: Sequence[Start], plan: Plan, on_evaluation: OnRowEvaluation, budget: int
    ) -> list[Solution]:
        problems = [start.problem for start in starts]
        # Frees the old context before a new one is computed.
        self.context = reusable_context(self.context, problems, plan.tile)
        objective, self.context = joint_objective(
            problems, self.network, tile=plan.tile, context=self.context
        )
        x0 = torch.cat([start.x0 for start in starts])
        window = problems[0].window
        if self.settings.sequence and self.frame is not None:
            x0 = x0 + torch.where(window.support, self.frame.moved_to(window), 0)
        box = bounding_box(torch.cat([p.window.support for p in problems]).any(0, keepdim=True))

        def tell(event: RowEvaluation) -> None:
            on_evaluation(replace(event, x=_put(event.x, x0[event.row : event.row + 1], box)))

        solutions = minimize(
            lambda x: objective(_put(x, x0, box)),
            crop(x0, box),
            max_evaluations=budget,
            history_size=min(HISTORY, budget),
            tolerance=self._tolerance(problems),
            negligible=NEGLIGIBLE,
            precondition=spectral_preconditioner(problems, box),
            on_evaluation=tell,
        )
        solutions = [
            replace(one, x=_put(one.x[None], x0[row : row + 1], box)[0])
            for row, one in enumerate(solutions)
        ]
        if self.settings.sequence:
            change = solutions[0].x[None] - starts[0].x0
            self.frame = frame_of(window, change)
        return solutions


@torch.inference_mode(False)
def deep_solver(
    settings: PoissonSettings | RefineSettings,
    network: Features,
    placed: Placed,
    compute: Compute,
    device: torch.device,
) -> DeepSolver:
    """A solver with a copy of the network on the device and in the precision asked for.

    Args:
        settings: of the stage.
        network: VGG16; not changed.
        placed: the pictures, for their dtype.
        compute: precision and memory.
        device: where to compute.

    Returns:
        The solver; it stays within `memory_limit`.
    """
    dtype = torch.promote_types(placed.target.dtype, torch.float32)
    like = torch.empty(0, device=device, dtype=dtype)
    own = network.prepared(like, resolve_precision(compute, device, dtype))
    return DeepSolver(settings, own, memory_limit(compute, device))


def _put(x: Tensor, around: Tensor, box: Box) -> Tensor:
    """A picture (N, 3, h, w) whose box is x; differentiable in x."""
    whole = around.clone()
    crop(whole, box).copy_(x)
    return whole


def _extent(starts: Sequence[Start], settings: PoissonSettings | RefineSettings) -> Extent:
    supports = torch.cat([start.problem.window.support for start in starts])
    size = bounding_box(supports.any(0, keepdim=True)).size
    has_histogram = bool(settings.weights.histogram)
    window = supports.shape[2], supports.shape[3]
    return Extent(window, size, has_histogram, is_matched(settings))


def _figures(solution: Solution, tile: int | None, network: Features) -> dict:
    return {
        "evaluations": solution.evaluations,
        "stop_reason": solution.reason.value,
        "arithmetic": str(network.precision).removeprefix("torch."),
        "tile": tile,
        "terms_start": json_ready(solution.trace[0]),
        "terms_end": json_ready(solution.terms),
        "trace": [json_ready(terms) for terms in solution.trace],
    }


def joined_figures(before: dict, after: dict, factor: float) -> dict:
    """Figures of a picture that was solved at a working size and finished at its own.

    Args:
        before: of the reduced picture.
        after: of the full one.
        factor: by which it was reduced.

    Returns:
        Those after, with the start's terms, the evaluations and the trace of both, and
        `reduced_by`.
    """
    return after | {
        "evaluations": before["evaluations"] + after["evaluations"],
        "terms_start": before["terms_start"],
        "trace": before["trace"] + after["trace"],
        "reduced_by": round(factor, 3),
    }

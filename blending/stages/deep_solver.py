"""Pictures of one window solved together, in the memory there is, each from the best start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..deep.context import Backdrop, picture_grams
from ..deep.joint import gradient_metric, joint_objective
from ..deep.vgg16 import Features
from ..optimize.minimize import Rows, Solution, minimize
from ..placement.window import Scene, bounding_box
from ..report import json_ready
from ..settings import PoissonSettings, RefineSettings
from .batch import Observe
from .memory import Extent, Plan, is_out_of_memory, pass_plans, plans
from .starts import Start

# Two evaluations in a row that win less than this share of the objective end a stage: what more
# would win is in the third digit of the score, and cannot be seen.
TOLERANCE = 0.004

T = TypeVar("T")


@dataclass(frozen=True)
class Frame:
    """What a frame of a film leaves to the next: how far x went from its start, and where.

    Attributes:
        change: (1, 3, h, w).
        box: its window on the target.
        centre: row and column on the target of the middle of what was solved.
    """

    change: Tensor
    box: tuple[int, int, int, int]
    centre: tuple[int, int]


class Solver:
    """Minimises the joint objective for one stage's pictures, one group after the other."""

    def __init__(
        self, settings: PoissonSettings | RefineSettings, network: Features, memory: float
    ) -> None:
        """`network`: where the pictures are, in its arithmetic; `memory`: bytes to keep within."""
        self.settings, self.network, self.memory = settings, network, memory
        self.backdrop: Backdrop | None = None
        self.frame: Frame | None = None

    def solve(self, starts: Sequence[Start], observe: Observe | None) -> list[tuple[Tensor, dict]]:
        """The best x of each, (1, 3, h, w), and figures for the report.

        Args:
            starts: windows of one size; of a sequence, one.
            observe: called for every picture at each of its evaluations.

        Raises:
            RuntimeError: even the smallest plan did not fit into the memory.
        """
        choices = plans(self._extent(starts), len(starts), self.memory)
        return self._tried(choices, lambda plan: self._solve(starts, plan, observe))

    def grams(self, style: Tensor) -> dict[str, Tensor]:
        """Gram matrices of a picture, (1, 3, H, W), whose style is wanted; in tiles if need be."""
        size = (style.shape[2], style.shape[3])
        choices = pass_plans(size, self.memory)
        with torch.inference_mode(False):
            style = style.to(self.network.mean, copy=True)
            return self._tried(choices, lambda plan: picture_grams(self.network, style, plan.tile))

    def _tried(self, choices: Sequence[Plan], work: Callable[[Plan], T]) -> T:
        """What the first plan brings for which the memory is enough."""
        for plan in choices[:-1]:
            try:
                return work(plan)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            self.backdrop = None  # outside of the handler, which holds the tensors of its trace
        return work(choices[-1])

    def _solve(
        self, starts: Sequence[Start], plan: Plan, observe: Observe | None
    ) -> list[tuple[Tensor, dict]]:
        solved = []
        for first in range(0, len(starts), plan.rows):
            part = starts[first : first + plan.rows]
            solutions = self._minimise(part, plan, first, observe)
            solved += [(s.x[None], _figures(s, plan.tile, self.network)) for s in solutions]
        return solved

    def _minimise(
        self, starts: Sequence[Start], plan: Plan, first: int, observe: Observe | None
    ) -> list[Solution]:
        problems = [start.problem for start in starts]
        objective, self.backdrop = joint_objective(
            problems, self.network, tile=plan.tile, former=self.backdrop
        )

        before = first * self.settings.max_evaluations

        def tell(number: int, rows: Rows, x: Tensor) -> None:
            for row, terms in enumerate(rows):
                if observe and terms is not None:
                    over = before + len(rows) * number
                    observe(first + row, number, over, terms, x[row : row + 1])

        x0 = torch.cat([start.x0 for start in starts])
        if self.settings.sequence:
            x0 = self._continued(x0, problems[0].scene)
        solutions = minimize(
            objective,
            x0,
            max_evaluations=self.settings.max_evaluations,
            tolerance=TOLERANCE,
            precondition=gradient_metric(problems),
            on_evaluation=tell,
        )
        if self.settings.sequence:
            scene = problems[0].scene
            self.frame = Frame(solutions[0].x[None] - starts[0].x0, scene.box, _centre(scene))
        return solutions

    def _continued(self, x0: Tensor, scene: Scene) -> Tensor:
        """The start moved as far as the frame before moved: it goes along with the object."""
        if self.frame is None or not _overlap(scene.box, self.frame.box):
            return x0
        moved = torch.zeros_like(x0)
        (top, left, height, width), (row, column, tall, wide) = scene.box, self.frame.box
        now, before = _centre(scene), self.frame.centre
        row, column = row + now[0] - before[0], column + now[1] - before[1]
        first_row, first_column = max(top, row), max(left, column)
        rows = slice(first_row, min(top + height, row + tall))
        columns = slice(first_column, min(left + width, column + wide))
        if rows.start < rows.stop and columns.start < columns.stop:
            here = (..., _moved(rows, -top), _moved(columns, -left))
            moved[here] = self.frame.change[..., _moved(rows, -row), _moved(columns, -column)]
        return x0 + torch.where(scene.support, moved, 0)

    def _extent(self, starts: Sequence[Start]) -> Extent:
        supports = torch.cat([start.problem.scene.support for start in starts])
        _, _, height, width = bounding_box(supports.any(0, keepdim=True))
        has_histogram = bool(self.settings.weights.histogram)
        return Extent((supports.shape[2], supports.shape[3]), (height, width), has_histogram)


def _centre(scene: Scene) -> tuple[int, int]:
    top, left, height, width = bounding_box(scene.support)
    return scene.box[0] + top + height // 2, scene.box[1] + left + width // 2


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    """Whether two boxes, (top, left, height, width), have a pixel in common."""
    return all(
        max(one[side], other[side]) < min(one[side] + one[side + 2], other[side] + other[side + 2])
        for side in (0, 1)
    )


def _moved(side: slice, by: int) -> slice:
    return slice(side.start + by, side.stop + by)


def _figures(solution: Solution, tile: int | None, network: Features) -> dict:
    return {
        "evaluations": solution.evaluations,
        "stop_reason": solution.reason.value,
        "arithmetic": str(network.arithmetic).removeprefix("torch."),
        "tile": tile,
        "terms_start": json_ready(solution.trace[0]),
        "terms_end": json_ready(solution.terms),
        "trace": [json_ready(terms) for terms in solution.trace],
    }

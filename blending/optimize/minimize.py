"""Preconditioned L-BFGS for many problems at once: counts evaluations, keeps each one's best point.

The rows of x are problems of their own: each has its line search, its history and its end. All that
steers them stays on the device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ..checks import check_range
from .line_search import CONVERGED, NON_FINITE, RUNNING, Metric, Search


class StopReason(Enum):
    """Why a minimisation ended."""

    CONVERGED = "converged"
    BUDGET_SPENT = "budget spent"
    NON_FINITE = "non-finite"


@dataclass(frozen=True)
class Solution:
    """The best point evaluated of one row and how it was found.

    Attributes:
        x: the best point, detached, without the rows' dimension.
        terms: its weighted terms.
        evaluations: how often the objective was run.
        reason: why it stopped.
        trace: the weighted terms of every evaluation, in order; the first is the start's.
    """

    x: Tensor
    terms: dict[str, float]
    evaluations: int
    reason: StopReason
    trace: tuple[dict[str, float], ...]


Rows = list[dict[str, float] | None]  # the terms of each row that was still running


def minimize(
    objective: Callable[[Tensor], dict[str, Tensor]],
    x0: Tensor,
    *,
    max_evaluations: int,
    history_size: int = 10,
    tolerance: float = 1e-5,
    precondition: Metric | None = None,
    on_evaluation: Callable[[int, Rows, Tensor], None] | None = None,
) -> list[Solution]:
    """Minimise, for each row of x, a sum of terms by L-BFGS with a backtracking line search.

    Args:
        objective: (N, ...) to weighted terms, (N,) each; a row's sum is minimised and may depend on
            this row only.
        x0: the start, (N, ...), float; not changed.
        max_evaluations: >= 1; exactly this many for a row unless it stops before.
        history_size: pairs of steps and gradient changes that are kept.
        tolerance: a row stops when two iterations in a row win less than this share of its value.
        precondition: (N, ...) to the same shape: for each row a symmetric positive map near its
            inverse Hessian; the initial metric. None: the gradient's direction, at first by a step
            that changes no element by more than 0.1.
        on_evaluation: called with the evaluation's number (from 1), the terms of every row that is
            running, and the points, (N, ...); may raise to cancel. On a CUDA device it is called
            one evaluation late, so that the device never waits for it.

    Returns:
        For each row its best point evaluated; x0 if no evaluation was better. `NON_FINITE` when the
        start, or every step down to the shortest, gave NaN or infinity.

    Source: Nocedal & Wright 2006, algorithms 7.4 and 3.1. Differs: pairs without positive curvature
    are skipped.
    """
    check_range("max_evaluations", max_evaluations, 1, whole=True)
    log, letters = _Log(x0.shape[0], on_evaluation), []
    with torch.inference_mode(False), torch.no_grad():
        search = Search(x0.detach().clone(), history_size, tolerance, precondition)
        for _ in range(max_evaluations):
            points, was_running = search.trial, search.state == RUNNING
            with torch.enable_grad():
                leaf = points.clone(memory_format=torch.contiguous_format).requires_grad_(True)
                terms = objective(leaf)
                values = torch.stack(list(terms.values()))
                (gradient,) = torch.autograd.grad(values.sum(), leaf)
            search.take(values.detach().sum(0), gradient.flatten(1))
            news = torch.cat((values.detach(), torch.stack((was_running, search.state)).to(values)))
            letters.append(_Letter(tuple(terms), news, points))
            if len(letters) > _late(x0.device) and not log.read(letters.pop(0)):
                break
        for letter in letters:
            log.read(letter)
        return log.solutions(search)


def _late(device: torch.device) -> int:
    """By how many evaluations the host may lag behind the device."""
    return 1 if device.type == "cuda" else 0


class _Letter:
    """What an evaluation has to tell the host, on its way without anybody waiting for it."""

    def __init__(self, names: tuple[str, ...], news: Tensor, points: Tensor) -> None:
        """`news`, (terms + 2, N): each term, whether the row was running, its state after."""
        self.names, self.points, self.news, self.sent = names, points, news, None
        if news.device.type == "cuda":
            self.news = torch.empty(news.shape, dtype=news.dtype, pin_memory=True)
            self.news.copy_(news, non_blocking=True)
            self.sent = torch.cuda.Event()
            self.sent.record()

    def open(self) -> list[list[float]]:
        """For each row what was written; waits until it is there."""
        if self.sent:
            self.sent.synchronize()
        return self.news.T.tolist()


class _Log:
    """What the host knows of the rows."""

    def __init__(
        self, rows: int, on_evaluation: Callable[[int, Rows, Tensor], None] | None
    ) -> None:
        self.traces: list[list[dict[str, float]]] = [[] for _ in range(rows)]
        self.states = [RUNNING] * rows
        self.number, self.on_evaluation = 0, on_evaluation

    def read(self, letter: _Letter) -> bool:
        """Take note and tell; whether any row goes on."""
        self.number += 1
        told: Rows = []
        for row, (*values, was_running, state) in enumerate(letter.open()):
            terms = dict(zip(letter.names, values, strict=True)) if was_running else None
            if terms is not None:
                self.traces[row].append(terms)
            self.states[row] = int(state)
            told.append(terms)
        if self.on_evaluation and any(told):
            self.on_evaluation(self.number, told, letter.points)
        return RUNNING in self.states

    def solutions(self, search: Search) -> list[Solution]:
        reasons = {
            RUNNING: StopReason.BUDGET_SPENT,
            CONVERGED: StopReason.CONVERGED,
            NON_FINITE: StopReason.NON_FINITE,
        }
        best = search.best.view(search.shape)
        return [
            Solution(best[row], trace[number], len(trace), reasons[state], tuple(trace))
            for row, (trace, number, state) in enumerate(
                zip(self.traces, search.best_number.tolist(), self.states, strict=True)
            )
        ]

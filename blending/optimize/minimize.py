"""Preconditioned L-BFGS for many problems at once: counts evaluations, keeps each best point.

The rows of x are independent problems: each has its own line search, history and end. The state
that steers them stays on the device.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ..checks import check_range
from .line_search import CONVERGED, NON_FINITE, RUNNING, Precondition, Search


class StopReason(Enum):
    """Why a minimisation ended."""

    CONVERGED = "converged"
    BUDGET_SPENT = "budget spent"
    NON_FINITE = "non-finite"


@dataclass(frozen=True)
class RowEvaluation:
    """One evaluation of one row, as progress bars and live pictures get it.

    Attributes:
        row: which problem, from 0.
        number: of this evaluation, from 1; 0 before anything was evaluated.
        done: evaluations that are over, of all rows together; rows that have stopped are counted as
            if they went on.
        terms: the weighted terms by name.
        x: (1, ...), the point that was evaluated.
    """

    row: int
    number: int
    done: int
    terms: dict[str, float]
    x: Tensor


OnRowEvaluation = Callable[[RowEvaluation], None]


@dataclass(frozen=True)
class Solution:
    """The best point evaluated of one row and how it was found.

    Attributes:
        x: (...), the best point, detached, without the rows' dimension.
        terms: its weighted terms by name.
        evaluations: how often the objective was evaluated for this row.
        reason: why the minimisation stopped.
        trace: the weighted terms of every evaluation, in order; the first is the start's.
    """

    x: Tensor
    terms: dict[str, float]
    evaluations: int
    reason: StopReason
    trace: tuple[dict[str, float], ...]


def minimize(
    objective: Callable[[Tensor], dict[str, Tensor]],
    x0: Tensor,
    *,
    max_evaluations: int,
    history_size: int = 10,
    tolerance: float = 1e-5,
    negligible: float = -math.inf,
    precondition: Precondition | None = None,
    on_evaluation: OnRowEvaluation | None = None,
) -> list[Solution]:
    """Minimise, for each row of x, a sum of terms by L-BFGS with a backtracking line search.

    Args:
        objective: (N, ...) to weighted terms by name, (N,) each; a row's sum is minimised and may
            depend on this row only.
        x0: the start, (N, ...), float; not changed.
        max_evaluations: >= 1; a row is evaluated exactly this often unless it stops before.
        history_size: pairs of steps and gradient changes that are stored.
        tolerance: a row stops when two iterations in a row lower its value by less than this share.
        negligible: a row whose value is no more than this stops, be it at its start.
        precondition: gradients, (N, ...), to the same shape: for each row a symmetric positive
            definite map near its inverse Hessian, the initial one of L-BFGS. None: the identity,
            with a first step that changes no element by more than 0.1.
        on_evaluation: called at every evaluation for each row that is running; may raise to cancel.
            On a CUDA device it is called one evaluation late, so that the device never waits for
            it.

    Returns:
        For each row its best point evaluated; x0 if no evaluation was better. `NON_FINITE` when the
        start, or every step down to the shortest, gave NaN or infinity.

    Raises:
        ValueError, TypeError: `max_evaluations` is not a whole number of at least 1.

    Source: Nocedal & Wright 2006, algorithms 7.4 and 3.1. Differs: pairs without positive curvature
    are skipped.
    """
    check_range("max_evaluations", max_evaluations, 1, whole=True)
    log, pending = _Log(x0.shape[0], on_evaluation), []
    with torch.inference_mode(False), torch.no_grad():
        search = Search(x0.detach().clone(), history_size, tolerance, precondition, negligible)
        for _ in range(max_evaluations):
            points, was_running = search.trial, search.state == RUNNING
            with torch.enable_grad():
                leaf = points.clone(memory_format=torch.contiguous_format).requires_grad_(True)
                terms = objective(leaf)
                values = torch.stack(list(terms.values()))
                (gradient,) = torch.autograd.grad(values.sum(), leaf)
            search.update(values.detach().sum(0), gradient.flatten(1))
            states = torch.stack((was_running, search.state)).to(values)
            table = torch.cat((values.detach(), states))
            pending.append(_PendingTerms(tuple(terms), table, points))
            if len(pending) > _lag(x0.device) and not log.read(pending.pop(0)):
                break
        for terms in pending:
            log.read(terms)
        return log.solutions(search)


def _lag(device: torch.device) -> int:
    """The number of evaluations by which the host may be behind the device."""
    return 1 if device.type == "cuda" else 0


class _PendingTerms:
    """One evaluation's terms, being copied to the host without blocking it."""

    def __init__(self, names: tuple[str, ...], table: Tensor, points: Tensor) -> None:
        """`table`, (terms + 2, N): each term, whether the row was running, its state afterwards."""
        self.names, self.points, self.table, self.copied = names, points, table, None
        if table.device.type == "cuda":
            self.table = torch.empty(table.shape, dtype=table.dtype, pin_memory=True)
            self.table.copy_(table, non_blocking=True)
            self.copied = torch.cuda.Event()
            self.copied.record()

    def wait(self) -> list[list[float]]:
        """Wait for the copy; for each row its column of the table."""
        if self.copied:
            self.copied.synchronize()
        return self.table.T.tolist()


class _Log:
    """What the host knows of the rows: their states and traces."""

    def __init__(self, rows: int, on_evaluation: OnRowEvaluation | None) -> None:
        self.traces: list[list[dict[str, float]]] = [[] for _ in range(rows)]
        self.states = [RUNNING] * rows
        self.number, self.on_evaluation = 0, on_evaluation

    def read(self, pending: _PendingTerms) -> bool:
        """Record an evaluation and report it; True while any row is still running."""
        self.number += 1
        columns = pending.wait()
        running = {}
        for row, (*values, was_running, state) in enumerate(columns):
            self.states[row] = int(state)
            if was_running:
                running[row] = dict(zip(pending.names, values, strict=True))
                self.traces[row].append(running[row])
        if self.on_evaluation:
            done = self.number * len(columns)
            for row, terms in running.items():
                x = pending.points[row : row + 1]
                self.on_evaluation(RowEvaluation(row, self.number, done, terms, x))
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

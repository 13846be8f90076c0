"""Preconditioned L-BFGS that counts evaluations, keeps the best point and can be cancelled."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from .settings import check_range

Pair = tuple[Tensor, Tensor, Tensor]  # s, y, 1 / (s·y)

ARMIJO = 1e-4  # a step must win this share of what its slope promises
FIRST_STEP = 0.1  # largest change of a pixel while the curvature is unknown
SHORTEST = 1e-4  # the search along a direction ends at this share of its first step


class StopReason(Enum):
    """Why a minimisation ended."""

    CONVERGED = "converged"
    BUDGET_SPENT = "budget spent"
    NON_FINITE = "non-finite"


@dataclass(frozen=True)
class Solution:
    """The best point evaluated and how it was found.

    Attributes:
        x: the best point, detached.
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


def minimize(  # noqa: C901 - the loop and its closure read best in one place
    objective: Callable[[Tensor], dict[str, Tensor]],
    x0: Tensor,
    *,
    max_evaluations: int,
    history_size: int = 10,
    tolerance: float = 1e-5,
    precondition: Callable[[Tensor], Tensor] | None = None,
    on_evaluation: Callable[[int, dict[str, float], Tensor], None] | None = None,
) -> Solution:
    """Minimise a sum of terms by L-BFGS with a backtracking line search.

    Args:
        objective: x to weighted scalar terms; their sum is minimised.
        x0: the start, any shape, float; not changed.
        max_evaluations: >= 1; exactly this many unless it stops before.
        history_size: pairs of steps and gradient changes that are kept.
        tolerance: stop when two iterations in a row win less than this share of the value.
        precondition: a symmetric positive map near the inverse Hessian; the initial metric. None:
            the gradient's direction, at first by a step that changes no element by more than 0.1.
        on_evaluation: called with the evaluation's number (from 1), its terms and its point; may
            raise to cancel.

    Returns:
        The best point evaluated; x0 if no evaluation was better. `NON_FINITE` when the start, or
        every step down to the shortest, gave NaN or infinity.

    Source: Nocedal & Wright 2006, algorithms 7.4 and 3.1. Differs: pairs without positive curvature
    are skipped.
    """
    trace: list[dict[str, float]] = []

    def evaluate(x: Tensor) -> _Point:
        leaf = x.detach().clone(memory_format=torch.contiguous_format).requires_grad_(True)
        terms = objective(leaf)
        total = torch.stack(list(terms.values())).sum()
        (gradient,) = torch.autograd.grad(total, leaf)
        scalars = torch.stack([term.detach() for term in terms.values()]).tolist()
        trace.append(dict(zip(terms, scalars, strict=True)))
        if on_evaluation:
            on_evaluation(len(trace), trace[-1], leaf.detach())
        finite = torch.isfinite(total) & torch.isfinite(gradient).all()
        return _Point(leaf.detach(), total.item() if finite else math.inf, gradient, trace[-1])

    check_range("max_evaluations", max_evaluations, 1, whole=True)

    with torch.inference_mode(False), torch.enable_grad():
        point = best = last = evaluate(x0)
        pairs: deque[Pair] = deque(maxlen=history_size)
        was_small = False
        reason = StopReason.BUDGET_SPENT if last.value < math.inf else StopReason.NON_FINITE
        while reason is StopReason.BUDGET_SPENT and len(trace) < max_evaluations:
            direction = -_inverse_hessian(point.gradient, pairs, precondition)
            slope = (direction * point.gradient).sum().item()
            step = 1.0 if pairs else _first_step(direction, precondition is not None)
            shortest, found = SHORTEST * step, None
            while slope < 0 and not found and step >= shortest and len(trace) < max_evaluations:
                last = evaluate(point.x + step * direction)
                best = min(best, last, key=lambda candidate: candidate.value)
                if last.value <= point.value + ARMIJO * step * slope:
                    found = last
                else:
                    step = _shorter(step, point.value, slope, last.value)
            if found:
                _remember(pairs, found.x - point.x, found.gradient - point.gradient)
                is_small = point.value - found.value <= tolerance * abs(point.value)
                if is_small and was_small:
                    reason = StopReason.CONVERGED
                point, was_small = found, is_small
            elif pairs:  # the metric misleads: start again from the preconditioner alone
                pairs.clear()
            elif len(trace) < max_evaluations:
                reason = StopReason.CONVERGED if last.value < math.inf else StopReason.NON_FINITE
    return Solution(best.x, best.terms, len(trace), reason, tuple(trace))


@dataclass(frozen=True)
class _Point:
    """An evaluated point; a value of infinity stands for anything that is not finite."""

    x: Tensor
    value: float
    gradient: Tensor
    terms: dict[str, float]


def _first_step(direction: Tensor, is_scaled: bool) -> float:
    """A step without knowledge of the curvature: the metric's own if it has a scale, but short."""
    longest = FIRST_STEP / (direction.abs().max().item() or 1.0)
    return min(1.0, longest) if is_scaled else longest


def _shorter(step: float, value: float, slope: float, new_value: float) -> float:
    """The minimiser of the parabola through what is known, within 0.1 and 0.5 of the step."""
    if new_value == math.inf:
        return step / 10
    parabola = -slope * step**2 / (2 * (new_value - value - slope * step))
    return min(max(parabola, step / 10), step / 2)


def _remember(pairs: deque[Pair], s: Tensor, y: Tensor) -> None:
    curvature = (s * y).sum()
    if curvature > 1e-10 * s.norm() * y.norm():
        pairs.append((s, y, 1 / curvature))


def _inverse_hessian(
    gradient: Tensor, pairs: deque[Pair], precondition: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """The two-loop recursion; the preconditioner, scaled by the newest pair, in its middle."""
    metric = precondition or (lambda vector: vector)
    q, weights = gradient, []
    for s, y, rho in reversed(pairs):
        weights.append(rho * (s * q).sum())
        q = q - weights[-1] * y
    q = metric(q)
    if pairs:
        s, y, rho = pairs[-1]
        q = q / (rho * (y * metric(y)).sum())
    for (s, y, rho), weight in zip(pairs, reversed(weights), strict=True):
        q = q + (weight - rho * (y * q).sum()) * s
    return q

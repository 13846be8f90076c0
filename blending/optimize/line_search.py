"""The backtracking line search of many rows at once: accepted points and next trial points."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..reductions import row_sums
from .lbfgs import History

ARMIJO = 1e-4  # a step must lower the value by this share of step times slope
FIRST_STEP = 0.1  # largest change of a pixel while the curvature is unknown
SHORTEST = 1e-4  # the search along a direction ends at this share of its first step
RUNNING, CONVERGED, NON_FINITE = 0, 1, 2  # of a row

Precondition = Callable[[Tensor], Tensor]  # gradients, (N, ...), to an inverse Hessian times them


class Search:
    """The state of N line searches: accepted point, direction from it, trial point of each row."""

    def __init__(
        self,
        x0: Tensor,
        history_size: int,
        tolerance: float,
        precondition: Precondition | None,
        negligible: float = -math.inf,
    ) -> None:
        """Start all rows at x0.

        Args:
            x0: (N, ...), float.
            history_size: pairs of steps and gradient changes that are stored.
            tolerance: a row stops when two iterations in a row lower its value by less than this
                share.
            precondition: gradients, (N, ...), to an initial inverse Hessian times them; None:
                identity.
            negligible: a row whose value is no more stops.
        """
        self.shape, self.tolerance, self.negligible = x0.shape, tolerance, negligible
        self.precondition, self.is_scaled = precondition or (lambda g: g), precondition is not None
        self.x = x0.flatten(1)
        self.history = History(self.x, history_size)
        rows = self.x[:, 0]
        self.value = torch.full_like(rows, math.inf)
        self.best_value, self.best = self.value, self.x
        self.gradient = self.preconditioned = self.direction = torch.zeros_like(self.x)
        self.slope = torch.zeros_like(rows)
        self.step = self.shortest = torch.zeros_like(rows)
        self.was_small = torch.zeros_like(rows, dtype=torch.bool)
        self.state = torch.zeros_like(rows, dtype=torch.uint8)
        self.best_number = torch.zeros_like(rows, dtype=torch.long)
        self.number = 0
        self.point = self.x

    @property
    def trial(self) -> Tensor:
        """The points to evaluate next, (N, ...); a stopped row stays at its accepted point."""
        return self.point.view(self.shape)

    def update(self, value: Tensor, gradient: Tensor) -> None:
        """Accept the trial points or shorten their steps, then choose the next trial points.

        Args:
            value: (N,), the objective at the trial points.
            gradient: (N, D), its gradient there; D elements a row.
        """
        running = self.state == RUNNING
        finite = torch.isfinite(value) & torch.isfinite(gradient).all(1)
        value = torch.where(finite, value, math.inf)
        self._keep_best(running & (value < self.best_value), value)
        accepted = running & finite
        if self.number:
            accepted = accepted & (value <= self.value + ARMIJO * self.step * self.slope)
        self._move(accepted, value, gradient)
        refused = running & ~accepted
        self.step = torch.where(refused, self._shorter(value), self.step)
        # From the start there is nowhere to step back to.
        spent = refused & (self.step < self.shortest) if self.number else refused
        stuck = spent & ~self.history.is_filled
        self.history.forget(spent)  # the curvature misleads: back to the initial inverse Hessian
        end = torch.where(finite, CONVERGED, NON_FINITE).to(self.state)
        self.state = torch.where(stuck, end, self.state)
        self._aim(accepted | spent)
        done = running & (value <= self.negligible)
        self.state = torch.where(done, CONVERGED, self.state).to(self.state)
        step = torch.where(self.state == RUNNING, self.step, 0)[:, None]
        self.point = self.x + step * self.direction
        self.number += 1

    def _keep_best(self, better: Tensor, value: Tensor) -> None:
        self.best_value = torch.where(better, value, self.best_value)
        self.best = torch.where(better[:, None], self.point, self.best)
        self.best_number = torch.where(better, self.number, self.best_number)

    def _move(self, accepted: Tensor, value: Tensor, gradient: Tensor) -> None:
        """Make the accepted trial points the current ones; store the curvature on the way."""
        preconditioned = self.precondition(gradient.view(self.shape)).flatten(1)
        if self.number:
            change = gradient - self.gradient
            mapped = preconditioned - self.preconditioned
            self.history.add(accepted, self.point - self.x, change, mapped)
            is_small = self.value - value <= self.tolerance * self.value.abs()
            stopped = accepted & is_small & self.was_small
            self.state = torch.where(stopped, CONVERGED, self.state).to(self.state)
            self.was_small = torch.where(accepted, is_small, self.was_small)
        row = accepted[:, None]
        self.x = torch.where(row, self.point, self.x)
        self.value = torch.where(accepted, value, self.value)
        self.gradient = torch.where(row, gradient, self.gradient)
        self.preconditioned = torch.where(row, preconditioned, self.preconditioned)

    def _aim(self, rows: Tensor) -> None:
        """Choose a new direction and its first step in the rows (N,) that are True."""
        direction = -self.history.apply(self.gradient, self.preconditioned)
        slope = row_sums(direction * self.gradient)
        uphill = rows & ~(slope < 0)
        self.history.forget(uphill)
        direction = torch.where(uphill[:, None], -self.preconditioned, direction)
        slope = torch.where(uphill, -row_sums(self.preconditioned * self.gradient), slope)
        flat = rows & ~(slope < 0) & (self.state == RUNNING)
        self.state = torch.where(flat, CONVERGED, self.state).to(self.state)
        step = torch.where(self.history.is_filled, 1.0, self._first_step(direction))
        self.direction = torch.where(rows[:, None], direction, self.direction)
        self.slope = torch.where(rows, slope, self.slope)
        self.step = torch.where(rows, step, self.step)
        self.shortest = torch.where(rows, SHORTEST * step, self.shortest)

    def _first_step(self, direction: Tensor) -> Tensor:
        """The first step: 1, or less, so that no element changes by more than `FIRST_STEP`.

        Without a preconditioner the direction has no scale of its own: then it is just this longest
        step.
        """
        largest = direction.abs().amax(1)
        longest = FIRST_STEP / torch.where(largest > 0, largest, 1.0)
        return longest.clamp_max(1.0) if self.is_scaled else longest

    def _shorter(self, value: Tensor) -> Tensor:
        """A shorter step: the minimum of the parabola through both values and the slope.

        It is kept within 0.1 to 0.5 of the step.
        """
        step, slope = self.step, self.slope
        parabola = -slope * step**2 / (2 * (value - self.value - slope * step))
        parabola = torch.where(torch.isfinite(value), parabola, 0)
        return torch.minimum(torch.maximum(parabola, step / 10), step / 2)

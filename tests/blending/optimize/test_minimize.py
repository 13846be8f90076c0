"""L-BFGS on problems with known minima; its budget, its best point, its guard against NaN.

On the joint objective its inner loop asks nothing back from the device, and what it finds is at
least torch's own.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from blending.deep.fidelity import FidelityWeights
from blending.deep.objective import joint_objective
from blending.deep.preconditioner import spectral_preconditioner
from blending.deep.problem import Problem
from blending.optimize.line_search import Search
from blending.optimize.minimize import StopReason
from blending.optimize.minimize import minimize as minimize_rows
from blending.placement.box import Box
from blending.placement.window import Window
from blending.poisson.guidance import guidance_field
from blending.settings import Weights
from blending.strokes.wanted import WANTED


def minimize(objective, x0, *, precondition=None, on_evaluation=None, **settings):
    """A single row: an objective of the point itself, its terms as numbers."""

    def told(evaluation):
        assert evaluation.row == 0
        assert evaluation.done == evaluation.number  # there is no other row
        on_evaluation(evaluation.number, evaluation.terms, evaluation.x[0])

    (solution,) = minimize_rows(
        lambda x: {name: term[None] for name, term in objective(x[0]).items()},
        x0[None],
        precondition=precondition and (lambda gradient: precondition(gradient[0])[None]),
        on_evaluation=on_evaluation and told,
        **settings,
    )
    return solution


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def quadratic(size=12, condition=1e3, seed=0):
    """½ xᵀAx − bᵀx + 1 as two terms, A, and the solution of Ax = b by NumPy."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.standard_normal((size, size)))
    a = basis @ np.diag(np.geomspace(1 / condition, 1, size)) @ basis.T
    b = a @ rng.uniform(-1, 1, size)
    matrix, right = torch.from_numpy(a), torch.from_numpy(b)

    def objective(x):
        return {"curved": 0.5 * x @ matrix @ x, "linear": 1 - right @ x}

    return objective, matrix, torch.from_numpy(np.linalg.solve(a, b))


def rosenbrock(x):
    return {"valley": 100 * (x[1] - x[0] ** 2) ** 2, "slope": (1 - x[0]) ** 2}


START = vector(-1.2, 1.0)


class Counted:
    """An objective that remembers the points it was run at."""

    def __init__(self, objective):
        self.objective, self.points = objective, []

    def __call__(self, x):
        self.points.append(x.detach().clone())
        return self.objective(x)


def total(terms):
    return sum(float(term) for term in terms.values())


def test_a_convex_quadratic_ends_at_the_solution_of_its_linear_system():
    objective, _, wanted = quadratic()
    start = torch.zeros(12, dtype=torch.float64)
    solution = minimize(objective, start, max_evaluations=500, tolerance=1e-15)
    assert solution.reason is StopReason.CONVERGED
    torch.testing.assert_close(solution.x, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("history_size", [1, 3, 10])
def test_rosenbrocks_minimum_is_at_one_and_one(history_size):
    solution = minimize(
        rosenbrock, START, max_evaluations=400, history_size=history_size, tolerance=1e-9
    )
    torch.testing.assert_close(solution.x, vector(1, 1), atol=1e-5, rtol=0)


def test_negative_curvature_on_the_way_does_no_harm():
    # cos is concave up to π/2; its minimum is at π.
    solution = minimize(lambda x: {"cos": x.cos().sum()}, vector(0.3, 0.7), max_evaluations=200)
    torch.testing.assert_close(solution.x, vector(math.pi, math.pi), atol=2e-2, rtol=0)


@pytest.mark.parametrize("shape", [(1,), (2, 3), (1, 3, 5, 7)])
def test_any_shape_is_minimised_and_kept(shape):
    wanted = torch.from_numpy(np.random.default_rng(0).random(shape))
    solution = minimize(
        lambda x: {"a": (x - wanted).square().sum()}, torch.zeros_like(wanted), max_evaluations=50
    )
    torch.testing.assert_close(solution.x, wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_type_of_the_start_is_kept(dtype):
    start = torch.ones(3, dtype=dtype)
    solution = minimize(lambda x: {"a": x.square().sum()}, start, max_evaluations=20)
    assert solution.x.dtype == dtype
    torch.testing.assert_close(solution.x, torch.zeros(3, dtype=dtype), atol=1e-3, rtol=0)


@pytest.mark.parametrize("budget", [1, 2, 3, 4, 7, 12, 20, 25])
def test_the_budget_is_spent_exactly(budget):
    counted = Counted(rosenbrock)  # still on its way after 25 evaluations
    solution = minimize(counted, START, max_evaluations=budget)
    assert solution.reason is StopReason.BUDGET_SPENT
    assert solution.evaluations == len(counted.points) == len(solution.trace) == budget


def test_an_objective_without_a_minimum_spends_the_budget():
    counted = Counted(lambda x: {"a": -x.sum()})
    solution = minimize(counted, vector(0, 0), max_evaluations=33)
    assert (solution.evaluations, solution.reason) == (33, StopReason.BUDGET_SPENT)
    assert len(counted.points) == 33


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5])
def test_it_converges_when_two_iterations_in_a_row_win_less_than_the_tolerance(tolerance):
    objective, _, _ = quadratic()
    start = torch.zeros(12, dtype=torch.float64)
    solution = minimize(objective, start, max_evaluations=500, tolerance=tolerance)
    best = sorted(set(itertools.accumulate(map(total, solution.trace), min)), reverse=True)
    gains = [(old - new) / abs(old) for old, new in itertools.pairwise(best)]
    assert solution.reason is StopReason.CONVERGED
    small = [gain <= tolerance for gain in gains]
    assert small[-2:] == [True, True]
    assert not any(a and b for a, b in itertools.pairwise(small[:-1]))


@pytest.mark.parametrize("budget", [*range(1, 31), 60, 100])
def test_the_point_returned_is_the_best_that_was_evaluated(budget):
    counted = Counted(rosenbrock)
    solution = minimize(counted, START, max_evaluations=budget)
    totals = [total(rosenbrock(point)) for point in counted.points]
    assert torch.equal(solution.x, counted.points[int(np.argmin(totals))])


def test_the_start_is_returned_when_the_last_evaluation_is_worse():
    # The first step moves by 0.1 against a slope of −1: −0.1 + 1e6 · 1e-4 = 99.9.
    solution = minimize(lambda x: {"a": (-x + 1e6 * x**4).sum()}, vector(0), max_evaluations=2)
    assert [terms["a"] for terms in solution.trace] == [0, pytest.approx(99.9)]
    assert torch.equal(solution.x, vector(0))
    assert solution.terms == {"a": 0}


def test_a_slightly_better_last_point_is_returned_although_the_line_search_refuses_it():
    # c·x² with c just below 1 is mirrored by a full step to −x·(2c − 1): 2e-4 better, while the
    # line search wants 4e-4.
    solution = minimize(
        lambda x: {"a": (1 - 5e-5) * x.square().sum()},
        vector(0.01),
        max_evaluations=2,
        precondition=lambda gradient: gradient,  # a full first step
    )
    assert solution.trace[1]["a"] < solution.trace[0]["a"]
    assert solution.terms == solution.trace[1]
    assert solution.x.item() < 0


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4, 1e8])
def test_the_minimum_is_found_however_steep_the_start(scale):
    solution = minimize(
        lambda x: {"a": scale * (1 + (x - 0.5).square().sum())},
        vector(1.0, 0.2),
        max_evaluations=100,
    )
    torch.testing.assert_close(solution.x, vector(0.5, 0.5), atol=1e-2, rtol=0)


def test_the_start_is_not_modified():
    start = START.clone().requires_grad_()
    solution = minimize(rosenbrock, start, max_evaluations=30)
    assert torch.equal(start, START)
    assert start.grad is None
    assert not solution.x.requires_grad


@pytest.mark.parametrize("budget", [1, 10])
def test_nan_at_the_start_ends_at_once_with_the_start(budget):
    solution = minimize(lambda x: {"a": x.sum() * math.nan}, START, max_evaluations=budget)
    assert (solution.evaluations, solution.reason) == (1, StopReason.NON_FINITE)
    assert torch.equal(solution.x, START)


def test_an_infinite_gradient_counts_as_not_finite():
    solution = minimize(lambda x: {"a": x.sqrt().sum()}, vector(0, 1), max_evaluations=10)
    assert (solution.evaluations, solution.reason) == (1, StopReason.NON_FINITE)


def test_nan_everywhere_but_at_the_start_ends_with_the_start():
    def objective(x):
        away = (x.detach() != START).any()
        return {"a": x.square().sum() * (math.nan if away else 1)}

    solution = minimize(objective, START, max_evaluations=100)
    assert solution.reason is StopReason.NON_FINITE
    assert torch.equal(solution.x, START)
    assert solution.terms == {"a": pytest.approx(2.44)}
    assert 1 < solution.evaluations < 100


def test_nan_beyond_a_radius_is_stepped_back_from():
    # −10 x − log(1 − x²) is not defined from 1 on; its slope is 0 at (√404 − 2) / 20.
    solution = minimize(
        lambda x: {"linear": -10 * x.sum(), "barrier": -torch.log(1 - x.square()).sum()},
        vector(0),
        max_evaluations=100,
        tolerance=1e-12,
    )
    assert any(math.isnan(total(terms)) for terms in solution.trace)
    assert solution.reason is StopReason.CONVERGED
    assert solution.x.item() == pytest.approx((math.sqrt(404) - 2) / 20, abs=1e-5)


def test_a_metric_that_misleads_is_dropped():
    # Nearly straight down to a wall at 1: the curvature of 1e-9 promises steps of 1e9, of which
    # even the shortest, 1e-4, ends far behind the wall. The minimum is at 1 + 1 / 20.
    def objective(x):
        return {"a": (-x + 0.5e-9 * x**2 + 10 * (x - 1).clamp_min(0) ** 2).sum()}

    solution = minimize(objective, vector(0), max_evaluations=300)
    assert solution.x.item() == pytest.approx(1.05, abs=0.01)


def test_a_longer_history_needs_fewer_evaluations():
    objective, _, _ = quadratic(condition=1e4)
    start = torch.zeros(12, dtype=torch.float64)
    short, long = (
        minimize(objective, start, max_evaluations=900, history_size=size, tolerance=1e-12)
        for size in (1, 12)
    )
    assert long.evaluations < short.evaluations


def test_an_exception_of_the_callback_passes_unchanged():
    class Cancelled(Exception):
        pass

    cancelled, counted = Cancelled(), Counted(rosenbrock)

    def cancel(number, terms, x):
        if number == 3:
            raise cancelled

    with pytest.raises(Cancelled) as caught:
        minimize(counted, START, max_evaluations=30, on_evaluation=cancel)
    assert caught.value is cancelled
    assert len(counted.points) == 3


def test_the_callback_gets_every_evaluation_with_its_terms_and_point():
    calls, counted = [], Counted(rosenbrock)
    solution = minimize(
        counted, START, max_evaluations=15, on_evaluation=lambda *call: calls.append(call)
    )
    assert [number for number, _, _ in calls] == list(range(1, 16))
    assert [terms for _, terms, _ in calls] == list(solution.trace)
    assert all(torch.equal(c[2], p) for c, p in zip(calls, counted.points, strict=True))


def test_the_trace_starts_at_the_start_and_holds_the_terms_of_each_point():
    counted = Counted(rosenbrock)
    solution = minimize(counted, START, max_evaluations=20)
    assert torch.equal(counted.points[0], START)
    for point, terms in zip(counted.points, solution.trace, strict=True):
        wanted = {name: float(term) for name, term in rosenbrock(point).items()}
        assert terms == pytest.approx(wanted)
    wanted = {name: float(term) for name, term in rosenbrock(solution.x).items()}
    assert solution.terms == pytest.approx(wanted)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_results_are_the_same_where_autograd_is_off(mode):
    wanted = minimize(rosenbrock, START, max_evaluations=40)
    with mode():
        start = START.clone()
        solution = minimize(rosenbrock, start, max_evaluations=40)
        assert torch.equal(start, START)
    assert torch.equal(solution.x, wanted.x)
    assert solution.trace == wanted.trace
    assert not solution.x.is_inference()


def test_a_stationary_start_converges_after_one_evaluation():
    solution = minimize(lambda x: {"a": 1 + x.square().sum()}, vector(0, 0), max_evaluations=9)
    assert (solution.evaluations, solution.reason) == (1, StopReason.CONVERGED)
    assert torch.equal(solution.x, vector(0, 0))


def test_the_inverse_hessian_as_preconditioner_converges_in_few_evaluations():
    objective, matrix, wanted = quadratic(condition=1e6)
    inverse = torch.linalg.inv(matrix)
    start = torch.zeros(12, dtype=torch.float64)
    plain = minimize(objective, start, max_evaluations=500, tolerance=1e-12)
    # A short first step, two whole ones, and the test of no gain; rounding alone moves it after.
    solution = minimize(
        objective, start, max_evaluations=6, tolerance=1e-12, precondition=lambda g: inverse @ g
    )
    torch.testing.assert_close(solution.x, wanted, atol=1e-5, rtol=0)
    assert plain.evaluations > 20


def shifted_rosenbrocks(x):
    """Four problems with their minima at (1, 1) + a row's number."""
    number = torch.arange(4, dtype=x.dtype)
    a, b = x[:, 0] - number, x[:, 1] - number
    return {"valley": 100 * (b - a**2) ** 2, "slope": (1 - a) ** 2}


STARTS = torch.stack([START + shift for shift in (0, 1, 2.5, 3.2)])


def alone(index, **settings):
    def objective(x):
        return {n: t[index] for n, t in shifted_rosenbrocks(x.expand(4, -1)).items()}

    return minimize(objective, STARTS[index], **settings)


def test_rows_go_their_own_ways_and_stop_for_themselves():
    settings = {"max_evaluations": 200, "tolerance": 1e-6}
    together = minimize_rows(shifted_rosenbrocks, STARTS, **settings)
    counts = [solution.evaluations for solution in together]
    assert len(set(counts)) > 1
    for index, solution in enumerate(together):
        single = alone(index, **settings)
        torch.testing.assert_close(solution.x, single.x, rtol=1e-9, atol=1e-9)
        assert (solution.evaluations, solution.reason) == (single.evaluations, single.reason)
        assert len(solution.trace) == solution.evaluations


def test_a_row_that_stops_at_nan_does_not_spoil_the_others():
    def objective(x):
        broken = torch.tensor([1.0, math.nan, 1.0, 1.0], dtype=x.dtype)
        return {name: broken * term for name, term in shifted_rosenbrocks(x).items()}

    found = minimize_rows(objective, STARTS, max_evaluations=150, tolerance=1e-9)
    assert found[1].reason is StopReason.NON_FINITE
    assert torch.equal(found[1].x, STARTS[1])
    for index in (0, 2, 3):
        torch.testing.assert_close(found[index].x, vector(1, 1) + index, atol=1e-4, rtol=0)


def test_rows_that_have_stopped_are_told_of_no_more():
    told, counted = [], Counted(shifted_rosenbrocks)
    found = minimize_rows(
        counted, STARTS, max_evaluations=200, tolerance=1e-6, on_evaluation=told.append
    )
    assert len({solution.evaluations for solution in found}) > 1
    assert len(counted.points) == max(solution.evaluations for solution in found)
    for row, solution in enumerate(found):
        own = [evaluation for evaluation in told if evaluation.row == row]
        assert [evaluation.number for evaluation in own] == [*range(1, solution.evaluations + 1)]
        assert [evaluation.terms for evaluation in own] == list(solution.trace)
        for evaluation, points in zip(own, counted.points, strict=False):
            assert torch.equal(evaluation.x, points[row : row + 1])


def test_what_is_over_counts_the_rows_that_have_stopped_as_if_they_went_on():
    # A bar of rows times the budget: it goes on evenly and never back.
    told = []
    minimize_rows(
        shifted_rosenbrocks, STARTS, max_evaluations=200, tolerance=1e-6, on_evaluation=told.append
    )
    assert all(evaluation.done == 4 * evaluation.number for evaluation in told)
    assert [evaluation.done for evaluation in told] == sorted(e.done for e in told)


@pytest.mark.parametrize(
    ("budget", "error"), [(0, ValueError), (-3, ValueError), (2.5, TypeError), ("9", TypeError)]
)
def test_a_budget_that_is_no_whole_number_from_1_on_is_refused(budget, error):
    with pytest.raises(error, match="max_evaluations"):
        minimize(rosenbrock, START, max_evaluations=budget)


def test_a_host_that_hears_an_evaluation_late_changes_nothing(monkeypatch):
    prompt, heard = minimize_rows(shifted_rosenbrocks, STARTS, max_evaluations=60), []
    monkeypatch.setattr("blending.optimize.minimize._lag", lambda device: 1)
    counted = Counted(shifted_rosenbrocks)

    def listen(evaluation):
        heard.append((evaluation.number, len(counted.points)))

    late = minimize_rows(counted, STARTS, max_evaluations=60, on_evaluation=listen)
    for ours, theirs in zip(late, prompt, strict=True):
        assert torch.equal(ours.x, theirs.x)
        assert ours.trace == theirs.trace
    longest = max(solution.evaluations for solution in prompt)
    assert {number for number, _ in heard} == set(range(1, longest + 1))
    assert all(begun == min(number + 1, 60) for number, begun in heard)


EVERY = Weights(histogram=0.1, tv=0.1)


class NoAnswers(TorchDispatchMode):
    """Fails where the host asks the device for a value, or for a size that depends on values."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        assert name not in self.FORBIDDEN, name
        if name in ("index", "index_put", "index_put_"):
            assert not any(i is not None and i.dtype == torch.bool for i in args[1]), name
        return function(*args, **(kwargs or {}))


@pytest.fixture
def problems(noise, disc):
    """Two pictures, one with a soft mask."""
    made = []
    for seed in (1, 2):
        mask = disc(24, 32, 8).double()
        mask = mask * (0.5 + 0.5 * noise(1, 1, 24, 32, seed=9).double()) if seed == 2 else mask
        source, target = (noise(1, 3, 24, 32, seed=seed + s).double() for s in (0, 10))
        window = Window(source, mask, torch.ones_like(mask), target, Box(0, 0, 24, 32))
        guidance = guidance_field(source, window.source_valid, target, window.support)
        fidelity = FidelityWeights(window.support.double(), window.support.double(), 1.5)
        made.append(Problem(window, target, guidance, fidelity, EVERY))
    return made


def painted(problems, network):
    """The same with matched style, a contour that is left out, and shares of the content."""
    return [
        replace(
            problem,
            weights=replace(EVERY, histogram=0.0),
            wanted=network(problem.window.target, WANTED),
            seam=problem.window.mask,
            detail=1 + problem.window.mask,
        )
        for problem in problems
    ]


@pytest.mark.parametrize("is_painted", [False, True])
@pytest.mark.parametrize("tile", [None, 16])
def test_an_evaluation_and_a_step_wait_for_nothing(tile, is_painted, problems, network):
    if is_painted:
        problems = painted(problems, network.double())
    objective, _ = joint_objective(problems, network.double(), tile=tile)
    x0 = torch.cat([problem.window.source for problem in problems])
    search = Search(x0, 3, 1e-5, spectral_preconditioner(problems, problems[0].window.box))
    objective(x0)  # sorts for the histogram, once
    for _ in range(5):
        with NoAnswers():
            leaf = search.trial.clone().requires_grad_()
            values = torch.stack(list(objective(leaf).values())).sum(0)
            (gradient,) = torch.autograd.grad(values.sum(), leaf)
            search.update(values.detach(), gradient.flatten(1))


@pytest.mark.parametrize("ask", [lambda x: x.sum().item(), lambda x: x[x > 0], bool])
def test_that_would_be_noticed(ask):
    with pytest.raises(AssertionError), NoAnswers():
        ask(torch.ones(1))


def test_torchs_own_finds_nothing_better_in_as_many_evaluations(problems, network):
    problem, budget = problems[0], 25
    objective, _ = joint_objective([problem], network.double())
    (ours,) = minimize_rows(
        objective,
        problem.window.source,
        max_evaluations=budget,
        precondition=spectral_preconditioner([problem], problem.window.box),
    )
    x, values = problem.window.source.clone().requires_grad_(), []
    theirs = torch.optim.LBFGS([x], max_iter=budget, max_eval=budget, line_search_fn="strong_wolfe")

    def closure():
        theirs.zero_grad()
        value = torch.stack(list(objective(x).values())).sum()
        value.backward()
        values.append(value.item())
        return value

    theirs.step(closure)
    assert sum(ours.terms.values()) < min(values[:budget])
    assert ours.evaluations <= budget

"""The line search by hand: where it starts, what it accepts, how it shortens, when a row ends."""

import math

import pytest
import torch

from blending.optimize.line_search import ARMIJO, CONVERGED, NON_FINITE, RUNNING, SHORTEST, Search

# One row in two dimensions, at (1, 1), value 10, gradient (3, −4): the slope along −g is −25 and
# the first step, by which no element changes by more than 0.1, is 0.1 / 4.
VALUE, GRADIENT, SLOPE, FIRST = 10.0, (3.0, -4.0), -25.0, 0.025


def rows(*values):
    return torch.tensor(values, dtype=torch.float64)


def begun(precondition=None, tolerance=1e-5, history_size=5):
    """A search whose start has been evaluated."""
    search = Search(rows([1.0, 1.0]), history_size, tolerance, precondition)
    search.update(rows(VALUE), rows(GRADIENT))
    return search


def moved(search):
    """How far the next trial lies from the accepted point, in steps along −g."""
    x, trial = search.x[0], search.trial[0]
    shares = (x - trial) / rows(*GRADIENT)
    assert shares[0].item() == pytest.approx(shares[1].item())
    return shares[0].item()


def test_the_start_is_the_first_trial_in_its_own_shape():
    x0 = torch.arange(24.0).view(2, 3, 4)
    search = Search(x0, 5, 1e-5, None)
    assert torch.equal(search.trial, x0)
    search.update(torch.ones(2), torch.ones(2, 12))
    assert search.trial.shape == (2, 3, 4)


def test_the_first_step_changes_no_element_by_more_than_a_tenth():
    search = begun()
    assert search.trial[0].tolist() == pytest.approx([1 - 0.075, 1 + 0.1])


@pytest.mark.parametrize(
    ("factor", "expected"), [(1e-3, 1e-3), (0.02, 0.02), (0.5, FIRST), (10.0, FIRST)]
)
def test_a_preconditioners_own_step_is_taken_unless_it_is_longer_than_that(factor, expected):
    assert moved(begun(lambda g: factor * g)) == pytest.approx(expected)


def test_a_preconditioner_turns_the_direction():
    scale = torch.tensor([[1e-3, 2e-3]], dtype=torch.float64)
    search = begun(lambda g: scale * g)
    assert search.trial[0].tolist() == pytest.approx([1 - 3e-3, 1 + 8e-3])


@pytest.mark.parametrize(("share", "is_accepted"), [(1.01, True), (0.99, False), (-1.0, False)])
def test_a_step_is_accepted_where_it_wins_its_share_of_what_the_slope_promises(share, is_accepted):
    search = begun()
    tried = search.trial.clone()
    search.update(rows(VALUE + share * ARMIJO * FIRST * SLOPE), rows(GRADIENT))
    assert torch.equal(search.x, tried) == is_accepted
    assert (search.value.item() < VALUE) == is_accepted


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # h = 0.025: 25 h² / (2 (0.2 + 25 h)) = 0.015625 / 1.65
        (VALUE + 0.2, 0.015625 / 1.65),
        (VALUE, FIRST / 2),  # nothing won: the parabola's minimum is in the middle
        (VALUE - 5e-5, FIRST / 2),  # a little won: it would be beyond the middle
        (VALUE + 1e6, FIRST / 10),
        (math.inf, FIRST / 10),
        (math.nan, FIRST / 10),
    ],
)
def test_a_refused_step_is_shortened_to_the_parabolas_minimum_from_a_tenth_to_a_half(
    value, expected
):
    search = begun()
    search.update(rows(value), rows(GRADIENT))
    assert search.x[0].tolist() == [1.0, 1.0]
    assert moved(search) == pytest.approx(expected)
    assert search.state.tolist() == [RUNNING]


def test_the_parabola_starts_from_the_step_that_was_refused_last():
    search = begun()
    search.update(rows(VALUE), rows(GRADIENT))  # half a step is tried next
    search.update(rows(VALUE), rows(GRADIENT))
    assert moved(search) == pytest.approx(FIRST / 4)


def evaluations_until_it_ends(search, value):
    """How many evaluations of the same value the row goes on for; 99 at most."""
    for count in range(1, 100):
        search.update(rows(value), rows(GRADIENT))
        if search.state.item() != RUNNING:
            return count
    return None


def test_without_curvature_the_search_ends_below_the_shortest_step():
    # Halved each time: 2⁻¹³ of the first step is more than 1e-4, 2⁻¹⁴ less.
    assert 2**-14 < SHORTEST < 2**-13
    search = begun()
    assert evaluations_until_it_ends(search, VALUE) == 14
    assert search.state.tolist() == [CONVERGED]
    assert search.trial[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_search_that_meets_nothing_finite_ends_as_such(value):
    search = begun()
    # A tenth each time; 1e-4 of the first step may just be, or just not be, below the shortest.
    assert evaluations_until_it_ends(search, value) in (4, 5)
    assert search.state.item() == NON_FINITE
    assert search.best[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("gradient", [(math.nan, 0.0), (0.0, math.inf)])
def test_a_finite_value_with_a_gradient_that_is_not_is_refused(gradient):
    search = begun()
    search.update(rows(1.0), rows(gradient))
    assert search.x[0].tolist() == search.best[0].tolist() == [1.0, 1.0]
    assert moved(search) == pytest.approx(FIRST / 10)


@pytest.mark.parametrize(
    ("value", "gradient"), [(math.nan, (1.0, 1.0)), (math.inf, (1.0, 1.0)), (1.0, (math.nan, 1.0))]
)
def test_a_start_that_is_not_finite_ends_the_row_at_once(value, gradient):
    search = Search(rows([1.0, 1.0]), 5, 1e-5, None)
    search.update(rows(value), rows(gradient))
    assert search.state.tolist() == [NON_FINITE]
    assert search.trial[0].tolist() == [1.0, 1.0]


def test_a_start_without_a_slope_has_converged():
    search = Search(rows([1.0, 1.0]), 5, 1e-5, None)
    search.update(rows(7.0), rows([0.0, 0.0]))
    assert search.state.tolist() == [CONVERGED]


def test_a_preconditioner_that_leads_uphill_ends_the_row():
    search = begun(lambda g: -g)
    assert search.state.tolist() == [CONVERGED]
    assert search.trial[0].tolist() == [1.0, 1.0]


def quadratic(search, curvature=4.0):
    """Evaluate ½ c |x|² at the trial."""
    x = search.trial
    search.update(0.5 * curvature * x.square().sum(1), curvature * x)


def test_with_one_pair_a_parabola_is_solved_by_a_full_step():
    # From 1 to 0.9 by the first step; the pair says 1/4, and 4 · 0.9 / 4 leads to 0.
    search = Search(rows([1.0]), 5, 1e-5, None)
    quadratic(search)
    assert search.trial.item() == pytest.approx(0.9)
    quadratic(search)
    assert search.trial.item() == pytest.approx(0.0, abs=1e-12)


def test_curvature_that_misleads_is_forgotten_and_the_gradient_is_followed_again():
    search = Search(rows([1.0]), 5, 1e-5, None)
    quadratic(search)
    quadratic(search)
    filled = []
    for _ in range(14):
        filled.append(search.history.is_filled.item())
        search.update(search.value.clone(), rows([3.6]))  # nothing is won, whatever the step
    assert filled == [True] * 14
    assert not search.history.is_filled.item()
    assert search.state.tolist() == [RUNNING]
    assert search.x.item() == pytest.approx(0.9)
    assert search.trial.item() == pytest.approx(0.8)  # the first step again, from where it was


def constant_slope(search, values):
    """Evaluations on a straight way, where no curvature is found; whether the row is running."""
    states = []
    for value in values:
        search.update(rows(value), rows([1.0]))
        states.append(search.state.item())
    return states


def test_a_row_has_converged_at_two_small_gains_in_a_row():
    # A hundredth of the value: 0.5 and 0.3 of 100 are less, 9.2 is more.
    search = Search(rows([0.0]), 5, 0.01, None)
    assert constant_slope(search, (100.0, 99.5, 99.2)) == [RUNNING, RUNNING, CONVERGED]
    search = Search(rows([0.0]), 5, 0.01, None)
    states = constant_slope(search, (100.0, 99.5, 90.0, 89.8, 80.0, 79.9, 79.8))
    assert states == [RUNNING] * 6 + [CONVERGED]


def test_a_refused_step_between_two_small_gains_does_not_part_them():
    search = Search(rows([0.0]), 5, 0.01, None)
    assert constant_slope(search, (100.0, 99.5, 200.0, 99.2)) == [RUNNING] * 3 + [CONVERGED]


def test_a_refused_step_is_no_small_gain_of_its_own():
    search = Search(rows([0.0]), 5, 0.01, None)
    assert constant_slope(search, (100.0, 90.0, 200.0, 89.8)) == [RUNNING] * 4


def test_the_share_is_of_the_values_size_whatever_its_sign():
    search = Search(rows([0.0]), 5, 0.01, None)
    assert constant_slope(search, (-100.0, -102.0, -104.1)) == [RUNNING] * 3
    search = Search(rows([0.0]), 5, 0.01, None)
    assert constant_slope(search, (-100.0, -100.5, -101.0)) == [RUNNING] * 2 + [CONVERGED]


def test_the_best_point_is_kept_with_its_number_even_where_it_is_refused():
    search = begun()
    tried = search.trial.clone()
    search.update(rows(VALUE - 0.5 * ARMIJO * FIRST * -SLOPE), rows(GRADIENT))
    assert search.x[0].tolist() == [1.0, 1.0]
    assert torch.equal(search.best, tried)
    search.update(rows(VALUE + 1), rows(GRADIENT))  # worse
    assert torch.equal(search.best, tried)
    assert search.best_number.tolist() == [1]


def test_each_row_goes_its_own_way_and_a_stopped_one_stays():
    search = Search(rows([0.0], [0.0], [0.0]), 5, 1e-5, None)
    search.update(rows(10.0, 10.0, 10.0), rows([1.0], [0.0], [-2.0]))
    assert search.state.tolist() == [RUNNING, CONVERGED, RUNNING]
    assert search.trial.flatten().tolist() == pytest.approx([-0.1, 0.0, 0.1])
    # The first is accepted, the last refused; a lower value of the second no longer counts.
    search.update(rows(9.0, 1.0, 99.0), rows([1.0], [5.0], [-2.0]))
    assert search.x.flatten().tolist() == pytest.approx([-0.1, 0.0, 0.0])
    assert search.trial.flatten().tolist() == pytest.approx([-0.2, 0.0, 0.01])
    assert search.best_value.tolist() == [9.0, 10.0, 10.0]
    assert search.best_number.tolist() == [1, 0, 0]

"""The compact inverse Hessian against the two loops of the textbook, row by row."""

import numpy as np
import pytest
import torch

from blending.optimize.lbfgs import History

LENGTH = 9


def pairs_of(rng, count):
    """Steps, changes by a positive matrix, a symmetric positive first metric."""
    a, m = (_positive(rng) for _ in range(2))
    steps = rng.standard_normal((count, LENGTH))
    return steps, steps @ a, m


def _positive(rng):
    b = rng.standard_normal((LENGTH, LENGTH))
    return b @ b.T + np.eye(LENGTH)


def two_loops(gradient, steps, changes, metric):
    """Nocedal & Wright 2006, algorithm 7.4, with the first metric scaled by the newest pair."""
    q, weights = gradient.copy(), []
    for s, y in zip(steps[::-1], changes[::-1], strict=True):
        weights.append(s @ q / (s @ y))
        q = q - weights[-1] * y
    factor = 1.0
    if len(steps):
        factor = steps[-1] @ changes[-1] / (changes[-1] @ metric @ changes[-1])
    q = factor * metric @ q
    for s, y, weight in zip(steps, changes, weights[::-1], strict=True):
        q = q + (weight - y @ q / (s @ y)) * s
    return q


def row(array):
    return torch.from_numpy(np.ascontiguousarray(array))[None]


def add(history, s, y, metric, where=True):
    history.add(torch.tensor([where]), row(s), row(y), row(metric @ y))


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 7, 11])
def test_it_is_that_of_the_two_loops_of_the_newest_pairs(count):
    rng = np.random.default_rng(count)
    steps, changes, metric = pairs_of(rng, count)
    history = History(torch.zeros(1, LENGTH, dtype=torch.float64), 4)
    for s, y in zip(steps, changes, strict=True):
        add(history, s, y, metric)
    gradient = rng.standard_normal(LENGTH)
    found = history.apply(row(gradient), row(metric @ gradient))[0].numpy()
    expected = two_loops(gradient, steps[-4:], changes[-4:], metric)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_pairs_without_curvature_or_leave_are_not_kept():
    rng = np.random.default_rng(0)
    steps, changes, metric = pairs_of(rng, 2)
    history = History(torch.zeros(1, LENGTH, dtype=torch.float64), 3)
    add(history, steps[0], changes[0], metric)
    add(history, steps[1], -changes[1], metric)  # bends the wrong way
    add(history, steps[1], changes[1], metric, where=False)
    gradient = rng.standard_normal(LENGTH)
    found = history.apply(row(gradient), row(metric @ gradient))[0].numpy()
    np.testing.assert_allclose(found, two_loops(gradient, steps[:1], changes[:1], metric))


def test_a_row_that_forgets_has_its_first_metric_again_and_the_others_keep_theirs():
    rng = np.random.default_rng(1)
    steps, changes, metric = pairs_of(rng, 3)
    history = History(torch.zeros(2, LENGTH, dtype=torch.float64), 3)
    both = torch.tensor([True, True])
    for s, y in zip(steps, changes, strict=True):
        history.add(both, *(row(v).expand(2, -1) for v in (s, y, metric @ y)))
    history.forget(torch.tensor([True, False]))
    assert history.is_filled.tolist() == [False, True]
    gradient = rng.standard_normal(LENGTH)
    arguments = (row(v).expand(2, -1) for v in (gradient, metric @ gradient))
    first, second = history.apply(*arguments).numpy()
    np.testing.assert_allclose(first, metric @ gradient)
    np.testing.assert_allclose(second, two_loops(gradient, steps, changes, metric), rtol=1e-8)


def test_rows_of_different_age_do_not_mix():
    rng = np.random.default_rng(2)
    steps, changes, metric = pairs_of(rng, 6)
    history = History(torch.zeros(2, LENGTH, dtype=torch.float64), 3)
    for index, (s, y) in enumerate(zip(steps, changes, strict=True)):
        where = torch.tensor([True, index % 2 == 0])
        history.add(where, *(row(v).expand(2, -1) for v in (s, y, metric @ y)))
    gradient = rng.standard_normal(LENGTH)
    arguments = (row(v).expand(2, -1) for v in (gradient, metric @ gradient))
    first, second = history.apply(*arguments).numpy()
    expected = two_loops(gradient, steps[-3:], changes[-3:], metric)
    np.testing.assert_allclose(first, expected, rtol=1e-8)
    expected = two_loops(gradient, steps[::2], changes[::2], metric)
    np.testing.assert_allclose(second, expected, rtol=1e-8)

import itertools

import pytest

from nodes.pace import COST, COST_PER_PIXEL, LARGEST_SHARE, PERIOD, Pace


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def run(pixels, cost, evaluation, seconds):
    """A run that asks after every evaluation; the times of its pictures and all their cost."""
    clock = Clock()
    pace = Pace(pixels, clock)
    shown = []
    while clock.now < 100 + seconds:
        clock.now += evaluation
        if pace.is_due():
            began = clock.now
            clock.now += cost
            pace.pay(began)
            shown.append(began)
    return shown, cost * len(shown), clock.now - 100


def test_a_cheap_picture_comes_twice_a_second():
    shown, _, _ = run(512**2, 0.005, 0.1, 10)
    gaps = [after - before for before, after in itertools.pairwise(shown)]
    assert min(gaps) >= PERIOD
    assert len(shown) >= 15


@pytest.mark.parametrize("cost", [0.01, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("evaluation", [0.05, 0.7])
def test_pictures_never_cost_more_than_their_share(cost, evaluation):
    """But for the first one's surprise: until it is measured, its cost is estimated."""
    pixels = round((cost - COST) / COST_PER_PIXEL)
    shown, spent, seconds = run(pixels, cost, evaluation, 60)
    assert spent <= LARGEST_SHARE * seconds * 1.0001
    assert bool(shown) == (COST + COST_PER_PIXEL * pixels <= LARGEST_SHARE * 60)


def test_a_dearer_picture_than_expected_makes_the_next_one_wait():
    shown, _, _ = run(0, 1.0, 0.1, 45)
    assert shown[1] - shown[0] >= 1.0 / LARGEST_SHARE


def test_none_comes_in_a_run_shorter_than_the_period():
    assert run(0, 0.001, 0.1, 0.4)[0] == []

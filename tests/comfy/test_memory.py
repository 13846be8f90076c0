"""The server after many runs."""

import pytest

from tests.comfy.graphs import graph, poisson, refine, save

pytestmark = pytest.mark.comfy
MOST_GROWTH = 20e6  # bytes
RUNS = 50
WARM_UP = 5  # runs in which allocators, thread pools and caches fill


def test_fifty_runs_grow_the_server_by_less_than_20_mb(server, pictures):
    """Each differs by its place, so that nothing is taken from the cache."""

    def run(number: int) -> None:
        first = poisson(column=number % 40, row=number % 30, preset="fast", max_evaluations=2)
        second = refine(max_evaluations=1, strength=1 - number / 1000)
        outcome = server.run(graph(n4=first, n5=second, n9=save("5")))
        assert not outcome.error
        assert {"4", "5"} <= set(outcome.ran)

    for number in range(WARM_UP):
        run(number)
    before = server.memory()
    for number in range(WARM_UP, WARM_UP + RUNS):
        run(number)
    assert server.memory() - before < MOST_GROWTH

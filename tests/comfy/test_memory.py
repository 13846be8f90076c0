"""Memory manners: a network for a run and no longer, and a server that does not grow."""

import json
import uuid

import pytest

from tests.comfy.graphs import graph, node, poisson, probe, refine, save

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

    def memory() -> int:
        """Without what ComfyUI keeps of earlier results: newer versions keep all while they can."""
        server.post("/free", {"unload_models": True, "free_memory": True})
        run(0)
        return server.memory()

    for number in range(WARM_UP):
        run(number)
    before = memory()
    for number in range(WARM_UP, WARM_UP + RUNS):
        run(number)
    growth = memory() - before
    print(f"{server.comfy.version}: {RUNS} runs, {growth / 1e6:.1f} MB")
    assert growth < MOST_GROWTH


def models(server) -> dict:
    probing = node("PROBE_Models", nonce=uuid.uuid4().hex)
    return json.loads(server.run({"1": probing}).outputs["1"]["text"][0])


def log_since(server, start: int) -> str:
    return server.log.read_text()[start:]


def test_the_network_is_registered_for_a_run_and_dropped_at_its_end(server, pictures):
    start = len(server.log.read_text())
    outcome = server.run(graph(n4=poisson(column=33, max_evaluations=1)))
    assert not outcome.error
    assert "Requested to load Features" in log_since(server, start)
    assert models(server) == {"known": [], "alive": 0}


def test_the_exact_method_loads_no_network(server, pictures):
    start = len(server.log.read_text())
    assert not server.run(graph(n4=poisson(column=34, preset="seam repair"))).error
    assert "Requested to load Features" not in log_since(server, start)


def test_the_network_is_dropped_after_a_cancel(server, pictures):
    def cancel(message):
        if message["type"] == "progress":
            server.post("/interrupt", {})

    outcome = server.run(graph(n4=poisson(max_evaluations=1000)), on_message=cancel)
    assert outcome.of("execution_interrupted")
    assert models(server) == {"known": [], "alive": 0}


def test_the_network_is_dropped_after_an_error_inside_the_stage(server, pictures):
    """A picture on 0..255 passes the wiring's checks and is refused by the stage itself."""
    nodes = {"n6": probe("0..255 target"), "n5": refine(blend=["6", 0], mask=["4", 1])}
    outcome = server.run(graph(n4=poisson(preset="seam repair"), n9=save("5"), **nodes))
    assert "divide 8-bit values" in outcome.error
    assert models(server) == {"known": [], "alive": 0}

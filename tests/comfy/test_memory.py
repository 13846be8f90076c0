"""Memory manners: a network for a run and no longer; test_endurance.py looks at the server."""

import json
import uuid

import pytest

from tests.comfy.graphs import graph, node, poisson, probe, refine, save

pytestmark = pytest.mark.comfy


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

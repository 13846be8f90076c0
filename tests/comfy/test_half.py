"""A server that keeps half-precision pictures between nodes; newer versions only."""

import numpy as np
import pytest

from tests.comfy.graphs import graph, look, refine, save, scene, square

pytestmark = pytest.mark.comfy


@pytest.fixture
def half_pictures(half_server):
    for name, array in (("t", scene(1, 80, 96)), ("s", scene(4, 40, 48)), ("m", square(40, 48))):
        half_server.put(f"{name}.png", array)


def test_both_stages_run_and_hand_on_half_precision(half_server, half_pictures):
    nodes = {"n5": refine(), "n9": save("5"), "n6": look("4"), "n7": look("5"), "n8": look("1")}
    outcome = half_server.run(graph(**nodes))
    assert not outcome.error
    first, second, target = (half_server.looked(outcome, node) for node in ("6", "7", "8"))
    assert first.dtype == second.dtype == np.float16
    assert (first[:, :20] == target[:, :20]).all()
    assert (second[:, :20] == target[:, :20]).all()

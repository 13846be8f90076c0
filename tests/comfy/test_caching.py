"""What ComfyUI runs again, and what it need not."""

import pytest

from tests.comfy.graphs import graph, poisson, square

pytestmark = pytest.mark.comfy


def test_an_unchanged_graph_is_cached_and_a_changed_mask_file_is_not(server, pictures):
    prompt = graph(n4=poisson(column=17, preset="seam repair"))
    assert "4" in server.run(prompt).ran
    assert "4" not in server.run(prompt).ran
    server.put("m.png", square(40, 48, 10))
    assert {"3", "4"} <= set(server.run(prompt).ran)


def test_a_changed_widget_reruns_its_node_and_no_other(server, pictures):
    server.run(graph(n4=poisson(column=18, preset="seam repair")))
    ran = server.run(graph(n4=poisson(column=19, preset="seam repair"))).ran
    assert "4" in ran
    assert "3" not in ran


def test_two_prompts_queued_at_once_both_run(server, pictures):
    prompts = [graph(n4=poisson(column=c, preset="seam repair")) for c in (11, 31)]
    first, second = server.run_all(*prompts)
    assert not first.error
    assert not second.error
    blends = [server.saved(outcome) for outcome in (first, second)]
    assert (blends[0] != blends[1]).any()

"""What a source has been through: links followed, blends not, unknown graphs harmless."""

import pytest

from nodes.upstream import done_twice, nodes_behind

GRAPH = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "DIB_CleanCutout", "inputs": {"source": ["1", 0], "width": 12}},
    "3": {"class_type": "DIB_HarmoniseColours", "inputs": {"source": ["2", 0]}},
    "4": {"class_type": "ImageScale", "inputs": {"image": ["3", 0], "width": 5}},
    "5": {"class_type": "DIB_PoissonStage", "inputs": {"source": ["4", 0], "target": ["1", 0]}},
    "6": {"class_type": "DIB_PoissonStage", "inputs": {"source": ["5", 0], "target": ["3", 0]}},
}


def test_links_are_followed_through_other_nodes():
    behind = nodes_behind(GRAPH, "5", "source")
    assert behind == {"LoadImage", "DIB_CleanCutout", "DIB_HarmoniseColours", "ImageScale"}
    assert nodes_behind(GRAPH, "5", "target") == {"LoadImage"}


def test_a_blend_is_no_source_that_was_harmonised():
    assert nodes_behind(GRAPH, "6", "source") == set()


@pytest.mark.parametrize("graph", [None, {}, {"5": {"class_type": "X", "inputs": {}}}])
def test_an_unknown_graph_says_nothing(graph):
    assert nodes_behind(graph, "5", "source") == set()
    assert nodes_behind(graph, None, "source") == set()


def test_a_circle_ends():
    graph = {"1": {"class_type": "A", "inputs": {"source": ["2", 0]}}}
    graph["2"] = {"class_type": "B", "inputs": {"x": ["1", 0]}}
    assert nodes_behind(graph, "1", "source") == {"A", "B"}


def test_what_is_done_twice_is_warned_of():
    both = {"DIB_CleanCutout", "DIB_HarmoniseColours"}
    clean, harmonise = done_twice(both, 12, 0.5)
    assert "set clean to 0" in clean and "set harmonise to 0" in harmonise
    assert done_twice(both, 0, 0.0) == []
    assert done_twice({"LoadImage"}, 12, 0.5) == []

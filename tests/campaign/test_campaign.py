"""A short run of the campaign, always the same cases; and that the search finds what is wrong."""

import json
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .__main__ import main
from .graph_cases import FORMS, OUTPUTS, Output, cases, wired
from .parts import PARTS
from .picture_files import boundaries, encoded
from .search import FaultError, Part, search

SEED, SECONDS = 2026, 7  # of each part, at most
BASE = {"target": "IMAGE", "source": "IMAGE", "mask": "MASK", "target mask": "MASK"}


@pytest.mark.parametrize(
    ("name", "cases"), [("core", 40), ("exact", 40), ("files", 60), ("weights", 10)]
)
def test_a_short_run_finds_no_fault(name, cases):
    outcome = search(PARTS[name], cases, SEED, SECONDS)
    assert outcome.faults == {}
    assert sum(outcome.counts.values()) > 0


def test_a_fault_is_found_made_small_and_told_in_a_line_that_runs_it_again(capsys, monkeypatch):
    def check(case):
        if case["size"] > 5:
            raise FaultError("too large")
        return "done"

    part = Part("sizes", st.fixed_dictionaries({"size": st.integers(0, 1000)}), check)
    outcome = search(part, 500, SEED, SECONDS)
    ((name, line),) = outcome.faults.items()
    assert name == "fault: too large"
    assert outcome.counts["of a known fault"] > 0
    told = capsys.readouterr().out
    assert line in told
    words = shlex.split(line)
    assert words[:4] == ["python", "-m", "tests.campaign", "sizes"]
    assert json.loads(words[5]) == {"size": 6}
    monkeypatch.setitem(PARTS, "sizes", part)
    with pytest.raises(FaultError, match="too large"):
        main(words[3:])
    assert main(["sizes", "--cases", "50", "--seed", "1", "--minutes", "0.1"]) == 1


@settings(max_examples=60, database=None, deadline=None, derandomize=True)
@given(cases)
def test_drawn_graphs_are_wired_from_earlier_outputs_of_the_right_type(case):
    nodes = wired(case, [Output(kind, (what, 0), what) for what, kind in BASE.items()])
    assert len(nodes) >= len(case["nodes"])
    kinds = {(what, 0): kind for what, kind in BASE.items()}
    for own, node in nodes.items():
        form = FORMS[node["class_type"]]
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                assert kinds[tuple(value)] == form[name].kind
        needed = {n for n, one in form.items() if not one.optional and one.kind != "IMAGEUPLOAD"}
        assert needed <= node["inputs"].keys()
        kinds |= {(own, slot): kind for slot, kind in enumerate(OUTPUTS[node["class_type"]])}


@pytest.mark.parametrize(
    ("format", "parts"),
    [("PNG", b"IHDR IDAT IEND"), ("WEBP", b"VP8 "), ("JPEG", b"\xff\xdb \xff\xc0 \xff\xda")],
)
def test_a_files_boundaries_are_where_its_parts_begin(format, parts):
    words = {"mode": "RGB", "size": (9, 7), "seed": 0, "frames": 1}
    words |= {"orientation": None, "profile": None}
    content = encoded({**words, "format": format})
    found = boundaries(content)
    for part in parts.split():
        assert content.index(part) in found
    assert {0, len(content) - 1} <= set(found)

"""A short run of the campaign, always the same cases; and that the search finds what is wrong."""

import json
import shlex

import pytest
from hypothesis import strategies as st

from .__main__ import main
from .parts import PARTS
from .search import FaultError, Part, search

SEED, SECONDS = 2026, 8  # of each part, at most


@pytest.mark.parametrize(("name", "cases"), [("core", 40), ("exact", 40), ("files", 60)])
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

"""Every script of the benchmarks answers --help, and reaches into the core where it says."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

from blending.settings import PoissonSettings, RefineSettings
from blending.stages import poisson, refine

FOLDER = Path(__file__).parent
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if "argparse" in path.read_text("utf-8"))
SCRIPTS.remove(Path(__file__))


@pytest.fixture
def as_script(monkeypatch):
    """as_script(path, name): the script's globals, run with its folder first on the path."""

    def run(path, name="script"):
        monkeypatch.syspath_prepend(str(FOLDER))
        return runpy.run_path(str(path), run_name=name)

    return run


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_tells_its_options(path, as_script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    with pytest.raises(SystemExit) as end:
        as_script(path, "__main__")
    assert end.value.code == 0
    assert f"usage: {path.name}" in capsys.readouterr().out


def test_there_are_scripts_to_look_at():
    assert {"quality", "exact_speed", "deep_ratios"} <= {path.stem for path in SCRIPTS}


def test_the_batches_that_are_timed_are_solved_as_many_at_once(as_script):
    batch = as_script(FOLDER / "deep_ratios.py")["batch"]
    seen, cpu = [], torch.device("cpu")

    def seconds(call, rounds):
        at_once = poisson.rows_at_once(PoissonSettings(), cpu)
        seen.append((at_once, refine.rows_at_once(RefineSettings(), cpu)))
        return 2.0

    batch.__globals__["seconds"] = seconds
    rows = batch(1)
    # Eight calls, four sizes of groups, and one target for all: on a processor one at a time.
    assert seen == [(1, 1), (1, 1), (2, 2), (4, 4), (8, 8), (1, 1)]
    assert len(rows) == 6

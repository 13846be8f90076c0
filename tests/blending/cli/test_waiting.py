"""Threads sleep soon in the command line's own process, and only there; all runs without it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blending.cli import waiting
from blending.cli.waiting import WAITING, wait_briefly

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def environment(monkeypatch):
    """This process's, without what the tests' own start has set."""
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    return os.environ


def test_the_threads_wait_briefly(environment):
    wait_briefly()
    assert {name: environment[name] for name in WAITING} == WAITING


@pytest.mark.parametrize("name", WAITING)
def test_what_the_user_has_set_stays(environment, monkeypatch, name):
    monkeypatch.setenv(name, "the user's")
    wait_briefly()
    assert {key: environment[key] for key in WAITING if key in environment} == {name: "the user's"}


def test_importing_the_package_changes_nothing(environment):
    code = "import blending, blending.cli.main, os; print(sorted(set(os.environ) & set(names)))"
    command = [sys.executable, "-c", f"names = {list(WAITING)}; {code}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_file_the_command_line_blends(tmp_path):
    """As in what the registry ships."""
    pack = tmp_path / "blending"
    shutil.copytree(ROOT / "blending", pack, ignore=shutil.ignore_patterns("__pycache__"))
    (pack / "cli" / Path(waiting.__file__).name).unlink()
    command = [sys.executable, "-m", "blending", "--demo", "--stage", "exact", "--out", "a.png"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "a.png").stat().st_size

"""Real ComfyUI servers with this pack in them, one for each checkout that is named.

    COMFYUI_DIR=/somewhere/comfy-0.3.64:/somewhere/comfy-0.33.0 \\
    COMFYUI_PYTHON=/somewhere/venv-old/bin/python:/somewhere/venv-new/bin/python \\
    .venv/bin/python -m pytest tests/comfy

COMFYUI_DIR names checkouts, COMFYUI_PYTHON the interpreter of each (or one for all; none: this
one), both parted as PATH is, ";" on Windows. Every test that talks to a server runs once a version.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.comfy.graphs import scene, square
from tests.comfy.page import chromium
from tests.comfy.server import Comfy, Server

LOUD = "COMFYUI_DIR is not set: NO TEST AGAINST A REAL COMFYUI WAS RUN"


def _named() -> list[Comfy]:
    folders = [name for name in os.environ.get("COMFYUI_DIR", "").split(os.pathsep) if name]
    pythons = [name for name in os.environ.get("COMFYUI_PYTHON", "").split(os.pathsep) if name]
    if len(pythons) < 2:
        pythons = (pythons or [sys.executable]) * len(folders)
    if len(pythons) != len(folders):
        raise pytest.UsageError(
            f"COMFYUI_PYTHON must name one interpreter or one for each of COMFYUI_DIR's "
            f"{len(folders)} folders, got {len(pythons)}"
        )
    return [Comfy(Path(folder), python) for folder, python in zip(folders, pythons, strict=True)]


NAMED = _named()


@pytest.fixture(
    scope="session",
    params=NAMED or [None],
    ids=[f"comfyui-{comfy.version}" for comfy in NAMED] or ["no-comfyui"],
)
def comfy(request) -> Comfy:
    """Each of the ComfyUIs that are named."""
    if request.param is None:
        pytest.skip(LOUD)
    return request.param


def _started(comfy: Comfy, folder: Path, *extra: str) -> Iterator[Server]:
    server = Server(comfy, folder / "base", *extra)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(comfy, tmp_path_factory):
    yield from _started(comfy, tmp_path_factory.mktemp("comfy"))


@pytest.fixture(scope="session")
def half_server(comfy, tmp_path_factory):
    """A server with half-precision intermediates; older versions don't know the option."""
    if not comfy.knows_option("--fp16-intermediates"):
        pytest.skip(f"ComfyUI {comfy.version} has no --fp16-intermediates")
    yield from _started(comfy, tmp_path_factory.mktemp("half"), "--fp16-intermediates")


@pytest.fixture(scope="session")
def browser():
    yield from chromium()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory):
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture
def pictures(server):
    """The pictures of `graphs.graph`, written anew for each test."""
    server.put("t.png", scene(1, 80, 96))
    server.put("s.png", scene(4, 40, 48))
    server.put("m.png", square(40, 48))


def pytest_terminal_summary(terminalreporter):
    """Say in a line of its own when nothing was tried against a real ComfyUI."""
    if not NAMED:
        terminalreporter.write_line(f"tests/comfy: {LOUD}", red=True, bold=True)

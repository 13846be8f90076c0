"""The examples' pictures in the input folder: all of them, never over a file, never at any cost."""

import importlib
import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

PACK = Path(__file__).resolve().parents[2]
LOADERS = ("LoadImage", "DIB_LoadMask")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "input"


@pytest.fixture
def pictures(folder, monkeypatch):
    """The module, with ComfyUI's input folder a temporary one that is not made yet."""
    stub = SimpleNamespace(get_input_directory=lambda: str(folder))
    monkeypatch.setitem(sys.modules, "folder_paths", stub)
    monkeypatch.delitem(sys.modules, "nodes.example_pictures", raising=False)
    module = importlib.import_module("nodes.example_pictures")
    yield module
    sys.modules.pop("nodes.example_pictures", None)


def loaded() -> set[str]:
    """What the examples load."""
    files = (PACK / "example_workflows").glob("*.json")
    nodes = [node for file in files for node in json.loads(file.read_text("utf-8"))["nodes"]]
    return {node["widgets_values"][0] for node in nodes if node["type"] in LOADERS}


def test_what_the_examples_load_is_copied_byte_for_byte_and_nothing_else(pictures, folder):
    folder.mkdir()
    pictures.copy_missing()
    assert {path.name for path in folder.iterdir()} == loaded()
    assert all((folder / n).read_bytes() == p.read_bytes() for n, p in pictures.wanted().items())


def test_a_file_that_is_there_stays_and_a_link_that_leads_nowhere_too(pictures, folder):
    folder.mkdir()
    own, link, *_ = sorted(loaded())
    (folder / own).write_bytes(b"mine")
    (folder / link).symlink_to(folder / "nowhere")
    pictures.copy_missing()
    assert (folder / own).read_bytes() == b"mine"
    assert not (folder / "nowhere").exists()
    assert {path.name for path in folder.iterdir()} == loaded()


def test_a_folder_that_takes_nothing_costs_one_line(pictures, folder, caplog):
    folder.write_bytes(b"")  # a file in its place: nothing can be written into it
    with caplog.at_level(logging.WARNING):
        pictures.copy_missing()
    assert len(caplog.records) == 1
    assert str(pictures.INPUTS) in caplog.text


def test_a_copy_that_breaks_off_leaves_nothing(pictures, folder, caplog, monkeypatch):
    folder.mkdir()

    def full(self, mode):
        Path(self).touch(exist_ok=False)
        return Full()

    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def write(self, content):
            raise OSError("no space left on device")

    monkeypatch.setattr(pictures.Path, "open", full)
    monkeypatch.setattr(pictures.Path, "read_bytes", lambda self: b"picture")
    pictures.copy_missing()
    assert not list(folder.iterdir())
    assert "no space left" in caplog.text

"""What a report says about the machine, and what of its figures fits into JSON."""

import json
import math
import platform
import sys
import types
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import torch

from blending import report
from blending.report import json_ready, machine_report, memory_mark, picture_size

CPU = torch.device("cpu")


def test_the_versions_are_those_of_python_and_of_what_computes():
    versions = machine_report(CPU)["versions"]
    assert versions == {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "kornia": version("kornia"),
        "numpy": version("numpy"),
    }


def test_the_report_is_json_and_names_the_device():
    found = machine_report(CPU)
    assert set(found) == {"device", "peak_memory_bytes", "versions"}
    assert found["device"] == "cpu"
    assert machine_report(torch.device("meta", 1))["device"] == "meta:1"
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.fixture
def vendored(monkeypatch):
    """No distribution is installed."""

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(report, "metadata", missing)


def test_a_module_without_a_distribution_tells_its_own_version(vendored, monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia", types.SimpleNamespace(__version__="0.7.vendored"))
    assert machine_report(CPU)["versions"]["kornia"] == "0.7.vendored"


def test_a_module_that_tells_no_version_or_is_not_there_has_none(vendored, monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia", types.SimpleNamespace())
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    versions = machine_report(CPU)["versions"]
    assert versions["kornia"] is None
    assert versions["torchvision"] is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_peak_memory_is_that_of_the_run_not_of_the_process():
    before = torch.ones(50_000_000)  # 200 MB that are touched, and gone before the run
    del before
    mark = memory_mark(CPU)
    block = torch.ones(25_000_000)  # 100 MB of the run's own
    size = 4 * block.numel()
    del block
    assert machine_report(CPU, mark)["peak_memory_bytes"] == pytest.approx(size, rel=0.1)


def test_where_the_system_does_not_tell_there_is_no_peak(monkeypatch):
    def refuse(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "write_text", refuse)  # as on other systems
    assert machine_report(CPU, memory_mark(CPU))["peak_memory_bytes"] is None
    assert machine_report(CPU)["peak_memory_bytes"] is None


def test_a_run_does_not_fail_where_its_report_cannot_be_filled(monkeypatch):
    def refuse(*_, **__):
        raise OSError(5, "Input/output error")

    mark = memory_mark(CPU)
    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(report, "metadata", refuse)
    monkeypatch.setitem(sys.modules, "kornia", types.SimpleNamespace())
    found = machine_report(CPU, mark)
    assert found["peak_memory_bytes"] is None
    assert found["versions"]["kornia"] is None


def test_on_a_gpu_the_peak_is_what_torch_allocated_there_since(monkeypatch):
    reset, device = [], torch.device("cuda", 2)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset.append)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 300)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 1000 + device.index)
    assert machine_report(device, memory_mark(device))["peak_memory_bytes"] == 702
    assert reset == [device]


def test_figures_that_json_cannot_hold_are_none():
    figures = {"a": 1.5, "b": math.nan, "c": math.inf, "d": -math.inf, "e": 0, "f": -2}
    ready = json_ready(figures)
    assert ready == {"a": 1.5, "b": None, "c": None, "d": None, "e": 0, "f": -2}
    assert list(ready) == list(figures)
    json.dumps(ready, allow_nan=False)
    assert math.isnan(figures["b"])  # the given ones are left


def test_a_pictures_size_is_told_by_name():
    size = picture_size(torch.zeros(2, 4, 5, 7))
    assert size == {"batch": 2, "channels": 4, "height": 5, "width": 7}

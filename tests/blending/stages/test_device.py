"""Device and precision that are chosen, memory that may be taken, and what its lack looks like."""

import math
import warnings

import pytest
import torch

from blending.settings import Compute
from blending.stages import device as devices
from blending.stages.device import (
    free_memory,
    is_out_of_memory,
    multiplies_bfloat16,
    resolve_device,
    resolve_precision,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("has_units", [False, True])
@pytest.mark.parametrize(
    ("precision", "dtype", "without", "with_units"),
    [
        ("auto", torch.float32, torch.float32, torch.bfloat16),
        ("float32", torch.float32, torch.float32, torch.float32),
        ("bfloat16", torch.float32, torch.bfloat16, torch.bfloat16),
        ("auto", torch.float64, torch.float64, torch.float64),
        ("float32", torch.float64, torch.float64, torch.float64),
        ("bfloat16", torch.float64, torch.float64, torch.float64),
    ],
)
def test_bfloat16_is_taken_where_it_is_named_or_the_machine_has_units(
    precision, dtype, without, with_units, has_units, monkeypatch
):
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda device: has_units)
    found = resolve_precision(Compute(precision=precision), CPU, dtype)
    assert found == (with_units if has_units else without)


@pytest.mark.parametrize("answer", [False, True])
def test_a_processor_is_asked_for_its_tiles(answer, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: answer, raising=False)
    assert multiplies_bfloat16(CPU) is answer


def test_an_older_torch_or_another_device_has_no_units(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert multiplies_bfloat16(CPU) is False
    assert multiplies_bfloat16(torch.device("meta")) is False


@pytest.mark.parametrize(("major", "hip", "expected"), [(7, None, 0), (8, None, 1), (9, "6", 0)])
def test_a_gpu_is_asked_for_its_generation(major, hip, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (major, 0))
    monkeypatch.setattr(torch.version, "hip", hip)
    assert multiplies_bfloat16(torch.device("cuda")) == bool(expected)


def test_without_a_name_the_pictures_stay_where_they_are():
    assert resolve_device(Compute(), torch.device("meta")) == torch.device("meta")
    assert resolve_device(Compute("cpu"), torch.device("meta")) == CPU


def test_what_the_processor_says_when_memory_is_short_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_of_the_free_main_memory_four_fifths_may_be_taken(monkeypatch):
    monkeypatch.setattr(devices, "free_main_memory", lambda: 1000.0)
    assert free_memory(CPU) == pytest.approx(800)


def test_of_a_gpu_what_is_free_and_what_torch_keeps_unused_may_be_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 8000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 700)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 200)
    assert free_memory(torch.device("cuda")) == pytest.approx(0.8 * (1000 + 700 - 200))


def test_where_memory_cannot_be_asked_for_there_is_no_end_of_it():
    assert free_memory(torch.device("meta")) == math.inf


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("nonsense", "Expected one of cpu"),
        ("meta", "Cannot copy out of meta tensor"),
        ("", ""),
        ("cuda:99", ""),
    ],
)
def test_a_device_that_cannot_compute_is_refused_in_one_line(device, reason):
    with pytest.raises(ValueError, match="device must be one to compute on") as caught:
        resolve_device(Compute(device), CPU)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"device must be one to compute on, got {device!r}: ")
    told = line.split(": ", 1)[1]
    assert told
    assert reason in told
    assert "." not in told  # the first sentence of what torch says
    assert isinstance(caught.value.__cause__, RuntimeError | AssertionError | ImportError)


def test_what_torch_warns_of_is_told_by_the_error_alone():
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # else once a process
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with pytest.raises(ValueError, match="got 'mkldnn': The 'mkldnn' device type is dep"):
                resolve_device(Compute("mkldnn"), CPU)
    finally:
        torch.set_warn_always(before)
    assert told == []


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        RuntimeError("[enforce fail] data. DefaultCPUAllocator: not enough memory: you tried"),
        RuntimeError("unable to mmap 15272248 bytes from file <w>: Cannot allocate memory (12)"),
        torch.cuda.OutOfMemoryError("whatever it says"),
        RuntimeError("could not create a primitive"),
        ImportError("libquadmath.so.0: failed to map segment from shared object"),
    ],
)
def test_a_lack_of_memory_is_told_from_other_errors(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("words", ["out of range", "CUDA error: invalid argument", ""])
def test_other_errors_are_no_lack_of_memory(words):
    assert not is_out_of_memory(RuntimeError(words))

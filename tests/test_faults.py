"""Runs with a fault in them, in turn; the cases and what must hold are the campaign's.

By default every so many places of a few runs. EVERY_FAULT=1 in the environment: each place of them
all with each error, a night's work.
"""

import errno
import os

import pytest
import torch

from tests.campaign.injected import SCENARIOS, check, places
from tests.faults import ERRORS, CancelError, Fault

EVERY = "EVERY_FAULT" in os.environ
# How many places are passed over: of a number that divides no pattern of theirs.
STRIDES = {
    ("line over files", "files"): 17,
    ("line without hard links", "files"): 7,
    ("line without locks", "files"): 19,
    ("line with all", "files"): 131,
    ("blend photograph", "files"): 61,
    ("line", "memory"): 199,
    ("two at once", "memory"): 4001,
    ("shadow", "memory"): 997,
    ("film", "callbacks"): 11,
    ("line with all", "callbacks"): 5,
}
RUNS = [(name, kind) for name in SCENARIOS for kind in ERRORS] if EVERY else STRIDES


@pytest.mark.weights
@pytest.mark.parametrize(("name", "kind"), RUNS)
def test_a_fault_ends_a_run_clearly_and_leaves_nothing(name, kind):
    turn = 0
    for place in range(0, len(places(name, kind)), 1 if EVERY else STRIDES[name, kind]):
        for _ in ERRORS[kind] if EVERY else (None,):
            check({"scenario": name, "kind": kind, "place": place, "error": turn})
            turn += 1


OWN = os.path.dirname(__file__)


def write(path):
    with open(path, "w") as file:
        file.write("whole")
        file.flush()
    os.replace(path, f"{path}.done")


def test_each_place_of_a_kind_fails_in_turn_and_once(tmp_path):
    path = tmp_path / "a"
    counted = Fault("files", folder=OWN)
    with counted.injected():
        write(path)
    assert counted.passed == ["open", "write", "flush", "close", "os.replace"]
    for number, place in enumerate(counted.passed):
        fault = Fault("files", number, "ENOSPC", OWN)
        with fault.injected():
            with pytest.raises(OSError, match="No space left") as caught:
                write(path)
            assert caught.value is fault.raised
            assert caught.value.errno == errno.ENOSPC
            assert fault.place == place
            write(path)  # once
    write(path)
    assert (tmp_path / "a.done").read_text() == "whole"


def test_a_write_that_fails_has_written_a_half(tmp_path):
    with Fault("files", 1, "EIO", OWN).injected(), pytest.raises(OSError, match="error"):
        write(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "wh"


def test_operations_that_make_a_tensor_fail_and_views_do_not():
    def work():
        x = torch.ones(2, 3, requires_grad=True)
        (slope,) = torch.autograd.grad((x.T[0] * 3).sum(), x)
        return slope

    counted = Fault("memory", folder=OWN)
    with counted.injected():
        work()
    assert "aten.mul.Tensor" in counted.passed
    assert not {"aten.t.default", "aten.select.int"} & set(counted.passed)
    assert len(counted.passed) > 4  # the gradient's, too
    for number in range(len(counted.passed)):
        fault = Fault("memory", number, "device", OWN)
        with fault.injected(), pytest.raises(torch.OutOfMemoryError):
            work()
    assert work().tolist() == [[3, 0, 0], [3, 0, 0]]


def test_what_other_code_asks_for_is_no_place(tmp_path):
    fault = Fault("files", 0, "EIO", str(tmp_path))
    with fault.injected():
        write(tmp_path / "a")
    assert fault.passed == []


def test_a_callback_raises_at_its_turn():
    fault = Fault("callbacks", 1, "cancel", OWN)
    fault.callback()
    with pytest.raises(CancelError):
        fault.callback()
    fault.callback()

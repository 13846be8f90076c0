"""Where and how to compute: the values that are allowed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from blending.settings import PRECISIONS, BlendSettings, Compute, PoissonSettings, RefineSettings


def test_the_defaults_leave_everything_to_the_machine():
    assert Compute() == Compute(None, "auto", None)
    assert BlendSettings().compute == Compute()


@pytest.mark.parametrize("arithmetic", ["auto", "float32", "bfloat16"])
def test_an_arithmetic_may_be_named(arithmetic):
    assert arithmetic in PRECISIONS
    assert Compute(arithmetic=arithmetic).arithmetic == arithmetic


@pytest.mark.parametrize("wrong", ["float16", "BFLOAT16", "", None])
def test_no_other_arithmetic_is_taken(wrong):
    words = f"arithmetic must be one of auto, float32, bfloat16, got {wrong!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        Compute(arithmetic=wrong)


@pytest.mark.parametrize("wrong", [0, b"cpu", True])
def test_a_device_is_a_name(wrong):
    with pytest.raises(TypeError, match=f"device must be str or NoneType, got {wrong!r}"):
        Compute(device=wrong)


@pytest.mark.parametrize("wrong", [1.0, "1", True])
def test_memory_is_a_whole_number_of_bytes(wrong):
    with pytest.raises(TypeError, match=f"memory must be a whole number, got {wrong!r}"):
        Compute(memory=wrong)


def test_memory_is_not_below_0():
    assert Compute(memory=0).memory == 0
    with pytest.raises(ValueError, match=r"memory must be in \[0, inf\], got -1"):
        Compute(memory=-1)


@pytest.mark.parametrize("wrong", ["cpu", None])
def test_a_blends_compute_is_a_compute(wrong):
    with pytest.raises(TypeError, match=f"compute must be Compute, got {wrong!r}"):
        BlendSettings(compute=wrong)


@pytest.mark.parametrize("stage", [PoissonSettings, RefineSettings])
def test_a_sequence_is_true_or_false(stage):
    assert stage().sequence is False
    assert stage(sequence=True).sequence is True
    for wrong in (0, 1, None, "yes"):
        with pytest.raises(TypeError, match=f"sequence must be bool, got {wrong!r}"):
            stage(sequence=wrong)


def test_it_loads_without_torch():
    code = "import sys, blending.settings; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0

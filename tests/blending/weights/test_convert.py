"""The script that made the bundled weights."""

import hashlib
import runpy
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from blending.network.vgg16 import BUNDLED
from blending.weights import convert as module
from blending.weights.convert import convert


def test_tensors_are_rounded_to_half_precision(tmp_path):
    # Halves have 11 bits: 2049 lies between 2048 and 2050, ties go to the even one.
    save_file({"a": torch.tensor([1.0, 2049.0, 2051.0, -65504.0])}, tmp_path / "in.safetensors")
    convert(tmp_path / "in.safetensors", tmp_path / "out.safetensors")
    found = load_file(tmp_path / "out.safetensors")["a"]
    assert found.dtype == torch.float16
    assert found.tolist() == [1.0, 2048.0, 2052.0, -65504.0]


def test_tensors_lie_in_name_order(tmp_path):
    save_file({name: torch.ones(3) for name in ("c", "a", "b")}, tmp_path / "in.safetensors")
    convert(tmp_path / "in.safetensors", tmp_path / "out.safetensors")
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert list(file.offset_keys()) == ["a", "b", "c"]


def test_the_digest_is_returned_and_written_beside_the_file(tmp_path):
    save_file({"a": torch.ones(3)}, tmp_path / "in.safetensors")
    digest = convert(tmp_path / "in.safetensors", tmp_path / "out.safetensors")
    assert digest == hashlib.sha256((tmp_path / "out.safetensors").read_bytes()).hexdigest()
    assert (tmp_path / "out.sha256").read_text() == f"{digest}  out.safetensors\n"


@pytest.mark.parametrize("value", [65_520.0, float("inf"), float("nan")])
def test_values_that_do_not_fit_are_refused_and_nothing_is_written(value, tmp_path):
    save_file({"a": torch.tensor([0.0, value])}, tmp_path / "in.safetensors")
    with pytest.raises(ValueError, match=r"in\.safetensors must fit float16"):
        convert(tmp_path / "in.safetensors", tmp_path / "out.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["in.safetensors"]


def test_the_bundled_file_is_a_fixed_point(tmp_path):
    digest = convert(BUNDLED, tmp_path / "again.safetensors")
    assert digest == BUNDLED.with_suffix(".sha256").read_text().split()[0]


def test_the_default_output_is_the_bundled_file():
    assert module.OUTPUT == BUNDLED


def test_without_an_argument_the_script_tells_its_usage_and_writes_nothing(monkeypatch):
    before = BUNDLED.stat()
    monkeypatch.setattr(sys, "argv", [module.__file__])
    with pytest.raises(SystemExit) as told:
        runpy.run_path(module.__file__, run_name="__main__")
    assert "convert.py vgg16_conv1_1-conv4_3.safetensors" in told.value.code
    assert BUNDLED.stat() == before

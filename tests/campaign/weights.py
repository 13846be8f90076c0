"""Weights files, right and wrong: a blend, or one line that names the file; none is unpickled."""

import json
import os
import pickle
import struct
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load, save
from torch import Tensor

from blending.network.vgg16 import BUNDLED

from .files import check_refused, content_of, run_line
from .picture_files import KINDS
from .search import FaultError, Part

KEPT = ("whole", "more tensors", "float64", "bfloat16", "float8")  # what must be accepted
WRONG = (
    *("cut", "flip", "tail", "header", "long header", "not JSON", "offsets"),
    *("missing", "renamed", "shape", "scalar", "int8", "NaN", "inf", "overflow"),
    *("pickle", "torch", "zip", "kind"),
)
MAY_BE = ("zeros", "flip")  # where the numbers alone are wrong, it may be either
MARK = "unpickled"  # the file that a pickle of ours would make

cases = st.fixed_dictionaries(
    {
        "kind": st.sampled_from((*KEPT, *WRONG, "zeros")),
        "amount": st.integers(0, 1000),  # where it is cut, which tensor, which of the kinds
        "scale": st.sampled_from(("caffe", "standardised")),
        "stage": st.sampled_from(("poisson", "refine")),
    }
)


@cache
def _bundled() -> dict[str, Tensor]:
    return load(BUNDLED.read_bytes())


class _Trap:
    """What writes a file when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path(MARK),))


def _changed(kind: str, amount: int) -> bytes:
    """The bundled tensors with one of them changed."""
    tensors = dict(_bundled())
    name = sorted(tensors)[amount % len(tensors)]
    one = tensors.pop(name)
    width = {
        "int8": torch.int8,
        "float8": torch.float8_e4m3fn,
        "float64": torch.float64,
        "bfloat16": torch.bfloat16,
    }
    wrong: dict[str, Callable[[], Tensor]] = {
        "shape": lambda: one[None].clone() if amount % 2 else torch.cat((one, one)),
        "scalar": lambda: one.flatten()[0].clone(),
        "NaN": lambda: one.clone().index_fill_(0, torch.tensor([amount % len(one)]), torch.nan),
        "inf": lambda: one.clone().index_fill_(0, torch.tensor([amount % len(one)]), -torch.inf),
        "overflow": lambda: torch.full_like(one, 3e38, dtype=torch.float32),
        "zeros": lambda: torch.zeros_like(one),
    }
    if kind in wrong:
        tensors[name] = wrong[kind]()
    elif kind in width:
        tensors[name] = one.to(width[kind])
    elif kind == "renamed":
        tensors[name + "_"] = one
    elif kind != "missing":
        tensors[name] = one
        tensors["more"] = torch.zeros(amount)
    return save(tensors)


def _damaged(kind: str, amount: int) -> bytes:
    """The bundled file with its bytes changed."""
    content = bytearray(BUNDLED.read_bytes())
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    if kind == "cut":  # in the size, in the header, at its end, in the tensors, at the last byte
        places = (0, 4, 8, 9, 8 + size // 2, 8 + size, len(content) - 1, len(content) // 2)
        del content[places[amount % len(places)] :]
    elif kind == "flip":
        content[amount * (len(content) - 1) // 1000] ^= 1 + amount % 255
    elif kind == "tail":
        content += bytes(1 + amount)
    elif kind == "header":
        return bytes(content[:8]) + bytes(size) + bytes(content[8 + size :])
    elif kind == "long header":
        content[:8] = struct.pack("<Q", (2**63 + 5, 2**40, size + 1, 10**8 + 1)[amount % 4])
    elif kind == "not JSON":
        content[8:9] = b"["
    elif kind == "offsets":  # two tensors in the same bytes, or beyond the file
        names = sorted(name for name in header if name != "__metadata__")
        ends = header[names[0]]["data_offsets"]
        header[names[1]]["data_offsets"] = ends if amount % 2 else [ends[0], 2**62]
        words = json.dumps(header).encode()
        return struct.pack("<Q", len(words)) + words + bytes(content[8 + size :])
    return bytes(content)


def _write(path: Path, case: dict) -> None:
    kind, amount = case["kind"], case["amount"]
    if kind == "kind":
        KINDS[amount % len(KINDS)](path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"features.0.weight": _Trap()}, protocol=amount % 6))
    elif kind == "torch":
        torch.save({"features.0.weight": torch.zeros(3), "more": _Trap()}, path)
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(BUNDLED, "vgg16.safetensors")
    elif kind in ("cut", "flip", "tail", "header", "long header", "not JSON", "offsets"):
        path.write_bytes(_damaged(kind, amount))
    else:
        path.write_bytes(BUNDLED.read_bytes() if kind == "whole" else _changed(kind, amount))


def check(case: dict) -> str:
    """Blend two small pictures with a weights file."""
    draw, here = np.random.default_rng(0), Path.cwd()
    words = "--source s.png --mask m.png --target t.png --at 3,4 --preset fast --evaluations 1"
    words += f" --out out.png --stage {case['stage']} --input-scale {case['scale']}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, size in (("s", (16, 20, 3)), ("t", (32, 40, 3)), ("m", (16, 20))):
            Image.fromarray(draw.integers(0, 256, size, np.uint8)).save(folder / f"{file}.png")
        _write(folder / "w.safetensors", case)
        before = content_of(folder)
        os.chdir(folder)
        try:
            status, output, errors = run_line([*words.split(), "--weights", "w.safetensors"])
        finally:
            os.chdir(here)
        after = content_of(folder)
    if MARK in after:
        raise FaultError("weights: something was unpickled")
    if {name: after.get(name) for name in before} != before:
        raise FaultError("weights: a file was changed")
    written = {name: content for name, content in after.items() if name not in before}
    if status == 2:
        check_refused(output, errors, written)
        if "w.safetensors" not in errors:
            raise FaultError(f"weights: the file is not named: {errors[:100]}")
    elif status != 0 or errors or set(written) != {"out.png"}:
        raise FaultError(f"weights: exit {status} with {errors[-100:]}")
    is_right = status == (0 if case["kind"] in KEPT else 2)
    if not is_right and case["kind"] not in MAY_BE:
        raise FaultError(f"weights: {case['kind']} ends with {status}")
    return "written" if status == 0 else "refused"


WEIGHTS = Part("weights", cases, check)

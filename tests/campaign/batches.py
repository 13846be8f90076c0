"""Batches that end early, at any moment and again: after the last run all is as if undisturbed."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from .search import FaultError, Part

ROOT = Path(__file__).parents[2]
ROWS = 40

cases = st.fixed_dictionaries(
    {
        # When the runs end, in thousandths of the time that an undisturbed one takes.
        "moments": st.lists(st.integers(0, 1000), min_size=1, max_size=3),
        "end": st.sampled_from(("SIGKILL", "SIGKILL", "SIGKILL", "SIGINT", "SIGTERM")),
        "workers": st.integers(1, 2),
    }
)


@cache
def _manifest() -> tuple[Path, dict[str, bytes], float]:
    """A manifest, what an undisturbed run of it writes, and the seconds that it takes."""
    folder = Path(tempfile.mkdtemp(prefix="campaign-batches-"))
    draw = np.random.default_rng(8)
    for name, size in {"source": (60, 50), "target": (256, 256), "other": (256, 256)}.items():
        Image.fromarray(draw.integers(0, 256, (*size, 3), np.uint8)).save(folder / f"{name}.png")
    Image.fromarray(np.pad(np.full((40, 30), 255, np.uint8), 10)).save(folder / "mask.png")
    fields = {"source": "source.png", "mask": "mask.png", "preset": "seam-repair"}
    rows = [
        fields
        | {"target": "other.png" if number % 4 == 3 else "target.png", "at": [number, 3 * number]}
        | {"out": f"{number % 3}/{number}.png"}
        | ({"save_cutout": f"cut/{number}.png"} if number % 5 == 0 else {})
        for number in range(ROWS)
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    began = time.monotonic()
    status, _, errors = _ended(_start(path, folder / "out", 2))
    if status or errors:
        raise FaultError(f"batches: an undisturbed run ended with {status}: {errors}")
    return path, _written(folder / "out"), time.monotonic() - began


def _start(path: Path, out: Path, workers: int) -> subprocess.Popen:
    words = ["-m", "blending", "batch", str(path), "--out", str(out), "--workers", str(workers)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, *words], cwd=ROOT, text=True, **pipes)


def _ended(process: subprocess.Popen) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def _written(folder: Path) -> dict[str, bytes]:
    """Every file but the records, hidden ones too."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "results.jsonl"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _recorded(path: Path) -> int:
    """Rows with a whole record; the last line may be cut."""
    if not path.exists():
        return 0
    whole = path.read_bytes().rpartition(b"\n")[0]
    return len({json.loads(line)["out"] for line in whole.splitlines()})


def check(case: dict) -> str:
    """End a batch early, perhaps again and again, then let it run to its end."""
    if os.name != "posix":
        return "not on this system"
    path, expected, seconds = _manifest()
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out"
        done = 0
        for moment in case["moments"]:
            process = _start(path, out, case["workers"])
            time.sleep(moment / 1000 * seconds)
            process.send_signal(getattr(signal, case["end"]))
            status, _, errors = _ended(process)
            _check_end(case["end"], status, errors)
            for file, content in (_written(out) if out.exists() else {}).items():
                is_ours = ".blending-" in file
                if not is_ours and content != expected.get(file):
                    raise FaultError(f"batches: {case['end']}: {file} is half-written")
            done = _recorded(out / "results.jsonl")
        status, output, errors = _ended(_start(path, out, case["workers"]))
        if status or errors:
            raise FaultError(f"batches: the last run ended with {status}: {errors[-200:]}")
        if _written(out) != expected:
            stray = sorted(set(_written(out)) ^ set(expected))
            raise FaultError(f"batches: the last run left other files: {stray[:3]}")
        lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
        if [json.loads(line)["line"] for line in lines] != list(range(1, ROWS + 1)):
            raise FaultError("batches: the records are not one a row")
        _check_kept(output, done)
    return f"{case['end']}, {'with' if done else 'without'} rows done"


def _check_end(end: str, status: int, errors: str) -> None:
    if end == "SIGINT" and status == 130 and errors.count("\n") == 1:
        return
    if status == 0 and not errors:  # it was through already
        return
    if status != -getattr(signal, end) or errors:
        raise FaultError(f"batches: {end}: exit {status} with {errors[-80:]!r}")


def _check_kept(output: str, recorded: int) -> None:
    """What was recorded when the last run but one ended is not done again."""
    counts = dict(line.split()[:2] for line in output.splitlines()[:4])
    if int(counts["kept"]) != recorded:
        raise FaultError(f"batches: of {recorded} rows recorded {counts['kept']} were kept")


BATCHES = Part("batches", cases, check)

"""Runs of the command line that end early: signals, full disks, little memory."""

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

if os.name == "posix":
    import resource

REPOSITORY = Path(__file__).parents[2]
OUTPUTS = ("out.png", "cut.png", "report.json")
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
LONGEST = 120  # seconds of a run: one that takes longer hangs
# Torch is loaded before the limit, or nothing of ours would run.
LIMITED = """
import resource, sys
import blending.pipeline, blending.pictures.write, blending.pictures.read, blending.cli.progress
from blending.cli.main import main
own = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (own + {more}, resource.RLIM_INFINITY))
sys.exit(main(sys.argv[1:]))
"""

cases = st.fixed_dictionaries(
    {
        "end": st.sampled_from((*SIGNALS, "file size", "file size", "memory", "memory", "disk")),
        # Thousandths of an undisturbed run's time, of its largest file, of 300 MB, of the disk.
        "share": st.integers(0, 1100),
        "stage": st.sampled_from(("exact", "exact", "poisson")),
    }
)


def _words(stage: str) -> list[str]:
    words = "--source source.png --mask mask.png --target target.png --at 40,30 --evaluations 2 "
    words += f"--preset fast --stage {stage} --out out.png --save-cutout cut.png "
    return [*words.split(), "--report", "report.json"]


def _pictures(folder: Path) -> None:
    draw = np.random.default_rng(0)
    for name, side in (("source", 160), ("target", 320)):
        levels = draw.integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(levels).save(folder / f"{name}.png")
    Image.fromarray(np.pad(np.full((120, 120), 255, np.uint8), 20)).save(folder / "mask.png")


def _start(folder: Path, words: list[str], **options) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, *words]
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes, **options)


def _ended(process: subprocess.Popen) -> tuple[int, str]:
    try:
        _, errors = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise FaultError("ends: the run hangs") from None
    return process.returncode, errors


@cache
def _whole(stage: str) -> tuple[dict[str, bytes], float]:
    """What an undisturbed run writes, and its seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _pictures(folder)
        began = time.monotonic()
        status, errors = _ended(_start(folder, ["-m", "blending", *_words(stage)]))
        if status or errors:
            raise FaultError(f"ends: an undisturbed run ended with {status}: {errors}")
        seconds = time.monotonic() - began
        return {name: (folder / name).read_bytes() for name in OUTPUTS}, seconds


def _disturbed(case: dict, folder: Path) -> tuple[int, str]:
    stage, end, share = case["stage"], case["end"], case["share"] / 1000
    files, seconds = _whole(stage)
    command = ["-m", "blending", *_words(stage)]
    if end == "memory":
        code = LIMITED.format(more=int(300e6 * share))
        return _ended(_start(folder, ["-c", code, *_words(stage)]))
    if end == "file size":
        most = int(share * max(map(len, files.values())))
        limit = (most, resource.RLIM_INFINITY)
        setting = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)}
        return _ended(_start(folder, command, **setting))
    if end == "disk":
        return _ended(_start(folder, command))
    process = _start(folder, command)
    time.sleep(share * seconds)
    process.send_signal(getattr(signal, end))
    return _ended(process)


def _disk(folder: Path, case: dict) -> bool:
    """Mount a small disk on the folder; False where that is not permitted."""
    files, _ = _whole(case["stage"])
    room = 350_000 + int(case["share"] / 1000 * sum(map(len, files.values())))
    command = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def check(case: dict) -> str:
    """End a run early, look at what it left, and run it again."""
    if os.name != "posix":
        return "not on this system"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "own"
        folder.mkdir()
        is_mounted = case["end"] == "disk" and _disk(folder, case)
        if case["end"] == "disk" and not is_mounted:
            return "not permitted"
        try:
            _pictures(folder)
            status, errors = _disturbed(case, folder)
            _check_end(case, status, errors)
            _check_left(case, folder, status)
            if not is_mounted:
                _check_next(case, folder)
        finally:
            if is_mounted:
                subprocess.run(["umount", str(folder)], check=True)
    return f"{case['end']}, {'finished' if status == 0 else 'ended early'}"


def _check_end(case: dict, status: int, errors: str) -> None:
    if status == 0 and not errors:
        return
    end = case["end"]
    if end in ("SIGKILL", "SIGTERM", "SIGHUP") and status == -getattr(signal, end):
        return
    wanted, start = (130, "blending: interrupted") if end == "SIGINT" else (2, "blending: error:")
    is_one_line = errors.startswith(start) and errors.count("\n") == 1
    if status != wanted or not is_one_line:
        last = errors.splitlines()[-1][:80] if errors else "nothing"
        raise FaultError(f"ends: {end}: exit {status} with {last}")


def _check_left(case: dict, folder: Path, status: int) -> None:
    """Each output is whole or not there; a killed run may leave its part, others leave nothing."""
    files, _ = _whole(case["stage"])
    given = {"source.png", "target.png", "mask.png"}
    for path in folder.iterdir():
        if path.name in given:
            continue
        if path.name.endswith(".part"):
            if status >= 0:
                raise FaultError(f"ends: {case['end']}: a part is left")
        elif path.name == "report.json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.read_bytes() != files[path.name]:
            raise FaultError(f"ends: {case['end']}: {path.name} is half-written")
    if status == 0 and not all((folder / name).exists() for name in OUTPUTS):
        raise FaultError(f"ends: {case['end']}: exit 0 without its files")


def _check_next(case: dict, folder: Path) -> None:
    """The next run writes the same bytes and clears what the former left."""
    files, _ = _whole(case["stage"])
    words = ["-m", "blending", *_words(case["stage"]), "--overwrite"]
    status, errors = _ended(_start(folder, words))
    if status or errors:
        raise FaultError(f"ends: {case['end']}: the next run ended with {status}: {errors}")
    for name in ("out.png", "cut.png"):
        if (folder / name).read_bytes() != files[name]:
            raise FaultError(f"ends: {case['end']}: the next run's {name} differs")
    if list(folder.glob(".*.part")):
        raise FaultError(f"ends: {case['end']}: the next run leaves a part")


ENDS = Part("ends", cases, check)

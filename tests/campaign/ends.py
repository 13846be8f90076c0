"""Runs of the command line that end early: signals, little memory, full disks, two writers."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from .forks import LONGEST, REPOSITORY, run_forked
from .search import FaultError, Part

OUTPUTS = ("out.png", "cut.png", "report.json")
SIGNALS = ("SIGKILL", "SIGKILL", "SIGTERM", "SIGINT", "SIGINT", "SIGHUP")
ROOM = 30_000_000  # bytes of a disk that is large enough

stages = st.sampled_from(("exact", "exact", "poisson"))
kills = st.fixed_dictionaries(
    {
        "end": st.sampled_from(SIGNALS),
        "share": st.integers(0, 1100),  # thousandths of an undisturbed run's time
        "stage": stages,
        "there": st.booleans(),  # files that are to be replaced
    }
)
memory = st.fixed_dictionaries(
    {"end": st.just("memory"), "megabytes": st.integers(0, 160), "stage": stages}
)
disks = st.fixed_dictionaries(
    {
        "end": st.sampled_from(("disk", "disk", "file size")),
        # Thousandths of all that is written, of the largest file.
        "share": st.integers(0, 1100),
        "stage": stages,
    }
)
writers = st.fixed_dictionaries(
    {
        "stages": st.tuples(stages, stages),
        "overwrite": st.booleans(),
        # Thousandths of a run by which the second begins later: mostly they write at once.
        "later": st.one_of(st.integers(0, 20), st.integers(0, 60), st.integers(0, 1000)),
        # None, or when the first is killed.
        "killed": st.one_of(st.none(), st.integers(300, 1000)),
    }
)


def _words(stage: str, *more: str) -> list[str]:
    words = "--source source.png --mask mask.png --target target.png --at 40,30 --evaluations 2 "
    words += f"--preset fast --stage {stage} --out out/out.png --save-cutout out/cut.png "
    return [*words.split(), "--report", "out/report.json", *more]


def _command(stage: str, *more: str) -> list[str]:
    return ["-m", "blending", *_words(stage, *more)]


def _pictures(folder: Path) -> None:
    draw = np.random.default_rng(0)
    for name, side in (("source", 160), ("target", 320)):
        levels = draw.integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(levels).save(folder / f"{name}.png")
    Image.fromarray(np.pad(np.full((120, 120), 255, np.uint8), 20)).save(folder / "mask.png")
    (folder / "out").mkdir()


def _start(folder: Path, words: list[str]) -> subprocess.Popen:
    """The command line from its beginning, torch's loading with it."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, *words]
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def _ended(process: subprocess.Popen) -> tuple[int, str]:
    try:
        _, errors = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise FaultError("ends: the run hangs") from None
    return process.returncode, errors


def _run(folder: Path, words: list[str], **limits: int) -> tuple[int, str]:
    ended = run_forked(folder, words, **limits)
    if ended is None:
        raise FaultError("ends: the run hangs")
    return ended


@cache
def _seconds() -> float:
    """What an undisturbed run takes, from its beginning."""
    with tempfile.TemporaryDirectory() as name:
        _pictures(Path(name))
        began = time.monotonic()
        status, errors = _ended(_start(Path(name), _command("poisson")))
        if status or errors:
            raise FaultError(f"ends: an undisturbed run ended with {status}: {errors}")
        return time.monotonic() - began


@cache
def _whole(stage: str) -> dict[str, bytes]:
    """What an undisturbed run writes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _pictures(folder)
        status, errors = _run(folder, _words(stage))
        if status or errors:
            raise FaultError(f"ends: an undisturbed run ended with {status}: {errors}")
        return {name: (folder / "out" / name).read_bytes() for name in OUTPUTS}


def _in_a_folder(case: dict, check: Callable[[dict, Path], str]) -> str:
    if os.name != "posix":
        return "not on this system"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _pictures(folder)
        return check(case, folder)


def _outcome(case: dict, folder: Path, status: int, errors: str) -> str:
    """Look at how the run ended, at what it left, and at the next run."""
    _check_end(case, status, errors, folder)
    _check_left(case, folder, status)
    _check_next(case, folder)
    return f"{case['end']}, {'finished' if status == 0 else 'ended early'}"


def check_kill(case: dict) -> str:
    """Send a signal at a moment."""
    return _in_a_folder(case, _killed)


def _killed(case: dict, folder: Path) -> str:
    stage = case["stage"]
    if case["there"]:  # of another run: one that ends early leaves them or replaces them whole
        for name, content in _whole(_other(stage)).items():
            (folder / "out" / name).write_bytes(content)
    _seconds()  # before it starts
    process = _start(folder, _command(stage, *["--overwrite"] * case["there"]))
    time.sleep(case["share"] / 1000 * _seconds())
    process.send_signal(getattr(signal, case["end"]))
    return _outcome(case, folder, *_ended(process))


def _other(stage: str) -> str:
    return {"exact": "poisson", "poisson": "exact"}[stage]


def check_memory(case: dict) -> str:
    """Limit what the run may take beyond what torch has taken already."""
    return _in_a_folder(case, _limited)


def _limited(case: dict, folder: Path) -> str:
    limit = 2**20 * case["megabytes"]
    return _outcome(case, folder, *_run(folder, _words(case["stage"]), memory=limit))


def check_disk(case: dict) -> str:
    """Let the disk be full, or a file be no longer than so much."""
    return _in_a_folder(case, _filled)


def _filled(case: dict, folder: Path) -> str:
    files, share = _whole(case["stage"]), case["share"] / 1000
    if case["end"] == "file size":
        limit = int(share * max(map(len, files.values())))
        return _outcome(case, folder, *_run(folder, _words(case["stage"]), file_size=limit))
    room = max(4096, int(share * sum(map(len, files.values()))))
    if not _mounted(folder / "out", f"size={room}"):
        return "not permitted"
    try:
        status, errors = _run(folder, _words(case["stage"]))
        _check_end(case, status, errors, folder)
        _check_left(case, folder, status)
        _mounted(folder / "out", f"remount,size={ROOM}")
        _check_next(case, folder)
    finally:
        subprocess.run(["umount", str(folder / "out")], check=True)
    return f"disk, {'finished' if status == 0 else 'ended early'}"


def _mounted(folder: Path, options: str) -> bool:
    """Whether a disk in memory is mounted, or changed; False where that is not permitted."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _check_end(case: dict, status: int, errors: str, folder: Path) -> None:
    """A good end without words, the signal's own, or one line that says what was written."""
    if status == 0 and not errors:
        return
    end = case["end"]
    if end in ("SIGKILL", "SIGTERM", "SIGHUP") and status == -getattr(signal, end):
        return
    if end == "SIGINT" and _is_before_us(status, errors):
        return
    wanted, start = (130, "blending: interrupted") if end == "SIGINT" else (2, "blending: error:")
    is_one_line = errors.startswith(start) and errors.count("\n") == 1
    if status != wanted or not is_one_line:
        last = errors.splitlines()[-1][:80] if errors else "nothing"
        raise FaultError(f"ends: {end}: exit {status} with {last}")
    if case.get("there"):
        return  # of which run they are, `_check_left` asks
    told = {name for name in OUTPUTS if re.search(rf"[;,] .*{name}.* written", errors)}
    if told != {name for name in OUTPUTS if (folder / "out" / name).exists()}:
        raise FaultError(f"ends: {end}: other files are there than told: {errors.strip()[-120:]}")


def _is_before_us(status: int, errors: str) -> bool:
    """Whether Python was interrupted before it came to the pack, or after it.

    At first the signal's own end is its, then a traceback without a line of ours.
    """
    is_told = "KeyboardInterrupt" in errors and f"{REPOSITORY}" not in errors
    return is_told or (status == -signal.SIGINT and not errors)


def _check_left(case: dict, folder: Path, status: int) -> None:
    """Each output is whole or not there; a killed run may leave its part, others leave nothing."""
    stage, is_there = case["stage"], case.get("there", False)
    _check_whole(folder, [stage, _other(stage)] if is_there else [stage], may_be_parts=status < 0)
    for name, content in _whole(stage).items():
        path = folder / "out" / name
        if is_there and not path.exists():
            raise FaultError(f"ends: {case['end']}: {name}, which was there, is gone")
        is_written = path.exists() and (path.suffix == ".json" or path.read_bytes() == content)
        if status == 0 and not is_written:
            raise FaultError(f"ends: {case['end']}: exit 0 without {name}")


def _check_whole(folder: Path, stages: Iterable[str], may_be_parts: bool) -> None:
    """Each output is one that a run of these stages writes."""
    for path in (folder / "out").iterdir():
        if path.name.endswith(".part"):
            if not may_be_parts:
                raise FaultError("ends: a part is left")
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.read_bytes() not in [_whole(stage)[path.name] for stage in stages]:
            raise FaultError(f"ends: {path.name} is half-written or a mixture")


def _check_next(case: dict, folder: Path) -> None:
    """The next run writes the same bytes and clears what the former left."""
    files = _whole(case["stage"])
    status, errors = _run(folder, _words(case["stage"], "--overwrite"))
    if status or errors:
        raise FaultError(f"ends: {case['end']}: the next run ended with {status}: {errors}")
    for name in ("out.png", "cut.png"):
        if (folder / "out" / name).read_bytes() != files[name]:
            raise FaultError(f"ends: {case['end']}: the next run's {name} differs")
    if list((folder / "out").glob(".*.part")):
        raise FaultError(f"ends: {case['end']}: the next run leaves a part")


def check_writers(case: dict) -> str:
    """Two runs with the same outputs at once."""
    return _in_a_folder(case, _written_twice)


def _written_twice(case: dict, folder: Path) -> str:
    more = ["--overwrite"] * case["overwrite"]
    seconds = _seconds()
    first = _start(folder, _command(case["stages"][0], *more))
    time.sleep(case["later"] / 1000 * seconds)
    second = _start(folder, _command(case["stages"][1], *more))
    if case["killed"] is not None:
        time.sleep(max(0, case["killed"] - case["later"]) / 1000 * seconds)
        first.kill()
    ends = [_ended(first), _ended(second)]
    for end in ends if case["killed"] is None else ends[1:]:
        _check_writer(*end, case["overwrite"])
    _check_whole(folder, case["stages"], may_be_parts=case["killed"] is not None)
    done = sum(status == 0 for status, _ in ends)
    if not done and case["killed"] is None:
        raise FaultError("ends: of two writers none writes")
    _check_next({"stage": case["stages"][1], "end": "two writers"}, folder)
    return f"{done} of 2 wrote"


def _check_writer(status: int, errors: str, overwrite: bool) -> None:
    """It wrote, or said that the other one had."""
    is_refused = re.fullmatch(r"blending: error: out/\S+ exists; [^\n]*\n", errors)
    if (status, errors) != (0, "") and (status != 2 or not is_refused or overwrite):
        raise FaultError(f"ends: of two writers one ended with {status}: {errors[-120:]}")


KILLS = Part("kills", kills, check_kill)
MEMORY = Part("memory", memory, check_memory)
DISKS = Part("disks", disks, check_disk)
WRITERS = Part("writers", writers, check_writers)

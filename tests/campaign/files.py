"""Command lines on picture files of every kind, whole and damaged: the picture, or one line."""

import io
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

from hypothesis import strategies as st
from PIL import Image

from blending.cli.main import main
from blending.pictures import opening

from .picture_files import SUFFIXES, picture, write
from .search import FaultError, Part

if os.name == "posix":
    import resource

LONGEST = 90  # seconds of a run: one that takes longer hangs
FREE = 400e6  # bytes that a picture finds free, whatever the machine has: a bomb is what is larger
MOST_MEMORY = 600  # MB that a run on pictures of 40 pixels may grow by, a network's included
ODD = (
    *("--at 1000000000,0", "--at 1,2,3", "--at 0.5,1", "--at -3,-2", "--at 15,19"),
    *("--scale nan", "--scale -1", "--scale 1e-9", "--scale 0.5", "--scale 3", "--scale 1e9"),
    *("--bleed 2", "--bleed nan", "--bleed 0", "--clean -1", "--clean 5", "--harmonise 1"),
    *("--evaluations 0", "--evaluations 1", "--memory 0", "--memory 1", "--memory -5"),
    *("--device cuda:9", "--device mkldnn", "--device nonsense", "--device cpu"),
    *("--out out.xyz", "--out missing/out.png", "--out .", "--out out.jpg", "--out out.webp"),
    *("--out out.tif", "--out target.png", "--out out", "--overwrite", "--invert-mask"),
    *("--report out.png", "--report report.json", "--report missing/report.json"),
    *("--save-cutout cut.png", "--save-cutout cut.jpg", "--save-cutout source.png"),
    *("--mask-channel alpha", "--mask-channel red", "--gradients mixed", "--gradients none"),
    *("--weights missing", "--weights source.png", "--preset fast", "--preset seam-repair"),
    *("--method deep", "--region band", "--strength 0.5", "--input-scale standardised"),
    *("--unknown", "--demo", "--arithmetic float32", "--arithmetic bfloat16"),
    # A pipe, a socket and a device as outputs, made beside the pictures.
    *("--out pipe.png", "--out socket.png", "--report pipe.json", "--save-cutout device.png"),
)
NUMBERS = ("--scale", "--bleed", "--harmonise", "--strength", "--clean", "--memory")
TEXTS = ("--at", "--preset", "--stage", "--gradients", "--device", "--mask-channel")
NAMES = ("--out", "--report", "--save-cutout", "--weights")
numbers = st.one_of(
    st.floats(-2, 8).map(repr), st.integers(-3, 40).map(str), st.floats(min_value=1e5).map(repr)
)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
names = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="/\\.~"), min_size=1, max_size=40
)
option = st.one_of(
    st.sampled_from(ODD).map(str.split),
    st.tuples(st.sampled_from(NUMBERS), numbers).map(list),
    st.tuples(st.sampled_from(TEXTS), texts).map(list),
    st.tuples(st.sampled_from(NAMES), names, st.sampled_from((".png", ".json", "", ".tif"))).map(
        lambda words: [words[0], words[1] + words[2]]
    ),
)
cases = st.fixed_dictionaries(
    {
        "source": picture,
        "target": picture,
        "mask": picture,
        "masked": st.sampled_from((True,) * 8 + (False,)),
        "fits": st.sampled_from((True,) * 9 + (False,)),  # the mask has the source's size
        "options": st.lists(option, max_size=3),
        "with_options": st.sampled_from((True, False)),
    }
)


def _make(case: dict, folder: Path) -> list[str]:
    """Write the pictures; the words of the command line."""
    words = ["--stage", "exact", "--evaluations", "1", "--out", "out.png"]
    for role in ("source", "target", "mask"):
        own = case[role]
        if role == "mask" and not case["masked"]:
            continue
        if role == "mask" and case["fits"]:
            own = {**own, "size": case["source"]["size"]}
            own["orientation"] = case["source"]["orientation"]
        # A suffix that is not the format's now and then: the content decides.
        suffix = ".png" if own["seed"] % 5 == 0 else SUFFIXES[own["format"]]
        path = folder / f"{role}{suffix}"
        write(path, own)
        words += [f"--{role}", path.name]
    options = case["options"] if case["with_options"] else []
    return words + [word for option in options for word in option]


@contextmanager
def bounded() -> Iterator[None]:
    """Raise where what runs takes far too long or far too much memory."""
    if os.name != "posix":
        yield
        return

    def late(*_) -> None:
        raise FaultError("files: the run hangs")

    before, former = resource.getrusage(resource.RUSAGE_SELF), signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    after = resource.getrusage(resource.RUSAGE_SELF)
    grown = (after.ru_maxrss - before.ru_maxrss) / (2**20 if sys.platform == "darwin" else 2**10)
    if grown > MOST_MEMORY:
        raise FaultError(f"files: the run took more than {MOST_MEMORY} MB")


def run_line(words: list[str]) -> tuple[object, str, str]:
    """Status, standard output and standard error, that of libraries in C with it."""
    output, errors = io.StringIO(), io.StringIO()
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as own:
        os.dup2(own.fileno(), 2)
        try:
            with (
                redirect_stdout(output),
                redirect_stderr(errors),
                patch.object(opening, "free_main_memory", lambda: FREE),
                bounded(),
            ):
                try:
                    status = main(words)
                except SystemExit as end:
                    status = end.code
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        own.seek(0)
        beside = own.read().decode(errors="replace")
    return status, output.getvalue(), errors.getvalue() + beside


def content_of(folder: Path) -> dict[str, bytes | None]:
    """The files of a folder by name; None for what is no file."""
    return {p.name: p.read_bytes() if p.is_file() else None for p in sorted(folder.iterdir())}


def check(case: dict) -> str:
    """Run the command line in a folder of its own and look at how it ended."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = _make(case, folder)
        _make_no_files(folder)
        before = content_of(folder)
        os.chdir(folder)
        try:
            status, output, errors = run_line(words)
        finally:
            os.chdir(here)
        after = content_of(folder)
    changed = [name for name, content in before.items() if after.get(name, b"?") != content]
    written = {name: content for name, content in after.items() if name not in before}
    if changed and "--overwrite" not in words:
        raise FaultError(f"files: {changed[0].split('.')[0]} was changed")
    if status == 2:
        check_refused(output, errors, written)
        return "refused"
    if status != 0:
        raise FaultError(f"files: exit status {status}")
    if errors:
        raise FaultError(f"files: words beside a good end: {errors.splitlines()[-1]}")
    _check_written(words, after, case["target"])
    return "written"


def _make_no_files(folder: Path) -> None:
    """A pipe, a socket and a device for the options that name them as outputs."""
    if os.name == "posix":
        os.mkfifo(folder / "pipe.png")
        os.mkfifo(folder / "pipe.json")
        os.mknod(folder / "socket.png", 0o140644)
        (folder / "device.png").symlink_to("/dev/full")


def check_refused(output: str, errors: str, written: dict) -> None:
    """One line on standard error and nothing else."""
    is_one_line = errors.startswith("blending: error: ") and errors.count("\n") == 1
    if output or not is_one_line or not errors.endswith("\n"):
        first = errors.splitlines()[0] if errors else "nothing"
        raise FaultError(f"files: refused not in one line: {first[:60]}")
    if written:
        raise FaultError(f"files: {', '.join(sorted(written))} written though refused")


def _check_written(words: list[str], after: dict, target: dict) -> None:
    """Every promised file is there and opens; the blend has the target's size, turned upright."""
    last = {one: two for one, two in pairwise(words) if one.startswith("--")}
    for name in ("--out", "--save-cutout"):
        if name not in last:
            continue
        content = after.get(last[name])
        if not content:
            raise FaultError(f"files: {name} is missing after exit 0")
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            # A damaged one may have another size; turned upright, height may be width.
            is_known = name == "--out" and not target["damage"]
            if is_known and sorted(image.size) != sorted(target["size"]):
                raise FaultError(f"files: {name} is not of the target's size")


FILES = Part("files", cases, check)

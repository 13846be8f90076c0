"""Runs in which one write, read, allocation or callback fails: a clear end, and nothing left."""

import gc
import io
import json
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from blending import (
    PRESETS,
    CropSettings,
    PoissonSettings,
    RefineSettings,
    ShadowSettings,
    blend,
    contact_shadow,
    crop_for_repair,
    load_features,
    place,
    poisson_stage,
    refine_stage,
    stitch,
)
from blending.cli.main import main
from blending.cli.progress import Progress
from blending.image.mask import adjust_mask
from blending.pictures import atomic
from blending.placement.layout import Layout
from blending.placement.place_object import place_object
from blending.plots.loss_curves import loss_curves
from blending.plots.panel_captions import panel_sheets, profile_plots
from blending.quality.laplacian_panels import laplacian_panels
from blending.stages import poisson
from tests.faults import ERRORS, Fault

from .pictures import same_bits
from .search import FaultError, Part

Observer = Callable[..., None] | None
DESCRIPTORS = Path("/proc/self/fd")
# Of a report: not the same in two runs, or None where they cannot be read.
VOLATILE = ("seconds", "peak_memory_bytes", "versions")
FEW = 2  # evaluations
# Torch forgets what was raised within it where it makes a tensor of a file's storage, and says so.
FORGOTTEN = "could not determine the shape of object type 'torch.storage.UntypedStorage'"


def _noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(5))


@cache
def _pictures() -> dict[str, Tensor]:
    """A source, a target and a mask of each kind that the runs take; none is ever changed."""
    mask = torch.zeros(1, 1, 24, 26)
    mask[..., 4:-4, 5:-5] = 1
    return {
        "source": _noise(1, 3, 24, 26),
        "target": 0.5 * _noise(1, 3, 44, 48) + 0.2,
        "targets": 0.5 * _noise(2, 3, 44, 48) + 0.2,
        "mask": mask,
        "whole": torch.nn.functional.pad(mask, (11, 11, 10, 10)),
    }


@cache
def _network():
    return load_features()


def _blend(preset: str, observer: Observer) -> dict[str, Tensor]:
    p, settings = _pictures(), PRESETS[preset]
    settings = replace(
        settings,
        poisson=replace(settings.poisson, max_evaluations=FEW),
        refine=settings.refine and replace(settings.refine, max_evaluations=FEW),
    )
    found = blend(
        *(p[name] for name in ("source", "target", "mask")),
        row=9,
        column=10,
        settings=settings,
        on_evaluation=observer,
    )
    return {"image": found.image, "mask": found.mask, "cut-out": found.cutout}


def _film(observer: Observer) -> dict[str, Tensor]:
    """The stages by themselves, with a network that is theirs for a while; frame by frame."""
    p = _pictures()
    placed = place(p["source"], p["targets"], p["mask"], 9, 10)
    settings = PoissonSettings(max_evaluations=FEW, sequence=True)
    first = poisson_stage(placed, settings, _network(), None, observer)
    image, source = first.image, first.source
    further = RefineSettings(max_evaluations=FEW, region="band", sequence=True)
    done = refine_stage(
        image, p["targets"], first.mask, further, _network(), None, observer, None, source
    )
    return {"first": image, "refined": done.image}


def _two_at_once(observer: Observer) -> dict[str, Tensor]:
    """As on a GPU: where the memory is not enough for both, it is tried with one at a time."""
    p = _pictures()
    placed = place(p["source"], p["targets"], p["mask"], 9, 10)
    with patch.object(poisson, "rows_at_once", lambda *_: 2):
        settings = PoissonSettings(max_evaluations=FEW)
        found = poisson_stage(placed, settings, _network(), None, observer)
    return {"image": found.image}


def _panels(observer: Observer) -> dict[str, Tensor]:
    p = _pictures()
    placed = place(p["source"], p["target"], p["mask"], 9, 10)
    found = poisson_stage(placed, PoissonSettings(method="exact"), None, None, observer)
    panels = laplacian_panels(found.image, found.placed)
    trace = [{"gradient": 3.0, "tv": 1.0}, {"gradient": 1.0, "tv": 0.5}]
    picture = {"evaluations": 2, "trace": trace, "stop_reason": "budget spent"}
    curves = loss_curves(json.dumps({"stage": "poisson", "pictures": [picture]}))
    sheet = panel_sheets(panels.by_name, panels.report["pictures"])
    return {"panels": sheet, "profile": profile_plots(panels.profiles), "curves": curves}


def _shadow(observer: Observer) -> dict[str, Tensor]:
    p = _pictures()
    found = contact_shadow(p["targets"], p["whole"], ShadowSettings(direction=30), observer)
    return {"image": found.image, "shadow": found.shadow}


def _repair(observer: Observer) -> dict[str, Tensor]:
    p = _pictures()
    crops = crop_for_repair(p["target"], p["whole"], CropSettings(width=40, height=40))
    found = stitch(
        0.8 * crops.image + 0.1,
        crops.place,
        "photograph",
        network=_network(),
        on_evaluation=observer,
    )
    return {"image": found.image, "mask": found.mask}


def _object(_: Observer) -> dict[str, Tensor]:
    p = _pictures()
    found = place_object(p["source"], p["target"], p["mask"], Layout(rotation=30, scale=1.3), True)
    mask = adjust_mask(p["mask"], fill_holes=9, drop_specks=2, grow=2, feather=3)
    return {"paste": found.paste, "mask": found.mask, "adjusted": mask}


LIBRARY: dict[str, Callable[[Observer], dict[str, Tensor]]] = {
    **{f"blend {preset}": partial(_blend, preset) for preset in PRESETS},
    "film": _film,
    "two at once": _two_at_once,
    "panels": _panels,
    "shadow": _shadow,
    "repair": _repair,
    "object": _object,
}


@dataclass(frozen=True)
class Line:
    """A command line, its target's kind, and what is lacking where it runs."""

    words: str
    bits: int = 8
    lacks: str = ""


LINES = {
    "line": Line("--stage exact --out out.png"),
    "line with all": Line("--evaluations 2 --out out.png --save-cutout cut.png --report r.json"),
    "line over files": Line("--stage exact --out out.png --report r.json --overwrite"),
    "line of 16 bits": Line("--stage exact --out out.png --save-cutout cut.png", 16),
    "line to a JPEG": Line("--stage exact --out out.jpg"),
    "line to a WebP": Line("--stage exact --out out.webp --save-cutout cut.tif"),
    "line without hard links": Line("--stage exact --out out.png", lacks="links"),
    "line without locks": Line("--stage exact --out out.png", lacks="locks"),
}
SCENARIOS = (*LIBRARY, *LINES)
GIVEN = ("source.png", "target.png", "mask.png")
OLD = b"what was there before"


def _no_links(*_: object, **__: object) -> None:
    raise PermissionError("this file system has no hard links")


def _prepared(folder: Path, line: Line) -> list[str]:
    """The line's words, with its pictures and what is to be written over in the folder."""
    draw = np.random.default_rng(0)
    Image.fromarray(draw.integers(0, 256, (24, 26, 3), np.uint8)).save(folder / "source.png")
    shape = (44, 48, 3) if line.bits == 8 else (44, 48)
    levels = draw.integers(0, 2**line.bits, shape, np.uint8 if line.bits == 8 else np.uint16)
    Image.fromarray(levels).save(folder / "target.png")
    Image.fromarray(np.pad(np.full((16, 16), 255, np.uint8), ((4, 4), (5, 5)))).save(
        folder / "mask.png"
    )
    if "--overwrite" in line.words:
        for name in _outputs(line):
            (folder / name).write_bytes(OLD)
    words = "--source source.png --target target.png --mask mask.png --at 10,9 --preset fast "
    return (words + line.words).split()


def _outputs(line: Line) -> list[str]:
    return [word for word in line.words.split() if "." in word]


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _told(words: list[str]) -> tuple[int, str, str]:
    """Status, standard output and standard error of a command line in this process."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        status = main(words)
    return status, output.getvalue(), errors.getvalue()


@contextmanager
def _room() -> Iterator[Path]:
    """A folder to work in, with the one for temporary files in it."""
    here, usual = Path.cwd(), tempfile.tempdir
    with tempfile.TemporaryDirectory() as name:
        folder, others = Path(name, "work"), Path(name, "temporary")
        folder.mkdir()
        others.mkdir()
        os.chdir(folder)
        tempfile.tempdir = str(others)
        try:
            yield folder
            if left := [path.name for path in others.iterdir()]:
                raise FaultError(f"injected: a temporary file is left: {left}")
        finally:
            tempfile.tempdir = usual
            os.chdir(here)


def _state() -> dict[str, Any]:
    """What a run must leave as it was."""
    network = _network()
    hooks = [
        hook
        for module in network.modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    ]
    return {
        "threads": torch.get_num_threads(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "modes": torch._C._len_torch_function_stack(),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "hooks": len(hooks),
        "network": [(p.dtype, p.device.type, p._version, p.requires_grad) for p in _tensors()],
        "collector": gc.isenabled(),
        "warnings": list(warnings.filters),
        "streams": (sys.stdout, sys.stderr),
        "running": {thread.name for thread in threading.enumerate()},
        "descriptors": sorted(os.listdir(DESCRIPTORS)) if DESCRIPTORS.exists() else [],
        "words": os.fstat(2).st_ino,
        "pictures": [tensor._version for tensor in _pictures().values()],
    }


def _tensors() -> list[Tensor]:
    return [*_network().parameters(), *_network().buffers()]


@dataclass
class Ended:
    """How a run ended: what it gave, or what it raised; of a command line what it said, too."""

    given: dict[str, Any]
    error: BaseException | None = None
    status: int = 0
    output: str = ""
    errors: str = ""


def _run(name: str, fault: Fault, folder: Path) -> Ended:
    """Run a scenario with a fault in it."""
    if name in LIBRARY:
        observer = fault.callback if fault.kind == "callbacks" else None
        with fault.injected():
            try:
                return Ended(LIBRARY[name](observer))
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - it is looked at
                return Ended({}, error)
    line = LINES[name]
    words = _prepared(folder, line)
    with ExitStack() as stack:
        if line.lacks == "links":
            stack.enter_context(patch.object(os, "link", _no_links))
        if line.lacks == "locks":
            stack.enter_context(patch.object(atomic, "fcntl", None))
        if fault.kind == "callbacks":
            told = partial(fault.at, "callback")
            stack.enter_context(patch.object(Progress, "__call__", lambda *_: told()))
        stack.enter_context(fault.injected())
        try:
            status, output, errors = _told(words)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - it is looked at
            return Ended({}, error)
    return Ended(_content(folder), None, status, output, errors)


@cache
def undisturbed(name: str) -> dict[str, Any]:
    """What a scenario gives where nothing fails."""
    with _room() as folder:
        ended = _run(name, Fault("callbacks"), folder)
    if ended.error or ended.status or ended.errors:
        raise FaultError(f"injected: {name} fails without a fault: {ended.errors or ended.error!r}")
    return ended.given


@cache
def places(name: str, kind: str) -> tuple[str, ...]:
    """Where a scenario may fail, in order."""
    undisturbed(name)  # what is loaded or made once is by now
    fault = Fault(kind)
    with _room() as folder:
        _run(name, fault, folder)
    return tuple(fault.passed)


def check(case: dict) -> str:
    """Let one place of a run fail, look at how it ends, and run it again."""
    name, kind = case["scenario"], case["kind"]
    count = len(places(name, kind))
    if not count:
        return "no such place"
    number = case["place"] % count
    kinds = list(ERRORS[kind])
    if name in LINES and kind == "callbacks":
        kinds = ["interrupt"]  # its callback is the bar, which raises nothing by itself
    fault = Fault(kind, number, kinds[case["error"] % len(kinds)])
    before = _state()
    with _room() as folder:
        ended = _run(name, fault, folder)
        told = f"injected: {name}: {fault.error} at {places(name, kind)[number]}"
        if fault.raised is None:
            raise FaultError(f"{told}: not reached")
        (_check_line if name in LINES else _check_call)(name, ended, fault, told)
        outcome = "given" if not ended.error and ended.status == 0 else "ended"
        ended.error = fault.raised = None  # with the tensors and files of their traces
        _check_state(before, told)
        _check_next(name, folder, told)
        _check_state(before, told)
    return f"{kind}, {outcome}"


def _check_state(before: dict[str, Any], told: str) -> None:
    changed = [what for what, value in _state().items() if value != before[what]]
    if changed:
        raise FaultError(f"{told}: left changed: {', '.join(changed)}")


def _check_call(name: str, ended: Ended, fault: Fault, told: str) -> None:
    """The injected error itself, or one of ours because of it; else what is given is right."""
    error = ended.error
    if error is None:
        _check_given(name, ended.given, fault, told)
        return
    is_ours = isinstance(error, ValueError | OSError) and error.__cause__ is fault.raised
    is_forgotten = fault.kind == "memory" and str(error) == FORGOTTEN
    if error is not fault.raised and not is_ours and not is_forgotten:
        raise FaultError(f"{told}: became {error!r}") from error


def _check_given(name: str, given: dict[str, Any], fault: Fault, told: str) -> None:
    """A run that goes on gives the same; in smaller pieces the same but for the last bits."""
    for what, tensor in undisturbed(name).items():
        is_same = same_bits(given[what], tensor)
        if fault.kind == "memory" and name == "two at once":
            is_same = torch.allclose(given[what], tensor, atol=1e-3)
        if not is_same:
            raise FaultError(f"{told}: {what} differs")


def _check_line(name: str, ended: Ended, fault: Fault, told: str) -> None:
    """One line of words, and only whole files."""
    if ended.error is not None:
        raise FaultError(f"{told}: raised {ended.error!r}") from ended.error
    start, is_quiet = {
        0: ("", not ended.errors and ended.output.count("\n") == 1),
        2: ("blending: error: ", not ended.output),
        130: ("blending: interrupted, ", not ended.output),
    }[ended.status]
    is_one_line = not start or (ended.errors.startswith(start) and ended.errors.count("\n") == 1)
    is_interrupted = (ended.status == 130) == isinstance(fault.raised, KeyboardInterrupt)
    if not (is_quiet and is_one_line and is_interrupted):
        raise FaultError(f"{told}: exit {ended.status} with {ended.errors or ended.output!r}")
    _check_files(name, ended, fault, told)


def _check_files(name: str, ended: Ended, fault: Fault, told: str) -> None:
    whole, line = undisturbed(name), LINES[name]
    for file, content in ended.given.items():
        if file.endswith(".part"):
            if fault.place_removes:
                continue
            raise FaultError(f"{told}: a part is left")
        is_old = "--overwrite" in line.words and content == OLD and file not in GIVEN
        if is_old and ended.status:
            continue
        if _lasting(file, content) != _lasting(file, whole[file]):
            raise FaultError(f"{told}: {file} is {len(content)} bytes of {len(whole[file])}")
        if ended.status and file not in GIVEN and file not in ended.errors:
            raise FaultError(f"{told}: {file} is written, not told: {ended.errors}")
    if ended.status == 0 and set(whole) - set(ended.given):
        raise FaultError(f"{told}: exit 0 without its files")


def _lasting(file: str, content: bytes) -> Any:
    """What of a file is the same in each run."""
    if not file.endswith(".json"):
        return content

    def kept(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: kept(value) for name, value in part.items() if name not in VOLATILE}
        return [kept(value) for value in part] if isinstance(part, list) else part

    with suppress(ValueError):
        return kept(json.loads(content))
    return content


def _is_same(what: str, found: Any, value: Any) -> bool:
    if isinstance(value, Tensor):
        return same_bits(found, value)
    return found is not None and _lasting(what, found) == _lasting(what, value)


def _check_next(name: str, folder: Path, told: str) -> None:
    """The very next run gives what an undisturbed one gives, and clears what was left."""
    if name in LINES:
        for path in folder.iterdir():
            if not path.name.endswith(".part"):
                path.unlink()
    ended = _run(name, Fault("callbacks"), folder)
    if ended.error or ended.status:
        raise FaultError(f"{told}: the next run ended with {ended.errors or ended.error!r}")
    for what, value in undisturbed(name).items():
        if not _is_same(what, ended.given.get(what), value):
            raise FaultError(f"{told}: the next run's {what} differs")
    if set(ended.given) - set(undisturbed(name)):
        raise FaultError(f"{told}: the next run leaves {set(ended.given)}")


cases = st.fixed_dictionaries(
    {
        "scenario": st.sampled_from(SCENARIOS),
        "kind": st.sampled_from(tuple(ERRORS)),
        "place": st.integers(0, 2**30),
        "error": st.integers(0, 59),
    }
)
INJECTED = Part("injected", cases, check)

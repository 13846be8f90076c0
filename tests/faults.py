"""Faults where nature gives few: the n-th write, read, allocation or callback of a run fails, once.

One seam for all. Files: what Python does with them and their descriptors. Memory: what torch, numpy
and Pillow allocate. Only what code of a folder asks for is a place, directly or through a library.
"""

import builtins
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

CORE = str(Path(__file__).resolve().parents[1] / "blending")
ON_PATHS = (
    *("open", "stat", "lstat", "access", "link", "unlink", "remove", "replace", "rename"),
    *("fdopen", "fstat", "close", "dup", "dup2", "fsync"),
)
ON_FILES = ("read", "write", "flush", "truncate", "close")
ALLOCATING = (
    *("empty", "zeros", "ones", "full", "array", "asarray", "concatenate", "dstack", "pad"),
    *("where", "rint", "divide", "empty_like", "zeros_like", "full_like", "ascontiguousarray"),
)
PILLOWS = ("new", "fill", "map_buffer")
NO_MEMORY = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes. Error code"


class CancelError(Exception):
    """What a callback raises to end a run."""


def _system(number: int) -> Callable[[], Exception]:
    return lambda: OSError(number, os.strerror(number))


# By kind of place, the errors that it may end with.
ERRORS: dict[str, dict[str, Callable[[], BaseException]]] = {
    "files": {
        **{errno.errorcode[n]: _system(n) for n in (errno.ENOSPC, errno.EIO)},
        **{errno.errorcode[n]: _system(n) for n in (errno.EACCES, errno.EINTR)},
        "interrupt": KeyboardInterrupt,
    },
    "memory": {
        "device": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 bytes."),
        "processor": lambda: RuntimeError(f"[enforce fail at alloc_cpu.cpp:118] . {NO_MEMORY} 12"),
        "python": MemoryError,
    },
    "callbacks": {"cancel": CancelError, "interrupt": KeyboardInterrupt},
}


@dataclass
class Fault:
    """What is to fail in a run, and what has.

    Attributes:
        kind: of places, of `ERRORS`.
        number: which of them fails, from 0; None: none does, they are counted.
        error: of the kind's errors.
        folder: whose code's places count.
        passed: what the places were, in order.
        raised: the error; None: nothing has failed.
    """

    kind: str
    number: int | None = None
    error: str = ""
    folder: str = CORE
    passed: list[str] = field(default_factory=list)
    raised: BaseException | None = None

    @property
    def place(self) -> str:
        """What has failed."""
        return self.passed[self.number] if self.raised is not None else ""

    @property
    def place_removes(self) -> bool:
        """Whether a file that was to be removed could not be."""
        return self.place in ("os.unlink", "os.remove")

    def happens(self, place: str) -> bool:
        """Count a place; whether it is the one that fails."""
        if self.raised is not None or not self._is_asked_for():
            return False
        self.passed.append(place)
        if len(self.passed) - 1 != self.number:
            return False
        self.raised = ERRORS[self.kind][self.error]()
        return True

    def at(self, place: str) -> None:
        """Raise the error at the place that fails."""
        if self.happens(place):
            assert self.raised is not None
            raise self.raised

    def _is_asked_for(self) -> bool:
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_filename.startswith(self.folder):
                return True
            frame = frame.f_back
        return False

    @contextmanager
    def injected(self) -> Iterator["Fault"]:
        """Watch over a block."""
        with ExitStack() as stack:
            if self.kind == "files":
                _watch_files(self, stack)
            elif self.kind == "memory":
                _watch_memory(self, stack)
            yield self

    def callback(self, *_: object) -> None:
        """What observers of a run call."""
        self.at("callback")


class _File:
    """An open file whose calls are places; a write that fails has written a half."""

    def __init__(self, file: Any, fault: Fault) -> None:
        self._file, self._fault = file, fault

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._file, name)
        if name not in ON_FILES:
            return method

        def call(*words: Any) -> Any:
            if self._fault.happens(name):
                if name == "write":
                    method(words[0][: len(words[0]) // 2])
                elif name == "close":  # it is closed, and tells that its last bytes are lost
                    method()
                assert self._fault.raised is not None
                raise self._fault.raised
            return method(*words)

        return call

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator:
        return iter(self._file)


def _watch_files(fault: Fault, stack: ExitStack) -> None:
    def watched(name: str, call: Callable) -> Callable:
        def at(*words: Any, **options: Any) -> Any:
            if fault.happens(name):
                if name == "os.close":  # it is closed whatever it tells
                    call(*words)
                assert fault.raised is not None
                raise fault.raised
            found = call(*words, **options)
            return _File(found, fault) if isinstance(found, io.IOBase) else found

        return at

    for name in ON_PATHS:
        stack.enter_context(patch.object(os, name, watched(f"os.{name}", getattr(os, name))))
    opening = watched("open", io.open)
    stack.enter_context(patch.object(io, "open", opening))
    stack.enter_context(patch.object(builtins, "open", opening))
    if fcntl:
        stack.enter_context(patch.object(fcntl, "flock", watched("flock", fcntl.flock)))
    for module in _modules(fault.folder, "safe_open"):
        reading = watched("weights", module.safe_open)
        stack.enter_context(patch.object(module, "safe_open", reading))


class _Allocations(TorchDispatchMode):
    """Each operation of torch that makes a tensor of its own is a place."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Newer torch would load its compiler to keep it away from here, which takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: Any = None):
        made = (one for one in func._schema.returns if one.alias_info is None)
        if any("Tensor" in str(one.type) for one in made):
            self.fault.at(str(func))
        return func(*args, **(kwargs or {}))


class _Counting:
    """A module or a function of numpy whose calls that allocate are places."""

    def __init__(self, real: Any, fault: Fault) -> None:
        self._real, self._fault = real, fault

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return _Counting(found, self._fault) if name in ALLOCATING else found

    def __call__(self, *words: Any, **options: Any) -> Any:
        self._fault.at(f"numpy.{self._real.__name__}")
        return self._real(*words, **options)


def _watch_memory(fault: Fault, stack: ExitStack) -> None:
    stack.enter_context(_Allocations(fault))
    for module in _modules(fault.folder, "np"):
        if module.np is np:
            stack.enter_context(patch.object(module, "np", _Counting(np, fault)))
    for name in PILLOWS:
        make = getattr(Image.core, name)

        def allocate(*words: Any, name: str = name, make: Callable = make) -> Any:
            fault.at(f"Pillow {name}")
            return make(*words)

        stack.enter_context(patch.object(Image.core, name, allocate))


def _modules(folder: str, name: str) -> list[ModuleType]:
    """The loaded modules of a folder that have a name."""
    return [
        module
        for module in list(sys.modules.values())
        if (getattr(module, "__file__", None) or "").startswith(folder) and name in vars(module)
    ]

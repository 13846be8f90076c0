"""A row's work in its three steps: read, blend, write; what comes of it is a record."""

import ctypes
import hashlib
import os
import socket
import tempfile
import time
import traceback
from argparse import Namespace
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..cli.job import Inputs, blend_inputs, files_of, read_inputs, settings_of
from ..network.vgg16 import Features, load_features
from ..pictures.read import Picture, read_picture
from ..pictures.write import write_picture
from ..pipeline import BlendResult, needs_network
from ..quality.guardrails import REACH
from ..stages.device import is_out_of_memory
from ..stages.memory import DEFAULT_MEMORY, MEGABYTE, ShortOfMemoryError, largest_bytes
from ..stages.vicinity import stages_reach
from .files import digest, exists, fetch, is_uri, local_copy, state, upload
from .jobs import INPUTS, OUTPUTS, Job
from .results import DONE, FAILED, KEPT, SHORT, Former

TRIMMED = 8  # rows after which freed memory goes back: after each one it would take 6 % of the time
# Decoded targets that are kept for the next rows: their number, that of the rows among which
# those of one target are looked for, and their bytes.
KEPT_TARGETS, KEPT_BYTES = 64, 256 * MEGABYTE


@dataclass
class Task:
    """A job on its way.

    Attributes:
        job: what to do.
        former: of an earlier run; None: there was none.
        options: the job's, with files on this machine.
        inputs: its pictures, once they are read.
        digest: of all that the result comes from.
        result: the blend, once it is made.
        record: what came of it, once that is known.
        seconds: that each step took, by name.
        folder: of copies of what lies at addresses; None: all lies on this machine.
    """

    job: Job
    former: Former | None
    options: Namespace
    inputs: Inputs | None = None
    digest: str = ""
    result: BlendResult | None = None
    record: dict | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    folder: tempfile.TemporaryDirectory | None = None


class Work:
    """What does rows in one process: it loads the network once and keeps the last targets.

    Reading and writing may run beside a blend in other threads, one of each.
    """

    def __init__(self, threads: int, *, is_rehearsal: bool = False) -> None:
        """Set torch's threads; nothing is read.

        Args:
            threads: to compute with, the same for every row: the last bits depend on it.
            is_rehearsal: blend without writing.
        """
        torch.set_num_threads(threads)
        self.threads, self.is_rehearsal = threads, is_rehearsal
        self._networks: dict[tuple, Features] = {}
        self._targets: OrderedDict[str, Picture] = OrderedDict()
        self._weights: dict[tuple, str] = {}
        self._written = 0
        self._worker = f"{socket.gethostname()}:{os.getpid()}"

    def begin(self, job: Job, former: Former | None = None) -> Task:
        """A job before its first step.

        Args:
            job: what to do.
            former: what an earlier run recorded of it.

        Returns:
            A task whose steps are `read`, `blend` and `write`.
        """
        return Task(job, former, job.namespace)

    def read(self, task: Task) -> None:
        """Read the pictures; or find that the row is done already, or that it must fail.

        Whatever is wrong with the row, such as a FileExistsError, becomes its record.

        Args:
            task: from `begin`; its inputs or its record are set.
        """
        with _Step(self, task, "read"):
            self._fetch(task)
            digests = self._digests(task)
            task.digest = _joined([task.job.settings, *digests.values()])
            if task.former is not None and self._is_done(task, task.former):
                task.record = self.record(task, KEPT, output=task.former.output)
                return
            target = self._target(task.options.target, digests["target"])
            task.inputs = read_inputs(task.options, target)

    def bytes_needed(self, task: Task) -> int:
        """The most memory that the blend of a task may take beside its pictures.

        Args:
            task: after `read`.

        Returns:
            Bytes; 0 where nothing is to be blended or what is asked for is wrong.
        """
        if task.inputs is None:
            return 0
        options = task.options
        try:
            settings = settings_of(options)
            height, width = task.inputs.source.levels.shape[2:]
            size = max(1, round(height * options.scale)), max(1, round(width * options.scale))
            shape = tuple(task.inputs.target.levels.shape)
            reach = stages_reach(settings)
            if reach is not None:  # no more of the target is looked at
                around = 2 * max(reach, REACH)
                sides = zip(shape[2:], size, strict=True)
                shape = (*shape[:2], *(min(side, own + around) for side, own in sides))
            limit = settings.compute.memory or DEFAULT_MEMORY
            return largest_bytes(size, shape, settings, limit)
        except (ValueError, TypeError, OverflowError):  # the blend tells what is wrong
            return 0

    def pictures_bytes(self, task: Task) -> int:
        """The memory of a task's pictures.

        Args:
            task: after `read`.

        Returns:
            Bytes; 0 where none were read.
        """
        if task.inputs is None:
            return 0
        return _bytes(task.inputs.source) + _bytes(task.inputs.target)

    def blend(self, task: Task) -> None:
        """Blend what was read.

        Args:
            task: after `read`; its result or its record are set.
        """
        if task.record is not None or task.inputs is None:
            return
        with _Step(self, task, "blend"):
            network = self._network(task.options)
            task.result = blend_inputs(task.options, task.inputs, network=network)

    def write(self, task: Task) -> dict:
        """Write the result.

        Args:
            task: after `blend`.

        Returns:
            The row's record, ready for JSON; a fault, such as a FileExistsError, stands in it.
        """
        if task.record is None:
            with _Step(self, task, "write"):
                assert task.result is not None and task.inputs is not None
                made = {"save_cutout": task.result.cutout, "out": task.result.image}
                for name, picture in made.items():
                    if task.job.options[name] and not self.is_rehearsal:
                        self._publish(task, name, picture)
                task.record = self.record(
                    task,
                    DONE,
                    output="" if self.is_rehearsal else _output_digest(task.job),
                    doubt=task.inputs.doubt,
                    report=task.result.report,
                )
        if task.folder is not None:
            task.folder.cleanup()
        self._written += 1
        if self._written % TRIMMED == 0:
            give_back_memory()
        assert task.record is not None
        task.record["seconds"] = {name: round(took, 4) for name, took in task.seconds.items()}
        return task.record

    def _fetch(self, task: Task) -> None:
        """Lead the options to files on this machine: copies of what lies at addresses."""
        given = {name: getattr(task.options, name) for name in (*INPUTS, *OUTPUTS)}
        remote = {name: path for name, path in given.items() if path and is_uri(path)}
        if not remote:
            return
        task.folder = tempfile.TemporaryDirectory(prefix="blending-")
        for name, path in remote.items():
            here = Path(task.folder.name) / (name + Path(path).suffix)
            if name == "weights":  # which are fetched when they are loaded
                continue
            if name in INPUTS:
                fetch(path, here)
            setattr(task.options, name, str(here))

    def _digests(self, task: Task) -> dict[str, str]:
        """The digest of each file that is read; "": it has none."""
        found = {}
        for name in INPUTS:
            path = getattr(task.options, name)
            is_large = path and name == "weights"  # the same for many rows
            found[name] = self._kept_digest(path) if is_large else digest(path) if path else ""
        return found

    def _kept_digest(self, path: str) -> str:
        key = (path, *state(path))
        if key not in self._weights:
            self._weights[key] = _digest_at(path)
        return self._weights[key]

    def _is_done(self, task: Task, former: Former) -> bool:
        """Whether the row's files are what an earlier run made of the same; raises for others."""
        out = task.job.options["out"]
        if not all(exists(path) for path in _outputs(task.job)):
            return False
        if former.inputs == task.digest:
            return _output_digest(task.job) == former.output
        if not task.options.overwrite:
            raise FileExistsError(
                f"{out} must not be there: it was made of other files, settings or versions; it "
                "is replaced only with --overwrite"
            )
        return False

    def _target(self, path: str, content: str) -> Picture:
        """A target, of which many rows may have the same, by the digest of its content."""
        if content in self._targets:
            self._targets.move_to_end(content)
            return self._targets[content]
        picture = self._targets[content] = read_picture(path, in_levels=True)
        while len(self._targets) > 1 and (
            len(self._targets) > KEPT_TARGETS or self._kept_bytes() > KEPT_BYTES
        ):
            self._targets.popitem(last=False)
        return picture

    def _kept_bytes(self) -> int:
        return sum(map(_bytes, self._targets.values()))

    def _network(self, options: Namespace) -> Features | None:
        if not needs_network(settings_of(options)):
            return None
        path = options.weights
        key = (path and self._kept_digest(path), options.input_scale)
        if key not in self._networks:
            with local_copy(path) if path else nullcontext() as here:
                self._networks[key] = load_features(here, options.input_scale)
        return self._networks[key]

    def _publish(self, task: Task, name: str, picture: Tensor) -> None:
        """Write one of a row's files: it is whole at its place, or not there.

        A file that is there with the very bytes is the row's own: the run before ended after it was
        written and before it was recorded.
        """
        assert task.inputs is not None
        path, target = task.job.options[name], task.inputs.target
        how = {"bits": target.bits, "icc": target.icc, "overwrite": task.options.overwrite}
        if not is_uri(path):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            try:
                write_picture(path, picture, **how)
                return
            except FileExistsError:  # it may come meanwhile, by a worker that Ray took for lost
                if how["overwrite"] or not Path(path).is_file():
                    raise
        with tempfile.TemporaryDirectory(prefix="blending-") as folder:
            again = Path(folder) / Path(path).name
            write_picture(again, picture, **how)
            if is_uri(path) and (how["overwrite"] or not exists(path)):
                upload(again, path)
            elif digest(again) != _digest_at(path):
                raise FileExistsError(f"{path} exists; it is overwritten only with --overwrite")

    def record(self, task: Task, status: str, **more: object) -> dict:
        """What came of a task, ready for JSON.

        Args:
            task: which.
            status: "done", "kept", "failed" or "short of memory".
            **more: what else is to be told.

        Returns:
            The record.
        """
        return {
            "line": task.job.line,
            "out": task.job.out,
            "status": status,
            "files": files_of(task.job.namespace),
            "options": task.job.told,
            "request": task.job.request,
            "inputs": task.digest,
            "threads": self.threads,
            "worker": self._worker,
            **more,
        }


class _Step:
    """One step of a task: its time, and its errors as the row's record."""

    def __init__(self, work: Work, task: Task, name: str) -> None:
        self.work, self.task, self.name = work, task, name

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        self.task.seconds[self.name] = time.perf_counter() - self.began
        if not isinstance(error, Exception):
            return False
        is_known = isinstance(error, ValueError | TypeError | OSError)
        is_short = isinstance(error, ShortOfMemoryError) or (
            isinstance(error, RuntimeError | MemoryError) and is_out_of_memory(error)
        )
        words = " ".join(str(error).split()) or "short of memory"
        if not is_known and not is_short:  # a fault of ours: where it happened is worth a line
            at = traceback.extract_tb(error.__traceback__)[-1]
            words = f"{type(error).__name__}: {words} ({Path(at.filename).name}:{at.lineno})"
        self.task.record = self.work.record(
            self.task,
            SHORT if is_short else FAILED,
            error=words,
            step=self.name,
            is_taken=isinstance(error, FileExistsError),
        )
        self.task.inputs = self.task.result = None
        return True


def give_back_memory() -> None:
    """Give the free parts of the heap back to the system, where the C library is glibc.

    Rows of many sizes leave gaps: without this a worker of 0.7 GB has 1.8 after 250 rows.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return
    trim(0)


def _joined(words: list[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _outputs(job: Job) -> list[str]:
    return [job.options[name] for name in OUTPUTS if job.options[name]]


def _output_digest(job: Job) -> str:
    """Of a row's file; of all where it has several."""
    found = [_digest_at(path) for path in _outputs(job)]
    return found[0] if len(found) == 1 else _joined(found)


def _digest_at(path: str) -> str:
    with local_copy(path) as here:
        return digest(here)


def _bytes(picture: Picture) -> int:
    return picture.levels.nbytes

"""A worker: reads ahead and writes behind while it blends."""

import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from ..cli.console import without_library_words
from .jobs import Job

if TYPE_CHECKING:  # torch, which the process that hands out the rows does without
    from .results import Former
    from .work import Task, Work

BEHIND = 2  # results that may wait for being written
LARGE = 256 * 2**20  # bytes of a row's pictures from which nothing is read or written beside it

# By these torch and numpy know how many threads they may have, when they are loaded.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# And by these torch and oneDNN how many convolutions they keep ready: 1024, of rows of many sizes,
# take 0.2 GB, and gain nothing.
CACHES, READY = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"), 128

Given = tuple[Job, "Former | None"]


def work_through(
    work: "Work",
    rows: Iterable[Given],
    tell: Callable[[dict], None],
    begin: Callable[["Task"], None] = lambda task: None,
) -> None:
    """Do rows: while one is blended, the next is read and the last is written.

    Args:
        work: what does them.
        rows: jobs with what an earlier run recorded of them; taken one ahead, in another thread.
        tell: called with each row's record, in the rows' order, in another thread.
        begin: called before each row is blended; it may wait until there is memory.

    Raises:
        Exception: what `rows`, `tell` or `begin` raised; a row's own faults stand in its record.
    """
    coming = iter(rows)
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        ahead = reader.submit(_read_next, work, coming)
        behind: deque[Future] = deque()
        while (task := ahead.result()) is not None:
            is_large = work.pictures_bytes(task) > LARGE
            if is_large:
                _wait(behind, 0)
            else:
                ahead = reader.submit(_read_next, work, coming)
            begin(task)
            work.blend(task)
            behind.append(writer.submit(_write, work, task, tell))
            del task
            _wait(behind, 0 if is_large else BEHIND)
            if is_large:
                ahead = reader.submit(_read_next, work, coming)
        _wait(behind, 0)


def _read_next(work: "Work", rows: Iterator[Given]) -> "Task | None":
    for job, former in rows:
        task = work.begin(job, former)
        work.read(task)
        return task
    return None


def _write(work: "Work", task: "Task", tell: Callable[[dict], None]) -> None:
    tell(work.write(task))


def _wait(behind: deque[Future], most: int) -> None:
    """Wait until at most so many results are still to be written; raise what writing raised."""
    while len(behind) > most or (behind and behind[0].done()):
        behind.popleft().result()


@dataclass(frozen=True)
class Lines:
    """A worker's three lines to the process that hands out the rows.

    Attributes:
        rows: where (job, former) come from, and None after the last.
        leave: where a word comes from when a blend may begin.
        words: where ("begins", line, bytes) and ("record", record) go.
    """

    rows: Connection
    leave: Connection
    words: Connection


def variables(threads: int) -> dict[str, str]:
    """What a worker's environment must say before torch and numpy are loaded.

    Args:
        threads: to compute with.

    Returns:
        Names and values.
    """
    counts = [*((name, threads) for name in THREADS), *((name, READY) for name in CACHES)]
    return {name: str(count) for name, count in counts}


def serve(lines: Lines, threads: int, is_rehearsal: bool) -> None:
    """Do rows in a process of its own until there are no more, or nobody who hands them out.

    Args:
        lines: to that process.
        threads: to compute with.
        is_rehearsal: blend without writing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process hears it and ends this one
    os.environ.update(variables(threads))

    lock = threading.Lock()

    def say(*words: object) -> None:
        with lock:
            lines.words.send(words)

    def rows() -> Iterator[Given]:
        while (given := _received(lines.rows)) is not None:
            yield given

    def begin(task: "Task") -> None:
        say("begins", task.job.line, work.bytes_needed(task))
        _received(lines.leave)

    try:
        from .work import Work

        work = Work(threads, is_rehearsal=is_rehearsal)
        with without_library_words():
            work_through(work, rows(), lambda record: say("record", record), begin)
    except Exception:  # noqa: BLE001 - a fault of ours, told where somebody reads it
        say("fault", traceback.format_exc())


def _received(line: Connection) -> Any:
    """What comes next; where nobody is left to send it the process ends at once.

    A file is at its place or not there, whenever that is.
    """
    try:
        return line.recv()
    except (EOFError, OSError):
        os._exit(1)

"""Workers on this machine: each a process with its own threads."""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from ..cli.job import files_of
from ..free_memory import free_main_memory
from .results import FAILED, SHORT
from .worker import Given, Lines, serve

SHARE_OF_FREE = 0.8  # of the memory that is free at the beginning
LOOK_AHEAD = 64  # rows among which one with a worker's last target is looked for
MOST_UNBORN = 3  # workers in a row that end before they say a word


def workers_here(threads: int) -> int:
    """How many workers the cores of this machine allow.

    Args:
        threads: of each worker.

    Returns:
        At least 1; of the cores that this process may use.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # Windows, macOS
        cores = os.cpu_count() or 1
    return max(1, cores // threads)


def free_memory() -> float:
    """The bytes that all blends at one time may need: most of what is free, or of the container."""
    return SHARE_OF_FREE * free_main_memory()


@dataclass
class _Hand:
    """A worker, seen from here.

    Attributes:
        process: its own.
        rows: where its rows go.
        leave: where leave to begin goes.
        words: where its words come from.
        given: rows that it has and has not recorded, by line, in order.
        ahead: how many of them it has not begun to blend.
        current: the line of the last that it has begun; None: that is recorded.
        past: the row that it recorded last.
        wants: bytes that it waits for, to begin; None: it does not wait.
        holds: bytes that its blend may need.
        target: of the last row that it was given.
        has_spoken: whether it has said anything yet.
    """

    process: BaseProcess
    rows: Connection
    leave: Connection
    words: Connection
    given: dict[int, Given] = field(default_factory=dict)
    ahead: int = 0
    current: int | None = None
    past: Given | None = None
    wants: int | None = None
    holds: int = 0
    target: str | None = None
    has_spoken: bool = False

    def give(self, given: Given) -> None:
        """Send it a row."""
        job = given[0]
        self.given[job.line] = given
        self.target = job.options["target"]
        self.ahead += 1
        with suppress(OSError):  # it has ended; that is heard next
            self.rows.send(given)

    def hear(self, kind: str, words: list) -> dict | None:
        """What its words change; the record of a row that is done."""
        if kind == "begins":
            self.current, self.wants = words
            self.holds = 0
            self.ahead -= 1
            return None
        (record,) = words
        self.past = self.given.pop(record["line"])
        if self.current == record["line"]:
            self.current, self.holds = None, 0
        return record

    def close(self) -> None:
        """Close the lines to it."""
        for line in (self.rows, self.leave, self.words):
            line.close()


class _Queue:
    """Rows to come, a few of them at hand, so that those of one target go to one worker."""

    def __init__(self, rows: Iterator[Given]) -> None:
        self._rows, self._near = rows, deque()

    def take(self, wanted: str | None, others: set[str]) -> Given | None:
        """The next row: of the wanted target, or of one that no other worker has, or the first."""
        while len(self._near) < LOOK_AHEAD and (given := next(self._rows, None)) is not None:
            self._near.append(given)
        if not self._near:
            return None

        def rank(number: int) -> tuple[int, int]:
            target = self._near[number][0].options["target"]
            return (0 if target == wanted else 2 if target in others else 1), number

        best = min(range(len(self._near)), key=rank)
        self._near.rotate(-best)
        taken = self._near.popleft()
        self._near.rotate(best)
        return taken

    def give_back(self, given: list[Given]) -> None:
        """Rows that a worker had and did not begin, before all others."""
        self._near.extendleft(reversed(given))


class LocalPool:
    """Processes that do rows.

    A worker that dies takes no more than the row that it was at: that one is tried once more with
    no other beside it, and fails if its worker dies again. So is a row for which the memory was
    short.
    """

    def __init__(
        self, workers: int, threads: int, memory: float, *, is_rehearsal: bool = False
    ) -> None:
        """No process is started yet.

        Args:
            workers: how many processes.
            threads: that each computes with.
            memory: bytes that all blends at one time may need; a blend that needs more runs alone.
            is_rehearsal: blend without writing.
        """
        self.workers, self.threads, self.memory = workers, threads, memory
        self.is_rehearsal = is_rehearsal
        self._hands: list[_Hand] = []
        self._suspects: deque[Given] = deque()
        self._unborn = 0

    def records(self, rows: Iterator[Given]) -> Iterator[dict]:
        """Do rows.

        Args:
            rows: jobs with what an earlier run recorded of them; taken as they are needed.

        Yields:
            Each row's record as soon as it is done.

        Raises:
            RuntimeError: workers end before they say a word, or by a fault of their own.
        """
        try:
            yield from self._work(_Queue(rows), self.workers, is_alone=False)
            while self._suspects:
                alone = _Queue(iter([self._suspects.popleft()]))
                yield from self._work(alone, 1, is_alone=True)
        finally:
            self.close()

    def close(self) -> None:
        """End all workers at once; what they were at is not written."""
        self._shrink(0)

    def _shrink(self, most: int) -> None:
        ending, self._hands = self._hands[most:], self._hands[:most]
        for hand in ending:
            hand.process.kill()
        for hand in ending:
            hand.process.join()
            hand.close()

    def _work(self, queue: _Queue, workers: int, *, is_alone: bool) -> Iterator[dict]:
        self._shrink(workers)
        while True:
            self._feed(queue, workers)
            if not any(hand.given for hand in self._hands):
                return
            self._give_leave()
            for ready in wait([hand.words for hand in self._hands]):
                hand = next(one for one in self._hands if one.words is ready)
                record = self._heard(hand, queue, is_alone=is_alone)
                if record is not None:
                    yield record

    def _heard(self, hand: _Hand, queue: _Queue, *, is_alone: bool) -> dict | None:
        """What a worker says, or that it has ended; the record of a row that is through."""
        try:
            kind, *words = hand.words.recv()
        except (EOFError, OSError):
            return self._bury(hand, queue, is_alone=is_alone)
        if kind == "fault":
            raise RuntimeError(f"a worker failed: {words[0]}")
        hand.has_spoken = True
        record = hand.hear(kind, words)
        if record is None or record["status"] != SHORT:
            return record
        if is_alone or hand.past is None:
            return record | {"status": FAILED}
        self._suspects.append(hand.past)
        return None

    def _feed(self, queue: _Queue, workers: int) -> None:
        """See that every worker has a row beside the one that it is at, if there are any."""
        while True:
            hungry = [hand for hand in self._hands if not hand.ahead]
            can_grow = len(self._hands) < workers
            if not hungry and not can_grow:
                return
            hand = min(hungry, key=lambda one: len(one.given), default=None)
            if can_grow and (hand is None or hand.given):
                hand = None
            others = {one.target for one in self._hands if one is not hand and one.target}
            given = queue.take(hand.target if hand else None, others)
            if given is None:
                return
            if hand is None:
                hand = self._start()
                self._hands.append(hand)
            hand.give(given)

    def _start(self) -> _Hand:
        """A process without rows; by spawning, since a fork would copy the threads' locks."""
        context = multiprocessing.get_context("spawn")
        rows, leave, words = (context.Pipe(duplex=False) for _ in range(3))
        lines = Lines(rows[0], leave[0], words[1])
        process = context.Process(
            target=serve, args=(lines, self.threads, self.is_rehearsal), daemon=True
        )
        process.start()
        for theirs in (rows[0], leave[0], words[1]):  # or the end of the process would not be heard
            theirs.close()
        return _Hand(process, rows[1], leave[1], words[0])

    def _give_leave(self) -> None:
        """Let workers begin whose blends fit beside the others', or one where none is under way."""
        for hand in self._hands:
            if hand.wants is None:
                continue
            taken = sum(one.holds for one in self._hands if one is not hand)
            if not taken or taken + hand.wants <= self.memory:
                hand.holds, hand.wants = hand.wants, None
                with suppress(OSError):  # it has ended; that is heard next
                    hand.leave.send(True)

    def _bury(self, hand: _Hand, queue: _Queue, *, is_alone: bool) -> dict | None:
        """Give back the rows of a worker that has ended; the record of the one that ended it."""
        self._hands.remove(hand)
        hand.process.join()
        code = hand.process.exitcode
        hand.close()
        self._unborn = 0 if hand.has_spoken else self._unborn + 1
        if self._unborn >= MOST_UNBORN:
            raise RuntimeError(
                f"workers end before their first row, with exit status {code}; a script that calls "
                'run() must do so below `if __name__ == "__main__":`'
            )
        rows = list(hand.given.values())
        if hand.current not in hand.given:
            queue.give_back(rows)
            return None
        guilty = hand.given[hand.current]
        queue.give_back([given for given in rows if given is not guilty])
        if not is_alone:
            self._suspects.append(guilty)
            return None
        how = f"signal {-code}" if code and code < 0 else f"exit status {code}"
        job = guilty[0]
        return {
            "line": job.line,
            "out": job.out,
            "status": FAILED,
            "files": files_of(job.namespace),
            "options": job.told,
            "request": job.request,
            "threads": self.threads,
            "error": f"its worker ended twice, the last time with {how}: the memory may be short",
        }

"""A worker on a Ray cluster, and the feed that gives it pages of rows for tickets."""

import asyncio
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import ray

from .results import FAILED, SHORT
from .worker import Given, work_through

if TYPE_CHECKING:  # torch, which the process that hands out the rows does without
    from .work import Work

PAGES_AHEAD = 64  # that wait in the feed, and are all that it holds beside those under way
MOST_LOSSES = 2  # workers that may end at a row after the first that ended somewhere in its page
COLUMNS = ("ticket", "rows", "record")
REFUSED = "every node must have this machine's versions of blending and torch"


def stamp() -> str:
    """SHA-256 of what decides a picture's bytes beside its job: this package's code and torch.

    Returns:
        64 digits, the same on all machines that have the same.
    """
    root = Path(__file__).parents[1]
    found = sha256(version("torch").encode())
    for path in sorted(root.rglob("*.py"), key=lambda one: one.relative_to(root).as_posix()):
        found.update(path.relative_to(root).as_posix().encode() + b"\0")
        found.update(path.read_bytes())
    return found.hexdigest()


@dataclass(frozen=True)
class Page:
    """Rows that a worker does with one call.

    Attributes:
        rows: jobs with what an earlier run recorded of them; none: there are no more, or the
            page is done.
        is_again: a worker has ended while it had them.
        lost: lines of rows at which too many workers have ended.
    """

    rows: list[Given] = field(default_factory=list)
    is_again: bool = False
    lost: frozenset[int] = frozenset()


class Feed:
    """An actor beside the driver that holds the pages which are waiting or under way.

    Ray hands out numbers alone: a ticket gets the next page, and the same one again where Ray
    repeats it since its worker or node is lost. So a million rows never stand in memory, and
    neither the order of tickets nor their repetition matters.
    """

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[list[Given]] = asyncio.Queue(PAGES_AHEAD)
        self._taken: dict[int, list[Given]] = {}
        self._at: dict[int, int] = {}
        self._losses: dict[int, int] = {}
        self._turn = asyncio.Lock()

    async def add(self, rows: list[Given]) -> None:
        """Add a page; waits until there is room, so that the driver reads no further ahead.

        Args:
            rows: of it; none: there will be no more.
        """
        await self._waiting.put(rows)

    async def take(self, ticket: int) -> Page:
        """The page of a ticket; waits for it.

        Args:
            ticket: its number.

        Returns:
            The page, without rows where there are no more or the ticket is done.
        """
        async with self._turn:  # or a ticket that Ray repeats could get two pages
            if ticket not in self._taken:
                self._taken[ticket] = await self._waiting.get()
                if not self._taken[ticket]:
                    self._waiting.put_nowait([])  # the next is to find it, too
                return Page(self._taken[ticket])
            rows = self._taken[ticket]
            if ticket in self._at:
                line = self._at.pop(ticket)
                self._losses[line] = self._losses.get(line, 0) + 1
            lines = (job.line for job, _ in rows)
            lost = frozenset(line for line in lines if self._losses.get(line, 0) >= MOST_LOSSES)
            return Page(rows, is_again=True, lost=lost)

    async def begin(self, ticket: int, line: int) -> None:
        """Note the row that a worker begins: should it end, that row is the suspect.

        Args:
            ticket: of its page.
            line: of the row.
        """
        self._at[ticket] = line

    async def done(self, ticket: int) -> None:
        """Forget a page, all of whose records have arrived.

        Args:
            ticket: its number.
        """
        self._at.pop(ticket, None)
        for job, _ in self._taken[ticket]:
            self._losses.pop(job.line, None)
        self._taken[ticket] = []


class Blender:
    """What Ray Data calls with tickets, in an actor that loads the network once."""

    def __init__(self, feed: Any, threads: int, expected: str) -> None:
        """Load torch.

        Args:
            feed: the actor that has the pages.
            threads: to compute with.
            expected: the driver's `stamp`: on a machine that has another it does nothing.
        """
        self._is_like_driver = stamp() == expected
        from .work import Work

        self._feed, self._work = feed, Work(threads)

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, list]]:
        """Do the rows of tickets.

        Args:
            batch: "ticket": their numbers.

        Yields:
            Each row's ticket, how many rows its page has, and its record as JSON; as it is made and
            in the page's order, so that Ray knows by its place what it has got already. Of a
            machine with other code than the driver's: a ticket -1 with words why.
        """
        if not self._is_like_driver:
            words = f"{REFUSED}, {socket.gethostname()} has others"
            yield {name: [value] for name, value in zip(COLUMNS, (-1, 0, words), strict=True)}
            return
        for ticket in batch["ticket"].tolist():
            page: Any = ray.get(self._feed.take.remote(ticket))
            for record in self._records(ticket, page):
                values = (ticket, len(page.rows), json.dumps(record))
                yield {name: [value] for name, value in zip(COLUMNS, values, strict=True)}

    def _records(self, ticket: int, page: Page) -> Iterator[dict]:
        if not page.is_again:
            yield from _done_through(self._work, page.rows)
            return
        for job, former in page.rows:  # one by one: should this worker end, too, its row is known
            if job.line in page.lost:
                words = f"its worker ended {MOST_LOSSES} times at it: the memory may be short"
                yield self._work.record(self._work.begin(job, former), FAILED, error=words)
                continue
            ray.get(self._feed.begin.remote(ticket, job.line))
            yield from _done_through(self._work, [(job, former)])


def _done_through(work: "Work", rows: list[Given]) -> Iterator[dict]:
    """The records of rows as soon as each is made."""
    made: SimpleQueue[dict | None] = SimpleQueue()
    with ThreadPoolExecutor(1) as one:
        working = one.submit(work_through, work, rows, made.put)
        working.add_done_callback(lambda _: made.put(None))
        while (record := made.get()) is not None:
            yield record if record["status"] != SHORT else record | {"status": FAILED}
        working.result()

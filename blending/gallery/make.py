"""A gallery of a batch: one page that needs no server, faults first, with small pictures beside."""

import hashlib
import json
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..checks import check_range
from ..cluster.local import workers_here
from ..cluster.results import FAILED, NAME, locked
from ..pictures.atomic import clear_parts, whole_file
from .page import Shown, page, worst_rows

if TYPE_CHECKING:  # torch, which a gallery whose thumbnails are there does without
    from .thumbnails import Wanted

MOST_ROWS = 20_000  # on a page, unless the caller says otherwise: a browser has its limits, too
PAGE, LOG, THUMBNAILS, LOCK = "index.html", "gallery.jsonl", "thumbnails", ".blending-gallery.lock"
MARK = {"made by": "python -m blending gallery"}
FORM = "1"  # of thumbnails: another one, and all are made anew
NOTHING_SEEN = {"box": (), "has_close_up": False, "is_changed": False}
AHEAD = 4  # rows that wait for each process

OnStart = Callable[[int], None]
OnRow = Callable[[], None]


@dataclass
class Gallery:
    """What was made.

    Attributes:
        page: to be opened in a browser.
        rows: that have a record.
        shown: on the page; the others are the best.
        failed: that were not blended, of those shown.
        made: rows whose thumbnails were made now.
        kept: rows whose thumbnails were there.
        lacking: rows of those shown without a thumbnail of their result though they were blended.
    """

    page: Path
    rows: int = 0
    shown: int = 0
    failed: int = 0
    made: int = 0
    kept: int = 0
    lacking: int = 0


def make_gallery(
    results: str | Path,
    out: str | Path | None = None,
    *,
    rows: int = MOST_ROWS,
    workers: int | None = None,
    on_start: OnStart | None = None,
    on_row: OnRow | None = None,
) -> Gallery:
    """Make a page of a batch's rows, or bring it up to date; thumbnails that are there are kept.

    Args:
        results: results.jsonl of a batch, or its folder. The batch may be under way.
        out: folder of the page and its thumbnails, new, empty or of an earlier gallery; None:
            "gallery" beside the results.
        rows: the most that are shown, at least 1: those that failed, then those that are farthest
            outside what good blends have.
        workers: processes that make thumbnails; None: as many as there are cores. Where they are
            started from a script, it needs `if __name__ == "__main__":`.
        on_start: called with the number of rows whose thumbnails are to be made.
        on_row: called after each of them.

    Returns:
        The counts.

    Raises:
        FileNotFoundError: no results.
        FileExistsError: `out` holds other files.
        BlockingIOError: another process makes a gallery there.
        OSError, ValueError: results that cannot be read, a folder that cannot be written.
    """
    check_range("rows", rows, 1, whole=True)
    if workers is not None:
        check_range("workers", workers, 1, whole=True)
    path = Path(results) / NAME if Path(results).is_dir() else Path(results)
    if not path.is_file():
        raise FileNotFoundError(f"results must be the {NAME} of a batch, found none: {path}")
    folder = path.absolute().parent / "gallery" if out is None else Path(out).absolute()
    with path.open("rb") as file:  # once: a batch that ends puts another in its place
        count, places = worst_rows(file, rows)
        shown = list(_shown(file, path, places))
    if not count:
        raise ValueError(f"results must have a row, got none: {path}")
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, "gallery"):
        made = Gallery(folder / PAGE, rows=count, shown=len(shown))
        _see(shown, folder, made, workers or workers_here(1), on_start, on_row)
        for one in shown:
            made.failed += one.record["status"] == FAILED
            made.lacking += one.record["status"] != FAILED and bool(one.seen["after"])
        text = page(shown, path, folder, count)
        with whole_file(made.page, overwrite=True) as file:
            file.write(text.encode(errors="replace"))
    return made


def check_folder(folder: Path) -> None:
    """Raise unless a gallery may be made there without touching anything of the user's.

    Args:
        folder: there or not.

    Raises:
        FileExistsError: it is a file, or holds files and no gallery.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise FileExistsError(f"out must be a folder, got a file: {folder}") from error
    if all(name.startswith(".blending-") for name in names):  # of a run that was killed at once
        return
    try:
        with (folder / LOG).open(encoding="utf-8") as file:
            is_ours = json.loads(file.readline()) == MARK
    except (OSError, ValueError):
        is_ours = False
    if not is_ours:
        raise FileExistsError(
            f"out must be a new folder or an earlier gallery, got {folder} with other files: name "
            "another one (--out)"
        )


def _shown(file: BinaryIO, path: Path, places: list[int]) -> Iterator[Shown]:
    for place in places:
        file.seek(place)
        record = json.loads(file.readline())
        yield Shown(record, _result(path, record))


def _result(path: Path, record: dict) -> str:
    """Where a row's result lies: beside the records, whose folder may have been moved, or there."""
    beside = path.absolute().parent / record["out"]
    recorded = record.get("files", {}).get("out") or ""
    return str(beside) if os.path.isfile(beside) or not recorded else recorded


def _see(
    shown: list[Shown],
    folder: Path,
    made: Gallery,
    workers: int,
    on_start: OnStart | None,
    on_row: OnRow | None,
) -> None:
    """Have the thumbnails of all rows."""
    logged = _read_log(folder / LOG)
    there = {path.stem for path in (folder / THUMBNAILS).glob("??/*.jpg")}
    for one in shown:
        one.key = _key(one)
        one.seen = logged.get(one.key, {})
    missing = {one.key: one for one in shown if not _is_seen(one, there)}
    made.made, made.kept = len(missing), len(shown) - len(missing)
    if on_start:
        on_start(len(missing))
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write("\n" if log.tell() else json.dumps(MARK) + "\n")  # a line that is not whole ends
        log.flush()
        wanted = [_wanted(one) for one in missing.values()]
        for key, seen in _thumbnails(wanted, folder / THUMBNAILS, workers):
            missing[key].seen = seen
            log.write(json.dumps({"key": key, **seen}) + "\n")
            log.flush()
            if on_row:
                on_row()
    _tidy(shown, folder, is_all=len(shown) == made.rows)


def _read_log(path: Path) -> dict[str, dict]:
    """What is known of thumbnails, by key; half-written lines are not."""
    found = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                seen = json.loads(line)
                found[seen.pop("key")] = seen
    return found


def _key(one: Shown) -> str:
    """What tells a row's thumbnails from those of another row, or of another result of it."""
    try:
        found = os.stat(one.path)
        state = f"{found.st_size} {found.st_mtime_ns}"
    except (OSError, ValueError):
        state = ""
    words = [str(one.record.get(name)) for name in ("out", "request", "inputs", "output")]
    words += [json.dumps(one.record.get("options")), state, FORM]
    return hashlib.sha256("\n".join(words).encode(errors="surrogatepass")).hexdigest()[:24]


def _names(one: Shown) -> set[str]:
    """The names of a row's thumbnails, without their suffix."""
    pictures = [name for name in ("before", "after") if not one.seen[name]]
    close = [f"{name}-close" for name in pictures if one.seen["has_close_up"]]
    return {f"{one.key}-{name}" for name in (*pictures, *close)}


def _is_seen(one: Shown, there: set[str]) -> bool:
    """Whether a row's thumbnails are there; what lacked a file the last time is tried again."""
    if not one.seen or not _names(one) <= there:
        return False
    return one.record["status"] == FAILED or not (one.seen["before"] or one.seen["after"])


def _wanted(one: Shown) -> "Wanted":
    from .thumbnails import Wanted

    files = one.record.get("files", {}) | {"out": one.path}
    return Wanted(one.key, files, one.record.get("options"), one.record.get("output", ""))


def _thumbnails(wanted: list["Wanted"], folder: Path, workers: int) -> Iterator[tuple[str, dict]]:
    """Each row's key and what came of its thumbnails; a row that ends its process lacks them."""
    waiting = deque(wanted)
    while waiting:
        suspects = yield from _in_processes(waiting, folder, workers)
        while suspects:
            again = yield from _in_processes(suspects, folder, 1)
            if again:  # one at a time: the first was under way
                words = "its process ended: the memory may be short"
                yield again.popleft().key, {**NOTHING_SEEN, "before": words, "after": words}
                suspects.extendleft(reversed(again))


def _in_processes(
    waiting: deque["Wanted"], folder: Path, workers: int
) -> Generator[tuple[str, dict], None, deque["Wanted"]]:
    """Take rows until there are none, or a process ends; then those that were under way."""
    from .thumbnails import begin, make_thumbnails

    workers = min(workers, len(waiting))
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=begin)
    under_way: deque[tuple[Wanted, Future]] = deque()
    try:
        while waiting or under_way:
            while waiting and len(under_way) < AHEAD * workers:
                future = pool.submit(make_thumbnails, waiting[0], folder)
                under_way.append((waiting.popleft(), future))
            seen = under_way[0][1].result()
            yield under_way.popleft()[0].key, seen
    except BrokenProcessPool:
        # what was handed on after the break is none of its
        return deque(one for one, _ in under_way)
    finally:
        pool.shutdown(cancel_futures=True)
    return deque()


def _tidy(shown: list[Shown], folder: Path, *, is_all: bool) -> None:
    """Forget what belongs to no row any more; where only some are shown the others stay."""
    logged = _read_log(folder / LOG)
    current = {one.key: one for one in shown}
    if is_all:
        names = {name for one in shown for name in _names(one)}
        for path in (folder / THUMBNAILS).glob("??/*.jpg"):
            if path.stem not in names:
                path.unlink(missing_ok=True)
        logged = {}
    logged |= {key: one.seen for key, one in current.items()}
    with whole_file(folder / LOG, overwrite=True) as file:
        lines = [MARK, *({"key": key, **seen} for key, seen in logged.items())]
        file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
    for part in [folder, *(folder / THUMBNAILS).glob("??")]:
        clear_parts(part)

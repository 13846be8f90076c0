"""results.jsonl: what came of each row, a line each, kept through any end of a run."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from threading import Lock

from ..pictures.atomic import whole_file

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

CHUNK = 2**13  # bytes
NAME, LOCK = "results.jsonl", ".blending-batch.lock"
# What can come of a row: blended now; blended by an earlier run, of the same; not, for its own
# fault; not, since less memory was free than it needs. Records of files have the outer two alone.
DONE, KEPT, FAILED, SHORT = "done", "kept", "failed", "short of memory"


@dataclass(frozen=True)
class Former:
    """What an earlier run recorded of a row.

    Attributes:
        inputs: digest of all that its result came from: settings, versions, the files' bytes.
        output: digest of the result's file; empty: the row failed.
        error: why it failed; empty: it did not.
        request: digest of what was asked for: options, versions, names of files.
        is_taken: whether it failed since another file had the name of its result: that may change.
    """

    inputs: str
    output: str
    error: str = ""
    request: str = ""
    is_taken: bool = False


class Results:
    """The records of a folder of results, of which one run at a time may write."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written yet.

        Args:
            folder: of the results; it is there.

        Its `is_new` says, once it is opened, that no run has recorded anything there before.
        """
        self.folder, self.path = folder, folder / NAME
        self._places: dict[str, tuple[int, int]] = {}  # by out: the manifest's line, the offset
        self._file: FileIO | None = None
        self._turn = Lock()  # a cluster's pool asks for former records in another thread
        self._end = 0
        self.is_new = True

    @contextmanager
    def opened(self) -> Iterator["Results"]:
        """Take the folder, read what earlier runs recorded, and write on.

        A last line that is not whole, as a killed run may leave it, is taken away. After a good end
        each row has one record, in the order of the manifest.

        Yields:
            These results.

        Raises:
            BlockingIOError: another run writes there.
            OSError: the file cannot be read or written.
            ValueError: a file of that name holds something else.
        """
        with locked(self.folder / LOCK, "batch"):
            self.is_new = not self.path.exists()
            self._index()
            self._file = FileIO(self.path, "a+")
            try:
                self._file.truncate(self._end)
                yield self
            finally:
                self._file.close()
                if self.is_new and not self._end:
                    self.path.unlink()
            self._tidy()

    def __len__(self) -> int:
        """How many rows have a record."""
        return len(self._places)

    def former(self, out: str) -> Former | None:
        """What the last record of a row says.

        Args:
            out: the row's name of its result.

        Returns:
            Its digests or its error; None: there is no record.

        Raises:
            OSError: it cannot be read.
        """
        record = self._record(out)
        if record is None:
            return None
        known = record.get("former", record)  # of a row that failed: what was blended before it
        return Former(
            inputs=known.get("inputs", ""),
            output=known.get("output", ""),
            error=record.get("error", ""),
            request=record.get("request", ""),
            is_taken=record.get("is_taken", False),
        )

    def keep(self, out: str, line: int) -> None:
        """Record that a row's result is as an earlier run made it, by its line of the manifest.

        Args:
            out: the row's name of its result.
            line: the manifest's.

        Raises:
            OSError: it cannot be read or written.
        """
        record = self._record(out)
        if record is not None and ("former" in record or record["line"] != line):
            self.append(record.get("former", record) | {"line": line})

    def _record(self, out: str) -> dict | None:
        """The last record of a row; None: there is none."""
        if out not in self._places or self._file is None:
            return None
        with self._turn:
            return json.loads(_line_at(self._file, self._places[out][1]))

    def append(self, record: dict) -> None:
        """Record what came of a row; it outlives the process at once.

        Args:
            record: with the row's `line` and `out`, ready for JSON.

        Raises:
            OSError: the disk is full; the file is as it was.
        """
        assert self._file is not None
        last = self._record(record["out"]) if record.get("is_taken") else None
        if (
            last is not None
            and "former" not in record
            and (last.get("former") or last.get("output"))
        ):
            record = record | {"former": last.get("former", last)}
        text = json.dumps(record, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
        with self._turn:
            try:
                left = memoryview(text)
                while left:
                    left = left[self._file.write(left) :]
            except OSError as error:
                self._file.truncate(self._end)
                raise OSError(error.errno, f"{error.strerror}: {self.path}") from error
        self._places[record["out"]] = (record["line"], self._end)
        self._end += len(text)

    def _index(self) -> None:
        """Find each row's last record, and where the last whole line ends."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for text in file:
                if not text.endswith(b"\n"):
                    return
                try:
                    record = json.loads(text)
                    self._places[record["out"]] = (int(record["line"]), self._end)
                except (ValueError, TypeError, KeyError) as error:
                    raise ValueError(
                        f"{self.path} must hold the records of a batch, got {text[:40]!r}"
                    ) from error
                self._end += len(text)

    def _tidy(self) -> None:
        """Keep the last record of each row alone, in the order of the manifest."""
        order = sorted(self._places.values())
        offsets = [offset for _, offset in order]
        with FileIO(self.path) as file:
            lengths = [len(_line_at(file, offset)) for offset in offsets]
            is_tidy = offsets == sorted(offsets) and sum(lengths) == self._end
            if is_tidy:
                return
            with whole_file(self.path, overwrite=True) as tidy:
                for offset in offsets:
                    tidy.write(_line_at(file, offset))
                if not fcntl:
                    file.close()  # Windows replaces no open file


def _line_at(file: FileIO, offset: int) -> bytes:
    """The line that begins there; in few reads, though the file has no buffer to be out of date."""
    file.seek(offset)
    text = b""
    while b"\n" not in text:
        more = file.read(CHUNK)
        if not more:
            break
        text += more
    return text[: text.find(b"\n") + 1] or text


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a file's lock for the block; the lock, not the file, tells that a run is under way.

    Args:
        path: of the file, in the folder that is written to; it goes away after the block.
        what: writes there, for the message.

    Yields:
        Nothing.

    Raises:
        BlockingIOError: another process holds it.
    """
    with path.open("a+b") as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                yield  # this file system has no locks
                return
            raise BlockingIOError(
                f"{path.parent} must be written by one {what} at a time, another one is at it"
            ) from error
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()

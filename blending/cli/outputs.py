"""What a run that ends early has written already."""

import os
from collections.abc import Iterable


class Outputs:
    """The files that a run is to write, looked at before and after: no signal comes in between."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        """Look at them before anything is written.

        Args:
            paths: of the files; there or not.
        """
        self._before = {path: _state(path) for path in paths}

    @property
    def written(self) -> tuple[str, ...]:
        """The paths at which there is another file by now than before."""
        return tuple(path for path, before in self._before.items() if _state(path) != before)

    def beside(self, error: Exception) -> str:
        """What was written before an error, in words that follow it; empty: nothing was.

        Args:
            error: that ended the run. A file that it says is there is another writer's.

        Returns:
            The words.
        """
        is_there = str(error) if isinstance(error, FileExistsError) else ""
        own = [path for path in self.written if not is_there.startswith(f"{path} exists")]
        return f"; {' and '.join(own)} written" if own else ""

    @property
    def words(self) -> str:
        """These paths in words, for the end of a message."""
        return f"{' and '.join(self.written) or 'nothing'} written"


def _state(path: str) -> tuple[int, ...] | None:
    """What tells one file from the next that takes its place; None: there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

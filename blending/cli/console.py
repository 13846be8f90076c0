"""Standard streams that take any words: these never decide how the program ends."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

STAND_INS = {"Δ": "d", "−": "-"}  # for letters that most Windows consoles lack
# A closed stream; None (pythonw has no console) or an object that is no whole stream.
NO_STREAM = (ValueError, AttributeError, TypeError, LookupError)


class Console:
    """A standard stream that takes any words.

    Another letter stands for one that the stream's encoding lacks. Words that cannot be written
    vanish.

    Attributes:
        stream: what is written to; None where the program has no console.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        """Whatever else the stream has, such as its encoding."""
        return getattr(self.stream, name)

    def write(self, words: str) -> int:
        """Write words at once, so that a failure is met here and not when Python ends."""
        self._do("write", _shown(words, self.stream))
        self.flush()
        return len(words)

    def flush(self) -> None:
        """Write what the stream still holds, or let it vanish."""
        self._do("flush")

    def isatty(self) -> bool:
        """Whether the words are seen at once."""
        with suppress(OSError, *NO_STREAM):
            return self.stream is not None and self.stream.isatty()
        return False

    def _do(self, action: str, *words: str) -> None:
        """Let the stream do something, with its descriptor led to nowhere after a failure.

        Otherwise Python, as it ends, would write again what the stream still holds, fail again and
        exit with status 120.
        """
        with suppress(*NO_STREAM):
            try:
                getattr(self.stream, action)(*words)
            except OSError:  # a full disk, a pipe without a reader
                with suppress(OSError):
                    _lead_to_nowhere(self.fileno())


@contextmanager
def without_library_words() -> Iterator[None]:
    """Let what libraries in C write on descriptor 2 vanish: libtiff tells each fault there, too.

    For the command line alone, while no other thread writes there: a server's own words would
    vanish with them. What is wrong is told by the error that the library's caller raises.
    """
    saved = None
    with suppress(OSError, *NO_STREAM):  # closed, or no descriptor 2
        if sys.__stderr__ is not None and sys.__stderr__.fileno() == 2:
            saved = os.dup(2)
    try:
        with suppress(OSError):  # then what they write is seen
            if saved is not None:
                _lead_to_nowhere(2)
        yield
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # what it held writes its last words here
        raise
    finally:
        if saved is not None:
            _lead_back(2, saved)


def _lead_back(descriptor: int, saved: int) -> None:
    """Where it led before, at the second try if a signal comes into the first."""
    try:
        os.dup2(saved, descriptor)
    except BaseException as error:
        os.dup2(saved, descriptor)
        if not isinstance(error, OSError):
            raise
    finally:
        os.close(saved)


def _lead_to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, descriptor)
    finally:
        os.close(nowhere)


def _shown(words: str, stream: TextIO | None) -> str:
    """Words of letters that a stream can write, or leaves to its own handler of errors."""
    encoding = getattr(stream, "encoding", None)
    if not encoding:
        return words
    for letter, other in STAND_INS.items():
        if not _can_encode(letter, encoding):
            words = words.replace(letter, other)
    if _can_encode(words, encoding, getattr(stream, "errors", None) or "strict"):
        return words
    return words.encode(encoding, "replace").decode(encoding)


def _can_encode(words: str, encoding: str, errors: str = "strict") -> bool:
    try:
        words.encode(encoding, errors)
    except UnicodeError:
        return False
    return True

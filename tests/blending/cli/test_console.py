"""A console that takes any words: letters it lacks, words it refuses, streams that are none."""

import io
import os
from contextlib import contextmanager, nullcontext

import pytest

from blending.cli import console
from blending.cli.console import Console, without_library_words


def written(words, encoding, errors="strict"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding, errors, newline="")
    assert Console(stream).write(words) == len(words)
    return stream.buffer.getvalue()  # without a flush of the test's


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "3 ΔE − é雪"),
        ("utf-16-le", "3 ΔE − é雪"),
        ("ascii", "3 dE - ??"),
        ("cp1252", "3 dE - é?"),
        ("cp437", "3 dE - é?"),
        ("latin-1", "3 dE - é?"),
        ("cp1253", "3 ΔE - ??"),
        ("cp932", "3 ΔE − ?雪"),
    ],
)
def test_a_letter_that_the_encoding_lacks_is_replaced(encoding, expected):
    assert written("3 ΔE − é雪", encoding) == expected.encode(encoding)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ("strict", b"?.png dE"),
        ("surrogateescape", b"\xff.png dE"),
        ("backslashreplace", b"\\udcff.png dE"),
        ("ignore", b".png dE"),
    ],
)
def test_the_stream_s_own_handler_comes_before_a_question_mark(errors, expected):
    assert written(b"\xff.png ".decode("utf-8", "surrogateescape") + "ΔE", "ascii", errors) == (
        expected
    )


def test_a_stream_without_an_encoding_gets_the_words_as_they_are():
    Console(stream := io.StringIO()).write("ΔE\udcff")
    assert stream.getvalue() == "ΔE\udcff"


@pytest.mark.parametrize("stream", [None, object(), io.BytesIO()])
def test_what_is_no_stream_of_words_takes_them_all(stream):
    console = Console(stream)
    assert console.write("ΔE") == 2
    console.flush()
    assert not console.isatty()


def test_a_closed_stream_takes_all_words():
    (stream := io.StringIO()).close()
    console = Console(stream)
    assert console.write("ΔE") == 2
    console.flush()
    assert not console.isatty()


def test_whether_it_is_a_terminal_is_the_stream_s_to_say():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    assert Console(Terminal()).isatty()
    assert not Console(io.StringIO()).isatty()


def test_other_attributes_are_the_stream_s():
    with open(os.devnull, "w", encoding="ascii") as stream:
        console = Console(stream)
        assert (console.fileno(), console.encoding) == (stream.fileno(), "ascii")


@pytest.mark.parametrize("buffering", [{}, {"write_through": True}, {"line_buffering": True}])
def test_words_that_nobody_reads_are_not_written_later_either(buffering):
    reader, writer = os.pipe()
    os.close(reader)
    with io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(writer, "w")), "utf-8", **buffering
    ) as stream:
        Console(stream).write("ΔE\n")
        Console(stream).write("again\n")
        stream.flush()  # as Python does when it ends


def test_an_interrupt_is_passed_on():
    class Interrupted(io.StringIO):
        def write(self, _):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Console(Interrupted()).write("words")


def test_a_refusing_stream_does_not_touch_other_files(tmp_path):
    """Only a stream with a descriptor of its own has it led to nowhere."""

    class Refusing(io.StringIO):
        def write(self, _):
            raise OSError("full")

    with open(tmp_path / "file", "w", encoding="utf-8") as file:
        before = os.listdir("/dev/fd") if os.path.isdir("/dev/fd") else []
        Console(Refusing()).write("words")
        assert len(before) == len(os.listdir("/dev/fd") if before else [])
        file.write("kept")
    assert (tmp_path / "file").read_text() == "kept"


@contextmanager
def errors_to(path, monkeypatch):
    """Descriptor 2 on a file, as a program has it and not a test; pytest has its own on it."""
    saved = os.dup(2)
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 2)
    monkeypatch.setattr(console.sys, "__stderr__", os.fdopen(2, "w", closefd=False))
    try:
        yield
    finally:
        monkeypatch.undo()
        os.dup2(saved, 2)
        os.close(saved)


def test_words_of_libraries_vanish_in_a_block_and_no_longer(tmp_path, monkeypatch):
    with errors_to(tmp_path / "errors", monkeypatch):
        os.write(2, b"before ")
        with without_library_words():
            os.write(2, b"within ")
        os.write(2, b"after")
    assert (tmp_path / "errors").read_bytes() == b"before after"


# The calls of dup2 in a block: to nowhere, and back.
@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("error", [OSError(4, "Interrupted"), KeyboardInterrupt()])
def test_a_block_that_cannot_be_kept_quiet_runs_and_leaves_the_descriptors(
    tmp_path, monkeypatch, failing, error
):
    calls, real = [], os.dup2

    def dup2(*words):
        calls.append(words)
        if len(calls) - 1 == failing:
            raise error
        return real(*words)

    def descriptors():
        return os.listdir("/dev/fd") if os.path.isdir("/dev/fd") else []

    is_passed_on = isinstance(error, KeyboardInterrupt)
    with errors_to(tmp_path / "errors", monkeypatch):
        before = descriptors()
        monkeypatch.setattr(os, "dup2", dup2)
        with (
            pytest.raises(KeyboardInterrupt) if is_passed_on else nullcontext(),
            without_library_words(),
        ):
            pass
        os.write(2, b"after")
        assert len(descriptors()) == len(before)
    assert len(calls) > failing
    assert (tmp_path / "errors").read_bytes() == b"after"

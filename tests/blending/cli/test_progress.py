"""The progress bar: what it counts, and when it keeps silent."""

import io
import os
import sys
import threading
import warnings
from dataclasses import replace

import pytest

from blending.cli.console import Console
from blending.cli.progress import Progress
from blending.settings import BlendSettings, PoissonSettings
from blending.stages.batch import Evaluation


class Terminal(io.StringIO):
    def isatty(self):
        return True


def progress(stages, settings, stream, monkeypatch):
    """The bar's count after the evaluations, given as (stage, number)."""
    monkeypatch.setattr(sys, "stderr", stream)
    counts = []
    with Progress(settings) as bar:
        for stage, number in stages:
            bar(Evaluation(stage, 0, 1, number, 20, number, {}, lambda: None))
            counts.append(bar.bar.n)
    return bar.bar.total, counts


def test_the_bar_counts_both_stages_and_jumps_over_what_was_not_needed(monkeypatch):
    settings = BlendSettings()
    first, second = settings.poisson.max_evaluations, settings.refine.max_evaluations
    stages = [("poisson", 1), ("poisson", 2), ("refine", 1), ("refine", second)]
    total, counts = progress(stages, settings, stream := Terminal(), monkeypatch)
    assert total == first + second
    assert counts == [1, 2, first + 1, first + second]
    assert "refine" in stream.getvalue()


def test_without_a_terminal_the_bar_is_silent(monkeypatch):
    stream = io.StringIO()
    progress([("poisson", 1), ("refine", 1)], BlendSettings(), stream, monkeypatch)
    assert stream.getvalue() == ""


def test_an_exact_blend_shows_no_bar(monkeypatch):
    settings = BlendSettings(poisson=PoissonSettings(method="exact"), refine=None)
    progress([], settings, stream := Terminal(), monkeypatch)
    assert stream.getvalue() == ""


def test_an_exact_first_stage_leaves_the_whole_bar_to_the_second(monkeypatch):
    settings = BlendSettings(poisson=PoissonSettings(method="exact"))
    total, counts = progress(
        [("poisson", 0), ("refine", 3)], settings, stream := Terminal(), monkeypatch
    )
    assert total == settings.refine.max_evaluations
    assert counts == [0, 3]
    assert "refine" in stream.getvalue()


def test_a_first_stage_alone_has_its_own_budget(monkeypatch):
    poisson = replace(PoissonSettings(), max_evaluations=7)
    settings = BlendSettings(poisson=poisson, refine=None)
    total, counts = progress([("poisson", 7)], settings, stream := Terminal(), monkeypatch)
    assert (total, counts) == (7, [7])
    assert "poisson" in stream.getvalue()


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_the_bar_is_closed_when_the_block_ends_well_or_ill(error, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    closed = []
    try:
        with Progress(BlendSettings()) as bar:
            monkeypatch.setattr(bar.bar, "close", lambda: closed.append(True))
            assert not closed
            if error:
                raise error
    except KeyboardInterrupt:
        assert error  # passed on
    else:
        assert error is None
    assert closed == [True]


class Gone(Terminal):
    """A terminal whose window was closed."""

    def write(self, _):
        raise OSError(5, "Input/output error")

    flush = None  # of no use either


@pytest.mark.parametrize("stream", [None, object(), Gone()], ids=["none", "no stream", "gone"])
def test_a_console_that_shows_no_bar_stops_nothing(stream, monkeypatch):
    settings = BlendSettings()
    total, counts = progress(
        [("poisson", 1), ("refine", 1)], settings, Console(stream), monkeypatch
    )
    assert counts in ([1, settings.poisson.max_evaluations + 1], [0, 0])  # [0, 0]: no terminal
    assert total > 2


def test_the_bar_on_a_console_is_as_wide_as_the_terminal(monkeypatch):
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((60, 20)))
    terminal = Terminal()
    terminal.fileno = lambda: 2
    progress([("poisson", 1)], BlendSettings(), Console(terminal), monkeypatch)
    lines = terminal.getvalue().replace("\n", "").split("\r")
    assert {len(line) for line in lines if line} == {59}


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["file", "terminal"])
def test_the_bar_starts_no_thread_and_says_nothing_where_none_can_be_started(stream, monkeypatch):
    def refused(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert progress([("poisson", 1)], BlendSettings(), stream, monkeypatch)[0] > 1

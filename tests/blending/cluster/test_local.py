"""Worker processes: who gets which row, leave to begin, and workers that die.

The processes run `serve` with a stand-in for the blends, or die on purpose.
"""

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from blending.cluster import local
from blending.cluster.jobs import Job
from blending.cluster.local import LocalPool, free_memory, workers_here

BYTES = 1000.0


def stand_in(lines, threads, is_rehearsal):
    """A worker whose rows say what to do by the name of their preset; without torch."""
    while (given := lines.rows.recv()) is not None:
        job = given[0]
        words = job.options["preset"].split()
        lines.words.send(("begins", job.line, int(job.options["bytes"])))
        lines.leave.recv()
        log = Path(job.options["log"])
        with log.open("a") as file:
            file.write(f"begin {job.line} {os.getpid()} {job.options['target']}\n")
        if words[0] == "die":
            log.with_name(f"died-{job.line}-{time.monotonic_ns()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if words[0] == "die-once" and not list(log.parent.glob(f"died-{job.line}-*")):
            log.with_name(f"died-{job.line}-1").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        with log.open("a") as file:
            file.write(f"end {job.line}\n")
        status = "short of memory" if words[0] == "short" else "done"
        record = {"line": job.line, "status": status, "error": "short"}
        lines.words.send(("record", record))


def unborn(lines, threads, is_rehearsal):
    """A worker that ends before it says a word."""
    os._exit(3)


def faulty(lines, threads, is_rehearsal):
    """A worker that tells its own fault."""
    lines.words.send(("fault", "Traceback: no module named torch"))


@pytest.fixture
def do(tmp_path, monkeypatch):
    """do(presets, workers): records by line, and the log's lines."""
    monkeypatch.setattr(local, "serve", stand_in)
    log = tmp_path / "log"

    def records(presets, workers=2, targets=None, sizes=None):
        rows = []
        for line, preset in enumerate(presets, 1):
            options = {"preset": preset, "log": str(log), "at": [0, 0], "out": "o.png"}
            options |= dict.fromkeys(("source", "mask", "weights"), "s.png")
            options |= {"target": (targets or {}).get(line, f"{line}.png")}
            options |= {"bytes": (sizes or {}).get(line, 1)}
            options |= {"scale": 1.0, "mask_channel": None, "invert_mask": False}
            rows.append((Job(line, f"{line}.png", options, "digest"), None))
        found = list(LocalPool(workers, 1, BYTES).records(iter(rows)))
        assert sorted(one["line"] for one in found) == list(range(1, len(presets) + 1))
        return {one["line"]: one for one in found}, log.read_text().splitlines()

    return records


def workers_of(log):
    return {words.split()[1]: words.split()[2] for words in log if words.startswith("begin")}


@pytest.mark.skipif(os.name != "posix", reason="the stand-ins die by signals")
class TestPool:
    def test_every_row_is_done_once_by_as_many_workers(self, do):
        found, log = do(["done"] * 9)
        assert {one["status"] for one in found.values()} == {"done"}
        assert len(log) == 18
        assert len(set(workers_of(log).values())) == 2

    def test_rows_of_a_target_go_to_one_worker(self, do):
        targets = {line: f"{line % 2}.png" for line in range(1, 13)}
        _, log = do(["done"] * 12, targets=targets)
        pairs = {tuple(words.split()[2:]) for words in log if words.startswith("begin")}
        # Of four that there could be; a worker that is through helps with the other's target.
        assert len(pairs) <= 3

    def test_a_worker_that_dies_takes_no_row_but_its_own(self, do):
        found, log = do(["done", "done", "die", "done", "done", "done"])
        assert [found[line]["status"] for line in (1, 2, 4, 5, 6)] == ["done"] * 5
        assert found[3]["status"] == "failed"
        assert "ended twice, the last time with signal 9" in found[3]["error"]
        begun = [words.split()[1] for words in log if words.startswith("begin")]
        assert sorted(begun) == ["1", "2", "3", "3", "4", "5", "6"]
        assert begun[-1] == "3"  # alone, after all others

    def test_a_row_whose_worker_died_once_is_done(self, do):
        found, _ = do(["done", "die-once", "done"])
        assert {one["status"] for one in found.values()} == {"done"}

    def test_a_row_that_was_short_of_memory_is_tried_again_alone(self, do):
        found, log = do(["short", "done", "done"])
        assert found[1]["status"] == "failed"
        begun = [words.split()[1] for words in log if words.startswith("begin")]
        assert sorted(begun) == ["1", "1", "2", "3"]
        assert begun[-1] == "1"

    def test_blends_begin_where_their_memory_fits(self, do):
        sizes = {1: 900, 2: 900, 3: 50, 4: 50, 5: 2000, 6: 50}
        _, log = do(["done"] * 6, sizes=sizes)
        held = {}
        for words in log:
            kind, line = words.split()[:2]
            if kind == "begin":
                held[line] = sizes[int(line)]
                assert sum(held.values()) <= BYTES or len(held) == 1, log
            else:
                del held[line]

    def test_workers_that_never_begin_end_the_run(self, do, monkeypatch):
        monkeypatch.setattr(local, "serve", unborn)
        with pytest.raises(RuntimeError, match="before their first row, with exit status 3"):
            do(["done"])

    def test_a_worker_s_own_fault_is_told(self, do, monkeypatch):
        monkeypatch.setattr(local, "serve", faulty)
        with pytest.raises(RuntimeError, match="a worker failed: Traceback: no module named"):
            do(["done"])

    def test_an_exception_of_the_caller_ends_the_workers(self, do, tmp_path):
        options = {"preset": "done", "log": str(tmp_path / "log"), "target": "t", "bytes": 1}
        rows = ((Job(line, "o", options, ""), None) for line in range(1, 1000))
        pool = LocalPool(2, 1, BYTES)
        records = pool.records(rows)
        next(records)
        hands = list(pool._hands)
        records.close()
        assert [hand.process.exitcode for hand in hands] == [-signal.SIGKILL] * 2
        assert not pool._hands


def test_the_nearest_row_of_a_worker_s_target_comes_first_and_no_row_is_lost():
    names = ["a", "b", "a", "c", "b", "a"]
    rows = [
        (SimpleNamespace(options={"target": name}, line=line), None)
        for line, name in enumerate(names)
    ]
    queue = local._Queue(iter(rows))

    def take(wanted, *others):
        given = queue.take(wanted, set(others))
        return given and given[0].line

    assert take("b", "a") == 1
    assert take(None, "a", "b") == 3
    queue.give_back([rows[1]])
    assert take("b", "a") == 1
    assert take("b", "a") == 4
    assert [take("b", "a"), take("b", "a"), take("b", "a")] == [0, 2, 5]
    assert take("b") is None


def test_workers_are_as_many_as_the_cores_allow(monkeypatch):
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert [workers_here(threads) for threads in (1, 2, 4, 7)] == [6, 3, 1, 1]
    monkeypatch.delattr(local.os, "sched_getaffinity")
    monkeypatch.setattr(local.os, "cpu_count", lambda: None)
    assert workers_here(1) == 1


def test_most_of_the_free_memory_may_be_taken():
    import psutil

    assert 0 < free_memory() < psutil.virtual_memory().total

"""results.jsonl: whole through any end, one record a row after a good one."""

import errno
import json
import subprocess
import sys

import pytest

from blending.cluster.results import LOCK, NAME, Former, Results


def record(line, out, **more):
    return {"line": line, "out": out, "status": "done", "inputs": f"i{line}", **more}


def lines(folder):
    return [json.loads(text) for text in (folder / NAME).read_text("utf-8").splitlines()]


def fill(folder, *records):
    with Results(folder).opened() as results:
        for one in records:
            results.append(one)


def test_records_are_found_again(tmp_path):
    fill(tmp_path, record(1, "a", output="o"), record(2, "ü", error="no", request="r"))
    with Results(tmp_path).opened() as results:
        assert len(results) == 2
        assert not results.is_new
        assert results.former("a") == Former("i1", "o")
        assert results.former("ü") == Former("i2", "", "no", "r")
        assert results.former("b") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME]


def test_the_last_record_of_a_row_counts_and_stays_in_the_manifest_s_order(tmp_path):
    fill(tmp_path, record(3, "c"), record(1, "a", error="no"), record(1, "a", output="o"))
    assert lines(tmp_path) == [record(1, "a", output="o"), record(3, "c")]
    fill(tmp_path, record(2, "b"), record(3, "c", output="p"))
    outs = [one["out"] for one in lines(tmp_path)]
    assert outs == ["a", "b", "c"]
    assert lines(tmp_path)[2]["output"] == "p"


def test_a_row_whose_inputs_changed_and_came_back_has_its_record_back(tmp_path):
    done = record(1, "a", output="o", report={"stages": []})
    fill(tmp_path, done, record(1, "a", error="it was made of other files", is_taken=True))
    fill(tmp_path, record(1, "a", error="again", is_taken=True, inputs="other"))
    with Results(tmp_path).opened() as results:
        assert results.former("a") == Former("i1", "o", "again", "", True)
        results.keep("a", 4)
    assert lines(tmp_path) == [done | {"line": 4}]


def test_a_kept_row_has_its_line_of_today(tmp_path):
    fill(tmp_path, record(1, "a"), record(2, "b"))
    with Results(tmp_path).opened() as results:
        results.keep("b", 1)
        results.keep("a", 2)
        results.keep("none", 3)
    assert [(one["line"], one["out"]) for one in lines(tmp_path)] == [(1, "b"), (2, "a")]


def test_long_records_are_read_whole(tmp_path):
    long = record(2, "b", error="é" * 50_000)
    fill(tmp_path, long, record(1, "a"))
    assert lines(tmp_path) == [record(1, "a"), long]


def test_a_name_that_no_text_can_hold_is_found_again(tmp_path):
    fill(tmp_path, record(1, "a\udc80", output="o"))
    with Results(tmp_path).opened() as results:
        assert results.former("a\udc80") == Former("i1", "o")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_last_line_that_is_not_whole_is_taken_away(tmp_path, share):
    fill(tmp_path, record(1, "a"))
    text = json.dumps(record(2, "b"))
    with (tmp_path / NAME).open("a") as file:
        file.write(text[: int(len(text) * share)])
    fill(tmp_path, record(3, "c"))
    assert [one["out"] for one in lines(tmp_path)] == ["a", "c"]


@pytest.mark.parametrize("content", [b"notes\n", b"[1]\n", b'{"out": "a"}\n', b"\xff\xfe\n"])
def test_another_s_file_of_that_name_is_left_alone(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(ValueError, match="must hold the records of a batch"):
        fill(tmp_path, record(1, "a"))
    assert (tmp_path / NAME).read_bytes() == content


def test_a_run_without_a_record_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), Results(tmp_path).opened() as results:
        assert results.is_new
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_a_record_that_does_not_fit_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    with Results(tmp_path).opened() as results:
        results.append(record(1, "a"))

        class Full:
            def __init__(self, file):
                self.file = file

            def write(self, text):
                self.file.write(text[:9])
                raise OSError(errno.ENOSPC, "No space left on device")

            def __getattr__(self, name):
                return getattr(self.file, name)

        file = results._file
        results._file = Full(file)
        with pytest.raises(OSError, match="No space"):
            results.append(record(2, "b"))
        results._file = file
        results.append(record(3, "c"))
    assert [one["out"] for one in lines(tmp_path)] == ["a", "c"]


SECOND = """
import sys
from pathlib import Path
from blending.cluster.results import Results
with Results(Path(sys.argv[1])).opened():
    print("opened", flush=True)
    sys.stdin.read()
"""


def test_one_run_at_a_time_and_a_killed_one_holds_nothing(tmp_path):
    command = [sys.executable, "-c", SECOND, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as other:
        assert other.stdout.readline().strip() == b"opened"
        with pytest.raises(BlockingIOError, match="by one batch at a time"):
            fill(tmp_path, record(1, "a"))
        other.kill()
    assert (tmp_path / LOCK).exists()
    fill(tmp_path, record(1, "a"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME]

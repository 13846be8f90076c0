"""Reading ahead and writing behind, with a stand-in for what does the rows."""

import threading
import time
from types import SimpleNamespace

import pytest

from blending.cluster import worker
from blending.cluster.worker import work_through


class Steps:
    """What does rows, noting when; `sizes` are bytes of a row's pictures."""

    def __init__(self, sizes=None, fails=None):
        self.notes, self.sizes, self.fails = [], sizes or {}, fails or {}
        self.lock = threading.Lock()

    def note(self, *words):
        with self.lock:
            self.notes.append(words)
        if words in self.fails:
            raise self.fails[words]

    def begin(self, job, former):
        return SimpleNamespace(job=job, former=former)

    def read(self, task):
        self.note("read", task.job)

    def pictures_bytes(self, task):
        return self.sizes.get(task.job, 1)

    def blend(self, task):
        time.sleep(0.03)
        self.note("blend", task.job)

    def write(self, task):
        time.sleep(0.01)
        self.note("write", task.job)
        return {"line": task.job}


def rows(count):
    return iter([(number, None) for number in range(count)])


def test_rows_are_told_in_their_order_and_read_beside_the_blend():
    steps, told = Steps(), []
    work_through(steps, rows(4), told.append)
    assert told == [{"line": number} for number in range(4)]
    assert steps.notes.index(("read", 1)) < steps.notes.index(("blend", 0))
    assert steps.notes.index(("blend", 1)) < steps.notes.index(("write", 1))


def test_at_most_one_row_is_read_ahead():
    steps = Steps()
    taken = []

    def given():
        for number in range(6):
            with steps.lock:
                blended = sum(words[0] == "blend" for words in steps.notes)
            taken.append(number - blended)
            yield number, None

    work_through(steps, given(), lambda record: None)
    assert max(taken) <= 2


def test_nothing_is_read_or_written_beside_large_pictures():
    steps = Steps(sizes={1: worker.LARGE + 1})
    work_through(steps, rows(3), lambda record: None)
    order = [steps.notes.index(words) for words in (("write", 0), ("blend", 1), ("write", 1))]
    assert order == sorted(order)
    assert steps.notes.index(("write", 1)) < steps.notes.index(("read", 2))


def test_leave_is_asked_for_before_each_blend():
    steps = Steps()
    work_through(steps, rows(3), lambda record: None, lambda task: steps.note("leave", task.job))
    for number in range(3):
        assert steps.notes.index(("leave", number)) < steps.notes.index(("blend", number))


@pytest.mark.parametrize("step", ["read", "blend", "write"])
def test_what_a_step_raises_ends_the_work(step):
    steps = Steps(fails={(step, 1): ZeroDivisionError("a fault")})
    with pytest.raises(ZeroDivisionError, match="a fault"):
        work_through(steps, rows(9), lambda record: None)
    assert ("write", 8) not in steps.notes


def test_what_the_listener_raises_ends_the_work():
    def tell(record):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        work_through(Steps(), rows(9), tell)


def test_no_rows_are_no_work():
    work_through(Steps(), rows(0), lambda record: pytest.fail("nothing was to be told"))

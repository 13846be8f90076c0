"""A row's steps in this process: the single command's bytes, kept rows, faults as records."""

import argparse
import hashlib
import pickle
import pickletools

import numpy as np
import pytest
from PIL import Image

from blending.cli.main import main
from blending.cluster import work as module
from blending.cluster.results import Former
from blending.cluster.work import Work
from blending.network import vgg16
from blending.stages.memory import ShortOfMemoryError


def done(work, job, former=None):
    task = work.begin(job, former)
    work.read(task)
    work.blend(task)
    return work.write(task)


@pytest.fixture
def work():
    return Work(1)


def test_a_row_has_the_bytes_of_the_single_command(work, jobs, row, pictures, monkeypatch):
    (job,) = jobs([row(0, save_cutout="cut/c.png", preset="photograph", method="exact")])
    record = done(work, job)
    monkeypatch.chdir(pictures)
    words = "--source source.png --mask mask.png --target target.png --at 0,0 --method exact"
    words += " --preset photograph --out single.png --save-cutout cut.png --report r.json"
    assert main(words.split()) == 0
    for single, batch in {"single.png": "0.png", "cut.png": "cut/c.png"}.items():
        assert (pictures / single).read_bytes() == (pictures / "out" / batch).read_bytes()
    assert record["status"] == "done"
    assert record["report"]["stages"][0]["stage"] == "poisson"
    assert set(record["seconds"]) == {"read", "blend", "write"}
    assert record["threads"] == 1


def test_a_row_that_is_done_is_kept_and_another_one_s_is_not_replaced(work, jobs, row, pictures):
    (job,) = jobs([row()])
    first = done(work, job)
    former = Former(first["inputs"], first["output"])
    out = pictures / "out" / "0.png"
    written = out.stat().st_mtime_ns
    assert done(work, job, former)["status"] == "kept"
    assert out.stat().st_mtime_ns == written
    # Its record was lost: what is there has the bytes that it would have.
    assert done(work, job)["status"] == "done"
    assert out.stat().st_mtime_ns == written
    # The source is another one by now: the file there was made of something else.
    Image.fromarray(np.full((24, 20, 3), 9, np.uint8)).save(pictures / "source.png")
    for known in (former, None):
        record = done(work, job, known)
        assert record["status"] == "failed"
        assert "only with --overwrite" in record["error"]
    assert hashlib.sha256(out.read_bytes()).hexdigest() == first["output"]
    (job,) = jobs([row()], overwrite=True)
    assert done(work, job, former)["status"] == "done"
    assert hashlib.sha256(out.read_bytes()).hexdigest() != first["output"]


def test_a_kept_row_s_file_that_was_changed_or_lost_is_not_taken_for_it(work, jobs, row, pictures):
    (job,) = jobs([row()])
    first = done(work, job)
    former = Former(first["inputs"], first["output"])
    out = pictures / "out" / "0.png"
    whole = out.read_bytes()
    out.unlink()
    assert done(work, job, former)["status"] == "done"
    assert out.read_bytes() == whole
    out.write_bytes(whole[:-9])
    assert done(work, job, former)["status"] == "failed"
    assert out.read_bytes() == whole[:-9]


def test_a_row_whose_cutout_was_lost_is_not_done(work, jobs, row, pictures):
    (job,) = jobs([row(save_cutout="c.png")])
    first = done(work, job)
    former = Former(first["inputs"], first["output"])
    assert done(work, job, former)["status"] == "kept"
    cutout = pictures / "out" / "c.png"
    whole = cutout.read_bytes()
    cutout.unlink()
    assert done(work, job, former)["status"] == "done"
    assert cutout.read_bytes() == whole


def test_a_mask_that_seems_inverted_is_in_the_record(work, jobs, row, pictures):
    with Image.open(pictures / "mask.png") as mask:
        taken = np.asarray(mask) > 0
    taken[4:8, 4:8] = taken[16:20, 12:16] = False  # no rectangle
    Image.fromarray(np.where(taken, 0, 255).astype(np.uint8)).save(pictures / "mask.png")
    first, second = jobs([row(0), row(1, invert_mask=True)])
    assert "looks inverted" in done(work, first)["doubt"]
    assert done(work, second)["doubt"] == ""


def test_a_target_is_read_once_for_rows_that_share_it(work, jobs, row, monkeypatch):
    read = []
    real = module.read_picture
    monkeypatch.setattr(
        module, "read_picture", lambda path, **how: read.append(path) or real(path, **how)
    )
    for job in jobs([row(0), row(1), row(2), row(3)]):
        assert done(work, job)["status"] == "done"
    assert [path.rsplit("/")[-1] for path in read] == ["target.png", "other.png"]


def test_a_target_that_was_written_anew_is_read_anew(work, jobs, row, pictures):
    first, second = jobs([row(0), row(0, out="b.png")])
    done(work, first)
    Image.fromarray(np.zeros((48, 40, 3), np.uint8)).save(pictures / "target.png")
    done(work, second)
    with Image.open(pictures / "out" / "b.png") as image:
        assert image.getpixel((39, 47)) == (0, 0, 0)


@pytest.mark.parametrize(("bound", "most"), [("KEPT_TARGETS", 1), ("KEPT_BYTES", 48 * 40 * 3)])
def test_targets_are_kept_within_their_bounds(work, jobs, row, monkeypatch, bound, most):
    monkeypatch.setattr(module, bound, most)
    for job in jobs([row(0), row(2)]):
        done(work, job)
    assert len(work._targets) == 1


def test_a_record_loads_nothing_where_it_arrives(work, jobs, row):
    """The process that hands out the rows does without torch; text, numbers and lists alone."""
    (job,) = jobs([row(0)])
    found = pickletools.genops(pickle.dumps(done(work, job)))
    assert not [name.arg for name, *_ in found if name.name in ("GLOBAL", "STACK_GLOBAL")]


def test_freed_memory_goes_back_after_some_rows(work, jobs, row, monkeypatch):
    told = []
    monkeypatch.setattr(module, "give_back_memory", lambda: told.append(work._written))
    for job in jobs([row(number) for number in range(module.TRIMMED + 1)]):
        done(work, job)
    assert told == [module.TRIMMED]
    monkeypatch.undo()
    module.give_back_memory()  # whatever the C library is


def test_the_network_is_loaded_once(work, jobs, row, pictures, random_weights, monkeypatch):
    loaded = []
    real = vgg16.load_features
    monkeypatch.setattr(
        module, "load_features", lambda *given: loaded.append(given) or real(*given)
    )
    fields = {"preset": "fast", "weights": str(random_weights), "input_scale": "standardised"}
    for job in jobs([row(0, **fields), row(1, **fields)]):
        assert done(work, job)["status"] == "done"
    assert loaded == [(random_weights, "standardised")]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "source.png").unlink(), "not found"),
        (lambda folder: (folder / "source.png").write_bytes(b"no"), "must be a whole picture"),
        (lambda folder: Image.new("L", (3, 3)).save(folder / "mask.png"), "mask must"),
        (lambda folder: Image.new("L", (20, 24)).save(folder / "mask.png"), "mask must"),
        (lambda folder: (folder / "out").write_text("a file"), "File exists"),
    ],
)
def test_a_fault_of_the_row_is_its_record(work, jobs, row, pictures, spoil, words):
    (job,) = jobs([row()])
    spoil(pictures)
    record = done(work, job)
    assert record["status"] == "failed"
    assert words in record["error"]
    assert record["request"] == job.request
    assert not (pictures / "out" / "0.png").exists()


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ShortOfMemoryError("memory must be 9 MB"), "short of memory", "memory must be 9 MB"),
        (MemoryError(), "short of memory", "short of memory"),
        (ZeroDivisionError("a fault"), "failed", r"ZeroDivisionError: a fault (test_work.py:"),
    ],
)
def test_what_a_blend_raises_is_the_row_s_record(
    work, jobs, row, monkeypatch, error, status, words
):
    def blend(*_, **__):
        raise error

    monkeypatch.setattr(module, "blend_inputs", blend)
    (job,) = jobs([row()])
    record = done(work, job)
    assert record["status"] == status
    assert words in record["error"]


def test_an_interrupt_is_no_record(work, jobs, row, monkeypatch):
    def blend(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "blend_inputs", blend)
    (job,) = jobs([row()])
    with pytest.raises(KeyboardInterrupt):
        done(work, job)


def test_a_rehearsal_writes_nothing(jobs, row, pictures):
    (job,) = jobs([row()])
    assert done(Work(1, is_rehearsal=True), job)["status"] == "done"
    assert not (pictures / "out").exists()


def test_the_memory_is_told_before_the_blend(work, jobs, row):
    exact, deep, wrong = jobs([row(0), row(1, preset="painting"), row(2, scale=1e9)])
    needed = []
    for job in (exact, deep, wrong):
        task = work.begin(job)
        work.read(task)
        needed.append(work.bytes_needed(task))
    assert 0 < needed[0] < needed[1]
    assert needed[1] > 4000 * 24 * 20  # bytes an evaluation takes for each pixel that it changes
    assert work.bytes_needed(module.Task(exact, None, argparse.Namespace())) == 0

"""Whole batches by real workers: checked, resumed after any end, recorded, the same bytes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blending.cluster.command import batch_main
from blending.cluster.run import BatchSettings, WrongManifestError, run

pytestmark = pytest.mark.usefixtures("quick_workers")
ROOT = Path(__file__).parents[3]
ONE = BatchSettings(workers=1)
ROWS = 12


def records(folder):
    return [json.loads(text) for text in (folder / "results.jsonl").read_text("utf-8").splitlines()]


def written(folder):
    """Every file below a folder but the records, hidden ones too, with its bytes."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "results.jsonl"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_batch_is_done_kept_and_gone_on_with(manifest, row, pictures):
    rows = [row(n, out=f"{n % 2}/{n}.png") for n in range(4)]
    (pictures / "vanishing.png").write_bytes((pictures / "source.png").read_bytes())
    rows[1]["source"] = "vanishing.png"
    path, out = manifest(rows), pictures / "out"
    heard = []

    def vanish(count):
        heard.append(count)
        (pictures / "vanishing.png").unlink()

    first = run(path, out, ONE, on_start=vanish, on_record=lambda one: heard.append(one["line"]))
    assert (first.rows, first.done, first.kept, first.failed) == (4, 3, 0, 1)
    assert (heard[0], sorted(heard[1:])) == (4, [1, 2, 3, 4])
    assert first.workers == 1
    assert 0 < first.blending_seconds <= first.seconds
    found = records(out)
    assert [one["line"] for one in found] == [1, 2, 3, 4]
    assert [one["status"] for one in found] == ["done", "failed", "done", "done"]
    assert "file not found" in found[1]["error"]
    assert found[0]["report"]["verdicts"][0].keys() <= found[0]["report"]["guard_rails"][0].keys()

    (pictures / "vanishing.png").write_bytes((pictures / "source.png").read_bytes())
    files = written(out)
    second = run(path, out, ONE)  # what failed is not tried again unless that is asked for
    assert (second.done, second.kept, second.failed) == (0, 3, 1)
    assert written(out) == files
    third = run(path, out, BatchSettings(workers=1, retry_failed=True))
    assert (third.done, third.kept, third.failed) == (1, 3, 0)
    assert [one["status"] for one in records(out)] == ["done"] * 4
    manifest([*rows, row(4), rows[0] | {"out": "again.png", "at": [5, 5]}])
    fourth = run(path, out, ONE)
    assert (fourth.rows, fourth.done, fourth.kept, fourth.failed) == (6, 2, 4, 0)
    assert [one["out"] for one in records(out)] == [
        *("0/0.png", "1/1.png", "0/2.png", "1/3.png", "4.png", "again.png")
    ]


def test_rows_of_python_are_blended_too(row, pictures, monkeypatch):
    monkeypatch.chdir(pictures)
    summary = run([row(0, target=None)], "out", ONE, defaults={"target": "target.png"})
    assert summary.done == 1
    assert (pictures / "out" / "0.png").is_file()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([{}, {"out": "0.png"}], "line 2: out must be given once, line 1 has "),
        ([{}, {"save_cutout": "0.png"}], "line 2: save_cutout must be given once, line 1 has "),
        ([{"source": "no.png"}, {}], "line 1: source must be a file, found nothing at "),
    ],
)
def test_wrong_rows_are_told_before_anything_is_done(manifest, row, pictures, changes, words):
    rows = [row(number, **more) for number, more in enumerate(changes)]
    with pytest.raises(WrongManifestError, match=r"^1 row is wrong, nothing was blended:") as told:
        run(manifest(rows), pictures / "new" / "out", ONE)
    assert words in str(told.value)
    assert not (pictures / "new" / "out").exists()


def test_many_wrong_rows_are_told_by_the_first_ones_and_their_number(manifest, row, pictures):
    path = manifest([row(number, scale="x") for number in range(120)])
    with pytest.raises(WrongManifestError) as told:
        run(path, pictures / "out", ONE)
    lines = str(told.value).splitlines()
    assert lines[0] == "120 rows are wrong, nothing was blended:"
    assert lines[-1] == "and 70 more"
    assert len(lines) == 52


def test_a_file_that_no_run_has_made_is_refused_before_anything_is_done(manifest, row, pictures):
    out = pictures / "out"
    out.mkdir()
    (out / "1.png").write_text("the user's")
    path = manifest([row(0), row(1)])
    with pytest.raises(WrongManifestError, match=r"line 2: out: .*1\.png exists; see --overwrite"):
        run(path, out, ONE)
    assert [item.name for item in out.iterdir()] == ["1.png"]
    assert (out / "1.png").read_text() == "the user's"
    assert run(path, out, BatchSettings(workers=1, overwrite=True)).done == 2
    with Image.open(out / "1.png") as image:
        assert image.size == (40, 48)


def test_rows_whose_mask_changed_fail_until_they_may_be_replaced_or_it_comes_back(
    manifest, row, pictures
):
    path, out, mask = manifest([row(0), row(1)]), pictures / "out", pictures / "mask.png"
    run(path, out, ONE)
    first, before = mask.read_bytes(), written(out)
    Image.fromarray(np.pad(np.full((8, 8), 255, np.uint8), ((8, 8), (6, 6)))).save(mask)
    told = []
    assert run(path, out, ONE, on_record=told.append).failed == 2
    assert "only with --overwrite" in told[0]["error"]
    assert written(out) == before
    second = mask.read_bytes()
    mask.write_bytes(first)
    assert run(path, out, ONE).kept == 2
    assert all(one["report"] for one in records(out))
    mask.write_bytes(second)
    assert run(path, out, ONE).failed == 2
    assert run(path, out, BatchSettings(workers=1, overwrite=True)).done == 2
    assert written(out) != before


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"workers": 0}, ValueError, "workers must be in"),
        ({"threads": 0}, ValueError, "threads must be in"),
        ({"threads": 1.5}, TypeError, "threads must be a whole number"),
        ({"limit": -1}, ValueError, "limit must be in"),
        ({"gpus_per_worker": -1}, ValueError, "gpus_per_worker must be in"),
        ({"cpus_per_worker": -1}, ValueError, "cpus_per_worker must be in"),
    ],
)
def test_settings_out_of_their_range_are_refused(settings, kind, words):
    with pytest.raises(kind, match=words):
        BatchSettings(**settings)


def test_an_empty_manifest_and_an_address_without_records_are_refused(manifest, row, pictures):
    with pytest.raises(ValueError, match="manifest must have a row, got none"):
        run(manifest([]), pictures / "out", ONE)
    with pytest.raises(ValueError, match="records must be a folder on this machine, got s3://b/o"):
        run(manifest([row()]), "s3://b/o", ONE)
    assert not (pictures / "out").exists()


def command(path, out, *more):
    # Two workers, so that each kill meets rows in every step.
    words = ["-m", "blending", "batch", str(path), "--out", str(out), "--workers", "2", *more]
    return subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A manifest of rows, and what an undisturbed run of it writes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    draw = np.random.default_rng(5)
    for name, size in {"source": (24, 20), "target": (300, 400)}.items():
        Image.fromarray(draw.integers(0, 256, (*size, 3), np.uint8)).save(folder / f"{name}.png")
    fields = {"source": "source.png", "target": "target.png", "preset": "seam-repair"}
    Image.fromarray(np.pad(np.full((16, 12), 255, np.uint8), 4)).save(folder / "mask.png")
    rows = [
        fields | {"mask": "mask.png", "at": [9 * n, n], "out": f"{n % 2}/{n}.png"}
        for n in range(ROWS)
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    assert run(path, folder / "out", ONE).done == ROWS
    return path, written(folder / "out")


@pytest.mark.skipif(os.name != "posix", reason="kills by signals")
def test_after_a_kill_the_last_run_s_files_are_those_of_an_undisturbed_one(
    undisturbed, tmp_path, capsys
):
    """One kill here; `python -m tests.campaign batches` kills at many random moments."""
    path, expected = undisturbed
    process = command(path, tmp_path)
    wait_for(lambda: len(list(tmp_path.rglob("*.png"))) >= 3)
    time.sleep(random.Random(3).random() / 50)
    process.kill()
    process.communicate()
    assert batch_main([str(path), "--out", str(tmp_path), "--workers", "2"]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    assert written(tmp_path) == expected
    assert [one["line"] for one in records(tmp_path)] == list(range(1, ROWS + 1))
    assert "failed   0\n" in output


@pytest.mark.skipif(os.name != "posix", reason="interrupts by signals")
def test_an_interrupt_ends_all_workers_and_is_gone_on_after(undisturbed, tmp_path):
    path, expected = undisturbed
    # Many more rows than can be done before the interrupt, the first of them the same.
    many = [json.loads(line) for line in path.read_text().splitlines()]
    many += [many[0] | {"out": f"more/{number}.png"} for number in range(600)]
    path = path.with_name("many.jsonl")
    path.write_text("".join(json.dumps(one) + "\n" for one in many))
    process = command(path, tmp_path)
    wait_for(lambda: list(tmp_path.rglob("*.png")))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    started = children.read_text().split() if children.exists() else []
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == b"blending: interrupted; run it again to go on\n"
    wait_for(lambda: not [pid for pid in started if Path(f"/proc/{pid}").exists()], 5)
    assert not list(tmp_path.rglob(".blending*"))
    assert len(written(tmp_path)) < len(many)
    assert run(path, tmp_path, BatchSettings(workers=1, limit=ROWS)).failed == 0
    assert written(tmp_path).items() >= expected.items()


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_rows_that_find_the_disk_full_fail_and_the_rest_is_done(manifest, row, pictures):
    out = pictures / "out"
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(out)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted")
    try:
        draw = np.random.default_rng(1)
        large = draw.integers(0, 256, (400, 400, 3), np.uint8)
        Image.fromarray(large).save(pictures / "large.png")
        path = manifest([row(0), row(1, target="large.png"), row(2)])
        summary = run(path, out, ONE)
        assert (summary.done, summary.failed) == (2, 1)
        assert "No space left on device" in records(out)[1]["error"]
        assert sorted(written(out)) == ["0.png", "2.png"]
        shutil.copy(pictures / "target.png", pictures / "large.png")  # one that fits
        again = run(path, out, BatchSettings(workers=1, retry_failed=True))
        assert (again.done, again.kept) == (1, 2)
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_without_the_extra_a_cluster_is_refused_before_anything_is_made(
    manifest, row, pictures, monkeypatch
):
    monkeypatch.setitem(sys.modules, "ray.data", None)
    path = manifest([row(0)])
    with pytest.raises(ValueError, match=r'pip install "\.\[cluster\]"; got \'auto\''):
        run(path, pictures / "out", BatchSettings(cluster="auto"))
    assert not (pictures / "out").exists()

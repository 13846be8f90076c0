"""`python -m blending batch`: its words, statuses and options."""

import subprocess
import sys
from pathlib import Path

import pytest

from blending.cluster import command
from blending.cluster.command import batch_main, in_words
from blending.cluster.run import BatchSettings, Summary, WrongManifestError

ROOT = Path(__file__).parents[3]


def start(*words):
    return subprocess.run(
        [sys.executable, "-m", "blending", *words], cwd=ROOT, capture_output=True, text=True
    )


def test_a_batch_by_the_command_line(manifest, row, pictures):
    path = manifest([row(0), row(1, mask=None)])
    words = ["batch", str(path), "--out", str(pictures / "out"), "--workers", "1"]
    done = start(*words, "--mask", str(pictures / "mask.png"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert (lines["rows"], lines["blended"], lines["kept"], lines["failed"]) == ("2", "2", "0", "0")
    assert lines["records"] == str(pictures / "out" / "results.jsonl")
    assert (pictures / "out" / "1.png").is_file()


def test_rows_that_fail_are_told_and_are_status_one(manifest, row, pictures, quick_workers, capsys):
    (pictures / "mask.png").write_bytes(b"no picture")
    words = [str(manifest([row(0)])), "--out", str(pictures / "out"), "--workers", "1"]
    assert batch_main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("line 1: 0.png: ")
    assert "must be a whole picture file" in line
    assert batch_main(words) == 1
    assert "failed   1 (--retry-failed tries them again)" in capsys.readouterr().out


def test_the_help_and_a_wrong_manifest_need_no_torch(manifest, row, pictures):
    code = (
        "import runpy, sys\nsys.argv[1:] = {!r}\n"
        "try:\n    runpy.run_module('blending', run_name='__main__')\n"
        "except SystemExit as end:\n    print(end.code)\nassert 'torch' not in sys.modules"
    )
    path = manifest([row(0, scale="x")])
    for words, status in {("batch", "--help"): 0, ("batch", str(path), "--out", "o"): 2}.items():
        done = subprocess.run(
            [sys.executable, "-c", code.format(list(words))],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == str(status)


def test_without_its_folder_as_the_registry_ships_it_one_line_says_so():
    code = (
        "import runpy, sys\nsys.argv[1:] = ['batch', 'rows.csv']\n"
        "sys.modules['blending.cluster'] = None\nrunpy.run_module('blending', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("blending: error: batch is not part of what ComfyUI's registry")
    assert done.stderr.count("\n") == 1


def test_every_option_reaches_the_run(monkeypatch, capsys):
    seen = {}

    def run(manifest, out, settings, **more):
        seen.update(more, manifest=manifest, out=out, settings=settings)
        return Summary(rows=2, done=1, failed=1)

    monkeypatch.setattr(command, "run", run)
    words = "rows.csv --out o --records r --workers 3 --threads 2 --limit 5 --retry-failed"
    words += " --overwrite --cluster local --cpus-per-worker 1.5 --gpus-per-worker 0.5"
    words += " --preset seam-repair --at -3,4 --invert-mask --harmonise 0.5"
    assert batch_main(words.split()) == 1
    assert (seen["manifest"], seen["out"], seen["records"]) == ("rows.csv", "o", "r")
    assert seen["settings"] == BatchSettings(3, 2, True, True, 5, "local", 1.5, 0.5)
    given = {name: value for name, value in seen["defaults"].items() if value is not None}
    assert given == {"preset": "seam repair", "at": (-3, 4), "invert_mask": True, "harmonise": 0.5}
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "the following arguments are required: MANIFEST, --out"),
        ("rows.csv --out o --threads x", "argument --threads: invalid int value: 'x'"),
        ("rows.csv --out o --threads 0", "threads must be in [1, inf], got 0"),
        ("rows.csv --out o --save-cutout c.png", "unrecognized arguments: --save-cutout c.png"),
        ("rows.txt --out o", "manifest must end in one of"),
        ("rows.csv --out o", "manifest not found: rows.csv"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(words, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert batch_main(words.split()) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"blending: error: {told}")
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "blending: interrupted; run it again to go on\n"),
        (OSError("the disk is full"), 2, "blending: error: the disk is full\n"),
        (RuntimeError("workers end"), 2, "blending: error: workers end\n"),
        (WrongManifestError([], 0), 2, "blending: error: 0 rows are wrong, nothing was"),
    ],
)
def test_every_end_has_its_status_and_words(monkeypatch, capsys, error, status, words):
    def run(*_, **__):
        raise error

    monkeypatch.setattr(command, "run", run)
    assert batch_main(["rows.csv", "--out", "o"]) == status
    assert capsys.readouterr().err.startswith(words)


def test_the_counts_are_a_table():
    summary = Summary(rows=10, done=4, kept=5, failed=1, seconds=2.0, workers=2, results="r")
    summary.looks = {"tone_kept": 1, "highlights": 3}
    assert in_words(summary).splitlines() == [
        "rows     10",
        "blended  4",
        "kept     5 (blended before)",
        "failed   1 (--retry-failed tries them again)",
        "time     2.0 s, 2.00 rows/s, 2 workers",
        "look at  highlights 3, tone 1",
        "records  r",
    ]

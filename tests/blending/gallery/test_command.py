"""`python -m blending gallery`: its words and statuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blending.cluster.command import batch_main
from blending.gallery.command import gallery_main
from blending.gallery.make import LOG, MARK, PAGE


def rows(page):
    """A page's rows by name."""
    text = page.read_text("utf-8").split('id="data">')[1].split("</script>")[0]
    return {row[1]: row for row in json.loads(text)["rows"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "results must be the results.jsonl of a batch, found none: nowhere"),
        (["{batch}", "--rows", "0"], "rows"),
        (["{batch}", "--workers", "0"], "workers"),
        (["{batch}", "--out", "{batch}"], "(--out)"),
        ([], "RESULTS"),
    ],
)
def test_mistakes_end_in_one_line(batch, capsys, arguments, words):
    assert gallery_main([one.format(batch=batch) for one in arguments]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert words in errors
    assert errors.count("\n") == 1
    assert not (batch / "gallery").exists()


def test_the_command_tells_what_it_made(batch, capsys):
    (batch / "4.png").unlink()
    assert gallery_main([str(batch), "--rows", "3"]) == 0
    output = capsys.readouterr().out
    assert "rows     3, the best 1 are left out (--rows)" in output
    assert "failed   1" in output
    assert str(batch / "gallery" / PAGE) in output
    assert gallery_main([str(batch)]) == 0
    assert "lacking  1 results that could not be read" in capsys.readouterr().out


def test_it_shows_what_a_batch_has_made(batch, tmp_path, quick_workers, monkeypatch):
    """A batch, and then the command itself in a process of its own."""
    root = Path(__file__).parents[3]
    row = {"source": "source.png", "mask": "mask.png", "target": "target.png", "at": [30, 20]}
    (tmp_path / "cut.png").write_bytes((tmp_path / "source.png").read_bytes()[:60])
    lines = [row | {"out": "good.png"}, row | {"source": "cut.png", "out": "bad.png"}]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.chdir(tmp_path)
    words = ["m.jsonl", "--out", "o", "--preset", "seam-repair", "--workers", "1"]
    assert batch_main(words) == 1
    command = [sys.executable, "-m", "blending", "gallery", "o", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(tmp_path / "o" / "gallery" / PAGE)
    good, bad = found["good.png"], found["bad.png"]
    assert (good[2] in (1, 2), good[11], good[12]) == (True, "", "")
    assert good[8] == [30, 20, 20, 20]
    assert good[15:17] == [(tmp_path / f"{name}.png").as_uri() for name in ("mask", "target")]
    assert good[17:20] == [[30, 20, 1.0], ["luminance", 0], "seam repair"]
    assert (bad[2], bad[13]) == (0, "")
    assert "damaged" in bad[4]
    assert json.loads((tmp_path / "o" / "gallery" / LOG).read_text().splitlines()[0]) == MARK

"""A gallery's folder: made once, brought up to date, and never another's."""

import json
import os
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import pytest
from PIL import Image

from blending.cluster.files import digest
from blending.gallery import make as gallery
from blending.gallery.make import LOG, PAGE, make_gallery


def rows(page):
    """A page's rows by name."""
    text = page.read_text("utf-8").split('id="data">')[1].split("</script>")[0]
    return {row[1]: row for row in json.loads(text)["rows"]}


def state(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.*")}


def pictures(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.jpg")}


def test_a_gallery_is_made_beside_the_results_and_touches_nothing_else(batch):
    before = state(batch.parent)
    made = make_gallery(batch)
    assert made.page == batch / "gallery" / PAGE
    assert (made.rows, made.shown, made.failed, made.lacking) == (4, 4, 1, 0)
    assert (made.made, made.kept) == (4, 0)
    for row in rows(made.page).values():
        key = row[7]
        names = {path.name for path in made.page.parent.glob(f"thumbnails/{key[:2]}/{key}-*")}
        wanted = {"before", "before-close", "after", "after-close"}
        wanted = {name for name in wanted if row[1] != "3.png" or "before" in name}
        assert names == {f"{key}-{name}.jpg" for name in wanted}
    after = state(batch.parent)
    assert {path: after[path] for path in before} == before
    assert {path.relative_to(batch).parts[0] for path in set(after) - set(before)} == {"gallery"}
    assert not list(batch.rglob(".blending*"))


def test_run_again_it_makes_what_is_new_alone(batch):
    made = make_gallery(batch / "results.jsonl")
    first = pictures(batch)
    again = make_gallery(batch)
    assert (again.made, again.kept) == (0, 4)
    assert pictures(batch) == first
    # one result is blended anew, one thumbnail is lost, one row has left the manifest
    lines = [json.loads(line) for line in (batch / "results.jsonl").read_text().splitlines()]
    Image.new("RGB", (120, 90), "white").save(batch / "1.png")
    lines[0] |= {"inputs": "other", "output": digest(batch / "1.png")}
    (batch / "results.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines[:3]))
    keys = {name: row[7] for name, row in rows(made.page).items()}
    next((batch / "gallery").rglob(f"{keys['2.png']}-after.jpg")).unlink()
    once_more = make_gallery(batch)
    assert (once_more.made, once_more.kept) == (2, 1)
    now = pictures(batch)
    assert not [name for name in now if keys["1.png"] in name or keys["4.png"] in name]
    assert {name for name in now if now[name] == first.get(name)} == {
        name for name in first if keys["3.png"] in name
    }


def test_a_result_that_was_retouched_is_shown_as_it_is_now(batch):
    make_gallery(batch)
    Image.new("RGB", (120, 90), "white").save(batch / "2.png")
    made = make_gallery(batch)
    assert made.made == 1
    row = rows(made.page)["2.png"]
    assert row[10] == 1
    with Image.open(made.page.parent / "thumbnails" / row[7][:2] / f"{row[7]}-after.jpg") as shown:
        assert min(shown.getpixel((40, 30))) > 250


def test_a_result_that_vanished_is_told_and_found_again(batch):
    content = (batch / "2.png").read_bytes()
    times = (batch / "2.png").stat().st_mtime_ns
    (batch / "2.png").unlink()
    made = make_gallery(batch)
    assert made.lacking == 1
    assert "2.png" in rows(made.page)["2.png"][12]
    (batch / "2.png").write_bytes(content)
    os.utime(batch / "2.png", ns=(times, times))
    made = make_gallery(batch)
    assert (made.lacking, made.made, rows(made.page)["2.png"][12]) == (0, 1, "")


def test_results_that_were_moved_with_their_folder_are_found(batch):
    moved = batch.rename(batch.parent / "moved")
    made = make_gallery(moved)
    assert made.lacking == 0
    assert rows(made.page)["1.png"][13] == "../1.png"


def test_a_folder_of_the_user_s_is_left_alone(batch, tmp_path):
    (batch / "gallery").mkdir()
    (batch / "gallery" / "index.html").write_text("mine")
    with pytest.raises(FileExistsError, match="out must be a new folder or an earlier gallery"):
        make_gallery(batch)
    assert state(batch / "gallery")[batch / "gallery" / "index.html"][1] == b"mine"
    assert len(list((batch / "gallery").iterdir())) == 1
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="out must be a folder, got a file"):
        make_gallery(batch, tmp_path / "file")
    with pytest.raises(FileExistsError, match="out must be a new folder"):
        make_gallery(batch, batch)


def test_a_gallery_that_was_killed_goes_on_and_once_more(batch):
    def run_until(row):
        told = []

        def stop():
            told.append(1)
            if len(told) == row:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make_gallery(batch, workers=1, on_row=stop)

    run_until(2)
    assert not (batch / "gallery" / PAGE).exists()
    with (batch / "gallery" / LOG).open("a") as log:
        log.write('{"key": "half a li')
    run_until(1)
    made = make_gallery(batch)
    assert (made.made, made.kept) == (1, 3)
    assert make_gallery(batch).kept == 4


def test_the_worst_rows_alone_are_shown_and_the_others_thumbnails_stay(batch):
    make_gallery(batch)
    first = pictures(batch)
    made = make_gallery(batch, rows=2)
    assert (made.rows, made.shown, made.made) == (4, 2, 0)
    assert list(rows(made.page)) == ["1.png", "3.png"]  # the failed one, and of equals the first
    assert pictures(batch) == first
    assert make_gallery(batch).made == 0


def test_a_row_that_ends_its_process_takes_no_other_with_it(batch, monkeypatch):
    class Dying:
        """A pool that breaks, as processes do: with all that is under way, for good."""

        broken = False

        def submit(self, function, wanted, folder):
            if self.broken:
                raise BrokenProcessPool

            def result():
                self.broken |= wanted.files["out"].endswith("2.png")
                if self.broken:
                    raise BrokenProcessPool
                return function(wanted, folder)

            return SimpleNamespace(result=result)

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(gallery, "ProcessPoolExecutor", lambda count, *_, **__: Dying())
    told = []
    made = make_gallery(batch, workers=2, on_row=lambda: told.append(1))
    assert (made.made, made.lacking, len(told)) == (4, 1, 4)
    lacking = {name: row[12] for name, row in rows(made.page).items()}
    assert "its process ended" in lacking["2.png"]
    assert [lacking[name] for name in ("1.png", "3.png", "4.png")] == ["", "not blended", ""]


def test_a_full_disk_ends_it_and_leaves_the_former_page(batch, monkeypatch):
    made = make_gallery(batch)
    page = made.page.read_bytes()
    Image.new("RGB", (120, 90), "white").save(batch / "1.png")
    monkeypatch.setattr(
        "blending.gallery.thumbnails._write",
        lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    with pytest.raises(OSError, match="No space left"):
        make_gallery(batch)
    assert made.page.read_bytes() == page


def test_two_do_not_make_one_gallery_at_a_time(batch):
    with pytest.raises(BlockingIOError, match="by one gallery at a time"):
        make_gallery(batch, on_row=lambda: make_gallery(batch))


def test_a_batch_that_ends_meanwhile_does_no_harm(batch, monkeypatch):
    """It puts its records in order: another file, where the same offsets mean something else."""
    path, find = batch / "results.jsonl", gallery.worst_rows

    def find_and_end(file, rows):
        found = find(file, rows)
        lines = path.read_text().splitlines()
        (batch / "tidy").write_text("\n".join([lines[0] + " " * 99, *lines[1:]]) + "\n")
        (batch / "tidy").replace(path)
        return found

    monkeypatch.setattr(gallery, "worst_rows", find_and_end)
    assert list(rows(make_gallery(batch).page)) == ["1.png", "2.png", "3.png", "4.png"]

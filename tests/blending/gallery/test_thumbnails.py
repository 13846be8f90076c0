import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from blending.cluster.files import digest
from blending.gallery.thumbnails import (
    BACKDROP,
    SIDE,
    Wanted,
    begin,
    make_thumbnails,
    thumbnail_path,
)

RED, GREEN, BLUE = (200, 40, 40), (40, 160, 60), (30, 60, 200)
KEY = "0123456789abcdef01234567"
NEAR = 6  # levels that JPEG may change a flat colour by
OPTIONS = {"at": [0, 0], "scale": 1.0, "mask_channel": None, "invert_mask": False}


def flat(path, size, colour):
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(path)
    return str(path)


@pytest.fixture
def row(tmp_path):
    """row(target=(w, h), at=..., ...): a red source of 40 x 20 on blue; its result is green."""

    def make(target=(100, 80), result=GREEN, **options):
        files = {
            "source": flat(tmp_path / "source.png", (40, 20), RED),
            "mask": flat(tmp_path / "mask.png", (40, 20), (255, 255, 255)),
            "target": flat(tmp_path / "target.png", target, BLUE),
            "out": flat(tmp_path / "out.png", target, result),
        }
        return Wanted(KEY, files, OPTIONS | options, digest(files["out"]))

    return make


def made(folder, name):
    with Image.open(thumbnail_path(folder, KEY, name)) as picture:
        assert picture.format == "JPEG"
        return np.asarray(picture.convert("RGB")).astype(int), picture.info.get("icc_profile")


def is_like(pixels, colour):
    return abs(pixels - np.array(colour)).max() <= NEAR


@pytest.mark.parametrize(
    ("options", "at"),
    [
        ({"at": [30, 50]}, (30, 50, 40, 20)),
        ({"at": [-10, 5]}, (0, 5, 30, 20)),
        ({"at": [20, 30], "scale": 0.5}, (20, 30, 20, 10)),
        ({"at": [8, 8], "mask_channel": "red"}, (8, 8, 40, 20)),
    ],
)
def test_the_paste_lies_where_the_record_says(row, tmp_path, options, at):
    seen = make_thumbnails(row(**options), tmp_path)
    assert (seen["before"], seen["after"], seen["is_changed"]) == ("", "", False)
    assert seen["box"] == at
    before, _ = made(tmp_path, "before")
    left, top, width, height = at
    assert before.shape == (80, 100, 3)
    inside = before[top + 2 : top + height - 2, left + 2 : left + width - 2]
    assert is_like(np.median(inside, axis=(0, 1)), RED)  # JPEG's blocks of 8 reach over its edge
    outside = before.copy()
    outside[max(0, top - 8) : top + height + 8, max(0, left - 8) : left + width + 8] = BLUE
    assert is_like(outside, BLUE)
    assert is_like(made(tmp_path, "after")[0], GREEN)


def test_an_inverted_mask_takes_the_rest(row, tmp_path):
    wanted = row(at=[30, 30], invert_mask=True)
    half = Image.new("L", (40, 20))
    half.paste(255, (0, 0, 20, 20))  # white on the left: inverted, the right half is taken
    half.save(wanted.files["mask"])
    assert make_thumbnails(wanted, tmp_path)["box"] == (50, 30, 20, 20)


def test_large_pictures_are_reduced_and_small_objects_shown_close(row, tmp_path):
    seen = make_thumbnails(row(target=(1600, 800), at=[1000, 300]), tmp_path)
    assert seen["has_close_up"]
    assert made(tmp_path, "before")[0].shape == (SIDE // 2, SIDE, 3)
    close, _ = made(tmp_path, "before-close")
    # the object of 40 x 20 and 24 pixels around it, at its own size
    assert close.shape == (20 + 48, 40 + 48, 3)
    assert is_like(close[28:40, 28:60], RED)
    assert is_like(close[:16], BLUE)
    assert made(tmp_path, "after-close")[0].shape == close.shape


def test_an_object_that_fills_its_picture_needs_no_close_up(row, tmp_path):
    seen = make_thumbnails(row(target=(60, 40), at=[10, 10]), tmp_path)
    assert not seen["has_close_up"]
    assert not thumbnail_path(tmp_path, KEY, "after-close").exists()


def test_transparent_parts_stand_before_a_grey_backdrop(row, tmp_path):
    wanted = row(result=(255, 0, 0, 0))
    make_thumbnails(wanted, tmp_path)
    assert is_like(made(tmp_path, "after")[0], BACKDROP)


def test_a_profile_goes_with_its_colours(row, tmp_path):
    wanted = row()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (100, 80), GREEN).save(wanted.files["out"], icc_profile=profile)
    make_thumbnails(wanted, tmp_path)
    assert made(tmp_path, "after")[1] == profile
    assert made(tmp_path, "before")[1] is None


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("source", {"before": "source.png", "after": ""}),
        ("target", {"before": "target.png", "after": ""}),
        ("out", {"before": "", "after": "out.png"}),
    ],
)
def test_what_vanished_is_told_and_the_rest_is_made(row, tmp_path, lost, words):
    wanted = row()
    (tmp_path / f"{lost}.png").unlink()
    seen = make_thumbnails(wanted, tmp_path)
    for name, word in words.items():
        assert (word in seen[name]) if word else (seen[name] == "")
        assert thumbnail_path(tmp_path, KEY, name).exists() == (not word)


def test_a_failed_row_has_its_paste_alone(row, tmp_path):
    wanted = row(target=(400, 300), at=[100, 100])
    failed = Wanted(KEY, wanted.files, wanted.options, "")
    seen = make_thumbnails(failed, tmp_path)
    assert (seen["before"], seen["after"]) == ("", "not blended")
    assert seen["has_close_up"]
    assert not thumbnail_path(tmp_path, KEY, "after").exists()


def test_a_result_that_was_retouched_is_known(row, tmp_path):
    wanted = row()
    flat(tmp_path / "out.png", (100, 80), RED)
    assert make_thumbnails(wanted, tmp_path)["is_changed"]


def test_a_record_that_tells_no_place_has_no_paste(row, tmp_path):
    wanted = row()
    seen = make_thumbnails(Wanted(KEY, wanted.files, None, wanted.output), tmp_path)
    assert "does not say where" in seen["before"]
    assert seen["after"] == ""


def test_a_process_computes_with_one_thread(monkeypatch):
    threads, ignored = torch.get_num_threads(), []
    monkeypatch.setattr("signal.signal", lambda *given: ignored.append(given[0].name))
    torch.set_num_threads(2)
    begin()
    assert (torch.get_num_threads(), ignored) == (1, ["SIGINT"])
    torch.set_num_threads(threads)

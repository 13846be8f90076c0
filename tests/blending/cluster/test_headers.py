"""Rows whose pictures cannot fit, told by headers alone; in doubt nothing is said."""

import re
from argparse import Namespace

import pytest
from PIL import Image

from blending.cluster.headers import check_fit


@pytest.fixture
def options(tmp_path):
    """options(**changes): a row's, its source of 30 x 20 and its target of 90 x 60 pixels."""
    for name, size in {"source": (30, 20), "mask": (30, 20), "target": (90, 60)}.items():
        Image.new("L", size).save(tmp_path / f"{name}.png")

    def make(**changes):
        files = {name: str(tmp_path / f"{name}.png") for name in ("source", "mask", "target")}
        return Namespace(**files | {"at": (5, 5), "scale": 1.0} | changes)

    return make


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mask": None},
        {"at": (-29, 0)},
        {"at": (89, 59)},
        {"at": (0, 75)},  # outside, unless the target is turned by its orientation
        {"at": (-59, -3), "scale": 2.0},
        {"target": "s3://bucket/target.png"},
        {"source": "not-there.png", "at": (5000, 0)},
    ],
)
def test_what_may_fit_passes(options, changes):
    check_fit(options(**changes))


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"at": (90, 0)}, "30 x 20 pixels, times 1, onto the target of 90 x 60 pixels"),
        ({"at": (0, 4000)}, "got column 0, row 4000"),
        ({"at": (-30, 0)}, "got column -30, row 0"),
        ({"at": (-60, 0), "scale": 2.0}, "times 2, onto"),
    ],
)
def test_a_source_that_lies_outside_in_any_orientation_is_told(options, changes, got):
    with pytest.raises(ValueError, match=r"^at must lead the source of .*" + re.escape(got)):
        check_fit(options(**changes))


@pytest.mark.parametrize(("size", "fits"), [((20, 30), True), ((30, 21), False), ((1, 1), False)])
def test_a_mask_of_another_size_is_told(options, tmp_path, size, fits):
    given = options()
    check_fit(given)
    Image.new("L", size).save(tmp_path / "mask.png")  # the same name, remembered by its time
    if fits:
        check_fit(given)
        return
    words = f"mask must have the size of source, 30 x 20 pixels, got {size[0]} x {size[1]} pixels"
    with pytest.raises(ValueError, match=words):
        check_fit(given)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n\0\0"])
def test_what_cannot_be_opened_is_left_to_its_turn(options, tmp_path, content):
    (tmp_path / "mask.png").write_bytes(content)
    check_fit(options())

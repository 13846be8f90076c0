"""Formats by suffix: which can hold what; told without torch."""

import subprocess
import sys

import pytest

from blending.pictures.formats import check_format, check_suffix

ALONE = "import sys, blending.pictures.formats; assert 'torch' not in sys.modules"


@pytest.mark.parametrize(
    ("name", "channels", "bits", "message"),
    [
        ("a.jpg", 4, 8, r"a\.jpg must be a format with alpha \(\.png, \.webp, \.tif, \.tiff\)"),
        ("a.jpeg", 4, 8, r"a\.jpeg must be a format with alpha"),
        ("a.jpg", 3, 16, r"a\.jpg must end in \.png for a 16-bit target, got \.jpg"),
        ("a.webp", 3, 16, r"a\.webp must end in \.png for a 16-bit target"),
        ("a.tif", 3, 16, r"a\.tif must end in \.png for a 16-bit target"),
        ("a.xyz", 3, 8, r"a\.xyz must end in one of \.png, .*, got \.xyz"),
        ("a", 3, 8, r"a must end in one of \.png, .*, got no suffix"),
        (".png", 3, 8, "got no suffix"),
    ],
)
def test_a_format_that_cannot_hold_the_picture_is_refused(name, channels, bits, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        check_format(tmp_path / name, channels, bits)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".tiff", ".TIF"])
def test_formats_with_alpha_are_accepted(suffix):
    check_format(f"a{suffix}", 4, 8)


def test_a_suffix_is_told_in_small_letters():
    assert check_suffix("folder.xyz/a.b.PNG") == ".png"
    with pytest.raises(ValueError, match=r"^a\.gif must end in one of \.png, .*, got \.gif$"):
        check_suffix("a.gif")


def test_formats_need_no_torch():
    assert subprocess.run([sys.executable, "-c", ALONE]).returncode == 0

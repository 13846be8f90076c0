"""Blind pairs: sides are drawn evenly and undone when verdicts are counted."""

import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # as where the benchmark runs as a script

from blind_pairs import GAP, count, lay, side_of_first

CASES = [f"case_{number}" for number in range(6)]


@pytest.fixture
def folders(tmp_path):
    """A of red pictures, B of blue ones, and a folder to lay them out in."""
    for name, colour in (("a", "red"), ("b", "blue")):
        (tmp_path / name).mkdir()
        for case in CASES:
            Image.new("RGB", (10, 7), colour).save(tmp_path / name / f"{case}.png")
    return tmp_path / "a", tmp_path / "b", tmp_path / "out"


def test_each_side_is_drawn_about_as_often():
    sides = [side_of_first(f"case {n}", judge) for n in range(100) for judge in range(1, 6)]
    assert 200 < sides.count("left") < 300
    assert len({tuple(side_of_first(f"{n}", judge) for n in range(20)) for judge in (1, 2)}) == 2


def test_a_judge_who_always_prefers_red_prefers_the_first(folders):
    lay(*folders, 3, None)
    for judge in (1, 2, 3):
        lines = []
        for case in CASES:
            with Image.open(folders[2] / f"judge_{judge}" / f"{case}.png") as sheet:
                assert sheet.size == (20 + GAP, 7)
                is_left = sheet.getpixel((0, 0)) == (255, 0, 0)
            lines.append(f"{case} {'left' if is_left else 'right'} warm and red")
        (folders[2] / f"judge_{judge}" / "verdicts.txt").write_text("\n".join(lines))
    words = count(folders[2])
    assert words.startswith("for A: 18 of 18\n")
    assert "case_3: 3 of 3\n  A (judge 1): warm and red" in words


def test_a_line_that_says_no_side_is_refused(folders):
    lay(*folders, 1, ["case_1"])
    (folders[2] / "judge_1" / "verdicts.txt").write_text("case_1 both\n")
    with pytest.raises(SystemExit, match="must have lines"):
        count(folders[2])


def test_a_case_that_is_not_in_both_is_refused(folders):
    with pytest.raises(SystemExit, match="in both folders"):
        lay(*folders, 1, ["case_9"])

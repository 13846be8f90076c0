"""The bundled cases are whole and documented; the readers say what is wrong with others."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as where the benchmark runs as a script

from quality_cases import find_cases, read_case

CASES = Path(__file__).with_name("cases")
FOLDERS = find_cases([CASES])
LARGEST = 2_500_000  # bytes, all of them: a clone carries them for good


def test_there_are_ten_and_they_stay_small():
    assert len(FOLDERS) == 10
    assert sum(path.stat().st_size for path in CASES.rglob("*") if path.is_file()) < LARGEST


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_case_can_be_placed_and_its_origin_is_told(folder):
    case = read_case(folder)
    assert not case.placed.is_empty(0)
    assert case.placed.target.shape[:2] == (1, 3)
    assert f"`{folder.name}`" in (CASES / "ORIGIN.md").read_text(encoding="utf-8")


def test_cases_are_chosen_by_name():
    assert [path.name for path in find_cases([CASES], ["cat_loose"])] == ["cat_loose"]
    with pytest.raises(ValueError, match="got dog_loose"):
        find_cases([CASES], ["cat_loose", "dog_loose"])


def test_published_pictures_lie_beside_ready(tmp_path):
    shutil.copytree(CASES / "cat_loose", tmp_path / "ready")
    shutil.copy(CASES / "cat_loose" / "source.png", tmp_path / "second_pass.png")
    assert list(read_case(tmp_path).published) == ["published: refine"]


@pytest.mark.parametrize("text", ["12", "1,2,3", "left,top"])
def test_a_place_that_is_none_is_named(tmp_path, text):
    (tmp_path / "at").write_text(text)
    with pytest.raises(ValueError, match=f"got '{text}'"):
        read_case(tmp_path)

"""Checks of plain values: what passes, and what the errors say."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from blending.checks import check_choice, check_range, check_type


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 1, 1.0])
def test_a_number_may_be_at_either_end_of_its_range_and_between(value):
    check_range("bleed", value, 0, 1)


def test_check_range_takes_whole_numbers_as_numbers_and_has_no_upper_end_by_default():
    check_range("row", 3, 0)
    check_range("row", 1e300, 0)
    check_range("row", math.inf, 0)
    with pytest.raises(ValueError, match=r"^row must be in \[0, inf\], got -1$"):
        check_range("row", -1, 0)
    with pytest.raises(ValueError, match=r"^row must be in \[0, inf\], got nan$"):
        check_range("row", math.nan, 0)


@pytest.mark.parametrize("value", [-1e-9, 1 + 1e-9, -math.inf, math.inf, math.nan, -1, 2])
def test_a_number_beyond_its_range_is_refused(value):
    words = re.escape(f"bleed must be in [0, 1], got {value!r}")
    with pytest.raises(ValueError, match=f"^{words}$"):
        check_range("bleed", value, 0, 1)


def test_the_ends_are_told_in_short():
    with pytest.raises(ValueError, match=r"weight must be in \[0.5, 1e\+09\], got 0"):
        check_range("weight", 0, 0.5, 1e9)


@pytest.mark.parametrize("value", ["1", None, True, False, 1j, [1]])
def test_what_is_no_number_is_refused(value):
    words = re.escape(f"bleed must be a number, got {value!r}")
    with pytest.raises(TypeError, match=f"^{words}$"):
        check_range("bleed", value, 0, 1)


def test_a_whole_number_may_be_asked_for():
    check_range("rim", 3, 0, 5, whole=True)
    for wrong in (3.0, "3", True, None):
        words = re.escape(f"rim must be a whole number, got {wrong!r}")
        with pytest.raises(TypeError, match=f"^{words}$"):
            check_range("rim", wrong, 0, 5, whole=True)
    with pytest.raises(ValueError, match=r"^rim must be in \[0, 5\], got 6$"):
        check_range("rim", 6, 0, 5, whole=True)


@pytest.mark.parametrize("value", ["abc", "d"])
def test_a_choice_is_one_of_the_words(value):
    check_choice("mode", value, ("abc", "d"))


@pytest.mark.parametrize("value", ["a", "ABC", "", "abc, d", None, 3])
def test_check_choice_compares_whole_words(value):
    words = re.escape(f"mode must be one of abc, d, got {value!r}")
    with pytest.raises(ValueError, match=f"^{words}$"):
        check_choice("mode", value, ("abc", "d"))


def test_a_value_of_one_of_the_types_passes():
    check_type("device", "cpu", str)
    check_type("device", None, str, type(None))
    check_type("match", True, bool)
    check_type("count", True, int)  # a bool is an int to Python


def test_a_value_of_another_type_is_refused_with_the_names_of_the_types():
    with pytest.raises(TypeError, match=r"^device must be str or NoneType, got b'cpu'$"):
        check_type("device", b"cpu", str, type(None))
    with pytest.raises(TypeError, match=r"^match must be bool, got 1$"):
        check_type("match", 1, bool)


def test_checks_load_without_torch():
    code = "import sys, blending.checks; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0

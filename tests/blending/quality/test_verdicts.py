"""Words at the ends of the wanted ranges."""

import math
import subprocess
import sys

import pytest

from blending.quality.verdicts import WANTED, in_words, removal_in_words, verdicts

FINE = {
    "see_through_rim": 0.03,
    "see_through_inside": -0.001,
    "contour_kept": 0.8,
    "tone_kept": 0.95,
    "foreign_colours": 4.14,
    "highlights": 3.0,
    "hue_flip_share": 0.002,
}


@pytest.mark.parametrize(
    ("key", "good", "look"),
    [
        ("see_through_rim", (-0.2, 0, 0.12), (0.121, 1)),
        ("see_through_inside", (-0.1, 0.05), (0.051, 0.4)),
        ("contour_kept", (0.55, 1, 1.4), (0, 0.549)),
        ("tone_kept", (0.80, 1, 1.10), (0.79, 1.11)),
        ("foreign_colours", (0, 6), (6.01, 40)),
        ("highlights", (0, 8), (8.01, 40)),
        ("hue_flip_share", (0, 0.0499), (0.05, 1)),
    ],
)
def test_a_figure_is_good_within_its_range(key, good, look):
    assert {verdicts({key: value})[key] for value in good} == {"good"}
    assert {verdicts({key: value})[key] for value in look} == {"look"}


def test_what_has_no_range_or_no_value_has_no_word():
    figures = {"seam_ratio": 0.5, "tone_kept": None, "contour_kept": math.nan, "highlights": 1.0}
    assert verdicts(figures) == {"highlights": "good"}
    assert verdicts({}) == {}


def test_every_figure_is_good_or_to_be_looked_at():
    assert set(verdicts(FINE)) == set(WANTED) == set(FINE)
    assert in_words([FINE]) == (
        "good: see-through rim 0.03, see-through inside 0.00, contour 0.80, tone 0.95, "
        "foreign colours 4.1 ΔE, highlights 3.0 ΔE, hues turned 0.2%"
    )


def test_what_to_look_at_comes_first():
    figures = {"contour_kept": 0.41, "tone_kept": 0.92, "foreign_colours": 12.0}
    assert in_words([figures]) == (
        "look: contour 0.41 (0.55 at least), foreign colours 12.0 ΔE (6.0 at most); good: tone 0.92"
    )
    assert in_words([{"contour_kept": 0.41}]) == "look: contour 0.41 (0.55 at least)"
    assert in_words([{"hue_flip_share": 0.07}]) == "look: hues turned 7.0% (5.0% at most)"


def test_of_several_pictures_the_worst_is_told():
    pictures = [
        {"tone_kept": 1.0, "contour_kept": 0.9},
        {"tone_kept": 0.82, "contour_kept": 0.5, "highlights": None},
        {},
        {"tone_kept": 1.09, "contour_kept": 0.7},
    ]
    assert in_words(pictures) == "look: contour 0.50 (0.55 at least); good: tone 1.09"
    assert in_words([]) == in_words([{}, {}]) == ""


def test_small_values_are_not_written_as_minus_zero():
    assert in_words([{"see_through_rim": -0.004}]) == "good: see-through rim 0.00"
    assert in_words([{"see_through_rim": -0.04}]) == "good: see-through rim -0.04"


def test_words_need_no_torch():
    code = "import sys, blending.quality.verdicts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_cleaning_took_is_told_if_it_is_much():
    few, much = {"removed_share": [0.01, 0.02]}, {"removed_share": [0.01, 0.068]}
    assert removal_in_words(None) == removal_in_words({}) == removal_in_words(few) == ""
    said = "6.8% of the cut-out removed as old background (clean 0 keeps it)"
    assert removal_in_words(much) == said

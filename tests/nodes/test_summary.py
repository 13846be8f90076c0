import pytest

from nodes.summary import (
    one_line,
    progress_line,
    seam_of_panels,
    summary,
    words_of_cutout,
    words_of_harmony,
)


def report(*pictures, rails=(), method="deep", notes=(), **more):
    stage = {"seconds": 1.23, "notes": list(notes), "pictures": list(pictures)}
    stage["settings"] = {"method": method}
    return {"stages": [stage], "guard_rails": list(rails), **more}


def picture(evaluations=17, reason="converged"):
    return {"evaluations": evaluations, "stop_reason": reason, "pixels": 9}


def test_one_picture():
    (line,) = summary(report(picture(), rails=[{"seam_ratio": 0.312}]), "the plain paste's")
    assert line == "17 evaluations, 1.2 s; seam good: 0.31 of the plain paste's; ended: converged"


@pytest.mark.parametrize(
    ("ratios", "seam_of", "words"),
    [
        ([0.999], "x", "; seam good: 1.00 of x"),
        ([0.2, 1.0], "x", "; seam look: 0.20 to 1.00 of x"),  # the worst of a batch decides
        ([3.0], "", ""),  # a blend that is refined has no seam yet: no ratio is worth a word
        ([None], "x", ""),
    ],
)
def test_the_seam_has_a_word(ratios, seam_of, words):
    rails = [{"seam_ratio": ratio} for ratio in ratios]
    (line,) = summary(report(picture(), rails=rails), seam_of)
    assert line == f"17 evaluations, 1.2 s{words}; ended: converged"


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ((0, 1, 0, 20), "preparing…"),
        ((0, 1, 3, 20), "evaluation 3 of at most 20"),
        ((1, 4, 0, 20), "frame 2 of 4: preparing…"),
        ((3, 4, 1, 20), "frame 4 of 4: evaluation 1 of at most 20"),
        ((1, 2, 0, 20, "crop"), "crop 2 of 2: preparing…"),
    ],
)
def test_a_running_node_says_what_it_does(state, line):
    assert progress_line(*state) == line


def test_one_evaluation_is_singular():
    assert summary(report(picture(1)), "")[0].startswith("1 evaluation, ")


def test_a_batch_is_summed_and_its_seams_are_a_range():
    rails = [{"seam_ratio": 0.5}, {"seam_ratio": None}, {"seam_ratio": 0.25}]
    pictures = [picture(3), picture(4), picture(5, "budget spent")]
    assert summary(report(*pictures, rails=rails), "x") == [
        "3 pictures, 12 evaluations, 1.2 s; seam good: 0.25 to 0.50 of x; "
        "ended: 2 converged, 1 budget spent"
    ]


def test_the_exact_method_has_no_evaluations():
    assert summary(report({"pixels": 9}, method="exact"), "") == ["solved exactly, 1.2 s"]


def test_nothing_under_the_mask():
    assert summary(report({"empty": True}, method="exact", rails=[{}]), "") == [
        "nothing to do, 1.2 s"
    ]


def test_strength_0_does_nothing():
    assert summary(report({"evaluations": 0, "pixels": 9}), "")[0].startswith("nothing to do")


def test_warnings_come_first_and_notes_last():
    """What stands behind is cut off on a narrow node: a lost object must not read as a success."""
    lines = summary(
        report(picture(), notes=["a note"], settings_from="settings: x", warnings=["mind"]), ""
    )
    assert lines[0] == "mind"
    assert lines[2:] == ["settings: x", "a note"]


def test_what_an_eye_sees_stands_behind_what_was_done():
    looks = "look: contour 0.41; good: tone 0.92"
    lines = summary(report(picture(), notes=["a note"], warnings=["mind"], looks=looks), "")
    assert lines == ["mind", "17 evaluations, 1.2 s; ended: converged", looks, "a note"]
    assert len(summary(report(picture(), looks=""), "")) == 1


def test_words_on_a_node_are_one_short_line():
    assert one_line(["done", "", "mind", "note"]) == "done; mind; note"
    assert one_line(["x" * 30, "y" * 30, "z"], longest=40) == f"{'x' * 30}; and 2 more"
    assert one_line(["x" * 50], longest=40) == "x" * 50
    assert one_line([]) == ""


def test_a_seam_that_the_texture_hides_is_good():
    """Of a matched crop the plain paste has hardly a seam: its ratio says nothing."""
    rails = [{"seam_ratio": 1.08, "seam_share": 0.028}, {"seam_ratio": 0.9, "seam_share": 0.4}]
    (line,) = summary(report(picture(), rails=rails), "x")
    assert "; seam good: at most 3% of the texture;" in line
    rails.append({"seam_ratio": 1.2, "seam_share": 0.3})
    (line,) = summary(report(picture(), rails=rails), "x")
    assert "; seam look: 0.90 to 1.20 of x;" in line


def panels(peak, of_paste, share=0.5):
    return {"result": {"seam_peak": peak, "seam_share": share}, "paste": {"seam_peak": of_paste}}


def test_the_panels_seam_is_a_ratio_and_one_to_look_at_has_a_remedy():
    pictures = [panels(2.0, 8.0), {"empty": True}, panels(None, None)]
    assert seam_of_panels({"pictures": pictures}) == ["seam good: 0.25 of the plain paste's"]
    assert seam_of_panels({"pictures": pictures[1:]}) == ["no seam to compare"]
    look, remedy = seam_of_panels({"pictures": [panels(6.0, 4.0)]})
    assert look == "seam look: 1.50 of the plain paste's"
    assert "placed source and placed mask" in remedy


CLEANED = {"pixels": 900, "removed": 29.0, "removed_share": 0.032, "confidence": 0.61}
CLEANED |= {"recoloured": 40, "background_known": True}


def cutout(*pictures, width=12):
    lists = {name: [picture[name] for picture in pictures] for name in pictures[0]}
    return words_of_cutout({"width": width, **lists})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "removed 3.2 % of the mask, confidence 0.61"),
        (
            {"confidence": 0.1},
            "removed 3.2 % of the mask, confidence 0.10 (low: look at removed)",
        ),
        (
            {"background_known": False, "removed": 0.0, "confidence": 0.0},
            "nothing outside the mask teaches the background: alpha kept, edge colours cleaned",
        ),
        (
            {"background_known": False, "removed": 0.0, "confidence": 0.0, "recoloured": 0},
            "nothing outside the mask teaches the background: alpha kept, edge colours kept",
        ),
        (
            {"removed": 0.0, "confidence": 0.02},
            "the same colours inside and outside: nothing removed",
        ),
        (
            {"removed": 0.0, "confidence": 0.98},
            "nothing to remove, edge colours cleaned, confidence 0.98",
        ),
        ({"pixels": 0, "removed": 0.0, "confidence": 0.0}, "nothing under the mask"),
    ],
)
def test_what_became_of_a_mask(changes, words):
    assert cutout(CLEANED | changes) == words


def test_a_width_of_0_is_off():
    assert cutout(CLEANED, width=0) == "width 0: source and mask as they came"


def test_masks_of_a_batch_that_fared_alike_are_said_once():
    other = CLEANED | {"removed_share": 0.05, "confidence": 0.7}
    assert (
        cutout(CLEANED, other)
        == "2 pictures: removed 3.2 to 5.0 % of the mask, confidence 0.61 to 0.70"
    )
    clean = CLEANED | {"removed": 0.0, "confidence": 0.9, "recoloured": 0}
    assert cutout(CLEANED, clean, other) == (
        "2 of 3: removed 3.2 to 5.0 % of the mask, confidence 0.61 to 0.70; "
        "1 of 3: nothing to remove, edge colours kept, confidence 0.90"
    )


MOVED = {"chroma_gap_before": 0.08, "chroma_gap_after": 0.05, "place_pixels": 99.0}
MOVED |= {"lightness_gap_before": -0.2, "lightness_gap_after": -0.15, "hue_flip_share": 0.004}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "colour 38 %, lightness 25 % of the way to the place's; hues flipped 0.4 %"),
        (
            {"chroma_gap_before": 0.009},
            "lightness 25 % of the way, colour already like the place's; hues flipped 0.4 %",
        ),
        (
            {"lightness_gap_before": -0.009},
            "colour 38 % of the way, lightness already like the place's; hues flipped 0.4 %",
        ),
        (
            {"chroma_gap_before": 0.0, "lightness_gap_before": 0.0},
            "colour and lightness already like the place's; hues flipped 0.4 %",
        ),
        (
            {"place_pixels": 0.0, "chroma_gap_before": None, "lightness_gap_before": None},
            "the place has no pixel outside the mask to learn from: source as it came",
        ),
    ],
)
def test_how_far_colours_were_moved(changes, words):
    assert words_of_harmony([MOVED | changes], 0.5) == words


def test_it_says_whose_colours_were_wanted():
    assert "to the reference's" in words_of_harmony([MOVED], 0.5, "reference")
    empty = MOVED | {"place_pixels": 0.0}
    assert words_of_harmony([empty], 0.5, "area").startswith("the area has no pixel")


def test_colours_of_a_batch_are_ranges():
    other = MOVED | {"chroma_gap_after": 0.04}
    assert words_of_harmony([MOVED, {}, other], 0.5) == (
        "2 of 3: colour 38 to 50 %, lightness 25 % of the way to the place's; "
        "hues flipped 0.4 %; 1 of 3: nothing under the mask"
    )


def test_strength_0_moves_nothing():
    assert words_of_harmony([MOVED], 0) == "strength 0: the source as it came"

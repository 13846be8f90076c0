from nodes.summary import one_line, seam_of_panels, summary


def report(*pictures, rails=(), method="deep", notes=(), **more):
    stage = {"seconds": 1.23, "notes": list(notes), "pictures": list(pictures)}
    stage["settings"] = {"method": method}
    return {"stages": [stage], "guard_rails": list(rails), **more}


def picture(evaluations=17, reason="converged"):
    return {"evaluations": evaluations, "stop_reason": reason, "pixels": 9}


def test_one_picture():
    (line,) = summary(report(picture(), rails=[{"seam_ratio": 0.312}]), "the plain paste's")
    assert line == "17 evaluations, 1.2 s; seam 0.31 of the plain paste's; ended: converged"


def test_one_evaluation_is_singular():
    assert summary(report(picture(1)), "")[0].startswith("1 evaluation, ")


def test_a_batch_is_summed_and_its_seams_are_a_range():
    rails = [{"seam_ratio": 0.5}, {"seam_ratio": None}, {"seam_ratio": 0.25}]
    pictures = [picture(3), picture(4), picture(5, "budget spent")]
    assert summary(report(*pictures, rails=rails), "x") == [
        "3 pictures, 12 evaluations, 1.2 s; seam 0.25 to 0.50 of x; "
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


def test_the_panels_seam_is_a_ratio():
    pictures = [
        {"result": {"seam": 2.0}, "paste": {"seam": 8.0}},
        {"empty": True},
        {"result": {"seam": None}, "paste": {"seam": None}},
    ]
    assert seam_of_panels({"pictures": pictures}) == "seam 0.25 of the plain paste's"
    assert seam_of_panels({"pictures": pictures[1:]}) == "no seam to compare"

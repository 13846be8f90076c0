"""Laplacian Preview and Loss Curves on a server."""

import json
import re

import numpy as np
import pytest

from tests.comfy.graphs import (
    graph,
    laplacian_preview,
    look,
    node,
    poisson,
    probe,
    refine,
    repeat,
    save,
    scene,
)

pytestmark = pytest.mark.comfy


def curves(origin: str, slot: int) -> dict:
    return node("DIB_LossCurves", report=[origin, slot])


def exact(**inputs) -> dict:
    return poisson(preset="seam repair", **inputs)


def test_panels_report_and_profile_keep_their_slots(server, pictures):
    looks = {"n6": look("5", 0), "n7": look("5", 1), "n8": look("5", 2)}
    outcome = server.run(graph(n4=exact(), n5=laplacian_preview(), **looks))
    assert not outcome.error
    panels, profile = server.looked(outcome, "6"), server.looked(outcome, "8")
    assert len(panels) == 5
    assert panels.shape[2] >= 320  # wide enough to read the captions
    assert profile.shape == (1, 600, 960, 3)
    report = json.loads(outcome.outputs["7"]["text"][0])
    assert report["pictures"][0]["result"]["seam"] < report["pictures"][0]["paste"]["seam"]


def seam_said(line: str) -> str:
    return re.search(r"seam (?:good|look): [^;]+", line)[0]


DIAGNOSED = {  # the stage, and what the diagnosis is given of it
    "exact": (exact(row=14), {"row": 14}),
    "cleaned and harmonised": (
        poisson(clean=12, harmonise=0.5, max_evaluations=4),
        {"source": ["4", 4], "mask": ["4", 1], "column": 0, "row": 0},
    ),
}


@pytest.mark.parametrize("name", DIAGNOSED)
def test_the_stage_its_diagnosis_and_the_refine_stage_measure_one_seam(server, pictures, name):
    """The refine stage at strength 0, so that it is the same blend that they measure."""
    stage, links = DIAGNOSED[name]
    same = {"n6": refine(source=["4", 4], strength=0), "n9": save("6"), "n7": look("5", 1)}
    outcome = server.run(graph(n4=stage, n5=laplacian_preview(**links), n8=look("4", 3), **same))
    assert not outcome.error
    seams = json.loads(outcome.outputs["7"]["text"][0])["pictures"][0]
    (rails,) = json.loads(outcome.outputs["8"]["text"][0])["guard_rails"]
    measured = seams["result"]["seam_peak"] / seams["paste"]["seam_peak"]
    assert rails["seam_ratio"] == pytest.approx(measured, rel=1e-3, abs=1e-6)
    assert rails["seam_share"] == pytest.approx(seams["result"]["seam_share"], rel=1e-3, abs=1e-6)
    assert seam_said(outcome.text("4")) == seam_said(outcome.text("5"))
    if name != "exact":
        assert seam_said(outcome.text("6")) == seam_said(outcome.text("4"))


def test_a_crop_that_continues_its_place_has_no_contour_to_keep(server, pictures):
    """Darker as a whole, it is to lose the step at its edge: no fault of the repair."""
    server.put("s.png", (scene(1, 80, 96)[15:55, 20:68] * 0.6).astype(np.uint8))
    outcome = server.run(graph(n4=exact(), n8=look("4", 3)))
    assert not outcome.error
    report = json.loads(outcome.outputs["8"]["text"][0])
    assert report["stages"][0]["pictures"][0]["match"]["confidence"] > 0.9
    assert report["guard_rails"][0]["contour_kept"] is None
    assert "contour" not in outcome.text("4")


def test_a_refined_blends_seam_is_that_of_the_plain_paste_or_unsaid(server, pictures):
    nodes = {"n5": refine(source=["4", 4]), "n6": refine(), "n9": save("5"), "n10": save("6")}
    outcome = server.run(graph(n4=exact(), **nodes))
    assert not outcome.error
    assert re.search(r"seam (good|look): [0-9.]+ of the plain paste's;", outcome.text("5"))
    assert "seam" not in outcome.text("6")


def test_the_node_shows_five_panels_and_the_profile(server, pictures):
    outcome = server.run(graph(n4=exact(), n5=laplacian_preview()))
    assert len(outcome.outputs["5"]["images"]) == 6


def test_a_long_batch_is_shown_in_part_and_handed_on_whole(server, pictures):
    nodes = {"n10": repeat("2", 6), "n5": laplacian_preview(source=["10", 0])}
    outcome = server.run(graph(n4=exact(source=["10", 0]), **nodes, n7=look("5"), n8=look("5", 2)))
    assert not outcome.error
    assert len(outcome.outputs["5"]["images"]) == 4 * 6
    assert "shows the first 4 of 6 pictures" in outcome.text("5")
    assert len(server.looked(outcome, "7")) == 6 * 5
    assert len(server.looked(outcome, "8")) == 6


def test_every_picture_of_a_batch_is_shown(server, pictures):
    nodes = {"n10": repeat("2", 2), "n5": laplacian_preview(source=["10", 0])}
    outcome = server.run(graph(n4=exact(source=["10", 0]), **nodes, n8=look("5", 2)))
    assert not outcome.error
    assert len(outcome.outputs["5"]["images"]) == 12
    assert len(server.looked(outcome, "8")) == 2


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (
            {"result": ["2", 0]},
            (
                "result must have the target's size, 96 x 80",
                "link the blend",
            ),
        ),
        ({"mask": ["2", 1]}, ("64 x 64 stand-in", "Load Mask")),
        ({"column": 500}, ("must overlap the target",)),
        ({"gradients": "both"}, ("gradients", "both")),
        ({"scale": 0}, ("scale",)),
    ],
)
def test_a_wrong_preview_is_named(server, pictures, nodes, words):
    prompt = graph(n4=exact(), n5=laplacian_preview(**nodes))
    del prompt["9"]  # a newer core runs the outputs that are right
    outcome = server.run(prompt)
    for word in words:
        assert word in outcome.error


def test_a_stages_curves_are_drawn(server, pictures):
    outcome = server.run(graph(n5=curves("4", 3), n8=look("5", 0)))
    assert not outcome.error
    assert len(outcome.outputs["5"]["images"]) == 1
    drawn = server.looked(outcome, "8")
    assert drawn.shape == (1, 600, 960, 3)
    assert (np.ptp(drawn, axis=3) > 0.3).sum() > 500  # coloured lines


def test_a_refine_stages_and_a_batchs_curves_are_drawn(server, pictures):
    nodes = {"n10": repeat("2", 2), "n4": poisson(source=["10", 0], max_evaluations=2)}
    stages = {"n5": refine(max_evaluations=2), "n6": curves("5", 1)}
    outcome = server.run(graph(**nodes, **stages, n8=look("6", 0)))
    assert not outcome.error
    assert server.looked(outcome, "8").shape == (2, 600, 960, 3)


def test_a_stage_without_evaluations_is_no_mistake(server, pictures):
    outcome = server.run(graph(n4=exact(), n5=curves("4", 3)))
    assert not outcome.error
    assert len(outcome.outputs["5"]["images"]) == 1


def test_another_report_is_named_with_the_remedy(server, pictures):
    outcome = server.run(graph(n4=exact(), n5=laplacian_preview(), n6=curves("5", 1)))
    assert "report must be a stage's" in outcome.error
    assert "link the report output of a Poisson Stage" in outcome.error


def test_a_report_that_is_no_text_is_refused(server, pictures):
    outcome = server.run({"1": probe("alpha target"), "5": curves("1", 0), "9": save("5")})
    assert "report" in outcome.error

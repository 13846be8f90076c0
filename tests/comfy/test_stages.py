"""Both stages on a server: what comes out, and that every input does something."""

import json

import numpy as np
import pytest

from tests.comfy.graphs import (
    blend_settings,
    graph,
    laplacian_preview,
    load,
    load_mask,
    look,
    poisson,
    probe,
    refine,
    repeat,
    save,
    scene,
    show_mask,
)

pytestmark = pytest.mark.comfy
# The square mask at column 20, row 15 on the target.
INSIDE = np.zeros((80, 96), bool)
INSIDE[15 + 8 : 15 + 32, 20 + 8 : 20 + 40] = True


def report_of(outcome, origin: str = "8") -> dict:
    return json.loads(outcome.outputs[origin]["text"][0])


@pytest.mark.parametrize("preset", ["painting", "photograph", "seam repair", "paper", "fast"])
def test_the_blend_keeps_the_target_outside_the_mask(server, pictures, preset):
    outcome = server.run(graph(n4=poisson(preset=preset)))
    assert not outcome.error
    target, blend = scene(1, 80, 96).astype(int), server.saved(outcome)
    assert (blend == target).all(2)[~INSIDE].all()
    assert not (blend == target).all(2)[INSIDE].all()


def test_placed_mask_and_paste_are_where_they_were_told_to_be(server, pictures):
    nodes = {"n5": show_mask("4", 1), "n6": save("5"), "n7": save("4", 2)}
    outcome = server.run(graph(n4=poisson(preset="seam repair"), **nodes))
    assert ((server.saved(outcome, "6")[..., 0] == 255) == INSIDE).all()
    wanted = scene(1, 80, 96).astype(int)
    wanted[INSIDE] = scene(4, 40, 48)[8:32, 8:40].reshape(-1, 3)
    assert (server.saved(outcome, "7") == wanted).all()


def test_a_source_may_overhang_and_be_larger_than_the_target(server, pictures):
    larger = poisson(column=-30, row=-20, scale=3, preset="seam repair")
    outcome = server.run(graph(n4=larger))
    assert not outcome.error
    assert server.saved(outcome).shape == (80, 96, 3)


def test_mixed_and_monochrome_gradients_differ_from_imported_ones(server, pictures):
    blends = [
        server.saved(server.run(graph(n4=poisson(preset="seam repair", gradients=gradients))))
        for gradients in ("import", "mixed", "monochrome")
    ]
    assert (blends[0] != blends[1]).any()
    assert (blends[0] != blends[2]).any()


def test_refine_changes_the_object_alone(server, pictures):
    outcome = server.run(graph(n5=refine(), n9=save("5"), n7=save("4")))
    assert not outcome.error
    refined, blend = server.saved(outcome), server.saved(outcome, "7")
    assert (refined == blend).all(2)[~INSIDE].all()
    assert (refined != blend).any(2)[INSIDE].any()


def test_refine_at_strength_0_hands_the_blend_on_bit_for_bit(server, pictures):
    nodes = {"n5": refine(strength=0), "n6": look("5"), "n7": look("4")}
    outcome = server.run(graph(n4=poisson(preset="seam repair"), **nodes))
    assert not outcome.error
    assert (server.looked(outcome, "6") == server.looked(outcome, "7")).all()


@pytest.mark.parametrize("region", ["band", "picture"])
def test_refine_may_change_more_than_the_object(server, pictures, region):
    # In a corner, so that a band of 24 pixels does not reach the whole picture.
    corner = poisson(preset="seam repair", column=-8, row=-8)
    nodes = {
        "n5": refine(region=region, preset="paper", max_evaluations=5),
        "n9": look("5"),
        "n7": look("4"),
    }
    outcome = server.run(graph(n4=corner, **nodes))
    assert not outcome.error
    changed = (server.looked(outcome, "9") != server.looked(outcome, "7")).any(3)[0]
    assert changed[26:40, :32].any()  # the object ends at row 24
    assert changed[60:, 70:].any() == (region == "picture")


def test_the_style_of_another_picture_counts(server, pictures):
    server.put("other.png", np.random.default_rng(5).integers(0, 256, (50, 70, 3), np.uint8))
    nodes = {"n5": refine(), "n9": save("5"), "n6": load("other.png"), "n7": save("8")}
    outcome = server.run(graph(**nodes, n8=refine(style=["6", 0])))
    assert not outcome.error
    assert (server.saved(outcome) != server.saved(outcome, "7")).any()


def test_laplacian_preview_runs_after_the_stages(server, pictures):
    outcome = server.run(graph(n4=poisson(preset="seam repair"), n6=laplacian_preview()))
    assert not outcome.error
    assert len(outcome.outputs["6"]["images"]) >= 5


def test_linked_settings_replace_the_preset_and_the_report_says_so(server, pictures):
    info = server.get("/object_info")
    exact = blend_settings(info, method="exact", match=True)
    nodes = {"n5": exact, "n8": look("4", 3), "n9": look("4"), "n7": look("6")}
    outcome = server.run(
        graph(n4=poisson(settings=["5", 0]), n6=poisson(preset="seam repair"), **nodes)
    )
    assert not outcome.error
    assert (server.looked(outcome, "9") == server.looked(outcome, "7")).all()
    words = "settings: Blend Settings node instead of preset painting"
    assert report_of(outcome)["settings_from"] == words
    assert words in outcome.text("4")
    assert "Blend Settings" not in outcome.text("6")


def test_default_settings_are_the_preset_painting(server, pictures):
    info = server.get("/object_info")
    linked = {"n4": poisson(settings=["5", 0]), "n6": poisson()}
    refined = {"n10": refine(settings=["5", 0]), "n11": refine()}
    looks = {f"n{n + 20}": look(str(n)) for n in (4, 6, 10, 11)}
    outcome = server.run(graph(n5=blend_settings(info), **linked, **refined, **looks))
    assert not outcome.error
    assert (server.looked(outcome, "24") == server.looked(outcome, "26")).all()
    assert (server.looked(outcome, "30") == server.looked(outcome, "31")).all()


def test_gradients_bleed_and_evaluations_apply_on_top_of_linked_settings(server, pictures):
    changes = {"gradients": "mixed", "bleed": 0.5, "max_evaluations": 2}
    nodes = {"n5": blend_settings(server.get("/object_info")), "n8": look("4", 3)}
    outcome = server.run(graph(n4=poisson(settings=["5", 0], **changes), **nodes))
    settings = report_of(outcome)["stages"][0]["settings"]
    assert settings["gradients"] == "mixed"
    assert settings["max_evaluations"] == 2
    assert settings["bleed"] == 1.0  # mixed gradients have 1 of their own, and half the way to 1


def test_every_number_of_blend_settings_arrives(server, pictures):
    numbers = {
        "method": "deep",
        "match": True,
        "start": "exact",
        "rim": 7,
        "margin": 0,
        "poisson_evaluations": 2,
        "band": 9,
        "refine_evaluations": 3,
    }
    terms = ("gradient", "content", "style", "luminance", "chroma", "histogram", "tv")
    weights = {f"{s}_{t}": 1.5 + i for s in ("poisson", "refine") for i, t in enumerate(terms)}
    info = server.get("/object_info")
    nodes = {
        "n5": blend_settings(info, **numbers, **weights),
        "n4": poisson(settings=["5", 0], max_evaluations=0),
        "n6": refine(settings=["5", 0], max_evaluations=0, region="band"),
        "n8": look("4", 3),
        "n9": look("6", 1),
    }
    outcome = server.run(graph(**nodes))
    assert not outcome.error
    first, second = (report_of(outcome, n)["stages"][0]["settings"] for n in ("8", "9"))
    for settings in (first, second):
        assert settings["weights"] == {term: 1.5 + i for i, term in enumerate(terms)}
        assert settings["margin"] is None
    assert [first[n] for n in ("method", "match", "start", "rim")] == ["deep", True, "exact", 7]
    assert (first["max_evaluations"], second["max_evaluations"], second["band"]) == (2, 3, 9)


def test_batches_go_through(server, pictures):
    three = poisson(target=["5", 0], preset="seam repair")
    outcome = server.run(graph(n5=repeat("1", 3), n4=three))
    assert not outcome.error
    assert len(outcome.outputs["9"]["images"]) == 3


def test_a_mask_batch_of_one_serves_all_and_a_longer_one_makes_a_batch(server, pictures):
    batch = {"n3": probe("mask batch"), "n4": poisson(mask=["3", 1], preset="seam repair")}
    outcome = server.run(graph(**batch))
    assert not outcome.error
    assert len(outcome.outputs["9"]["images"]) == 3


def test_a_sequence_of_frames_goes_through(server, pictures):
    frames = poisson(target=["5", 0], sequence=True)
    outcome = server.run(graph(n5=repeat("1", 2), n4=frames, n8=look("4", 3)))
    assert not outcome.error
    assert len(outcome.outputs["9"]["images"]) == 2
    assert report_of(outcome)["stages"][0]["settings"]["sequence"] is True


def test_a_prompt_of_the_first_version_gives_the_same_bytes_as_one_with_the_new_inputs(
    server, pictures
):
    new = poisson(sequence=False)
    nodes = {"n5": new, "n6": look("4"), "n7": look("5")}
    outcome = server.run(graph(**nodes))
    assert (server.looked(outcome, "6") == server.looked(outcome, "7")).all()


def test_the_sources_alpha_multiplies_the_mask(server, pictures):
    server.put("white.png", np.full((40, 48), 255, np.uint8))
    nodes = {"n2": probe("alpha source"), "n3": load_mask("white.png"), "n5": look("4", 1)}
    outcome = server.run(graph(n4=poisson(preset="seam repair"), **nodes))
    assert not outcome.error
    assert ((server.looked(outcome, "5")[0] == 1) == INSIDE).all()
    assert "alpha multiplies the mask" in outcome.text("4")

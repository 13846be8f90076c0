"""Contact Shadow on a server: what it darkens, what it hands on, wrong inputs, Cancel."""

import json

import numpy as np
import pytest

from tests.comfy.graphs import (
    contact_shadow,
    graph,
    load,
    look,
    node,
    place_object,
    poisson,
    probe,
    repeat,
    save,
)

pytestmark = pytest.mark.comfy
HEIGHT, WIDTH = 80, 96


@pytest.fixture
def cast(server, pictures):
    """cast(nodes, **inputs): the outcome of a Contact Shadow 5; 6, 7, 8 see its outputs."""

    def run(nodes: dict | None = None, **inputs):
        looks = {f"n{at}": look("5", slot) for slot, at in enumerate(("6", "7", "8"))}
        parts = {"n20": place_object(), "n5": contact_shadow(**inputs), **looks}
        prompt = graph(**{**parts, **(nodes or {})})
        return server.run({name: prompt[name] for name in prompt if name not in ("4", "9")})

    return run


def report(outcome) -> dict:
    return json.loads(outcome.outputs["8"]["text"][0])


def test_the_target_is_darkened_below_the_object_and_nowhere_brightened(server, cast):
    outcome = cast({"n10": look("1")})
    assert not outcome.error
    shadowed, shadow = server.looked(outcome, "6"), server.looked(outcome, "7")
    target = server.looked(outcome, "10")
    assert shadowed.shape == (1, HEIGHT, WIDTH, 3) and shadow.shape == (1, HEIGHT, WIDTH)
    assert (shadowed <= target + 1e-6).all()
    assert (shadowed[shadow == 0] == target[shadow == 0]).all()
    below = shadow[0, 47:, 30:58]  # the object ends at row 47
    assert below[0].min() > 0.2 and below[12:].max() < 0.1 and shadow[0, :20].max() == 0
    assert 0 <= report(outcome)["pictures"][0]["confidence"] <= 1
    assert "confidence" in outcome.text("5")
    assert outcome.outputs["5"]["images"]  # the node shows it
    assert [(m["value"], m["max"]) for m in outcome.of("progress") if m["node"] == "5"][-1] == (
        1,
        1,
    )


def test_strength_0_hands_on_the_bits(server, cast):
    outcome = cast({"n10": look("1")}, strength=0)
    assert (server.looked(outcome, "6") == server.looked(outcome, "10")).all()
    assert "no shadow" in outcome.text("5")


def test_the_source_is_only_shown(server, cast):
    first, other = cast(), cast(source=["20", 1])
    assert not other.error
    assert (server.looked(first, "6") == server.looked(other, "6")).all()


def test_the_stage_blends_onto_it(server, pictures):
    stage = poisson(target=["5", 0], source=["20", 1], mask=["20", 2], column=0, row=0)
    prompt = graph(n20=place_object(), n5=contact_shadow(), n4=stage, n6=look("4"), n7=look("5"))
    outcome = server.run(prompt)
    assert not outcome.error
    blend, shadowed = server.looked(outcome, "6"), server.looked(outcome, "7")
    assert (blend[0, 56:] == shadowed[0, 56:]).all()  # below the object


def test_batches_equal_single_runs(server, cast):
    single = server.looked(cast(), "6")
    outcome = cast({"n21": repeat("1", 3)}, target=["21", 0])
    whole = server.looked(outcome, "6")
    assert whole.shape == (3, HEIGHT, WIDTH, 3)
    assert (whole == single).all()
    assert "3 shadows" in outcome.text("5")


def test_an_object_that_is_cut_off_below_gets_a_word(cast):
    outcome = cast({"n20": place_object(row=60)})
    assert not outcome.error
    assert "cuts the object off" in outcome.text("5")
    assert "cuts the object off" in report(outcome)["notes"][0]


def test_cancel_stops_between_pictures(server, pictures):
    def cancel(message):
        if message["type"] == "progress" and message["data"]["node"] == "5":
            server.post("/interrupt", {})

    many = {"n21": repeat("1", 300), "n5": contact_shadow(target=["21", 0]), "n9": save("5")}
    prompt = graph(n20=place_object(), **many)
    del prompt["4"]
    outcome = server.run(prompt, on_message=cancel)
    assert outcome.of("execution_interrupted")
    value, most = [(m["value"], m["max"]) for m in outcome.of("progress") if m["node"] == "5"][-1]
    assert value < most / 2


@pytest.mark.parametrize("kind", ["half target", "bfloat16 target", "alpha target", "grey target"])
def test_an_odd_target_is_harmless(server, cast, kind):
    outcome = cast({"n21": probe(kind)}, target=["21", 0])
    assert not outcome.error
    assert np.isfinite(server.looked(outcome, "6")).all()


SOLID = {"n21": node("SolidMask", value=0.0, width=WIDTH, height=HEIGHT)}
MISTAKES = {
    "the source's mask": ({}, {"mask": ["3", 0]}, ("target's size", "96 x 80", "placed mask")),
    "the source as it is": ({}, {"source": ["2", 0]}, ("source must have", "placed source")),
    "load image's stand-in": ({}, {"mask": ["2", 1]}, ("64 x 64 stand-in",)),
    "empty mask": (SOLID, {"mask": ["21", 0]}, ("mask must be above 0",)),
    "batches": (
        {"n21": repeat("1", 2), "n22": node("RepeatImageBatch", image=["20", 1], amount=3)},
        {"target": ["21", 0], "source": ["22", 0]},
        ("target 2", "source 3"),
    ),
    "length beyond range": ({}, {"length": 301}, ("length",)),
    "0..255": ({"n21": probe("0..255 target")}, {"target": ["21", 0]}, ("divide 8-bit values",)),
    "mask as target": ({}, {"target": ["3", 0]}, ("target",)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_in_a_message_that_names_it(cast, name):
    nodes, inputs, words = MISTAKES[name]
    outcome = cast(nodes, **inputs)
    assert outcome.error
    for word in words:
        assert word in outcome.error


def test_a_bypassed_node_hands_on_the_target(server):
    """The page links output 0 to input 0, and output 1 to input 1, where their types agree."""
    described = server.get("/object_info/DIB_ContactShadow")["DIB_ContactShadow"]
    assert described["input_order"]["required"][:2] == ["target", "mask"]
    assert described["output"][:2] == ["IMAGE", "MASK"]


def test_half_precision_intermediates_go_through(half_server):
    half_server.put("t.png", np.full((HEIGHT, WIDTH, 3), 150, np.uint8))
    solid = node("SolidMask", value=1.0, width=30, height=30)
    empty = node("SolidMask", value=0.0, width=WIDTH, height=HEIGHT)
    placed = node(
        "MaskComposite", destination=["22", 0], source=["21", 0], x=20, y=20, operation="add"
    )
    nodes = {"1": load("t.png"), "21": solid, "22": empty, "20": placed}
    nodes |= {"5": contact_shadow(mask=["20", 0]), "6": look("5")}
    outcome = half_server.run(nodes)
    assert not outcome.error
    assert half_server.looked(outcome, "6").dtype == np.float16

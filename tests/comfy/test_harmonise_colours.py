"""Harmonise Colours on a server: what moves, what stays, edges, wrong inputs, Cancel."""

import json

import numpy as np
import pytest

from tests.comfy.graphs import (
    graph,
    harmonise_colours,
    load,
    look,
    node,
    place_object,
    poisson,
    probe,
    repeat,
    save,
    scene,
    square,
)

pytestmark = pytest.mark.comfy
WARM = np.array([1.0, 0.75, 0.45])


def grey(seed: int, height: int, width: int) -> np.ndarray:
    """Soft greys with some noise."""
    picture = scene(seed, height, width).mean(2, keepdims=True)
    return np.rint(np.repeat(picture, 3, 2)).astype(np.uint8)


@pytest.fixture
def warm_place(server):
    """A grey source, and a target of the same greys by candle light; a mask with a border of 8."""
    server.put("t.png", np.rint(grey(1, 80, 96) * WARM).astype(np.uint8))
    server.put("s.png", grey(4, 40, 48))
    server.put("m.png", square(40, 48))


def harmonised(server, nodes: dict | None = None, **inputs):
    """The outcome of a Harmonise Colours 5; 6, 7 and 8 see its outputs."""
    looks = {f"n{at}": look("5", slot) for slot, at in enumerate(("6", "7", "8"))}
    prompt = graph(n5=harmonise_colours(**inputs), **looks, **(nodes or {}))
    return server.run({name: prompt[name] for name in prompt if name not in ("4", "9")})


def report(outcome) -> dict:
    return json.loads(outcome.outputs["8"]["text"][0])


def warmth(picture: np.ndarray) -> float:
    """Red less blue, levels."""
    return float(255 * (picture[..., 0].astype(float) - picture[..., 2]).mean())


def test_the_source_moves_towards_its_place_and_keeps_its_size(server, warm_place):
    outcome = harmonised(server)
    assert not outcome.error
    source, mask = server.looked(outcome, "6"), server.looked(outcome, "7")
    assert source.shape == (1, 40, 48, 3)
    assert (mask[0] * 255 == square(40, 48)).all()
    place = warmth(server.looked(harmonised(server, {"n10": look("1")}), "10"))
    assert place > 30
    assert 0.2 * place < warmth(source) < 0.9 * place
    figures = report(outcome)["pictures"][0]
    assert figures["chroma_gap_after"] < 0.8 * figures["chroma_gap_before"]
    share = 100 * (1 - figures["chroma_gap_after"] / figures["chroma_gap_before"])
    assert f"colour {share:.0f} %" in outcome.text("5")
    progress = [(m["value"], m["max"]) for m in outcome.of("progress") if m["node"] == "5"]
    assert progress[-1] == (2, 2)


@pytest.mark.parametrize("scale", [0.5, 2.5])
def test_another_scale_keeps_the_sources_size_too(server, warm_place, scale):
    outcome = harmonised(server, scale=scale, column=-10, row=-5)
    assert not outcome.error
    source = server.looked(outcome, "6")
    assert source.shape == (1, 40, 48, 3)
    assert warmth(source) > 5


def test_strength_0_hands_on_the_bits(server, warm_place):
    outcome = harmonised(server, strength=0)
    assert (np.rint(server.looked(outcome, "6")[0] * 255) == grey(4, 40, 48)).all()
    assert outcome.text("5") == "strength 0: the source as it came"


def test_pixels_under_the_mask_teach_nothing(server, warm_place):
    first = server.looked(harmonised(server), "6")
    other = np.rint(grey(1, 80, 96) * WARM).astype(np.uint8)
    other[23:47, 28:60] = 255
    server.put("t.png", other)
    outcome = harmonised(server)
    assert not outcome.error
    # Features next to the mask see a little of it; what they gather is of the place alone.
    assert np.abs(server.looked(outcome, "6") - first).max() < 4 / 255


def test_a_reference_is_taken_instead(server, warm_place):
    server.put("r.png", np.rint(grey(2, 30, 50) * WARM[::-1]).astype(np.uint8))
    outcome = harmonised(server, {"n20": load("r.png")}, reference=["20", 0])
    assert not outcome.error
    assert warmth(server.looked(outcome, "6")) < -5
    assert "the reference's; hues flipped" in outcome.text("5")


def test_an_area_of_the_target_or_of_the_reference_is_looked_at(server, warm_place):
    cold = np.rint(grey(1, 80, 96) * WARM).astype(np.uint8)
    cold[:10] = cold[:10, :, ::-1]
    server.put("t.png", cold)
    top = np.zeros((80, 96), np.uint8)
    top[:10] = 255
    server.put("a.png", top)
    masked = {"n20": node("LoadImageMask", image="a.png", channel="red")}
    outcome = harmonised(server, masked, area=["20", 0])
    assert not outcome.error
    assert warmth(server.looked(outcome, "6")) < -5
    assert "the area's; hues flipped" in outcome.text("5")
    both = harmonised(server, masked, area=["20", 0], reference=["1", 0])
    assert not both.error
    assert warmth(server.looked(both, "6")) < -5


def test_an_empty_area_and_an_object_over_everything_get_a_word(server, warm_place):
    empty = {"n20": node("SolidMask", value=0.0, width=96, height=80)}
    outcome = harmonised(server, empty, area=["20", 0])
    assert (np.rint(server.looked(outcome, "6")[0] * 255) == grey(4, 40, 48)).all()
    assert "the area has no pixel outside the mask to learn from" in outcome.text("5")
    whole = {"n20": node("SolidMask", value=1.0, width=48, height=40)}
    outcome = harmonised(server, whole, mask=["20", 0], scale=3, column=-20, row=-20)
    assert (np.rint(server.looked(outcome, "6")[0] * 255) == grey(4, 40, 48)).all()
    assert "the place has no pixel outside the mask to learn from" in outcome.text("5")


def test_a_source_with_alpha_keeps_it(server, warm_place):
    outcome = harmonised(server, {"n2": probe("alpha source"), "n9": look("2")})
    assert not outcome.error
    source = server.looked(outcome, "6")
    assert source.shape == (1, 40, 48, 4)
    assert (source[0, ..., 3] * 255 == square(40, 48)).all()
    assert "alpha multiplies the mask" in outcome.text("5")


def test_place_object_s_outputs_go_in_at_0_0(server, warm_place):
    here = harmonise_colours(source=["20", 1], mask=["20", 2], column=0, row=0)
    prompt = graph(n20=place_object(), n5=here, n6=look("5"), n4=harmonise_colours(), n7=look("4"))
    del prompt["9"]
    outcome = server.run(prompt)
    assert not outcome.error
    by_object, own = server.looked(outcome, "6")[0], server.looked(outcome, "7")[0]
    assert by_object.shape == (80, 96, 4)
    # The same palettes; the filter reaches 12 pixels, and sees black beyond the source's frame.
    difference = np.abs(by_object[28:42, 33:55, :3] - own[13:27, 13:35]) * 255
    assert difference.max() < 0.1


def test_the_stage_takes_what_comes_out(server, warm_place):
    stage = poisson(source=["5", 0], mask=["5", 1], preset="seam repair")
    outcome = server.run(graph(n5=harmonise_colours(), n4=stage))
    assert not outcome.error


def test_batches_equal_single_runs(server, warm_place):
    single = server.looked(harmonised(server), "6")
    outcome = harmonised(server, {"n20": repeat("1", 3)}, target=["20", 0])
    assert not outcome.error
    whole = server.looked(outcome, "6")
    assert whole.shape == (3, 40, 48, 3)
    assert (whole == single).all()
    assert outcome.text("5").startswith("3 pictures: colour ")
    assert len(report(outcome)["pictures"]) == 3


def test_a_film_is_moved_by_one_palette(server, warm_place):
    server.put("t2.png", np.rint(grey(1, 80, 96) * WARM[::-1]).astype(np.uint8))
    film = {"n20": load("t2.png"), "n21": node("ImageBatch", image1=["1", 0], image2=["20", 0])}
    each = server.looked(harmonised(server, film, target=["21", 0]), "6")
    outcome = harmonised(server, film, target=["21", 0], sequence=True)
    assert not outcome.error
    shared = server.looked(outcome, "6")
    assert warmth(each[0]) > 5 > -5 > warmth(each[1])
    assert (shared[0] == shared[1]).all()
    assert warmth(each[0]) > warmth(shared[0]) > warmth(each[1])


def test_it_is_the_same_each_time(server, warm_place):
    first = server.looked(harmonised(server, strength=0.7), "6")
    server.post("/free", {"free_memory": True, "unload_models": True})
    assert (server.looked(harmonised(server, strength=0.7), "6") == first).all()


def test_cancel_stops_between_pictures(server, warm_place):
    def cancel(message):
        if message["type"] == "progress" and message["data"]["node"] == "5":
            server.post("/interrupt", {})

    many = harmonise_colours(target=["20", 0])
    prompt = graph(n20=repeat("1", 300), n5=many, n9=save("5"))
    del prompt["4"]
    outcome = server.run(prompt, on_message=cancel)
    assert outcome.of("execution_interrupted")
    value, most = [(m["value"], m["max"]) for m in outcome.of("progress") if m["node"] == "5"][-1]
    assert value < most / 2
    assert not harmonised(server, strength=0.45).error


def test_no_network_stays_behind(server, warm_place):
    assert not harmonised(server, strength=0.35).error
    counted = server.run({"1": node("PROBE_Models", nonce="harmonise")})
    assert json.loads(counted.outputs["1"]["text"][0]) == {"known": [], "alive": 0}


HARMLESS = {
    "half target": {"n1": probe("half target")},
    "bfloat16 target": {"n1": probe("bfloat16 target")},
    "alpha target": {"n1": probe("alpha target")},
    "grey target": {"n1": probe("grey target")},
    "wide target": {"n1": probe("wide target")},
    "half mask": {"n3": probe("half mask")},
    "flat mask": {"n3": probe("flat mask")},
    "deep mask": {"n3": probe("deep mask")},
    "overshooting mask": {"n3": probe("overshooting mask")},
    "one pixel": {"n2": probe("one pixel"), "n3": probe("one pixel's mask")},
}


@pytest.mark.parametrize("name", HARMLESS)
def test_an_odd_tensor_is_harmless(server, pictures, name):
    nodes = HARMLESS[name]
    outcome = harmonised(server, nodes, mask=["3", 1] if "n3" in nodes else ["3", 0])
    assert not outcome.error
    assert np.isfinite(server.looked(outcome, "6")).all()


MISTAKES = {
    "wholly outside": ({}, {"column": 500}, ("must overlap the target of 96 x 80",)),
    "scale zero": ({}, {"scale": 0}, ("scale",)),
    "strength beyond range": ({}, {"strength": 1.5}, ("strength",)),
    "negative strength": ({}, {"strength": -0.5}, ("strength",)),
    "column far out": ({}, {"column": 99999}, ("column",)),
    "load image's stand-in": ({}, {"mask": ["2", 1]}, ("64 x 64 stand-in", "Load Mask")),
    "stand-in as area": ({}, {"area": ["2", 1]}, ("area must be a mask", "64 x 64 stand-in")),
    "area of another size": (
        {},
        {"area": ["3", 0]},
        ("area must have the target's size, 96 x 80", "48 x 40", "Load Mask"),
    ),
    "area not the reference's": (
        {"n20": node("SolidMask", value=1.0, width=96, height=80)},
        {"area": ["20", 0], "reference": ["2", 0]},
        ("area must have the reference's size, 48 x 40", "96 x 80"),
    ),
    "mask as target": ({}, {"target": ["3", 0]}, ("target",)),
    "mask as reference": ({}, {"reference": ["3", 0]}, ("reference",)),
    "reference on 0..255": (
        {"n20": probe("0..255 target")},
        {"reference": ["20", 0]},
        ("reference", "divide 8-bit values"),
    ),
    "reference of integers": (
        {"n20": probe("integer target")},
        {"reference": ["20", 0]},
        ("reference", "float"),
    ),
    "batches": (
        {"n20": repeat("1", 2), "n21": repeat("2", 3)},
        {"target": ["20", 0], "reference": ["21", 0]},
        ("target 2", "reference 3", "ImageFromBatch"),
    ),
    "empty mask": (
        {"n20": node("SolidMask", value=0.0, width=48, height=40)},
        {"mask": ["20", 0]},
        ("mask must be above 0",),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_in_a_message_that_names_it(server, pictures, name):
    nodes, inputs, words = MISTAKES[name]
    outcome = harmonised(server, nodes, **inputs)
    assert outcome.error
    for word in words:
        assert word in outcome.error


def test_a_bypassed_node_hands_on_source_and_mask(server):
    """The page links output 0 to input 0, and output 1 to input 1, where their types agree."""
    described = server.get("/object_info/DIB_HarmoniseColours")["DIB_HarmoniseColours"]
    assert described["input_order"]["required"][:3] == ["source", "mask", "target"]
    assert described["output"] == ["IMAGE", "MASK", "STRING"]


def test_half_precision_intermediates_go_through(half_server):
    half_server.put("t.png", np.rint(grey(1, 80, 96) * WARM).astype(np.uint8))
    half_server.put("s.png", grey(4, 40, 48))
    half_server.put("m.png", square(40, 48))
    outcome = harmonised(half_server)
    assert not outcome.error
    source = half_server.looked(outcome, "6")
    assert source.dtype == np.float16
    assert warmth(source) > 5

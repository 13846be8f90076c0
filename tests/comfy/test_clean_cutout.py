"""Clean Cut-out on a server: what it removes, what it leaves, edges, wrong inputs, Cancel."""

import json

import numpy as np
import pytest

from tests.comfy.graphs import (
    clean_cutout,
    graph,
    load,
    load_mask,
    look,
    node,
    poisson,
    probe,
    repeat,
    save,
    scene,
    square,
)

pytestmark = pytest.mark.comfy
HEIGHT, WIDTH = 60, 64
RED, BLUE = np.array([200, 60, 30.0]), np.array([50, 90, 210.0])


def disc(radius: float) -> np.ndarray:
    """A disc with a soft edge of a pixel, 0 to 1."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    far = np.hypot(rows - (HEIGHT - 1) / 2, columns - (WIDTH - 1) / 2)
    return np.clip(radius - far + 0.5, 0, 1)


def painted(alpha: np.ndarray) -> np.ndarray:
    picture = alpha[..., None] * RED + (1 - alpha[..., None]) * BLUE
    return np.rint(picture).astype(np.uint8)


@pytest.fixture
def red_disc(server):
    """A red disc of 15 pixels on blue; its rough mask has 5 pixels of blue all around."""
    server.put("s.png", painted(disc(15)))
    server.put("m.png", (255 * (disc(20) > 0)).astype(np.uint8))


def cleaned(server, nodes: dict | None = None, **inputs):
    """The outcome of a Clean Cut-out 5; 6, 7, 8 and 10 see its outputs."""
    looks = {f"n{at}": look("5", slot) for slot, at in enumerate(("6", "7", "8", "10"))}
    prompt = graph(n5=clean_cutout(**inputs), **looks, **(nodes or {}))
    return server.run({name: prompt[name] for name in prompt if name not in ("1", "4", "9")})


def report(outcome) -> dict:
    return json.loads(outcome.outputs["10"]["text"][0])


def test_the_rest_of_blue_is_removed_and_shown(server, red_disc):
    outcome = cleaned(server)
    assert not outcome.error
    source, alpha, removed = (server.looked(outcome, name) for name in ("6", "7", "8"))
    assert source.shape == removed.shape == (1, HEIGHT, WIDTH, 3)
    assert alpha.shape == (1, HEIGHT, WIDTH)
    rough = disc(20) > 0
    blue = rough & (disc(15) == 0)
    assert alpha[0][blue].mean() < 0.1
    assert alpha[0][disc(15) == 1].mean() > 0.98
    assert (alpha[0] <= rough).all()
    edge = (alpha[0] > 0.1) & (disc(15) < 1)
    raw = np.abs(painted(disc(15)) - RED)[edge].mean()
    assert np.abs(source[0] * 255 - RED)[edge].mean() < 0.5 * raw
    outside = ~rough
    assert (np.rint(source[0] * 255) == painted(disc(15)))[outside].all()
    magenta = (removed[0, ..., 0] > 0.7) & (removed[0, ..., 2] > 0.7)
    assert magenta[blue].mean() > 0.9
    assert not magenta[outside].any()
    share = 1 - alpha[0][rough].sum() / rough.sum()
    assert report(outcome)["removed_share"] == [pytest.approx(share, abs=1e-3)]
    assert outcome.text("5").startswith(f"removed {100 * share:.1f} % of the mask, confidence 0.")


def test_the_node_shows_what_was_removed(server, red_disc):
    outcome = cleaned(server, width=13)  # not what the server has in its cache
    assert len(outcome.outputs["5"]["images"]) == 1
    progress = [(m["value"], m["max"]) for m in outcome.of("progress") if m["node"] == "5"]
    assert progress[-1] == (1, 1)


def test_width_0_is_off(server, red_disc):
    outcome = cleaned(server, width=0)
    assert (np.rint(server.looked(outcome, "6")[0] * 255) == painted(disc(15))).all()
    assert (server.looked(outcome, "7")[0] == (disc(20) > 0)).all()
    assert "width 0" in outcome.text("5")


def test_a_mask_over_the_whole_source_is_kept(server, red_disc):
    server.put("m.png", np.full((HEIGHT, WIDTH), 255, np.uint8))
    outcome = cleaned(server)
    assert not outcome.error
    assert (server.looked(outcome, "7") == 1).all()
    assert (np.rint(server.looked(outcome, "6")[0] * 255) == painted(disc(15))).all()
    assert "nothing outside the mask teaches the background: alpha kept" in outcome.text("5")
    assert report(outcome)["background_known"] == [False]


def test_one_colour_on_the_same_colour_is_kept(server, red_disc):
    server.put("s.png", painted(np.zeros((HEIGHT, WIDTH))))
    outcome = cleaned(server)
    assert not outcome.error
    assert (server.looked(outcome, "7")[0] == (disc(20) > 0)).all()
    assert outcome.text("5") == "the same colours inside and outside: nothing removed"


def test_a_cut_out_with_alpha_gets_its_edge_colours_and_no_second_alpha(server, red_disc):
    """A picture with alpha, nothing beyond it: its soft edge is blue still."""
    soft = np.rint(255 * disc(15))
    server.put("s.png", np.dstack((painted(disc(15)), soft)).astype(np.uint8))
    white = {"n3": node("SolidMask", value=1.0, width=WIDTH, height=HEIGHT)}
    joined = {
        "n20": load("s.png"),
        "n21": node("InvertMask", mask=["20", 1]),
        "n22": node("JoinImageWithAlpha", image=["20", 0], alpha=["20", 1]),
    }
    outcome = cleaned(server, {**white, **joined}, source=["22", 0])
    assert not outcome.error
    source, alpha = server.looked(outcome, "6"), server.looked(outcome, "7")
    assert source.shape == (1, HEIGHT, WIDTH, 4)
    assert set(np.unique(source[..., 3])) <= {0, 1}
    assert (source[0, ..., 3] == (soft > 0)).all()  # so that a stage does not multiply twice
    assert np.abs(alpha[0] * 255 - soft).max() < 0.01
    assert "alpha kept, edge colours cleaned" in outcome.text("5")
    assert "the source's alpha multiplies the mask" in outcome.text("5")
    edge = (soft > 60) & (soft < 200)
    raw = np.abs(painted(disc(15)) - RED)[edge].mean()
    assert np.abs(source[0, ..., :3] * 255 - RED)[edge].mean() < 0.9 * raw


def test_the_stage_takes_what_comes_out(server, pictures, red_disc):
    stage = poisson(source=["5", 0], mask=["5", 1], preset="seam repair", column=10, row=5)
    outcome = server.run(graph(n5=clean_cutout(), n4=stage, n6=look("4"), n7=look("1")))
    assert not outcome.error
    blend, target = server.looked(outcome, "6"), server.looked(outcome, "7")
    assert (blend[0, :5] == target[0, :5]).all()


def test_batches_equal_single_runs_and_the_node_counts_them(server, red_disc):
    single = cleaned(server)
    outcome = cleaned(server, {"n20": repeat("2", 6)}, source=["20", 0])
    assert not outcome.error
    for at in ("6", "7", "8"):
        whole, one = server.looked(outcome, at), server.looked(single, at)
        assert whole.shape == (6, *one.shape[1:])
        assert (whole == one).all()
    assert len(outcome.outputs["5"]["images"]) == 4
    assert outcome.text("5").startswith("6 pictures: removed")
    assert len(report(outcome)["confidence"]) == 6
    masks = cleaned(server, {"n3": probe("mask batch"), "n2": probe("alpha source")}, mask=["3", 1])
    assert server.looked(masks, "7").shape == (3, 40, 48)


def test_cancel_stops_between_pictures(server, red_disc):
    def cancel(message):
        if message["type"] == "progress" and message["data"]["node"] == "5":
            server.post("/interrupt", {})

    prompt = graph(n20=repeat("2", 300), n5=clean_cutout(source=["20", 0]), n9=save("5"))
    del prompt["4"]
    outcome = server.run(prompt, on_message=cancel)
    assert outcome.of("execution_interrupted")
    done = [m["value"] for m in outcome.of("progress") if m["node"] == "5"]
    assert done[-1] < 200
    assert not cleaned(server, width=11).error


HARMLESS = {
    "alpha source": {"n2": probe("alpha source")},
    "half mask": {"n3": probe("half mask")},
    "flat mask": {"n3": probe("flat mask")},
    "deep mask": {"n3": probe("deep mask")},
    "overshooting mask": {"n3": probe("overshooting mask")},
    "half source": {"n2": probe("half target"), "n3": probe("target-sized mask")},
    "bfloat16 source": {"n2": probe("bfloat16 target"), "n3": probe("target-sized mask")},
    "wide source": {"n2": probe("wide target"), "n3": probe("target-sized mask")},
    "grey source": {"n2": probe("grey target"), "n3": probe("target-sized mask")},
    "one pixel": {"n2": probe("one pixel"), "n3": probe("one pixel's mask")},
}


@pytest.mark.parametrize("name", HARMLESS)
def test_an_odd_tensor_is_harmless(server, pictures, name):
    nodes = HARMLESS[name]
    outcome = cleaned(server, nodes, mask=["3", 1] if "n3" in nodes else ["3", 0])
    assert not outcome.error
    assert all(np.isfinite(server.looked(outcome, at)).all() for at in ("6", "7", "8"))
    if name == "wide source":
        assert "source has values from -0.3 to 1.3: kept as they are" in outcome.text("5")


def test_an_inverted_mask_is_named(server, red_disc):
    outcome = cleaned(server, {"n20": node("InvertMask", mask=["3", 0])}, mask=["20", 0])
    assert outcome.text("5").startswith("mask looks inverted")


def black(server):
    server.put("m.png", np.zeros((40, 48), np.uint8))
    return {}


def small(server):
    server.put("m.png", square(30, 30))
    return {}


MISTAKES = {
    "empty mask": (black, {}, ("mask must be above 0 somewhere", "empty")),
    "mask of another size": (small, {}, ("mask must have the source's size, 48 x 40", "30 x 30")),
    "load image's stand-in": (None, {"mask": ["2", 1]}, ("64 x 64 stand-in", "Load Mask")),
    "width beyond range": (None, {"width": 129}, ("width",)),
    "negative width": (None, {"width": -1}, ("width",)),
    "width that is no number": (None, {"width": "wide"}, ("width",)),
    "mask as source": (None, {"source": ["3", 0]}, ("source",)),
    "picture as mask": (None, {"mask": ["2", 0]}, ("mask",)),
    "batches": (
        lambda server: {"n20": repeat("2", 2), "n21": probe("mask batch")},
        {"source": ["20", 0], "mask": ["21", 1]},
        ("source 2", "mask 3", "ImageFromBatch"),
    ),
    "integers": (
        lambda server: {"n2": probe("integer target"), "n3": probe("target-sized mask")},
        {"mask": ["3", 1]},
        ("source", "float"),
    ),
    "0..255": (
        lambda server: {"n2": probe("0..255 target"), "n3": probe("target-sized mask")},
        {"mask": ["3", 1]},
        ("source", "divide 8-bit values"),
    ),
    "nan": (
        lambda server: {"n2": probe("nan target"), "n3": probe("target-sized mask")},
        {"mask": ["3", 1]},
        ("source", "NaN"),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_in_a_message_that_names_it(server, pictures, name):
    build, inputs, words = MISTAKES[name]
    outcome = cleaned(server, build(server) if build else {}, **inputs)
    assert outcome.error
    for word in words:
        assert word in outcome.error


def test_a_bypassed_node_hands_on_source_and_mask(server):
    described = server.get("/object_info/DIB_CleanCutout")["DIB_CleanCutout"]
    assert described["input_order"]["required"][:2] == ["source", "mask"]
    assert described["output"][:2] == ["IMAGE", "MASK"]


def test_half_precision_intermediates_go_through(half_server):
    half_server.put("s.png", painted(disc(15)))
    half_server.put("m.png", (255 * (disc(20) > 0)).astype(np.uint8))
    half_server.put("t.png", scene(1, 80, 96))
    outcome = cleaned(half_server, {"n3": load_mask()})
    assert not outcome.error
    source, alpha = half_server.looked(outcome, "6"), half_server.looked(outcome, "7")
    assert source.dtype == alpha.dtype == np.float16
    assert alpha[0][(disc(20) > 0) & (disc(15) == 0)].mean() < 0.1

"""Wiring traps on a server: named with their remedy, or harmless."""

import json

import numpy as np
import pytest

from tests.comfy.graphs import (
    disc,
    graph,
    load,
    load_mask,
    look,
    node,
    poisson,
    probe,
    refine,
    save,
    scene,
    square,
)

pytestmark = pytest.mark.comfy


def exact(**inputs) -> dict:
    return poisson(preset="seam repair", **inputs)


def test_an_inverted_mask_runs_and_is_named(server, pictures):
    """The source's surroundings are taken: Load Image's MASK of a cut-out with alpha."""
    rgba = np.dstack([scene(4, 40, 48), disc(40, 48)])
    server.put("rgba.png", rgba)
    nodes = {"n2": load("rgba.png"), "n4": exact(mask=["2", 1]), "n8": look("4", 3)}
    outcome = server.run(graph(**nodes))
    assert not outcome.error
    assert "mask looks inverted" in outcome.text("4")
    assert "Prepare Mask" in outcome.text("4")
    assert "Load Mask" in outcome.text("4")
    assert any(
        "inverted" in line for line in json.loads(outcome.outputs["8"]["text"][0])["warnings"]
    )


def test_the_same_mask_inverted_is_not_named(server, pictures):
    server.put("rgba.png", np.dstack([scene(4, 40, 48), disc(40, 48)]))
    nodes = {"n2": load("rgba.png"), "n5": node("InvertMask", mask=["2", 1])}
    outcome = server.run(graph(**nodes, n4=exact(mask=["5", 0])))
    assert not outcome.error
    assert "inverted" not in outcome.text("4")


def test_an_inverted_placed_mask_is_named_by_the_refine_stage(server, pictures):
    server.put("m.png", disc(40, 48))
    nodes = {"n5": node("InvertMask", mask=["4", 1]), "n9": save("6")}
    wrong = refine(mask=["5", 0], max_evaluations=1)
    outcome = server.run(graph(n4=exact(), n6=wrong, **nodes))
    assert not outcome.error
    assert "mask looks inverted" in outcome.text("6")


HARMLESS = {
    "half target": {"n1": probe("half target")},
    "bfloat16 target": {"n1": probe("bfloat16 target")},
    "alpha target": {"n1": probe("alpha target")},
    "alpha source": {"n2": probe("alpha source")},
    "grey target": {"n1": probe("grey target")},
    "half mask": {"n3": probe("half mask")},
    "flat mask": {"n3": probe("flat mask")},
    "deep mask": {"n3": probe("deep mask")},
    "overshooting mask": {"n3": probe("overshooting mask")},
}


@pytest.mark.parametrize("name", HARMLESS)
def test_an_odd_tensor_is_harmless(server, pictures, name):
    nodes = HARMLESS[name]
    mask = ["3", 1] if "n3" in nodes else ["3", 0]
    outcome = server.run(graph(**nodes, n4=exact(mask=mask), n7=look("4"), n8=look("1")))
    assert not outcome.error
    blend, target = server.looked(outcome, "7"), server.looked(outcome, "8")
    assert blend.shape[:3] == (1, 80, 96)
    assert (blend[:, :15] == target[:, :15]).all()  # above the source
    assert np.isfinite(blend).all()


@pytest.mark.parametrize("preset", ["seam repair", "fast"])
def test_values_beyond_range_are_kept_outside_the_mask_and_said(server, pictures, preset):
    stage = poisson(preset=preset, max_evaluations=2)
    outcome = server.run(graph(n1=probe("wide target"), n4=stage, n7=look("4"), n8=look("1")))
    assert not outcome.error
    blend, target = server.looked(outcome, "7"), server.looked(outcome, "8")
    inside, solid = np.zeros((2, 80, 96), bool)
    inside[23:47, 28:60] = True
    solid[25:45, 30:58] = True  # the edge is smoothed: there the target shows through
    assert target.min() < 0
    assert target.max() > 1
    assert (blend == target)[0][~inside].all()
    assert blend[0][solid].min() >= 0
    assert blend[0][solid].max() <= 1
    assert "target has values from -0.3 to 1.3" in outcome.text("4")


def test_the_refine_stage_keeps_values_beyond_range_outside_the_mask_too(server, pictures):
    nodes = {"n1": probe("wide target"), "n5": refine(max_evaluations=2), "n7": look("5")}
    outcome = server.run(graph(**nodes, n4=exact(), n8=look("1")))
    assert not outcome.error
    blend, target = server.looked(outcome, "7"), server.looked(outcome, "8")
    assert (blend == target)[0][:23].all()
    assert "blend has values from -0.3 to 1.3" in outcome.text("5")


def small_mask(server):
    server.put("small.png", square(30, 30))
    return graph(n3=load_mask("small.png"))


def target_sized_mask(server):
    server.put("large.png", square(80, 96))
    return graph(n3=load_mask("large.png"))


def wrong(**nodes):
    return lambda server: graph(**nodes)


TRAPS = {
    "load image's stand-in": (wrong(n4=exact(mask=["2", 1])), ("64 x 64 stand-in", "Load Mask")),
    "load image's stand-in in the refine stage": (
        wrong(n4=exact(), n5=refine(mask=["1", 1]), n9=save("5")),
        ("64 x 64 stand-in", "Load Mask"),
    ),
    "mask of another size": (small_mask, ("48 x 40", "30 x 30", "resize", "Place Object")),
    "placed mask for the source's": (target_sized_mask, ("target's size", "placed mask")),
    "source's mask for the placed one": (
        wrong(n4=exact(), n5=refine(mask=["3", 0]), n9=save("5")),
        ("96 x 80", "48 x 40", "placed mask"),
    ),
    "another target for the refine stage": (
        wrong(n4=exact(), n5=refine(target=["2", 0]), n9=save("5")),
        ("target must have the blend's size", "style"),
    ),
    "integer picture": (wrong(n1=probe("integer target")), ("target", "float")),
    "picture on 0..255": (wrong(n1=probe("0..255 target")), ("target", "divide 8-bit values")),
    "picture with NaN": (wrong(n1=probe("nan target")), ("target", "NaN", "--fp32-vae")),
    "two channels": (wrong(n1=probe("two-channel target")), ("target", "3 or 4 channels")),
    "no batch dimension": (wrong(n1=probe("flat target")), ("target", "(80, 96, 3)")),
    "mask on 0..255": (
        wrong(n3=probe("0..255 mask"), n4=exact(mask=["3", 1])),
        ("mask", "divide 8-bit values", "Load Mask"),
    ),
    "mask with NaN": (wrong(n3=probe("nan mask"), n4=exact(mask=["3", 1])), ("mask", "NaN")),
    "batches that do not fit": (
        wrong(
            n5=node("RepeatImageBatch", image=["1", 0], amount=3),
            n6=node("RepeatImageBatch", image=["2", 0], amount=2),
            n4=exact(target=["5", 0], source=["6", 0]),
        ),
        ("target 3", "source 2", "ImageFromBatch"),
    ),
}


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_ends_in_a_message_that_names_the_remedy(server, pictures, name):
    build, words = TRAPS[name]
    outcome = server.run(build(server))
    for word in words:
        assert word in outcome.error
    failed = outcome.of("execution_error")[0]
    assert failed["node_type"] in ("DIB_PoissonStage", "DIB_StyleRefineStage")

"""Wrong graphs: each ends in a message that names node, input and remedy; the server goes on.

The wiring traps have a file of their own, test_traps.py.
"""

import numpy as np
import pytest

from tests.comfy.graphs import (
    blend_settings,
    graph,
    load_mask,
    poisson,
    probe,
    refine,
    save,
    square,
)

pytestmark = pytest.mark.comfy


def wrong(**nodes):
    return lambda server: graph(**nodes)


def text_as_picture(server):
    (server.base / "input" / "text.png").write_text("not a picture")
    return graph(n3=load_mask("text.png"))


def truncated(server):
    whole = (server.base / "input" / "m.png").read_bytes()
    (server.base / "input" / "half.png").write_bytes(whole[: len(whole) // 2])
    return graph(n3=load_mask("half.png"))


def black(server):
    server.put("black.png", np.zeros((40, 48), np.uint8))
    return graph(n3=load_mask("black.png"))


def deleted(server):
    """A mask that was there a run ago."""
    server.put("gone.png", square(40, 48))
    assert not server.run(graph(n3=load_mask("gone.png"), n4=poisson(preset="seam repair"))).error
    (server.base / "input" / "gone.png").unlink()
    return graph(n3=load_mask("gone.png"), n4=poisson(preset="seam repair", column=3))


def link_out(server):
    """A link inside the input folder that leads out of it."""
    link = server.base / "input" / "link.png"
    link.unlink(missing_ok=True)
    link.symlink_to(server.log)
    return graph(n3=load_mask("link.png"))


def settings(**numbers):
    def build(server):
        linked = poisson(settings=["5", 0])
        return graph(n5=blend_settings(server.get("/object_info"), **numbers), n4=linked)

    return build


def without(name):
    def build(server):
        stage = poisson()
        del stage["inputs"][name]
        return graph(n4=stage)

    return build


TERMS = ("gradient", "content", "style", "luminance", "chroma", "histogram", "tv")
# Name: the graph, the node that is at fault, words of the message.
MISTAKES = {
    "missing file": (wrong(n3=load_mask("nothing.png")), "DIB_LoadMask", "nothing.png"),
    "deleted file": (deleted, "DIB_LoadMask", "gone.png"),
    "missing Unicode file": (wrong(n3=load_mask("没有.png")), "DIB_LoadMask", "input folder"),
    "missing file with spaces": (wrong(n3=load_mask("no such.png")), "DIB_LoadMask", "no such"),
    "file above": (wrong(n3=load_mask("../server.log")), "DIB_LoadMask", "input folder"),
    "file above output": (
        wrong(n3=load_mask("../server.log [output]")),
        "DIB_LoadMask",
        "output folder",
    ),
    "file far above": (
        wrong(n3=load_mask("a/../../../../../../etc/passwd")),
        "DIB_LoadMask",
        "input folder",
    ),
    "absolute file": (wrong(n3=load_mask("/etc/passwd")), "DIB_LoadMask", "input folder"),
    "link out of the folder": (link_out, "DIB_LoadMask", "input folder"),
    "folder as file": (wrong(n3=load_mask(".")), "DIB_LoadMask", "input folder"),
    "no file": (wrong(n3=load_mask("")), "DIB_LoadMask", "input folder"),
    "text as picture": (text_as_picture, "DIB_LoadMask", "whole picture file"),
    "truncated picture": (truncated, "DIB_LoadMask", "whole picture file"),
    "no alpha": (wrong(n3=load_mask(channel="alpha")), "DIB_LoadMask", "luminance"),
    "unknown channel": (wrong(n3=load_mask(channel="cyan")), "DIB_LoadMask", "channel"),
    "threshold out of range": (wrong(n3=load_mask(threshold=2)), "DIB_LoadMask", "threshold"),
    "grow out of range": (wrong(n3=load_mask(grow=999)), "DIB_LoadMask", "grow"),
    "feather out of range": (wrong(n3=load_mask(feather=-1)), "DIB_LoadMask", "feather"),
    "empty mask": (black, "DIB_PoissonStage", "mask must be above 0"),
    "shrunk to nothing": (
        wrong(n3=load_mask(grow=-60)),
        "DIB_PoissonStage",
        "mask must be above 0",
    ),
    "off the target": (wrong(n4=poisson(column=500)), "DIB_PoissonStage", "must overlap"),
    "mask off the target": (wrong(n4=poisson(column=90)), "DIB_PoissonStage", "inside the target"),
    "source too large": (
        lambda server: graph(
            n1={
                "class_type": "EmptyImage",
                "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0},
            },
            n2={
                "class_type": "EmptyImage",
                "inputs": {"width": 3000, "height": 3000, "batch_size": 1, "color": 0},
            },
            n3={"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 3000, "height": 3000}},
            n4=poisson(scale=16),
        ),
        "DIB_PoissonStage",
        "scale must keep the source within",
    ),
    "an empty batch": (wrong(n1=probe("empty batch")), "DIB_PoissonStage", "target must have a"),
    "an empty batch of masks": (
        wrong(n3=probe("empty masks"), n4=poisson(mask=["3", 1])),
        "DIB_PoissonStage",
        "mask must have a picture at least, got an empty batch",
    ),
    "nothing for a picture": (
        wrong(n2=probe("nothing")),
        "DIB_PoissonStage",
        "source must be an IMAGE, got None",
    ),
    "unknown preset": (wrong(n4=poisson(preset="magic")), "DIB_PoissonStage", "preset"),
    "unknown gradients": (wrong(n4=poisson(gradients="no")), "DIB_PoissonStage", "gradients"),
    "too much bleed": (wrong(n4=poisson(bleed=1.5)), "DIB_PoissonStage", "bleed"),
    "fewer than no evaluations": (
        wrong(n4=poisson(max_evaluations=-1)),
        "DIB_PoissonStage",
        "max_evaluations",
    ),
    "scale zero": (wrong(n4=poisson(scale=0)), "DIB_PoissonStage", "scale"),
    "row far out": (wrong(n4=poisson(row=99999)), "DIB_PoissonStage", "row"),
    "not a number": (wrong(n4=poisson(column="left")), "DIB_PoissonStage", "column"),
    "no mask linked": (without("mask"), "DIB_PoissonStage", "mask"),
    "no target linked": (without("target"), "DIB_PoissonStage", "target"),
    "picture for a mask": (wrong(n4=poisson(mask=["2", 0])), "DIB_PoissonStage", "mask"),
    "mask for a picture": (wrong(n4=poisson(source=["3", 0])), "DIB_PoissonStage", "source"),
    "picture for settings": (wrong(n4=poisson(settings=["1", 0])), "DIB_PoissonStage", "settings"),
    "unknown region": (
        wrong(n5=refine(region="sky"), n9=save("5")),
        "DIB_StyleRefineStage",
        "region",
    ),
    "unknown preset of the second stage": (
        wrong(n5=refine(preset="magic"), n9=save("5")),
        "DIB_StyleRefineStage",
        "preset",
    ),
    "too much strength": (
        wrong(n5=refine(strength=2), n9=save("5")),
        "DIB_StyleRefineStage",
        "strength",
    ),
    "margin between none and all": (
        settings(margin=5),
        "DIB_BlendSettings",
        "0 (whole picture), or 16 to 4096",
    ),
    "negative weight": (settings(poisson_style=-1), "DIB_BlendSettings", "poisson_style"),
    "no weight at all": (
        settings(**{f"refine_{term}": 0 for term in TERMS}),
        "DIB_BlendSettings",
        "refine weights must have at least one above 0",
    ),
    "no weight for the deep method": (
        settings(**{f"poisson_{term}": 0 for term in TERMS}),
        "DIB_BlendSettings",
        "poisson weights must have at least one above 0",
    ),
    "unknown arithmetic": (settings(arithmetic="float8"), "DIB_BlendSettings", "arithmetic"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_in_a_message_that_names_node_and_input(server, pictures, name):
    build, node, words = MISTAKES[name]
    outcome = server.run(build(server))
    assert words in outcome.error
    assert "root:" not in outcome.error  # /etc/passwd
    assert outcome.faulty == {node}


def test_the_exact_method_needs_no_weights(server, pictures):
    no_weights = {f"poisson_{term}": 0 for term in TERMS}
    assert not server.run(settings(method="exact", **no_weights)(server)).error


def test_the_server_goes_on_after_all_of_them(server, pictures):
    assert server.process.poll() is None
    assert not server.run(graph(n4=poisson(preset="seam repair", column=7))).error

"""The pack in a real ComfyUI: it loads, and every form says what it wants."""

import pytest

pytestmark = pytest.mark.comfy
NODES = (
    "DIB_LoadMask",
    "DIB_PoissonStage",
    "DIB_StyleRefineStage",
    "DIB_BlendSettings",
    "DIB_LaplacianPreview",
    "DIB_CropForRepair",
    "DIB_StitchWithoutSeam",
)


def ours(server) -> dict:
    info = server.get("/object_info")
    return {name: described for name, described in info.items() if name.startswith("DIB_")}


def test_the_pack_loads_without_a_failed_import(server):
    lines = server.log.read_text().splitlines()
    assert not [line for line in lines if "FAILED" in line and "deep-image-blending" in line]
    assert set(NODES) <= ours(server).keys()


def test_every_node_says_what_it_is_for_and_is_found(server):
    for name, described in ours(server).items():
        assert described["description"], name
        assert described["category"] == "image/deep image blending", name
        assert described["display_name"].endswith("(Blending)"), name
        if "search_aliases" in described:  # newer cores have the field
            assert described["search_aliases"], name


def test_every_input_and_output_has_a_tooltip_and_numbers_have_ranges(server):
    for node, described in ours(server).items():
        every = {**described["input"]["required"], **described["input"].get("optional", {})}
        for name, (kind, *options) in every.items():
            assert options[0]["tooltip"], f"{node}: {name}"
            if kind in ("INT", "FLOAT"):
                assert options[0]["min"] < options[0]["max"], f"{node}: {name}"
                assert options[0]["min"] <= options[0]["default"] <= options[0]["max"], name
        assert all(described["output_tooltips"]), node
        assert len(described["output_tooltips"]) == len(described["output"]), node


@pytest.mark.parametrize(
    ("node", "first"),
    [
        ("DIB_PoissonStage", "target"),
        ("DIB_StyleRefineStage", "blend"),
        ("DIB_LaplacianPreview", "result"),
        ("DIB_CropForRepair", "image"),
        ("DIB_StitchWithoutSeam", "crop"),
    ],
)
def test_a_bypassed_node_hands_the_edited_picture_on(server, node, first):
    described = ours(server)[node]
    assert described["input_order"]["required"][0] == first
    assert described["input"]["required"][first][0] == described["output"][0] == "IMAGE"


@pytest.mark.parametrize("node", NODES)
def test_no_output_has_an_inputs_name(server, node):
    """An older core takes both for ids and refuses them."""
    described = ours(server)[node]
    names = {n for kind in ("required", "optional") for n in described["input"].get(kind, {})}
    assert not names & set(described["output_name"])

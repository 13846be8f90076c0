"""Place Object on a server: the same bytes as the stage, poses, the former box, wrong inputs."""

import io
import json
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from tests.comfy.graphs import (
    disc,
    graph,
    laplacian_preview,
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
from tests.comfy.page import served

pytestmark = pytest.mark.comfy


def placed(server, *more: dict, **inputs):
    """The outcome of a Place Object 5; 6, 7 and 8 see its paste, source and mask."""
    looks = {"n6": look("5", 0), "n7": look("5", 1), "n8": look("5", 2)}
    nodes = graph(n5=place_object(**inputs), **looks)
    for extra in more:
        nodes |= extra
    return server.run({name: nodes[name] for name in nodes if name not in ("4", "9")})


def exact(**inputs) -> dict:
    return poisson(preset="seam repair", **inputs)


@pytest.mark.parametrize(("column", "row", "scale"), [(20, 15, 1), (-10, 50, 1), (30, 20, 0.7)])
def test_the_stage_after_it_makes_the_same_bytes_as_by_its_own_place(
    server, pictures, column, row, scale
):
    where = {"column": column, "row": row, "scale": scale}
    own = exact(source=["5", 1], mask=["5", 2], column=0, row=0)
    prompt = graph(n4=exact(**where), n5=place_object(**where), n6=own)
    prompt |= {"7": look("4", 0), "8": look("6", 0), "10": look("4", 1), "11": look("6", 1)}
    outcome = server.run(prompt | {"12": look("4", 2), "13": look("6", 2)})
    assert not outcome.error
    for by_stage, by_node in (("7", "8"), ("10", "11"), ("12", "13")):
        assert (server.looked(outcome, by_stage) == server.looked(outcome, by_node)).all()


def test_everything_has_the_targets_size_and_the_pixels_are_the_sources(server, pictures):
    outcome = placed(server)
    assert not outcome.error
    paste, source, mask = (server.looked(outcome, name) for name in ("6", "7", "8"))
    assert (paste.shape, source.shape, mask.shape) == ((1, 80, 96, 3), (1, 80, 96, 4), (1, 80, 96))
    rows, columns = slice(15, 55), slice(20, 68)
    assert (np.rint(source[0, rows, columns, :3] * 255) == scene(4, 40, 48)).all()
    assert source[..., 3].sum() == 40 * 48
    assert (mask[0, rows, columns] * 255 == square(40, 48)).all()
    expected = scene(1, 80, 96)
    expected[23:47, 28:60] = scene(4, 40, 48)[8:-8, 8:-8]
    assert (np.rint(paste[0] * 255) == expected).all()


def test_trim_is_on_and_means_the_object(server, pictures):
    inputs = place_object()
    del inputs["inputs"]["trim"]
    outcome = server.run(graph(n5=inputs, n8=look("5", 2), n9=save("5")))
    assert not outcome.error
    mask = server.looked(outcome, "8")[0]
    assert (mask[15 : 15 + 24, 20 : 20 + 32] == 1).all()  # the square itself, not its border
    assert mask.sum() == 24 * 32
    assert outcome.text("5") == "32 x 24 pixels at column 20, row 15"


def test_a_quarter_turn_and_a_flip_move_pixels(server, pictures):
    outcome = placed(server, rotation=90, flip="horizontal")
    source = np.rint(server.looked(outcome, "7")[0] * 255)
    expected = np.rot90(scene(4, 40, 48)[:, ::-1], -1)
    assert (source[15 : 15 + 48, 20 : 20 + 40, :3] == expected).all()


def test_any_angle_runs_and_softens_the_edge(server, pictures):
    outcome = placed(server, rotation=30, column=50, row=50, unit="percent", anchor="centre")
    assert not outcome.error
    mask = server.looked(outcome, "8")[0]
    assert mask.sum() == pytest.approx(24 * 32, rel=0.01)
    assert ((mask > 0) & (mask < 1)).any()


def test_percent_and_pixels_are_the_same_place(server, pictures):
    percent = placed(server, column=50, row=25, unit="percent", anchor="centre")
    pixels = placed(server, column=48, row=20, unit="pixels", anchor="centre")
    assert (server.looked(percent, "6") == server.looked(pixels, "6")).all()


def test_without_a_mask_the_sources_alpha_is_it(server, pictures):
    inputs = place_object(source=["5", 0])
    del inputs["inputs"]["mask"]
    prompt = {"1": graph()["1"], "5": probe("alpha source"), "6": inputs, "8": look("6", 2)}
    outcome = server.run(prompt)
    assert not outcome.error
    mask = server.looked(outcome, "8")[0]
    assert (mask[15:55, 20:68] * 255 == square(40, 48)).all()
    assert "alpha is the mask" in outcome.text("6")


def test_the_node_says_where_it_landed(server, pictures):
    text = placed(server, column=-10).text("5")
    assert "48 x 40 pixels at column -10, row 15" in text
    assert "overhangs" in text


def test_batches_go_through(server, pictures):
    outcome = placed(server, {"20": repeat("2", 3)}, source=["20", 0])
    assert server.looked(outcome, "6").shape == (3, 80, 96, 3)


def test_a_bypassed_node_hands_the_target_on(server):
    described = server.get("/object_info/DIB_PlaceObject")["DIB_PlaceObject"]
    assert described["input_order"]["required"][:2] == ["target", "source"]
    assert described["output"][0] == "IMAGE"


def test_the_box_of_newer_comfyuis_is_gone(server):
    """Drawn in Nodes 2.0 it stayed in force, unseen, in the canvas: the page's view replaces it."""
    described = server.get("/object_info/DIB_PlaceObject")["DIB_PlaceObject"]
    assert described["input_order"]["optional"] == ["mask", "trim"]


def test_a_box_that_was_in_force_is_refused_with_what_replaces_it(server, pictures):
    """48 x 40 in 60 x 60 are 60 x 50, 5 rows below the box's top."""
    error = placed(server, box={"x": 30, "y": 10, "width": 60, "height": 60}).error
    words = "column 60, row 40, fit inside, fit_width 60, fit_height 60"
    assert f"unit pixels, anchor centre, {words}" in error
    instead = {"unit": "pixels", "anchor": "centre", "column": 60, "row": 40, "fit": "inside"}
    outcome = placed(server, **instead, fit_width=60, fit_height=60)
    source = server.looked(outcome, "7")[0, ..., 3]
    rows, columns = source.any(1).nonzero()[0], source.any(0).nonzero()[0]
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (15, 64, 30, 89)


@pytest.mark.parametrize("side", [0, 1])
def test_a_box_that_was_not_drawn_changes_nothing(server, pictures, side):
    boxed = placed(server, box={"x": 0, "y": 0, "width": side, "height": side})
    assert (server.looked(boxed, "6") == server.looked(placed(server), "6")).all()


def test_the_page_is_told_what_its_view_draws(server, pictures):
    """The square of the mask and its colours, the whole target, the sizes."""
    outcome = placed(server, rotation=20)
    [told] = outcome.outputs["5"]["dib_placing"]
    told = json.loads(told)
    assert (told["target"], told["source"], told["part"]) == ([80, 96], [40, 48], [8, 8, 24, 32])
    assert (told["layout"]["rotation"], told["layout"]["trim"]) == (20, False)
    files = [
        served(server, f"/view?{urllib.parse.urlencode(told['files'][name])}")
        for name in ("target", "object")
    ]
    target, cut_out = (np.asarray(Image.open(io.BytesIO(file))).astype(int) for file in files)
    assert np.abs(target - scene(1, 80, 96)).max() <= 1  # ComfyUI cuts off what it does not show
    assert np.abs(cut_out[..., :3] - scene(4, 40, 48)[8:-8, 8:-8]).max() <= 1
    assert (cut_out[..., 3] == 255).all()


def test_the_page_gets_small_pictures_of_large_ones(server, pictures):
    server.put("t.png", scene(1, 1000, 3000))
    [told] = placed(server).outputs["5"]["dib_placing"]
    told = json.loads(told)
    file = served(server, f"/view?{urllib.parse.urlencode(told['files']['target'])}")
    assert Image.open(io.BytesIO(file)).size == (768, 256)
    assert told["target"] == [1000, 3000]


MISTAKES = {
    "column beyond range": ({"column": 99999}, ("column",)),
    "row that is no number": ({"row": "top"}, ("row",)),
    "unknown unit": ({"unit": "inch"}, ("unit", "inch")),
    "unknown anchor": ({"anchor": "middle"}, ("anchor", "middle")),
    "unknown fit": ({"fit": "fill"}, ("fit",)),
    "unknown flip": ({"flip": "left"}, ("flip", "left")),
    "scale zero": ({"scale": 0}, ("scale",)),
    "scale beyond range": ({"scale": 17}, ("scale",)),
    "fit width zero": ({"fit": "inside", "fit_width": 0}, ("fit_width",)),
    "fit height beyond range": ({"fit": "inside", "fit_height": 20000}, ("fit_height",)),
    "rotation beyond range": ({"rotation": 361}, ("rotation",)),
    "wholly outside": (
        {"column": 500},
        ("must overlap the target of 96 x 80 pixels", "column 500"),
    ),
    "mask outside": ({"column": 90}, ("mask must be above 0 inside the target", "column 90")),
    "larger than can be": (
        {"fit": "stretch", "fit_width": 16384, "fit_height": 16384, "scale": 16},
        ("scale and fit must keep the source within 32768 pixels",),
    ),
    "load image's stand-in": ({"mask": ["2", 1]}, ("64 x 64 stand-in", "Load Mask")),
    "mask as source": ({"source": ["3", 0]}, ("source",)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_in_a_message_that_names_it(server, pictures, name):
    inputs, words = MISTAKES[name]
    outcome = placed(server, **inputs)
    assert outcome.error
    for word in words:
        assert word in outcome.error
    assert not placed(server, column=21).error


def test_neither_mask_nor_alpha_is_named_with_the_remedy(server, pictures):
    inputs = place_object()
    del inputs["inputs"]["mask"]
    outcome = server.run(graph(n5=inputs, n9=save("5")))
    assert "mask must be linked for a source without alpha" in outcome.error
    assert "Load Mask" in outcome.error


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("0..255 target", ("target", "divide 8-bit values")),
        ("nan target", ("target", "NaN")),
        ("two-channel target", ("target", "3 or 4 channels")),
        ("integer target", ("target", "float")),
    ],
)
def test_an_odd_target_is_named(server, pictures, kind, words):
    outcome = server.run(graph(n1=probe(kind), n5=place_object(), n9=save("5")))
    for word in words:
        assert word in outcome.error


def test_an_inverted_mask_is_named_on_the_node(server, pictures):
    server.put("m.png", disc(40, 48))
    nodes = {"20": node("InvertMask", mask=["3", 0])}
    outcome = placed(server, nodes, mask=["20", 0])
    assert not outcome.error
    assert "mask looks inverted" in outcome.text("5")


def test_half_precision_intermediates_go_through(half_server):
    for name, array in (("t", scene(1, 80, 96)), ("s", scene(4, 40, 48)), ("m", square(40, 48))):
        half_server.put(f"{name}.png", array)
    own = exact(source=["5", 1], mask=["5", 2], column=0, row=0)
    turned = place_object(rotation=20, scale=0.8)
    looks = {"n6": look("5", 0), "n7": laplacian_preview(source=["5", 1], mask=["5", 2])}
    looks["n7"]["inputs"] |= {"column": 0, "row": 0}
    outcome = half_server.run(graph(n4=own, n5=turned, **looks))
    assert not outcome.error
    paste = half_server.looked(outcome, "6")
    assert paste.dtype == np.float16
    assert np.abs(paste[0, :14] * 255 - scene(1, 80, 96)[:14]).max() <= 0.5
    assert len(outcome.outputs["7"]["images"]) == 6

"""Prepare Mask on a server: Load Mask's tools on a linked mask, polarity, the edited file."""

import numpy as np
import pytest

from tests.comfy.graphs import load, load_mask, look, node, prepare_mask, probe, scene, square

pytestmark = pytest.mark.comfy
SQUARE = square(40, 48)


def disc() -> np.ndarray:
    """An object, not a rectangle, in 40 x 48; levels."""
    rows, columns = np.mgrid[0:40, 0:48]
    return (255 * (np.hypot(rows - 20, columns - 24) < 14)).astype(np.uint8)


def prepared(server, *link, mask=None, **inputs):
    """The outcome of a Prepare Mask 5 on Load Mask 3, picture 1 of 96 x 80 and 2 at hand."""
    nodes = {"1": load("t.png"), "2": load("s.png"), "3": mask or load_mask()}
    return server.run({**nodes, "5": prepare_mask(*link, **inputs), "8": look("5")})


def loaded(server, levels, name="mask.png"):
    server.put(name, levels)
    return load_mask(name)


def holed() -> np.ndarray:
    mask = square(40, 48) // 2 + 60
    mask[20:23, 20:22] = 0
    mask[1:3, 1:3] = 255
    return mask


TOOLS = [
    {"invert": True},
    {"threshold": 0.5},
    {"grow": 3},
    {"grow": -2, "threshold": 0.5},
    {"feather": 6},
    {"fill_holes": 6, "drop_specks": 9, "threshold": 0.5},
    {"resize": "fit", "reference": ["1", 0]},
    {"resize": "fill", "reference": ["1", 0], "invert": True, "feather": 2},
]


@pytest.mark.parametrize("tools", TOOLS, ids=str)
def test_the_tools_are_load_masks(server, pictures, tools):
    server.put("holed.png", holed())
    nodes = {"1": load("t.png"), "3": load_mask("holed.png"), "4": load_mask("holed.png", **tools)}
    nodes |= {"5": prepare_mask(polarity="as is", **tools), "8": look("5"), "9": look("4")}
    outcome = server.run(nodes)
    assert not outcome.error
    assert np.array_equal(server.looked(outcome, "8"), server.looked(outcome, "9"))


@pytest.mark.parametrize(
    ("levels", "polarity", "wanted", "words"),
    [
        (disc(), "auto", disc(), "right way round"),
        (255 - disc(), "auto", disc(), "turned round"),
        (255 - disc(), "as is", 255 - disc(), "though it takes"),
        (255 - SQUARE, "auto", 255 - SQUARE, "not clear, not turned"),
    ],
    ids=["right", "wrong", "kept", "rectangle"],
)
def test_a_mask_that_is_clearly_the_wrong_way_round_is_turned_and_it_is_said(
    server, pictures, levels, polarity, wanted, words
):
    outcome = prepared(server, mask=loaded(server, levels), polarity=polarity)
    assert (server.looked(outcome, "8")[0] * 255 == wanted).all()
    assert words in outcome.text("5")


def test_load_images_mask_of_a_cut_out_is_turned(server, pictures):
    """The commonest of all: it is 1 - alpha."""
    server.put("cut-out.png", np.dstack([scene(4, 40, 48), disc()]))
    outcome = prepared(server, "3", 1, mask=load("cut-out.png"))
    assert (server.looked(outcome, "8")[0] * 255 == disc()).all()


def batch(server, *levels):
    """Nodes 6 and 7 and a Mask batch 4 of them."""
    names = [server.put(f"batch{number}.png", one) for number, one in enumerate(levels)]
    loads = {str(6 + number): load_mask(name) for number, name in enumerate(names)}
    as_pictures = {f"1{key}": node("MaskToImage", mask=[key, 0]) for key in loads}
    joined = node("ImageBatch", image1=["16", 0], image2=["17", 0])
    mask = node("ImageToMask", image=["18", 0], channel="red")
    return {**loads, **as_pictures, "18": joined, "4": mask}


@pytest.mark.parametrize(
    ("first", "turned", "words"),
    [(255 - disc(), True, "turned round"), (disc(), False, "only 1 of 2 masks")],
    ids=["both wrong", "one wrong"],
)
def test_a_batch_is_turned_as_a_whole_or_not_at_all(server, pictures, first, turned, words):
    levels = np.stack([first, 255 - np.roll(disc(), 3, 1)])
    nodes = batch(server, *levels)
    outcome = server.run({**nodes, "5": prepare_mask("4", 0), "8": look("5"), "9": look("5", 1)})
    wanted = 255 - levels if turned else levels
    assert (np.rint(server.looked(outcome, "8") * 255) == wanted).all()
    assert server.looked(outcome, "9").shape == (2, 40, 48, 3)
    assert len(outcome.outputs["5"]["images"]) == 2
    assert words in outcome.text("5")


@pytest.mark.parametrize("kind", ["flat mask", "deep mask", "mask batch", "half mask"])
def test_masks_of_every_layout_are_taken(server, pictures, kind):
    nodes = {"3": probe(kind), "5": prepare_mask("3", 1), "8": look("5")}
    outcome = server.run(nodes)
    assert not outcome.error
    mask = server.looked(outcome, "8")
    assert mask.shape == (3 if kind == "mask batch" else 1, 40, 48)
    assert (mask * 255 == SQUARE).all()


def test_what_is_taken_is_shown_and_handed_out(server, pictures):
    nodes = {"2": load("s.png"), "3": load_mask(), "5": prepare_mask(reference=["2", 0])}
    outcome = server.run({**nodes, "8": look("5", 1)})
    taken, inside = server.looked(outcome, "8")[0], SQUARE > 0
    assert (np.rint(taken[inside] * 255) == scene(4, 40, 48)[inside]).all()
    assert taken[~inside].max() < 0.6
    assert len(outcome.outputs["5"]["images"]) == 2  # what the mask editor opens, what is taken


def edited(server, levels=None, name="clipspace-painted-masked-3.png"):
    alpha = 255 - disc() if levels is None else levels
    return server.put(name, np.dstack([np.zeros((*alpha.shape, 3), np.uint8), alpha]))


def test_an_edited_file_is_taken_in_place_of_the_mask_before_the_tools(server, pictures):
    outcome = prepared(server, image=edited(server), invert=True)
    assert (server.looked(outcome, "8")[0] * 255 == 255 - disc()).all()
    assert "painted in the mask editor" in outcome.text("5")


def test_a_changed_edited_file_runs_again(server, pictures):
    prepared(server, image=edited(server))
    outcome = prepared(server, image=edited(server, SQUARE))
    assert (server.looked(outcome, "8")[0] * 255 == 255 - SQUARE).all()


def black(server):
    return {"3": loaded(server, np.zeros((40, 48), np.uint8)), "5": prepare_mask()}


def stand_in(server):
    return {"3": load("s.png"), "5": prepare_mask("3", 1)}


def with_inputs(**inputs):
    nodes = {"1": load("t.png"), "3": load_mask(), "5": prepare_mask(**inputs)}
    return lambda server: nodes


def with_edit(make):
    return lambda server: {"3": load_mask(), "5": prepare_mask(image=make(server))}


def batch_with_edit(server):
    return {**batch(server, disc(), disc()), "5": prepare_mask("4", 0, image=edited(server))}


def tensor(kind):
    return lambda server: {"3": probe(kind), "5": prepare_mask("3", 1)}


MISTAKES = {
    "zeros": (black, ("mask must be above 0", "48 x 40", "invert")),
    "Load Image's stand-in": (stand_in, ("mask must be above 0", "64 x 64", "Load Mask")),
    "0..255": (tensor("0..255 mask"), ("mask must be in [0, 1]", "divide")),
    "NaN": (tensor("nan mask"), ("mask must be finite",)),
    "None": (tensor("no mask"), ("mask must be a MASK", "got None", "link")),
    "empty batch": (
        tensor("empty mask"),
        ("mask must have a picture", "0 pictures", "filters them"),
    ),
    "picture for mask": (
        lambda server: {"3": load("s.png"), "5": prepare_mask("3", 0)},
        ("mask", "IMAGE"),
    ),
    "text for a mask": (
        lambda server: {"5": node("DIB_PrepareMask", **{**prepare_mask()["inputs"], "mask": ""})},
        ("mask must be a MASK", "got ''", "link"),
    ),
    "unknown polarity": (with_inputs(polarity="round"), ("polarity", "round")),
    "threshold": (with_inputs(threshold=1.5), ("threshold",)),
    "grow": (with_inputs(grow=257), ("grow",)),
    "feather": (with_inputs(feather=-1), ("feather",)),
    "holes": (with_inputs(fill_holes=-1), ("fill_holes",)),
    "specks": (with_inputs(drop_specks="small"), ("drop_specks",)),
    "size": (
        with_inputs(reference=["1", 0]),
        ("mask must have the size of reference", "stretch, fit or fill"),
    ),
    "no reference": (with_inputs(resize="fit"), ("reference", "resize to off")),
    "no such file": (with_inputs(image="none.png"), ("image", "none.png", "empty image")),
    "file above": (with_inputs(image="../server.log"), ("image", "input folder", "empty image")),
    "file without alpha": (with_inputs(image="m.png"), ("image", "without", "empty it")),
    "file of another size": (
        with_edit(lambda server: edited(server, np.zeros((50, 60), np.uint8))),
        ("image must have the mask's size", "48 x 40", "60 x 50", "empty image"),
    ),
    "file for a batch": (batch_with_edit, ("image must be empty for a batch", "got 2")),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_in_a_message_that_names_node_input_and_remedy(server, pictures, name):
    build, words = MISTAKES[name]
    outcome = server.run({**build(server), "8": look("5")})
    assert outcome.error
    for word in words:
        assert word in outcome.error
    assert outcome.faulty == {"DIB_PrepareMask"}

"""Crop for Repair and Stitch without Seam on a server: round trips, batches, wrong graphs."""

import json

import numpy as np
import pytest

from tests.comfy.graphs import (
    crop_for_repair,
    load,
    load_mask,
    look,
    node,
    probe,
    probe_name,
    repeat,
    save,
    scene,
    stitch,
    wired,
)

pytestmark = pytest.mark.comfy
HEIGHT, WIDTH = 80, 96
ROWS, COLUMNS = slice(24, 44), slice(40, 64)  # what is repaired


@pytest.fixture
def repair_pictures(server):
    """The picture, and a mask of its size with a second region in a corner."""
    server.put("t.png", scene(1, HEIGHT, WIDTH))
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[ROWS, COLUMNS] = 255
    server.put("m.png", mask)
    mask[64:, :16] = 255
    server.put("two.png", mask)
    server.put("black.png", 0 * mask)
    specks = 0 * mask
    specks[::9, ::9] = 255  # 9 x 11 of them
    server.put("specks.png", specks)
    server.put("small.png", mask[:40, :48])


def darker(origin: str = "4", by: float = 0.85) -> dict:
    """What a sampler might do: ImageBlend with black."""
    return node(
        "ImageBlend",
        image1=[origin, 0],
        image2=["20", 0],
        blend_factor=1 - by,
        blend_mode="normal",
    )


def black(height: int, width: int) -> dict:
    return node("EmptyImage", width=width, height=height, batch_size=1, color=0)


def levels(server, outcome, name: str = "6") -> np.ndarray:
    return server.looked(outcome, name) * 255


def test_a_darkened_crop_comes_back_as_it_was_and_nothing_else_changes(server, repair_pictures):
    # 20 x 24, half of it and 8 pixels around: 56 x 64.
    outcome = server.run(wired(n20=black(56, 64), n21=darker(), n5=stitch(crop=["21", 0])))
    assert not outcome.error
    found, changed = levels(server, outcome), server.looked(outcome, "7")[0]
    original = scene(1, HEIGHT, WIDTH)
    assert np.abs(found[0] - original).max() < 3
    assert (np.rint(found[0]) == original)[changed == 0].all()
    assert changed.sum() == 20 * 24
    assert (changed[ROWS, COLUMNS] == 1).all()
    report = json.loads(outcome.outputs["8"]["text"][0])
    (region,) = report["regions"]
    assert (region["row"], region["column"], region["height"], region["width"]) == (6, 20, 56, 64)
    assert region["seam_ratio"] < 0.5
    assert "1 crop of 64 x 56 pixels, cut at column 20, row 6" in outcome.text("4")
    assert "1 crop stitched exactly" in outcome.text("5")
    assert len(outcome.outputs["4"]["images"]) == 1


def test_the_crop_and_its_mask_are_the_pictures(server, repair_pictures):
    outcome = server.run(wired(n9=look("4", 0), n10=look("4", 1)))
    crop, mask = levels(server, outcome, "9"), server.looked(outcome, "10")
    assert (np.rint(crop[0]) == scene(1, HEIGHT, WIDTH)[6:62, 20:84]).all()
    assert mask.sum() == mask[0, 18:38, 20:44].sum() == 20 * 24
    assert (np.rint(levels(server, outcome)[0]) == scene(1, HEIGHT, WIDTH)).all()


@pytest.mark.parametrize("side", [64, 512])
def test_a_named_size_is_kept_by_the_sampler_or_not(server, repair_pictures, side):
    scaled = node(
        "ImageScale",
        image=["4", 0],
        upscale_method="area",
        width=side,
        height=side,
        crop="disabled",
    )
    cut = crop_for_repair(width=256, height=256)
    outcome = server.run(wired(n4=cut, n9=look("4", 0), n21=scaled, n5=stitch(crop=["21", 0])))
    assert not outcome.error
    assert server.looked(outcome, "9").shape == (1, 256, 256, 3)
    (region,) = json.loads(outcome.outputs["8"]["text"][0])["regions"]
    assert region["scale"] == pytest.approx(256 / 64)
    # The picture has noise of 6 levels: a crop that was enlarged and shrunk is a little softer.
    assert np.abs(levels(server, outcome)[0] - scene(1, HEIGHT, WIDTH)).mean() < 1.5


def test_regions_of_a_mask_and_pictures_of_a_batch(server, repair_pictures):
    split = crop_for_repair(split=True)
    outcome = server.run(wired(n3=load_mask("two.png"), n4=split, n9=look("4", 0)))
    assert not outcome.error
    assert server.looked(outcome, "9").shape[0] == 2
    assert server.looked(outcome, "6").shape == (1, HEIGHT, WIDTH, 3)
    assert server.looked(outcome, "7").sum() == 20 * 24 + 16 * 16
    assert outcome.text("4").startswith("2 crops of ")
    batch = server.run(wired(n20=repeat("1", 3), n4=crop_for_repair(image=["20", 0])))
    assert server.looked(batch, "6").shape == (3, HEIGHT, WIDTH, 3)
    variants = server.run(wired(n20=repeat("4", 2), n5=stitch(crop=["20", 0])))
    assert server.looked(variants, "6").shape == (2, HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("finish", ["photograph", "painting"])
def test_a_finish_changes_nothing_outside(server, repair_pictures, finish):
    outcome = server.run(wired(n5=stitch(finish=finish)))
    assert not outcome.error
    outside = server.looked(outcome, "7")[0] == 0
    original = scene(1, HEIGHT, WIDTH)
    assert (np.rint(levels(server, outcome)[0]) == original)[outside].all()


def test_masks_and_pictures_as_other_nodes_make_them(server, repair_pictures):
    """A mask of two dimensions, one that overshoots, RGBA, grey, half precision."""
    for kind in ("half mask", "flat mask", "deep mask", "overshooting mask"):
        picture = node(
            "ImageScale",
            image=["1", 0],
            upscale_method="area",
            width=48,
            height=40,
            crop="disabled",
        )
        cut = crop_for_repair(image=["20", 0], mask=["3", 1])
        outcome = server.run(wired(n20=picture, n3=probe(kind), n4=cut))
        assert not outcome.error, kind
    for kind, channels in (("alpha target", 4), ("grey target", 3), ("half target", 3)):
        outcome = server.run(wired(n1=probe(kind)))
        assert not outcome.error, kind
        assert server.looked(outcome, "6").shape == (1, HEIGHT, WIDTH, channels)


def test_a_picture_smaller_than_the_multiple_is_padded_and_that_is_said(server, repair_pictures):
    outcome = server.run(wired(n4=crop_for_repair(multiple=64, context=8), n9=look("4", 0)))
    assert server.looked(outcome, "9").shape == (1, 64, 64, 3)
    assert "repeated" not in outcome.text("4")
    outcome = server.run(wired(n4=crop_for_repair(multiple=128), n9=look("4", 0)))
    assert server.looked(outcome, "9").shape == (1, 128, 128, 3)
    assert "its frame's pixels are repeated around it" in outcome.text("4")
    assert server.looked(outcome, "6").shape == (1, HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("word", ["inpaint", "stitch", "outpaint seam", "crop"])
def test_both_are_found_by_what_people_call_them(server, word):
    for name in ("DIB_CropForRepair", "DIB_StitchWithoutSeam"):
        described = server.get(f"/object_info/{name}")[name]
        if "search_aliases" in described:  # newer cores have the field
            assert any(word in alias for alias in described["search_aliases"]), name


CROP, STITCH = "DIB_CropForRepair", "DIB_StitchWithoutSeam"


def cut(**inputs) -> dict:
    return {"n4": crop_for_repair(**inputs)}


def cropped(height: int, width: int, count: int = 1) -> dict:
    """A crop of another size, or another number of them."""
    other = node("EmptyImage", width=width, height=height, batch_size=count, color=0)
    return {"n20": other, "n5": stitch(crop=["20", 0])}


def without(form: dict, name: str) -> dict:
    del form["inputs"][name]
    return form


# Name: nodes, the node at fault, words of the message: the input, and what to do.
MISTAKES = {
    "load image's stand-in": (cut(mask=["1", 1]), CROP, ("mask", "64 x 64 stand-in", "MaskEditor")),
    "a mask of another size": (
        {"n3": load_mask("small.png")},
        CROP,
        ("mask must have the image's size, 96 x 80 pixels, got 48 x 40", "Load Mask resize"),
    ),
    "an empty mask": ({"n3": load_mask("black.png")}, CROP, ("mask must be above 0", "paint")),
    "a mask shrunk to nothing": (cut(grow=-40), CROP, ("mask", "grow -40")),
    "a mask on 0..255": (
        {"n3": probe("0..255 mask"), **cut(mask=["3", 1])},
        CROP,
        ("mask must be in [0, 1]", "255"),
    ),
    "a mask with NaN": (
        {"n3": probe("nan mask"), **cut(mask=["3", 1])},
        CROP,
        ("mask must be finite",),
    ),
    "three masks for two pictures": (
        {
            "n1": load("t.png"),
            "n20": repeat("1", 2),
            "n21": node("RepeatImageBatch", image=["22", 0], amount=3),
            "n22": node("MaskToImage", mask=["3", 0]),
            "n23": node("ImageToMask", image=["21", 0], channel="red"),
            **cut(image=["20", 0], mask=["23", 0]),
        },
        CROP,
        ("image 2, mask 3", "ImageFromBatch"),
    ),
    "an image on 0..255": (
        {"n1": probe("0..255 target")},
        CROP,
        ("image must be in", "divide 8-bit"),
    ),
    "an image with NaN": ({"n1": probe("nan target")}, CROP, ("image must be finite", "VAE")),
    "an image of two channels": ({"n1": probe("two-channel target")}, CROP, ("image", "channels")),
    "an image of three dimensions": ({"n1": probe("flat target")}, CROP, ("image", "IMAGE")),
    "a mask for the image": (cut(image=["3", 0]), CROP, ("image",)),
    "an image for the mask": (cut(mask=["1", 0]), CROP, ("mask",)),
    "no mask": ({"n4": without(crop_for_repair(), "mask")}, CROP, ("mask",)),
    "no image": ({"n4": without(crop_for_repair(), "image")}, CROP, ("image",)),
    "negative context": (cut(context=-1), CROP, ("context",)),
    "context in words": (cut(context="much"), CROP, ("context",)),
    "too many context pixels": (cut(context_pixels=5000), CROP, ("context_pixels",)),
    "multiple zero": (cut(multiple=0), CROP, ("multiple",)),
    "a width that is no multiple": (cut(width=500), CROP, ("width", "496 and 504")),
    "a height that is no multiple": (
        cut(height=520, multiple=64),
        CROP,
        ("height", "512 and 576"),
    ),
    "a width beyond range": (cut(width=9000), CROP, ("width",)),
    "grow beyond range": (cut(grow=999), CROP, ("grow",)),
    "feather below 0": (cut(feather=-1), CROP, ("feather",)),
    "negative holes": (cut(fill_holes=-1), CROP, ("fill_holes",)),
    "a mask of specks, split": (
        {"n3": load_mask("specks.png"), **cut(split=True)},
        CROP,
        ("mask must have at most 64 connected parts", "leave split off"),
    ),
    "an image of whole numbers": ({"n1": probe("integer target")}, CROP, ("image", "float")),
    "context beyond range": (cut(context=9), CROP, ("context",)),
    "multiple beyond range": (cut(multiple=300), CROP, ("multiple",)),
    "a negative height": (cut(height=-8), CROP, ("height",)),
    "grow in words": (cut(grow="some"), CROP, ("grow",)),
    "feather beyond range": (cut(feather=257), CROP, ("feather",)),
    "another crop's size": (
        cropped(512, 512),
        STITCH,
        ("crop must have the size that was cut out, 64 x 56 pixels", "hand on the whole crop"),
    ),
    "a crop that VAE Encode has cut": (
        cropped(52, 64),
        STITCH,
        ("crop", "VAE Encode", "multiple to 8"),
    ),
    "the whole picture for the crop": (
        {"n5": stitch(crop=["1", 0])},
        STITCH,
        ("crop must have the size that was cut out, 64 x 56", "got 96 x 80"),
    ),
    "one crop for two regions": (
        {"n3": load_mask("two.png"), **cut(split=True), **cropped(56, 64)},
        STITCH,
        ("crop must be 2 pictures",),
    ),
    "a crop on 0..255": (
        {
            "n20": probe("0..255 target"),
            **cut(multiple=16, width=96, height=80),
            "n5": stitch(crop=["20", 0]),
        },
        STITCH,
        ("crop", "divide 8-bit"),
    ),
    "a crop with NaN": (
        {"n20": probe("nan target"), "n5": stitch(crop=["20", 0])},
        STITCH,
        ("crop must be finite", "VAE"),
    ),
    "a crop of two channels": (
        {"n20": probe("two-channel target"), "n5": stitch(crop=["20", 0])},
        STITCH,
        ("crop must be an IMAGE",),
    ),
    "a crop of three dimensions": (
        {"n20": probe("flat target"), "n5": stitch(crop=["20", 0])},
        STITCH,
        ("crop must be an IMAGE",),
    ),
    "a mask for the place": ({"n5": stitch(place=["4", 1])}, STITCH, ("place",)),
    "a mask for the crop": ({"n5": stitch(crop=["4", 1])}, STITCH, ("crop",)),
    "a picture for the place": ({"n5": stitch(place=["4", 0])}, STITCH, ("place",)),
    "anything for the place": (
        {"n20": probe_name("here"), "n5": stitch(place=["20", 0])},
        STITCH,
        ("place must be what Crop for Repair hands out, got str", "link"),
    ),
    "no place": ({"n5": without(stitch(), "place")}, STITCH, ("place",)),
    "no crop": ({"n5": without(stitch(), "crop")}, STITCH, ("crop",)),
    "an unknown finish": ({"n5": stitch(finish="oil")}, STITCH, ("finish", "oil")),
    "too much bleed": ({"n5": stitch(bleed=1.5)}, STITCH, ("bleed",)),
    "negative bleed": ({"n5": stitch(bleed=-0.5)}, STITCH, ("bleed",)),
    "bleed in words": ({"n5": stitch(bleed="little")}, STITCH, ("bleed",)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_node_input_and_remedy(server, repair_pictures, name):
    nodes, fault, words = MISTAKES[name]
    outcome = server.run(wired(**nodes))
    for word in words:
        assert word in outcome.error
    assert outcome.faulty == {fault}


def test_the_server_goes_on_after_all_of_them(server, repair_pictures):
    assert not server.run(wired(n5=stitch(bleed=0.5), n9=save("5"))).error


def test_half_precision_intermediates_go_through(half_server):
    half_server.put("t.png", scene(1, HEIGHT, WIDTH))
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[ROWS, COLUMNS] = 255
    half_server.put("m.png", mask)
    outcome = half_server.run(wired())
    assert not outcome.error
    found = half_server.looked(outcome, "6")
    assert found.dtype == np.float16
    outside = half_server.looked(outcome, "7")[0] == 0
    original = scene(1, HEIGHT, WIDTH)
    assert (np.rint(found[0].astype(float) * 255) == original)[outside].all()

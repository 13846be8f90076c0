"""Load Mask on a server: files, shaping, resizing, the picture of what is taken."""

import io
import urllib.parse
import urllib.request

import numpy as np
import pytest
from PIL import Image

from tests.comfy.graphs import load, load_mask, look, probe_name, scene, square

pytestmark = pytest.mark.comfy


def mask_of(server, outcome) -> np.ndarray:
    return server.looked(outcome, "8")[0]


def shaped(server, name="m.png", **inputs):
    """The outcome of a Load Mask 3 with picture 1 at hand, its mask seen by 8."""
    return server.run({"1": load("t.png"), "3": load_mask(name, **inputs), "8": look("3")})


def preview(server, outcome) -> np.ndarray:
    """The picture of what is taken, which the node shows last, levels."""
    entry = outcome.outputs["3"]["images"][-1]
    query = urllib.parse.urlencode({key: entry[key] for key in ("filename", "type", "subfolder")})
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/view?{query}") as answer:
        return np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB")).astype(int)


@pytest.fixture
def holed(server, pictures):
    """A square of 24 x 32 with a hole of 3 x 2, and a speck of 2 x 2 in the corner; its levels."""
    mask = square(40, 48)
    mask[20:23, 20:22] = 0
    mask[1:3, 1:3] = 255
    server.put("holed.png", mask)
    return mask


@pytest.mark.parametrize(("area", "filled"), [(5, False), (6, True)])
def test_holes_up_to_an_area_are_filled(server, holed, area, filled):
    mask = mask_of(server, shaped(server, "holed.png", fill_holes=area))
    assert (mask[20:23, 20:22] == float(filled)).all()
    assert (mask[1:3, 1:3] == 1).all()


@pytest.mark.parametrize(("area", "dropped"), [(4, False), (5, True)])
def test_parts_below_an_area_are_dropped(server, holed, area, dropped):
    mask = mask_of(server, shaped(server, "holed.png", drop_specks=area))
    assert (mask[1:3, 1:3] == float(not dropped)).all()
    assert (mask[20:23, 20:22] == 0).all()


def test_a_prompt_of_0_1_0_gives_the_file_as_it_is(server, holed):
    outcome = shaped(server, "holed.png")
    assert not outcome.error
    assert (mask_of(server, outcome) * 255 == holed).all()


@pytest.mark.parametrize("resize", ["stretch", "fit", "fill"])
def test_the_mask_gets_the_references_size(server, pictures, resize):
    server.put("white.png", np.full((40, 48), 255, np.uint8))
    outcome = shaped(server, "white.png", resize=resize, reference=["1", 0])
    assert not outcome.error
    mask = mask_of(server, outcome)
    assert mask.shape == (80, 96)
    assert mask.min() > 1 - 1e-6


def test_fit_shows_all_of_the_mask_and_fill_covers_the_reference(server, pictures):
    server.put("wide.png", np.full((20, 96), 255, np.uint8))
    mask = mask_of(server, shaped(server, "wide.png", resize="fit", reference=["1", 0]))
    assert mask[30:50].min() > 1 - 1e-6
    assert mask.sum() == pytest.approx(20 * 96)
    mask = mask_of(server, shaped(server, "wide.png", resize="fill", reference=["1", 0]))
    assert mask.min() > 1 - 1e-6


def test_fit_takes_nothing_around_an_inverted_mask(server, pictures):
    server.put("black wide.png", np.zeros((20, 96), np.uint8))
    wish = {"resize": "fit", "reference": ["1", 0], "invert": True}
    mask = mask_of(server, shaped(server, "black wide.png", **wish))
    assert mask[30:50].min() > 1 - 1e-6
    assert mask[:30].max() == mask[50:].max() == 0


def test_a_linked_file_is_looked_at_when_it_is_known(server, pictures):
    def run(name):
        nodes = {"3": load_mask(["2", 0]), "2": probe_name(name), "8": look("3")}
        return server.run(nodes)

    outcome = run("m.png")
    assert not outcome.error
    assert (mask_of(server, outcome) * 255 == square(40, 48)).all()
    assert "input folder" in run("../server.log").error


def test_the_references_own_size_is_no_reason_to_resample(server, pictures):
    server.put("grey.png", scene(7, 80, 96)[..., 0])
    outcome = shaped(server, "grey.png", channel="red", resize="fit", reference=["1", 0])
    assert (np.rint(mask_of(server, outcome) * 255) == scene(7, 80, 96)[..., 0]).all()


def test_the_node_shows_the_picture_where_it_is_taken(server, pictures):
    picture = np.full((40, 48, 4), 200, np.uint8)
    picture[..., 3] = square(40, 48)
    server.put("rgba.png", picture)
    shown = preview(server, shaped(server, "rgba.png", channel="alpha"))
    inside = square(40, 48) > 0
    assert (shown[inside] == 200).all()
    assert (shown[~inside] < 140).all()
    assert len(np.unique(shown[~inside])) == 2  # chequers


def test_a_file_without_alpha_is_shown_too(server, pictures):
    shown = preview(server, shaped(server))
    assert shown.shape == (40, 48, 3)
    assert (shown[square(40, 48) > 0] == 255).all()


def test_what_is_shown_follows_the_shaping(server, pictures):
    shown = preview(server, shaped(server, invert=True))
    assert (shown[square(40, 48) == 0] < 140).all()  # black picture, taken
    assert (shown[square(40, 48) > 0] < 200).all()  # white picture, dimmed


def rgba(alpha) -> np.ndarray:
    return np.dstack([scene(4, 40, 48), alpha])


BRIGHTNESS = np.rint(scene(4, 40, 48) @ np.array([0.299, 0.587, 0.114]))
# Of a file: its name, its levels; the mask's levels that auto reads, words of the node.
FILES = {
    "painted": (
        "clipspace-painted-masked-17.png",
        rgba(255 - square(40, 48)),
        square(40, 48),
        "painted in the mask editor",
    ),
    "painted by the editor of long ago": (
        "clipspace-mask-17.5.png",
        rgba(255 - square(40, 48)),
        square(40, 48),
        "painted in the mask editor",
    ),
    "saved unpainted": (
        "clipspace-painted-masked-18.png",
        rgba(np.full((40, 48), 255, np.uint8)),
        BRIGHTNESS,
        "luminance (white = taken)",
    ),
    "cut-out": ("cut-out.png", rgba(square(40, 48)), square(40, 48), "alpha (opaque = taken)"),
    "opaque": (
        "opaque.png",
        rgba(np.full((40, 48), 255, np.uint8)),
        BRIGHTNESS,
        "luminance (white = taken)",
    ),
    "grey": ("m.png", square(40, 48), square(40, 48), "luminance (white = taken)"),
}


@pytest.mark.parametrize("kind", FILES)
def test_auto_reads_what_is_painted_else_alpha_else_luminance_and_says_so(server, pictures, kind):
    name, levels, wanted, words = FILES[kind]
    server.put(name, levels)
    outcome = shaped(server, name, channel="auto")
    assert np.abs(mask_of(server, outcome) * 255 - wanted).max() <= 1
    assert words in outcome.text("3")
    assert "% of the picture" in outcome.text("3")
    assert outcome.outputs["3"]["images"][0] == {"filename": name, "subfolder": "", "type": "input"}


def test_a_channel_that_is_chosen_is_read_and_unread_paint_is_said(server, pictures):
    name, levels, *_ = FILES["painted"]
    server.put(name, levels)
    outcome = shaped(server, name, channel="red")
    assert (np.rint(mask_of(server, outcome) * 255) == levels[..., 0]).all()
    assert "painted in the mask editor is read by auto" in outcome.text("3")


def test_an_older_page_s_editor_writes_over_the_channel_which_stays_auto(server, pictures):
    """It writes the names of two files, into `image` and into the widget that follows."""
    (server.base / "input" / "clipspace").mkdir(exist_ok=True)
    name, levels, wanted, words = FILES["painted"]
    server.put(f"clipspace/{name}", levels)
    written = {"channel": "clipspace/clipspace-paint-17.png [input]"}
    outcome = shaped(server, f"clipspace/{name} [input]", **written)
    assert (mask_of(server, outcome) * 255 == wanted).all()
    assert words in outcome.text("3")
    shown = {"filename": name, "subfolder": "clipspace", "type": "input"}
    assert outcome.outputs["3"]["images"][0] == shown


@pytest.mark.parametrize("linked", [False, True])
def test_the_input_s_name_of_0_1_0_ends_in_a_message_with_the_new_one(server, pictures, linked):
    node = load_mask()
    node["inputs"]["file"] = ["2", 0] if linked else node["inputs"].pop("image")
    outcome = server.run({"2": probe_name("m.png"), "3": node, "8": look("3")})
    assert "image" in outcome.error
    assert ("link what goes to file to image" in outcome.error) == linked


MISTAKES = {
    "another size than the reference's": (
        {"reference": ["1", 0]},
        ("mask must have the size of reference", "96 x 80", "48 x 40", "stretch, fit or fill"),
    ),
    "resize without a reference": ({"resize": "fit"}, ("reference", "resize to off")),
    "unknown resize": ({"resize": "crop", "reference": ["1", 0]}, ("resize", "crop")),
    "negative hole": ({"fill_holes": -1}, ("fill_holes",)),
    "hole beyond range": ({"fill_holes": 100_000_001}, ("fill_holes",)),
    "negative speck": ({"drop_specks": -5}, ("drop_specks",)),
    "speck that is no number": ({"drop_specks": "small"}, ("drop_specks",)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_in_a_message_that_names_input_and_remedy(server, pictures, name):
    inputs, words = MISTAKES[name]
    outcome = shaped(server, **inputs)
    assert outcome.error
    for word in words:
        assert word in outcome.error
    assert not shaped(server, feather=2).error

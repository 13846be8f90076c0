"""Place Object's view in the page: what it shows, gestures by real mouse and keys, what is saved.

Target and object are plain, so that a screenshot tells where the view draws the object: red on
blue. Where the old version's hidden Nodes 2.0 shows no elements of packs, there is no view.
"""

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.comfy.graphs import look, to_prompt
from tests.comfy.page import Page

pytestmark = pytest.mark.comfy
HEIGHT, WIDTH = 60, 80  # of the target
BLUE, RED = (0, 0, 255), (255, 0, 0)
CENTRE = """id => {
    const node = app.graph.nodes.find(node => node.id == id)
    node.pos = [500, 60]
    app.canvas.ds.scale = 1.25
    app.canvas.ds.offset = [-100, 0]
    app.canvas.setDirty(true, true)
}"""
VALUES = """id => Object.fromEntries(app.graph.nodes.find(node => node.id == id).widgets
    .map(widget => [widget.name, widget.value]))"""
HANDLES = """async () => {
    const file = name => `/extensions/deep-image-blending/placing_${name}.js`
    const {handles, targetPlace} = await import(file('drawing'))
    const node = app.graph.nodes.find(node => node.type == 'DIB_PlaceObject')
    const canvas = node.widgets.find(widget => widget.name == 'placing').element
        .querySelector('canvas')
    const [width, height] = [canvas.clientWidth, canvas.clientHeight]
    const values = Object.fromEntries(node.widgets.map(widget => [widget.name, widget.value]))
    const pictures = {target: [60, 80], source: [30, 40], part: [6, 8, 18, 24]}
    const place = targetPlace(pictures.target, width, height)
    const found = handles(values, pictures, place, height)
    const box = canvas.getBoundingClientRect()
    const onScreen = ([x, y]) =>
        [box.left + x * box.width / width, box.top + y * box.height / height]
    return {
        squares: found.squares.map(onScreen), round: onScreen(found.round),
        middle: onScreen(found.middle), pixel: place.scale * box.width / width,
    }
}"""
ENLARGE = """id => {
    app.graph.nodes.find(node => node.id == id).setSize([500, 1100])
    app.canvas.setDirty(true, true)
}"""
HEIGHTS = """id => ['placing', '$$node-text-preview'].map(name => app.graph.nodes
    .find(node => node.id == id).widgets.find(widget => widget.name == name)?.computedHeight)"""
SENT = "async () => (await app.graphToPrompt()).output"


@pytest.fixture(params=[False, True], ids=["canvas", "nodes 2.0"])
def page(request, browser, server, screenshots):
    if request.param and server.comfy.version == "0.3.64":
        pytest.skip("the hidden Nodes 2.0 of 0.3.64 shows no elements of packs")
    server.post("/settings", {"Comfy.VueNodes.Enabled": request.param})
    page = Page(browser, server, screenshots)
    page.renderer = "nodes-2.0" if request.param else "canvas"
    page.clear()
    yield page
    page.close()
    server.post("/settings", {"Comfy.VueNodes.Enabled": False})


@pytest.fixture
def plain(server):
    """A blue target, a red source and a mask that takes 24 x 18 of its 40 x 30 pixels."""
    source, mask = np.full((30, 40, 3), RED, np.uint8), np.zeros((30, 40), np.uint8)
    mask[6:24, 8:32] = 255
    server.put("blue.png", np.full((HEIGHT, WIDTH, 3), BLUE, np.uint8))
    server.put("red.png", source)
    server.put("taken.png", mask)


def built(page: Page, **widgets) -> tuple[str, str]:
    """A graph whose pictures reach Place Object through other nodes; its id, and a look's."""
    files = {"blue.png": "LoadImage", "red.png": "LoadImage", "taken.png": "DIB_LoadMask"}
    target, source, mask = (page.place(kind, {"image": name}) for name, kind in files.items())
    turned = page.place("ImageInvert", None, (target, 0, "image"))
    back = page.place("ImageInvert", None, (turned, 0, "image"))
    links = (back, 0, "target"), (source, 0, "source"), (mask, 0, "mask")
    place = page.place("DIB_PlaceObject", widgets, *links)
    seen = page.place("PROBE_Look", None, (place, 2, "anything"))
    page.tab.evaluate(CENTRE, place)
    page.tab.wait_for_timeout(700)
    return place, seen


def run(page: Page, seen: str) -> np.ndarray:
    """Run as the page does; the placed mask."""
    before = set(page.server.get("/history"))
    assert page.run() == "success"
    history = page.server.get("/history")
    [new] = history.keys() - before
    page.tab.wait_for_timeout(700)
    return np.load(history[new]["outputs"][seen]["file"][0])[0]


def box_of(mask: np.ndarray) -> list[int]:
    """Left, top, right, bottom."""
    rows, columns = (mask >= 0.5).any(1).nonzero()[0], (mask >= 0.5).any(0).nonzero()[0]
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def drawn(page: Page, name: str) -> list[float]:
    """Left, top, right, bottom of the red object on the blue target, as the screen shows them."""
    page.tab.mouse.move(5, 990)
    page.tab.wait_for_timeout(400)
    file = page.tab.locator(".dib-placing").screenshot()
    path = page.pictures / f"{page.server.comfy.version}-view-{page.renderer}-{name}.png"
    path.write_bytes(file)
    picture = np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)
    red, blue = (picture[..., c] - picture[..., [1, 2 - c]].max(-1) > 150 for c in (0, 2))
    objects, targets = box_of(red), box_of(red | blue)
    pixel = (targets[2] - targets[0]) / WIDTH
    corner = targets[:2] * 2
    return [(side - start) / pixel for side, start in zip(objects, corner, strict=True)]


def pull(page: Page, start: list[float], by: tuple[float, float]) -> None:
    """Drag by the mouse, in several steps, as a hand does."""
    page.tab.mouse.move(*start)
    page.tab.mouse.down()
    page.tab.mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2, steps=3)
    page.tab.mouse.move(start[0] + by[0], start[1] + by[1], steps=3)
    page.tab.mouse.up()
    page.tab.wait_for_timeout(200)


def test_mouse_wheel_and_keys_place_what_the_server_places(page, plain):
    place, seen = built(page, column=40, row=50)
    first = run(page, seen)
    assert box_of(first) == [20, 21, 44, 39]
    assert drawn(page, "first") == pytest.approx(box_of(first), abs=1)

    marks = page.tab.evaluate(HANDLES)
    pull(page, marks["middle"], (20 * marks["pixel"], -6 * marks["pixel"]))
    values = page.tab.evaluate(VALUES, place)
    assert values["column"] == pytest.approx(65, abs=0.7)  # 20 of 80 pixels are 25 %
    assert values["row"] == pytest.approx(40, abs=0.9)
    moved = run(page, seen)
    assert box_of(moved) == pytest.approx([40, 15, 64, 33], abs=1)
    assert drawn(page, "moved") == pytest.approx(box_of(moved), abs=1)

    marks = page.tab.evaluate(HANDLES)
    pull(page, marks["squares"][2], (-12 * marks["pixel"], -9 * marks["pixel"]))
    half = run(page, seen)  # the corner across stays
    assert box_of(half) == pytest.approx([40, 15, 52, 24], abs=1)
    assert page.tab.evaluate(VALUES, place)["scale"] == pytest.approx(0.5, abs=0.02)

    page.tab.mouse.move(*page.tab.evaluate(HANDLES)["middle"])
    for _ in range(5):
        page.tab.mouse.wheel(0, -100)
    page.tab.wait_for_timeout(300)
    assert page.tab.evaluate(VALUES, place)["scale"] == pytest.approx(0.5 * 1.05**5, abs=0.02)

    page.tab.keyboard.down("Shift")
    for _ in range(2):
        page.tab.mouse.wheel(0, 120)  # a notch where the system's is not 100
    page.tab.keyboard.up("Shift")
    assert page.tab.evaluate(VALUES, place)["rotation"] == 2

    marks = page.tab.evaluate(HANDLES)
    away = [marks["middle"][0] + 300, marks["middle"][1]]
    pull(page, marks["round"], tuple(a - b for a, b in zip(away, marks["round"], strict=True)))
    assert page.tab.evaluate(VALUES, place)["rotation"] == pytest.approx(90, abs=1)
    upright = run(page, seen)
    assert drawn(page, "turned") == pytest.approx(box_of(upright), abs=1)

    for key in ["ArrowRight"] * 3 + ["Shift+ArrowDown"]:
        page.tab.keyboard.press(key)
    nudged = run(page, seen)
    assert np.array_equal(nudged[10:, 3:], upright[:-10, :-3])
    assert drawn(page, "nudged") == pytest.approx(box_of(nudged), abs=1)


def test_before_a_run_the_view_says_what_to_do(page, plain):
    page.place("DIB_PlaceObject")
    page.tab.evaluate(CENTRE, "1")
    page.tab.wait_for_timeout(700)
    assert page.tab.locator(".dib-placing").inner_text() == "Run once to see the pictures"
    assert not page.tab.locator(".dib-placing canvas").is_visible()


def test_a_saved_file_makes_the_same_bytes_through_the_api(page, plain):
    _, seen = built(page, column=40, row=50, anchor="bottom", rotation=30, flip="both")
    run(page, seen)
    marks = page.tab.evaluate(HANDLES)
    pull(page, marks["middle"], (9 * marks["pixel"], 5 * marks["pixel"]))
    pull(page, page.tab.evaluate(HANDLES)["squares"][0], (-20, -20))
    mask = run(page, seen)
    middles = [np.add(box[:2], box[2:]) / 2 for box in (drawn(page, "pose"), box_of(mask))]
    assert middles[0] == pytest.approx(middles[1], abs=1)  # handles hide the corners
    saved = page.save()
    values = next(n["widgets_values"] for n in saved["nodes"] if n["type"] == "DIB_PlaceObject")
    assert len(values) == 11
    prompt = to_prompt(saved, page.server.get("/object_info"))
    for number, slot in enumerate((0, 1, 2)):
        origin = next(id for id, n in prompt.items() if n["class_type"] == "DIB_PlaceObject")
        prompt[f"9{number}"] = look(origin, slot)
    sent = page.tab.evaluate(SENT)
    sent |= {name: prompt[name] for name in ("90", "91", "92")}
    by_file, by_page = page.server.run(prompt), page.server.run(sent)
    assert not by_file.error
    for name in ("90", "91", "92"):
        one, other = (page.server.looked(outcome, name) for outcome in (by_file, by_page))
        assert np.array_equal(one, other)
    assert np.array_equal(page.server.looked(by_file, "92")[0], mask)


def test_undo_and_redo_leave_the_view_alive_and_in_focus(page, plain):
    _, seen = built(page, column=40, row=50)
    run(page, seen)
    saved = page.save()  # whose own id Undo keeps: Nodes 2.0 takes the nodes for the same ones
    page.drop(json.dumps(saved), "saved")
    place = next(n["id"] for n in saved["nodes"] if n["type"] == "DIB_PlaceObject")
    page.tab.evaluate(CENTRE, place)
    page.tab.wait_for_timeout(1500)
    marks = page.tab.evaluate(HANDLES)
    pull(page, marks["middle"], (20 * marks["pixel"], 0))
    moved = page.tab.evaluate(VALUES, place)["column"]
    assert moved == pytest.approx(65, abs=0.7)
    page.tab.wait_for_timeout(500)

    for key, column in [("z", 40), ("y", moved), ("z", 40)]:
        page.tab.keyboard.press(f"Control+{key}")
        page.tab.wait_for_timeout(1500)
        assert page.tab.evaluate(VALUES, place)["column"] == column
        left = 0.8 * column - 12  # the object is 24 of 80 pixels wide
        assert drawn(page, f"after-{key}") == pytest.approx([left, 21, left + 24, 39], abs=1)

    page.tab.keyboard.press("Shift+ArrowRight")  # no click since: the view still has the focus
    assert page.tab.evaluate(VALUES, place)["column"] == 52.5
    marks = page.tab.evaluate(HANDLES)
    pull(page, marks["middle"], (-10 * marks["pixel"], 6 * marks["pixel"]))
    values = page.tab.evaluate(VALUES, place)
    assert values["column"] == pytest.approx(40, abs=0.7)
    assert values["row"] == pytest.approx(60, abs=0.9)
    assert drawn(page, "alive") == pytest.approx([20, 27, 44, 45], abs=1)


def test_the_room_of_an_enlarged_node_is_the_view_s(page, plain):
    if page.renderer != "canvas":
        pytest.skip("Nodes 2.0 asks no widget for its greatest height")
    place, seen = built(page, column=40, row=50, scale=1.5)  # not run before: it tells a line
    page.tab.evaluate(ENLARGE, place)
    page.tab.wait_for_timeout(700)
    alone, _ = page.tab.evaluate(HEIGHTS, place)
    run(page, seen)
    view, line = page.tab.evaluate(HEIGHTS, place)
    assert line <= 90
    assert view == pytest.approx(alone - line, abs=1)


def test_a_linked_value_is_not_dragged_and_the_view_says_so(page, plain):
    place, seen = built(page, column=40, row=50)
    number = page.place("PrimitiveFloat", {"value": 70})
    page.set(place, None, (number, 0, "column"))
    mask = run(page, seen)
    assert drawn(page, "linked") == pytest.approx(box_of(mask), abs=1)
    assert "column" in page.tab.locator(".dib-placing").inner_text()
    at = page.tab.locator(".dib-placing").bounding_box()
    pull(page, [at["x"] + 0.7 * at["width"], at["y"] + at["height"] / 2], (30, 15))
    values = page.tab.evaluate(VALUES, place)
    assert values["column"] == 40  # as it was: the link counts
    assert values["row"] > 50


def test_a_page_that_is_loaded_again_shows_the_last_run(page, plain):
    _, seen = built(page, column=40, row=50)
    run(page, seen)
    workflow = page.save()
    page.tab.reload(wait_until="domcontentloaded")
    page.tab.wait_for_function("() => window.app?.graph && window.app.canvas")
    page.tab.wait_for_timeout(2000)
    page.drop(json.dumps(workflow), "again")
    place = next(n["id"] for n in workflow["nodes"] if n["type"] == "DIB_PlaceObject")
    page.tab.evaluate(CENTRE, place)
    page.tab.wait_for_timeout(700)
    assert drawn(page, "reloaded") == pytest.approx([20, 21, 44, 39], abs=1)

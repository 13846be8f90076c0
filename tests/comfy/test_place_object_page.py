"""Place Object in the page: files without `trim`, with a box, and of now mean what they meant."""

import json

import pytest

from tests.comfy.page import Page

pytestmark = pytest.mark.comfy
POSE = [12, 34, "pixels", "top left", 0.5, "inside", 30, 40, 15, "vertical"]
NAMES = (
    *("column", "row", "unit", "anchor", "scale"),
    *("fit", "fit_width", "fit_height", "rotation", "flip"),
)
BOX = {"x": 5, "y": 6, "width": 70, "height": 60}
OPENED = """() => {
    const node = app.graph.nodes.find(node => node.type == 'DIB_PlaceObject')
    return Object.fromEntries(node.widgets.map(widget => [widget.name, widget.value]))
}"""
SENT = """async () => Object.values((await app.graphToPrompt()).output)
    .find(node => node.class_type == 'DIB_PlaceObject').inputs"""


@pytest.fixture(params=[False, True], ids=["canvas", "nodes 2.0"])
def page(request, browser, server, screenshots):
    server.post("/settings", {"Comfy.VueNodes.Enabled": request.param})
    page = Page(browser, server, screenshots)
    yield page
    page.close()
    server.post("/settings", {"Comfy.VueNodes.Enabled": False})


def workflow(values: list) -> str:
    node = {"id": 1, "type": "DIB_PlaceObject", "pos": [300, 200], "size": [320, 400]}
    node |= {"flags": {}, "order": 0, "mode": 0, "inputs": [SLOT], "outputs": [], "properties": {}}
    whole = {"last_node_id": 1, "last_link_id": 0, "nodes": [node | {"widgets_values": values}]}
    whole |= {"links": [], "groups": [], "config": {}, "extra": {}, "version": 0.4}
    return json.dumps(whole)


FITTED = {"unit": "pixels", "anchor": "centre", "column": 40, "row": 36}  # the box's middle
FITTED |= {"fit": "inside", "fit_width": 70, "fit_height": 60}
UNDRAWN = BOX | {"width": 1, "height": 1}
SLOT = {"name": "box", "type": "BOUNDING_BOX", "link": None, "widget": {"name": "box"}}
# What follows POSE in a file: what `trim` is then, and what else the box made of POSE.
FILES = {
    "0.1.0": ([], False, {}),
    "0.1.0, newer page": ([BOX], False, FITTED),
    "on": ([True], True, {}),
    "off": ([False], False, {}),
    "on, box": ([True, BOX], True, FITTED),
    "off, box": ([False, BOX], False, FITTED),
    "off, box not drawn": ([False, UNDRAWN], False, {}),
    "on, box and its four numbers": ([True, BOX, 5, 6, 70, 60], True, FITTED),
    "on, an older page's line": ([True, None, "70 x 60 pixels at column 5, row 6"], True, {}),
}


def test_a_file_s_values_are_the_node_s_and_the_prompt_s(page):
    """Files of 0.1.0 do not trim, as they did not; a drawn box is fit, place and anchor now."""
    wrong = []
    for name, (after, trim, changed) in FILES.items():
        page.clear()
        page.drop(workflow(POSE + after), name)
        wrong += page.warnings()
        expected = dict(zip(NAMES, POSE, strict=True)) | changed | {"trim": trim}
        for found in (page.tab.evaluate(OPENED), page.tab.evaluate(SENT)):
            if {name: found.get(name) for name in expected} != expected:
                wrong.append((name, found))
        saved = page.tab.evaluate("() => app.graph.serialize().nodes[0]")
        if saved["widgets_values"] != list(expected.values()):
            wrong.append((name, saved["widgets_values"]))
        if "box" in [slot["name"] for slot in saved["inputs"]]:
            wrong.append((name, "has a socket for the box"))
    assert not wrong

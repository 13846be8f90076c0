"""Place Object in the page: files of 0.1.0, which had no `trim`, and files of now keep values."""

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
    node |= {"flags": {}, "order": 0, "mode": 0, "inputs": [], "outputs": [], "properties": {}}
    whole = {"last_node_id": 1, "last_link_id": 0, "nodes": [node | {"widgets_values": values}]}
    whole |= {"links": [], "groups": [], "config": {}, "extra": {}, "version": 0.4}
    return json.dumps(whole)


# What follows POSE in a file: what `trim` and `box` are then.
FILES = {
    "0.1.0": ([], False, None),
    "0.1.0, newer page": ([BOX], False, BOX),
    "on": ([True], True, None),
    "off": ([False], False, None),
    "on, newer page": ([True, BOX], True, BOX),
    "off, newer page": ([False, BOX], False, BOX),
}


def test_a_file_s_values_are_the_node_s_and_the_prompt_s(page):
    """Files of 0.1.0 do not trim, as they did not; a drawn box stays one."""
    wrong = []
    for name, (after, trim, box) in FILES.items():
        page.clear()
        page.drop(workflow(POSE + after), name)
        wrong += page.warnings()
        for found in (page.tab.evaluate(OPENED), page.tab.evaluate(SENT)):
            pose = [found[name] for name in NAMES]
            is_box = box is None or found.get("box", box) == box  # older pages have none
            if pose != POSE or found["trim"] is not trim or not is_box:
                wrong.append((name, found))
        saved = page.tab.evaluate("() => app.graph.serialize().nodes[0].widgets_values")
        if saved[: len(POSE) + 1] != [*POSE, trim]:
            wrong.append((name, saved))
    assert not wrong

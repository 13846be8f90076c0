"""ComfyUI's mask editor in the page: opened on a node, painted in with the mouse, saved."""

import base64
import re

import numpy as np
from playwright.sync_api import Locator, Page

OPEN = "() => app.extensionManager.command.execute('Comfy.MaskEditor.OpenMaskEditor')"
SELECT = """number => {
    const node = app.graph.nodes.find(node => node.id == number)
    app.canvas.centerOnNode(node)
    app.canvas.deselectAll ? app.canvas.deselectAll() : app.canvas.deselectAllNodes()
    app.canvas.selectNode ? app.canvas.selectNode(node) : app.canvas.select(node)
}"""
# As a workflow file does it: the file is chosen before the node's first picture is loaded.
PLACE_WITH_FILE = """([kind, file]) => {
    const node = LiteGraph.createNode(kind)
    node.widgets.find(widget => widget.name == 'image').value = file
    app.graph.add(node)
    node.pos = [0, 0]
    return String(node.id)
}"""
HAS_PICTURE = """([number, name]) => {
    const node = app.graph.nodes.find(node => node.id == number)
    app.canvas.setDirty(true, true)
    return node.imgs?.length && node.imgs[0].complete && node.imgs[0].src.includes(name)
}"""
PAINTED = """canvas => {
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    const alpha = pixels.filter((_, place) => place % 4 == 3)
    return btoa(alpha.reduce((text, level) => text + String.fromCharCode(level), ''))
}"""
WIDGET = """([number, name]) => app.graph.nodes.find(node => node.id == number)
    .widgets.find(widget => widget.name == name).value"""
SAVE = re.compile(r"^\s*Save\s*$")
PATIENCE = 20_000  # milliseconds
SETTLING = 1000  # milliseconds that the editor takes to lay out its canvases


class MaskEditor:
    """The editor, open on a node; places are (row, column) of the picture that is painted on.

    Args:
        tab: the page.
        node: id of a node that shows a picture.
        picture: part of the address of the first picture that it shows.
    """

    def __init__(self, tab: Page, node: str, picture: str) -> None:
        self.tab, self.node = tab, node
        tab.evaluate(SELECT, node)
        tab.wait_for_function(HAS_PICTURE, arg=[node, picture], timeout=PATIENCE)
        tab.wait_for_timeout(SETTLING)
        tab.evaluate(OPEN)
        self.canvas.wait_for(timeout=PATIENCE)
        tab.wait_for_timeout(2 * SETTLING)

    @property
    def canvas(self) -> Locator:
        """Where the mask is painted; older pages name it, newer ones stack it above the picture."""
        return self.tab.locator("#maskCanvas, .mask-editor-dialog canvas.z-30")

    def painted(self) -> np.ndarray:
        """The mask on the editor's canvas, levels: what its opacity on the screen hides as well."""
        height, width = self.canvas.evaluate("canvas => [canvas.height, canvas.width]")
        alpha = base64.b64decode(self.canvas.evaluate(PAINTED))
        return np.frombuffer(alpha, np.uint8).reshape(height, width)

    def stroke(self, *places: tuple[float, float]) -> None:
        """Paint through places with the left button held."""
        box = self.canvas.bounding_box()
        height, width = self.canvas.evaluate("canvas => [canvas.height, canvas.width]")
        for number, (row, column) in enumerate(places):
            x = box["x"] + column * box["width"] / width
            y = box["y"] + row * box["height"] / height
            self.tab.mouse.move(x, y, steps=1 if number == 0 else 12)
            if number == 0:
                self.tab.mouse.down()
        self.tab.mouse.up()
        self.tab.wait_for_timeout(SETTLING)

    def save(self) -> str:
        """Save; the value of the node's widget `image` then."""
        before = self.tab.evaluate(WIDGET, [self.node, "image"])
        self.tab.locator("button:visible", has_text=SAVE).click(timeout=PATIENCE)
        self.tab.wait_for_function(
            f"([number, name, before]) => ({WIDGET})([number, name]) != before",
            arg=[self.node, "image", before],
            timeout=PATIENCE,
        )
        self.canvas.wait_for(state="detached", timeout=PATIENCE)
        self.tab.wait_for_timeout(SETTLING)
        return self.tab.evaluate(WIDGET, [self.node, "image"])

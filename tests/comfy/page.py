"""ComfyUI's page in headless Chromium: what a user does with it, and what it shows."""

import base64
import io
import json
import re
import shutil
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.comfy.server import RUN_SECONDS, Outcome, Server

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
WINDOW = {"width": 1600, "height": 950}
PATIENCE = 120_000  # milliseconds: the machine may be busy
SETTLING = 700  # milliseconds that a warning may take to appear
READY = "() => window.app?.graph && window.app.canvas && app.extensionManager"
DROP = """([text, name]) => {
    const dropped = new DataTransfer()
    dropped.items.add(new File([text], name, {type: 'application/json'}))
    const there = {clientX: innerWidth / 2, clientY: innerHeight / 2}
    const event = {bubbles: true, cancelable: true, dataTransfer: dropped, ...there}
    document.querySelector('#graph-canvas').dispatchEvent(new DragEvent('drop', event))
}"""
# Old: dialogs and toasts; new: an overlay of its own, too. Red frames have no text: has_errors.
SAID = "[role=dialog], .p-toast-message, [role=alert], [data-testid=error-overlay]"
RED = """() => app.graph.nodes
    .filter(node => node.has_errors || app.lastNodeErrors?.[node.id])
    .map(node => `red node: ${node.type}`)"""
FETCH = """async address => {
    const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer())
    return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''))
}"""
SHOWN = """number => app.graph.nodes.find(node => node.id == number).imgs?.map(i => i.src) ?? []"""
LOOK = """number => {
    app.canvas.centerOnNode(app.graph.nodes.find(node => node.id == number))
    app.canvas.setDirty(true, true)
}"""
WORDS = """kind => {
    const node = LiteGraph.createNode(kind)
    const labels = slots => slots.map(slot => slot.label ?? slot.localized_name ?? slot.name)
    return {
        title: node.title,
        inputs: Object.fromEntries(node.inputs.map((i, n) => [i.name, labels(node.inputs)[n]])),
        widgets: Object.fromEntries((node.widgets ?? []).map(w => [w.name, w.label ?? w.name])),
        outputs: labels(node.outputs),
    }
}"""
SELECT = """kind => {
    app.graph.clear()
    const node = LiteGraph.createNode(kind)
    app.graph.add(node)
    node.pos = [300, 300]
    app.canvas.ds.offset = [0, 0]
    app.canvas.ds.scale = 1
    app.canvas.selectNode ? app.canvas.selectNode(node) : app.canvas.select(node)
}"""


# Every node's rectangle with its title, and every group's: left, top, width, height.
LAYOUT = """() => {
    const title = LiteGraph.NODE_TITLE_HEIGHT
    const boxes = app.graph.nodes.map(node => ({
        name: `${node.type} ${node.id}`,
        box: [node.pos[0], node.pos[1] - title, node.size[0], node.size[1] + title],
    }))
    return {nodes: boxes, groups: app.graph.groups.map(group => [...group.pos, ...group.size])}
}"""
PLACE = """kind => {
    const node = LiteGraph.createNode(kind)
    app.graph.add(node)
    node.pos = [-500 * app.graph.nodes.length, 0]
    app.canvas.ds.offset = [0, 0]
    app.canvas.ds.scale = 1
    return node.id
}"""
SET = """([number, widgets, links]) => {
    const named = id => app.graph.nodes.find(node => node.id == id)
    for (const [name, value] of Object.entries(widgets))
        named(number).widgets.find(widget => widget.name == name).value = value
    for (const [origin, slot, name] of links) named(origin).connect(slot, named(number), name)
}"""


def chromium():
    """Playwright's Chromium with the system's binary; skips where one of them is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("playwright is not installed: NO TEST IN A BROWSER WAS RUN")
    binary = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if not binary:
        pytest.skip("there is no Chromium on the PATH: NO TEST IN A BROWSER WAS RUN")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=OPTIONS)
        yield browser
        browser.close()


def levels(file: bytes) -> np.ndarray:
    """A picture file's RGB levels."""
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def served(server: Server, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=20) as answer:
        return answer.read()


def made(server: Server, outcome: Outcome, node: str) -> list[np.ndarray]:
    """The pictures that the API names for a node, RGB levels."""
    queries = map(urllib.parse.urlencode, outcome.outputs[node]["images"])
    return [levels(served(server, f"/view?{query}")) for query in queries]


def inside(box: list[float], group: list[float]) -> bool:
    return all(
        group[axis] <= box[axis] and box[axis] + box[axis + 2] <= group[axis] + group[axis + 2]
        for axis in (0, 1)
    )


def overlap(one: dict, other: dict) -> bool:
    a, b = one["box"], other["box"]
    return all(a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in (0, 1))


class Page:
    """The page of a server, opened in a fresh browser context."""

    def __init__(self, browser, server: Server, pictures: Path, locale: str = "en") -> None:
        self.server, self.pictures = server, pictures
        server.post("/settings", {"Comfy.TutorialCompleted": True, "Comfy.Locale": locale})
        self.context = browser.new_context(viewport=WINDOW)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(PATIENCE)
        self.tab.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
        self.tab.goto(f"http://127.0.0.1:{server.port}", wait_until="domcontentloaded")
        self.tab.wait_for_function(READY)
        self.tab.wait_for_function("() => Object.keys(LiteGraph.registered_node_types).length > 99")

    def close(self) -> None:
        self.context.close()

    def screenshot(self, name: str) -> None:
        """Into the temporary folder, to be looked at."""
        self.tab.screenshot(path=self.pictures / f"{self.server.comfy.version}-{name}.png")

    def drop(self, text: str, name: str) -> None:
        """Drag a workflow file onto the page and wait until all of its nodes are there."""
        self.tab.evaluate(DROP, [text, f"{name}.json"])
        count = len(json.loads(text)["nodes"])
        self.tab.wait_for_function(f"() => app.graph.nodes.length == {count}")
        self.tab.wait_for_timeout(SETTLING)

    def place(self, kind: str, widgets: dict | None = None, *links: tuple) -> str:
        """Put a node on the page, with `set`'s widgets and links; its id."""
        node = str(self.tab.evaluate(PLACE, kind))
        self.set(node, widgets, *links)
        return node

    def find(self, words: str) -> str:
        """Put the first find of the page's search on it, as a double click does. The node's id."""
        before = set(self.tab.evaluate("() => app.graph.nodes.map(node => node.id)"))
        middle = WINDOW["width"] / 2, WINDOW["height"] / 2
        found = self.tab.get_by_text(words, exact=True).first
        for _ in range(10):  # blueprints come a while after the page
            self.tab.mouse.dblclick(*middle)
            self.tab.wait_for_timeout(SETTLING)
            self.tab.keyboard.type(words)
            self.tab.wait_for_timeout(3 * SETTLING)
            if found.is_visible():
                break
            self.tab.keyboard.press("Escape")
        self.tab.keyboard.press("Enter")
        self.tab.wait_for_timeout(SETTLING)
        self.tab.mouse.click(*middle)
        self.tab.wait_for_function(f"() => app.graph.nodes.length > {len(before)}")
        after = set(self.tab.evaluate("() => app.graph.nodes.map(node => node.id)"))
        return str((after - before).pop())

    def clear(self) -> None:
        self.tab.evaluate("() => app.graph.clear()")

    def set(self, node: str, widgets: dict | None = None, *links: tuple) -> None:
        """Change a node's widgets and links; links are (origin, slot, input)."""
        self.tab.evaluate(SET, [node, widgets or {}, links])

    def untidy(self) -> list[str]:
        """Nodes that overlap, and those that are not in one group."""
        layout = self.tab.evaluate(LAYOUT)
        found = []
        for number, node in enumerate(layout["nodes"]):
            others = layout["nodes"][number + 1 :]
            found += [f"{node['name']} over {o['name']}" for o in others if overlap(node, o)]
            homes = [group for group in layout["groups"] if inside(node["box"], group)]
            found += [f"{node['name']} in {len(homes)} groups"] if len(homes) != 1 else []
        return found

    def warnings(self) -> list[str]:
        """What the page says is wrong, and its red nodes."""
        said = [part.inner_text() for part in self.tab.locator(SAID).all() if part.is_visible()]
        return [words for words in said if words.strip()] + self.tab.evaluate(RED)

    def run(self) -> str:
        """Run what is on the page, as the Run button does, to its end; its status."""
        with self.tab.expect_response(re.compile(r"/prompt$")) as waiting:
            self.tab.keyboard.press("Control+Enter")
        answer = waiting.value.json()
        if "prompt_id" not in answer:
            return json.dumps(answer)
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            done = self.server.get(f"/history/{answer['prompt_id']}")
            if done:
                self.tab.wait_for_timeout(SETTLING)
                return done[answer["prompt_id"]]["status"]["status_str"]
            self.tab.wait_for_timeout(200)
        return "not at its end in time"

    def shown(self, node: str) -> list[np.ndarray]:
        """The pictures that a node shows when it is looked at, RGB levels."""
        self.tab.evaluate(LOOK, node)
        self.tab.wait_for_function(f"() => ({SHOWN})({node}).length > 0")
        addresses = self.tab.evaluate(SHOWN, node)
        return [levels(base64.b64decode(self.tab.evaluate(FETCH, a))) for a in addresses]

    def save(self) -> dict:
        """Save the workflow with Ctrl+S under the name that the page offers; what was written."""
        folder = self.server.base / "user" / "default" / "workflows"
        before = set(folder.glob("*.json"))
        self.tab.keyboard.press("Control+s")
        self.tab.wait_for_timeout(SETTLING)
        self.tab.keyboard.press("Enter")
        deadline = time.monotonic() + 10
        while not (written := set(folder.glob("*.json")) - before):
            assert time.monotonic() < deadline, "the page saved no workflow"
            self.tab.wait_for_timeout(100)
        self.tab.wait_for_timeout(200)
        return json.loads(written.pop().read_text(encoding="utf-8"))

    def words(self, kind: str) -> dict:
        """The words on a new node: title, and labels of inputs, widgets and outputs."""
        return self.tab.evaluate(WORDS, kind)

    def help(self, kind: str):
        """Open a node's help page from its toolbox; where its text is."""
        self.tab.evaluate(SELECT, kind)
        self.tab.get_by_test_id("info-button").dispatch_event("click")  # wherever it floats
        self.tab.locator(".node-help-content .markdown-content, .fallback-content").wait_for()
        self.tab.wait_for_timeout(SETTLING)
        return self.tab.locator(".node-help-content")

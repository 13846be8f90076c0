"""The lines on our nodes in the page keep whole words, in its language, in either renderer."""

import re

import pytest

from tests.comfy.page import LOOK, Page
from tests.words import SCRIPTS

pytestmark = pytest.mark.comfy
WITHOUT_LINES = "0.3."  # versions whose Nodes 2.0, an early one, draws no line at all
# The rows on which each word of a drawn line stands, by their place on the screen.
ROWS = """line => {
    const drawn = [...document.querySelectorAll('span, p')].filter(element =>
        !element.children.length && element.textContent.trim().startsWith(line.slice(0, 20)))
    return drawn.map(element => {
        const text = element.firstChild
        return [...text.data.matchAll(/[^\\s-]+/g)].map(word => {
            const range = document.createRange()
            range.setStart(text, word.index)
            range.setEnd(text, word.index + word[0].length)
            return [word[0], [...range.getClientRects()].map(box => Math.round(box.top))]
        })
    })
}"""
LINE = """number => app.graph.nodes.find(node => node.id == number).widgets
    .find(widget => widget.name == '$$node-text-preview').value"""
RESIZE = """([number, width]) => {
    const node = app.graph.nodes.find(node => node.id == number)
    node.setSize([width, node.size[1]])
}"""
# The run's last line has come: it has the seconds, in digits.
WRITTEN = """number => /\\d/.test(app.graph.nodes.find(node => node.id == number).widgets
    .find(widget => widget.name == '$$node-text-preview')?.value)"""
COLUMNS = {"ja": 21, "ko": 22, "zh": 23}
WIDTHS = (225, 260, 310)  # of a node, pixels: a long line ends elsewhere in each


@pytest.fixture(params=[False, True], ids=["canvas", "nodes 2.0"])
def opened(request, browser, server, screenshots):
    """Opens the page in a language, in one of the renderers."""
    if request.param and server.comfy.version.startswith(WITHOUT_LINES):
        pytest.skip(f"Nodes 2.0 of ComfyUI {server.comfy.version} draws no line on a node")
    server.post("/settings", {"Comfy.VueNodes.Enabled": request.param})
    pages = []

    def page_in(language: str) -> Page:
        pages.append(Page(browser, server, screenshots, language))
        pages[-1].renderer = "nodes-2" if request.param else "canvas"
        return pages[-1]

    yield page_in
    for page in pages:
        page.close()
    server.post("/settings", {"Comfy.VueNodes.Enabled": False, "Comfy.Locale": "en"})


def placed_stage(page, column: int = 20) -> int:
    mask = page.place("DIB_LoadMask", {"image": "m.png"})
    source = page.place("LoadImage", {"image": "s.png"})
    target = page.place("LoadImage", {"image": "t.png"})
    links = (target, 0, "target"), (source, 0, "source"), (mask, 0, "mask")
    stage = page.place("DIB_PoissonStage", {"preset": "fast", "column": column, "row": 15}, *links)
    page.place("PreviewImage", {}, (stage, 0, "images"))
    return stage


def test_every_word_of_a_node_s_line_stands_on_one_row(opened, server, pictures):
    page = opened("en")
    stage = placed_stage(page)
    server.post("/free", {"free_memory": True, "unload_models": True})  # a cached node says nothing
    assert page.run() == "success"
    for width in WIDTHS:
        page.tab.evaluate(RESIZE, [stage, width])
        page.tab.evaluate(LOOK, stage)
        page.tab.wait_for_timeout(500)
        (words,) = page.tab.evaluate(ROWS, page.tab.evaluate(LINE, stage))
        assert len({rows[0] for _, rows in words}) > 1  # a line so long that it is broken
        assert not [word for word, rows in words if len(set(rows)) != 1]
        page.screenshot(f"line-{width}-{page.renderer}")


@pytest.mark.parametrize("language", COLUMNS)
def test_a_line_is_in_the_page_s_language(opened, server, pictures, language):
    page = opened(language)
    stage = placed_stage(page, COLUMNS[language])  # another one each: a cached node says nothing
    server.post("/free", {"free_memory": True, "unload_models": True})
    assert page.run() == "success"
    page.tab.wait_for_function(WRITTEN, arg=stage)
    line = page.tab.evaluate(LINE, stage)
    assert re.search(SCRIPTS[language][0], line)
    assert not re.search("[A-Za-z]{2}", line.replace("ΔE", ""))
    page.tab.evaluate(LOOK, stage)
    page.tab.wait_for_timeout(500)
    assert page.tab.evaluate(ROWS, line)  # it is drawn
    page.screenshot(f"line-{language}-{page.renderer}")

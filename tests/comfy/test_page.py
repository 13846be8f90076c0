"""What a user sees: examples dropped on a real ComfyUI's page, run and saved; help; Korean."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.comfy.graphs import to_prompt
from tests.comfy.page import Page, chromium, made, served
from tests.comfy.server import PACK, Server

pytestmark = pytest.mark.comfy
EXAMPLES = sorted((PACK / "example_workflows").glob("*.json"))
SHARED = EXAMPLES + sorted((Path(__file__).parent / "fixtures").glob("*.json"))
HELP = PACK / "nodes" / "web" / "docs"
KOREAN = PACK / "locales" / "ko" / "nodeDefs.json"
FEW = 2  # evaluations: the page's way is at stake, not the picture


@pytest.fixture(scope="session")
def browser():
    yield from chromium()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory):
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture
def page(browser, server, screenshots):
    page = Page(browser, server, screenshots)
    yield page
    page.close()


@pytest.fixture
def korean_page(browser, server, screenshots):
    page = Page(browser, server, screenshots, "ko")
    yield page
    page.close()
    server.post("/settings", {"Comfy.Locale": "en"})


def hurried(path: Path) -> dict:
    """An example, its stages with few evaluations."""
    workflow = json.loads(path.read_text(encoding="utf-8"))
    places = {"DIB_PoissonStage": 6, "DIB_StyleRefineStage": 3}
    for node in workflow["nodes"]:
        if node["type"] in places:
            node["widgets_values"][places[node["type"]]] = FEW
    return workflow


def forget(server: Server) -> None:
    """Empty the server's cache of results, so that the next prompt is computed again."""
    server.post("/free", {"free_memory": True, "unload_models": True})


def nodes(server: Server) -> list[str]:
    return [name for name in server.get("/object_info") if name.startswith("DIB_")]


@pytest.mark.parametrize(
    "kind, changed",
    [("type", "DIB_NoSuchNode"), ("widgets_values", ["missing.png", "image"])],
    ids=["node", "picture"],
)
def test_what_is_missing_is_seen(page, kind, changed):
    """The tests below look for nothing: this one shows that they would find something."""
    workflow = hurried(SHARED[-1])
    workflow["nodes"][0][kind] = changed
    page.drop(json.dumps(workflow), "broken")
    if kind == "type":
        assert any("DIB_NoSuchNode" in words for words in page.warnings())
    else:
        page.run()
        assert page.warnings()


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_an_example_dropped_on_the_page_opens_runs_and_is_the_api_s(page, server, path):
    page.drop(json.dumps(hurried(path)), path.stem)
    assert page.warnings() == []
    page.screenshot(f"{path.stem}-opened")
    assert page.run() == "success"
    page.screenshot(f"{path.stem}-ran")
    assert page.warnings() == []
    prompt = to_prompt(page.save(), server.get("/object_info"))
    previews = [number for number, node in prompt.items() if node["class_type"] == "PreviewImage"]
    assert previews
    shown = {number: page.shown(number) for number in previews}
    forget(server)
    outcome = server.run(prompt)
    assert not outcome.error
    assert set(prompt) & set(outcome.ran)
    for number in previews:
        pairs = zip(made(server, outcome, number), shown[number], strict=True)
        assert all(np.array_equal(*pair) for pair in pairs), number


def test_the_templates_have_their_thumbnails(server):
    listed = server.get("/workflow_templates")["deep-image-blending"]
    assert sorted(listed) == [path.stem for path in EXAMPLES]
    for name in listed:
        for suffix in ("json", "jpg"):
            file = f"{name}.{suffix}"
            sent = served(server, f"/api/workflow_templates/deep-image-blending/{file}")
            assert sent == (PACK / "example_workflows" / file).read_bytes()


def heading(text: str) -> str:
    return re.search(r"^# (.+)$", text, re.MULTILINE)[1].strip()


def check_help(page: Page, kind: str, file: Path) -> None:
    """The page shows the file's text, and all of its pictures."""
    shown = page.help(kind)
    page.screenshot(f"help-{kind}-{file.stem}")
    text = file.read_text(encoding="utf-8")
    assert heading(text) in shown.inner_text()
    pictures = shown.locator("img")
    assert pictures.count() == len(re.findall(r"!\[|<img ", text))
    assert all(picture.evaluate("i => i.naturalWidth > 0") for picture in pictures.all())


def test_every_node_has_a_help_page_that_opens(page, server):
    if not HELP.is_dir():
        pytest.skip("there are no help pages yet")
    for kind in nodes(server):
        check_help(page, kind, HELP / f"{kind}.md")


def test_the_korean_page_is_korean(korean_page, server):
    if not KOREAN.is_file():
        pytest.skip("there are no Korean words yet")
    words = json.loads(KOREAN.read_text(encoding="utf-8"))
    for kind in nodes(server):
        shown, wanted = korean_page.words(kind), words[kind]
        assert shown["title"] == wanted["display_name"]
        assert re.search("[가-힣]", shown["title"])
        for name, label in {**shown["inputs"], **shown["widgets"]}.items():
            if name in wanted["inputs"]:
                assert label == wanted["inputs"][name]["name"], f"{kind} {name}"
        assert shown["outputs"] == [
            wanted["outputs"][str(slot)]["name"] for slot in range(len(shown["outputs"]))
        ]
        check_help(korean_page, kind, HELP / kind / "ko.md")

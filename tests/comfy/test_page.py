"""What a user sees: examples dropped on a real ComfyUI's page, run and saved; help; Korean."""

import json
import re
import urllib.error
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import numpy as np
import pytest

from tests.comfy.graphs import graph, poisson, refine, save, to_prompt
from tests.comfy.page import Page, made, served
from tests.comfy.server import PACK, Server

pytestmark = pytest.mark.comfy
EXAMPLES = sorted((PACK / "example_workflows").glob("*.json"))
SHARED = EXAMPLES + sorted((Path(__file__).parent / "fixtures").glob("*.json"))
HELP = PACK / "nodes" / "web" / "docs"
KOREAN = PACK / "locales" / "ko" / "nodeDefs.json"
BYPASS = """ids => app.graph.nodes
    .filter(node => ids.includes(String(node.id))).forEach(node => { node.mode = 4 })"""
VALUES = """() => app.graph.nodes.filter(node => node.type == 'DIB_LoadMask')
    .map(node => node.widgets.map(widget => widget.value))"""
FEW = 1  # evaluations: the page's way is at stake, not the picture


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


def inputs(server: Server, kind: str) -> dict:
    described = server.get(f"/object_info/{kind}")[kind]["input"]
    return {**described.get("required", {}), **described.get("optional", {})}


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
    assert path not in EXAMPLES or page.untidy() == []
    page.screenshot(f"{path.stem}-opened")
    assert page.run() == "success"
    assert page.warnings() == []
    assert path not in EXAMPLES or page.untidy() == []  # nodes grow with their pictures
    prompt = to_prompt(page.save(), server.get("/object_info"))
    ends = {number: node["class_type"] for number, node in prompt.items()}
    assert {"PreviewImage", "SaveImage", "SaveAnimatedWEBP"} & set(ends.values())
    previews = [number for number, kind in ends.items() if kind in ("PreviewImage", "SaveImage")]
    shown = {number: page.shown(number) for number in previews}
    page.screenshot(f"{path.stem}-ran")
    forget(server)
    outcome = server.run(prompt)
    assert not outcome.error
    assert set(prompt) & set(outcome.ran)
    for number in previews:
        pairs = zip(made(server, outcome, number), shown[number], strict=True)
        assert all(np.array_equal(*pair) for pair in pairs), number


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_every_widget_of_load_mask_has_its_saved_value(page, path):
    """Even if a newer page saved it under the name of 0.1.0."""
    workflow = json.loads(path.read_text(encoding="utf-8"))
    saved = [n["widgets_values"] for n in workflow["nodes"] if n["type"] == "DIB_LoadMask"]
    if not saved:
        pytest.skip("there is none in it")
    page.drop(json.dumps(workflow), path.stem)
    shown = page.tab.evaluate(VALUES)
    assert [values[: len(known)] for values, known in zip(shown, saved, strict=True)] == saved


def test_the_templates_have_their_thumbnails(server):
    listed = server.get("/workflow_templates")["deep-image-blending"]
    assert sorted(listed) == [path.stem for path in EXAMPLES]
    for name in listed:
        for suffix in ("json", "jpg"):
            file = f"{name}.{suffix}"
            address = f"/api/workflow_templates/deep-image-blending/{quote(file)}"  # as browsers do
            sent = served(server, address)
            assert sent == (PACK / "example_workflows" / file).read_bytes()


@pytest.mark.parametrize(
    ("boxes", "found"),
    [
        ([[10, 10, 50, 50], [70, 10, 20, 20]], 0),
        ([[10, 10, 50, 50], [50, 50, 20, 20]], 1),
        ([[10, 10, 50, 50], [90, 10, 20, 20]], 1),
    ],
    ids=["tidy", "overlapping", "over the group's edge"],
)
def test_an_untidy_page_is_seen(boxes, found):
    named = [{"name": str(number), "box": box} for number, box in enumerate(boxes)]
    layout = {"nodes": named, "groups": [[0, 0, 100, 100]]}
    page = SimpleNamespace(tab=SimpleNamespace(evaluate=lambda script: layout))
    assert len(Page.untidy(page)) == found


@pytest.mark.parametrize("preset", ["fast", "paper", "photograph"])
def test_the_blueprint_is_found_and_gives_what_its_stages_give(page, server, pictures, preset):
    listed = [entry["name"] for entry in blueprints(server)]
    assert listed == ["Deep Image Blending"]
    page.clear()
    target, source = (page.place("LoadImage", {"image": name}) for name in ("t.png", "s.png"))
    mask = page.place("DIB_LoadMask", {"image": "m.png", "channel": "luminance"})
    chain = page.find("Deep Image Blending")
    links = (target, 0, "target"), (source, 0, "source"), (mask, 0, "mask")
    page.set(chain, {"column": 20, "row": 15, "preset": preset}, *links)
    preview = page.place("PreviewImage", {}, (chain, 0, "images"))
    page.screenshot("blueprint")
    assert page.run() == "success"
    first = poisson(column=20, row=15, preset=preset, max_evaluations=0)
    last = refine(preset=preset, max_evaluations=0, source=["4", 4])
    outcome = server.run(graph(n4=first, n5=last, n9=save("5")))
    assert not outcome.error
    assert np.array_equal(page.shown(preview)[0], made(server, outcome, "9")[0])


def chain(page: Page) -> tuple[list[str], str]:
    """Clean Cut-out and Harmonise Colours before a Poisson Stage; the two, and a preview."""
    page.clear()
    target, source = (page.place("LoadImage", {"image": name}) for name in ("t.png", "s.png"))
    mask = page.place("DIB_LoadMask", {"image": "m.png", "channel": "luminance"})
    place = {"column": 20, "row": 15}
    clean = page.place("DIB_CleanCutout", {}, (source, 0, "source"), (mask, 0, "mask"))
    cut = (clean, 0, "source"), (clean, 1, "mask")
    moved = page.place("DIB_HarmoniseColours", place, *cut, (target, 0, "target"))
    cut = (moved, 0, "source"), (moved, 1, "mask")
    widgets = {"preset": "seam repair", **place}
    stage = page.place("DIB_PoissonStage", widgets, *cut, (target, 0, "target"))
    return [clean, moved], page.place("PreviewImage", {}, (stage, 0, "images"))


def test_the_nodes_before_a_stage_run_and_bypassed_hand_on_source_and_mask(page, server, pictures):
    before, preview = chain(page)
    assert page.run() == "success"
    page.screenshot("before-a-stage")
    assert len(page.shown(before[0])) == 1  # what was removed
    page.screenshot("clean-cutout")
    page.tab.evaluate(BYPASS, before)
    forget(server)
    assert page.run() == "success"
    assert page.warnings() == []
    outcome = server.run(graph(n4=poisson(preset="seam repair"), n9=save("4")))
    assert np.array_equal(page.shown(preview)[0], made(server, outcome, "9")[0])


def blueprints(server: Server) -> list[dict]:
    try:
        found = server.get("/global_subgraphs").values()
    except urllib.error.HTTPError as error:
        error.close()
        pytest.skip(f"ComfyUI {server.comfy.version} has no subgraph blueprints")
    return [entry for entry in found if entry["source"] == "custom_node"]


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
        labels = {**shown["inputs"], **shown["widgets"]}
        for name in inputs(server, kind):
            korean = wanted["inputs"][name]["name"]
            assert labels.get(name, korean) == korean, f"{kind} {name}"
        assert shown["outputs"] == [
            wanted["outputs"][str(slot)]["name"] for slot in range(len(shown["outputs"]))
        ]
        check_help(korean_page, kind, HELP / kind / "ko.md")

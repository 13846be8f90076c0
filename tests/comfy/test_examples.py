"""Every example workflow, and every one that was ever shared, opens and runs."""

import json
from pathlib import Path

import pytest

from tests.comfy.graphs import MUTED, is_widget, to_prompt
from tests.comfy.server import PACK

pytestmark = pytest.mark.comfy
FIXTURES = Path(__file__).parent / "fixtures"
EXAMPLES = sorted((PACK / "example_workflows").glob("*.json"))
SHARED = EXAMPLES + sorted(FIXTURES.glob("*.json"))  # a fixture is never changed, only added to
FORMER_NAMES = {"DIB_LoadMask": {"file"}}  # of widgets that files have by position
SECOND_WIDGETS = {"LoadImage": 1}  # the page saves one for its upload button
SAVES = ("SaveImage", "SaveAnimatedWEBP")
WINDOW, FILLED = (1600, 950), 0.75  # pixels; share that the newer page's fit to the view fills
READABLE = 0.58  # zoom; below it the page draws grey boxes for texts


def name(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.parametrize("path", SHARED, ids=name)
def test_every_example_runs(server, path):
    workflow = json.loads(path.read_text())
    active = [node for node in workflow["nodes"] if node["mode"] != MUTED]
    needed = {node["type"] for node in active} - {"Note", "MarkdownNote", "Reroute"}
    info = server.get("/object_info")
    missing = needed - info.keys()
    if missing and not any(kind.startswith("DIB_") for kind in missing):
        pytest.skip(f"this ComfyUI has no {', '.join(missing)}")
    prompt = to_prompt(workflow, info)
    for node in prompt.values():
        if "max_evaluations" in node["inputs"]:
            node["inputs"]["max_evaluations"] = 2
    outcome = server.run(prompt)
    assert not outcome.error
    shown = [n for n, node in prompt.items() if node["class_type"] in ("PreviewImage", *SAVES)]
    assert shown
    assert all(outcome.outputs[node]["images"] for node in shown)
    if path in EXAMPLES:  # the page shows a job by the file that it saves: the result, not a mask
        said = {n: outputs.get("images", []) for n, outputs in outcome.outputs.items()}
        kept = [n for n, pictures in said.items() if any(map(is_saved, pictures))]
        assert [prompt[node]["class_type"] in SAVES for node in kept] == [True]


@pytest.mark.parametrize("path", SHARED, ids=name)
def test_every_widget_of_an_example_fits_the_form(server, path):
    info = server.get("/object_info")
    for node in json.loads(path.read_text())["nodes"]:
        if node["type"].startswith("DIB_"):
            for mistake in misfits(node, info[node["type"]]):
                raise AssertionError(f"{node['type']} {node['id']}: {mistake}")


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_a_note_has_no_inline_code(path):
    """Nodes 2.0 shows it dark on dark."""
    notes = [n for n in json.loads(path.read_text())["nodes"] if n["type"] == "MarkdownNote"]
    assert notes
    assert not [words for note in notes for words in note["widgets_values"] if "`" in words]


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_an_example_fits_the_window_with_readable_texts(path):
    groups = [group["bounding"] for group in json.loads(path.read_text())["groups"]]
    for axis in (0, 1):
        span = max(g[axis] + g[axis + 2] for g in groups) - min(g[axis] for g in groups)
        assert FILLED * WINDOW[axis] / span >= READABLE


def is_saved(picture: dict) -> bool:
    return picture["type"] == "output"


def misfits(node: dict, described: dict) -> list[str]:
    """What of a saved node does not fit the node of /object_info."""
    every = {**described["input"]["required"], **described["input"].get("optional", {})}
    known = every.keys() | FORMER_NAMES.get(node["type"], set())
    found = [f"no input {s['name']}" for s in node["inputs"] if s["name"] not in known]
    for slot, output in enumerate(node["outputs"]):
        if described["output"][slot : slot + 1] != [output["type"]]:
            found.append(f"output {slot} is not {output['type']}")
    widgets = [(n, *spec) for n, spec in every.items() if is_widget(spec[0], spec[1:])]
    values = node["widgets_values"]
    for (widget, kind, *options), value in zip(widgets, values, strict=False):
        if not fits(kind, options[0] if options else {}, value):
            found.append(f"{widget} does not take {value!r}")
    too_many = len(values) - len(widgets) - SECOND_WIDGETS.get(node["type"], 0)
    return found + ["more values than widgets"] * (too_many > 0)


def fits(kind, options: dict, value) -> bool:
    if options.get("image_upload"):
        return isinstance(value, str)
    if isinstance(kind, list) or kind == "COMBO":
        return value in (kind if isinstance(kind, list) else options["options"])
    if kind == "BOOLEAN":
        return isinstance(value, bool)
    if kind in ("INT", "FLOAT"):
        whole = isinstance(value, int) or kind == "FLOAT"
        return not isinstance(value, bool) and whole and options["min"] <= value <= options["max"]
    return True


def stage(**changes) -> tuple[dict, dict]:
    """A small node of a workflow and its description, to try `misfits` on."""
    described = {
        "input": {
            "required": {
                "target": ["IMAGE", {}],
                "row": ["INT", {"min": -5, "max": 5}],
                "preset": [["painting", "fast"], {}],
            },
            "optional": {"sequence": ["BOOLEAN", {}]},
        },
        "output": ["IMAGE", "MASK"],
    }
    node = {
        "type": "DIB_Test",
        "inputs": [{"name": "target"}],
        "outputs": [{"type": "IMAGE"}, {"type": "MASK"}],
        "widgets_values": [3, "fast"],
    }
    return {**node, **changes}, described


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"widgets_values": [3, "fast", True]}, None),
        ({"widgets_values": [3, "fast", True, 1]}, "more values"),
        ({"widgets_values": [9, "fast"]}, "row"),
        ({"widgets_values": [3.5, "fast"]}, "row"),
        ({"widgets_values": ["fast", 3]}, "row"),
        ({"widgets_values": [3, "slow"]}, "preset"),
        ({"widgets_values": [3, "fast", 1]}, "sequence"),
        ({"inputs": [{"name": "picture"}]}, "picture"),
        ({"outputs": [{"type": "MASK"}]}, "output 0"),
    ],
)
def test_a_widget_that_does_not_fit_is_found(changes, words):
    found = misfits(*stage(**changes))
    assert (found == []) if words is None else any(words in mistake for mistake in found)


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_every_example_has_a_thumbnail_and_the_pack_copies_its_pictures(server, path):
    assert path.with_suffix(".jpg").is_file()
    for node in json.loads(path.read_text())["nodes"]:
        if node["type"] in ("LoadImage", "DIB_LoadMask"):
            picture = node["widgets_values"][0]
            assert (server.base / "input" / picture).is_file(), picture

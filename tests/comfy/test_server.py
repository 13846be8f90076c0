"""The nodes on a real server, through its API."""

import json
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.comfy
PACK = Path(__file__).resolve().parents[2]
NODES = ("DIB_LoadMask", "DIB_PoissonStage", "DIB_StyleRefineStage", "DIB_LaplacianPreview")
EXAMPLES = sorted((PACK / "example_workflows").glob("*.json"))


def put(server, name: str, array: np.ndarray, mode: str | None = None) -> str:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(server.base / "input" / name)
    return name


def scene(seed: int, height: int, width: int) -> np.ndarray:
    """A smooth coloured gradient with some noise, uint8."""
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    rows, columns = np.mgrid[0:height, 0:width]
    ramp = np.stack((rows * 2 + 40, columns * 2 + 20, rows + columns + 10 * seed), 2)
    return (ramp + noise).clip(0, 255).astype(np.uint8)


def square(height: int, width: int, border: int = 8) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[border:-border, border:-border] = 255
    return mask


@pytest.fixture
def pictures(server):
    put(server, "t.png", scene(1, 80, 96))
    put(server, "s.png", scene(4, 40, 48))
    put(server, "m.png", square(40, 48))


def load(name: str) -> dict:
    return {"class_type": "LoadImage", "inputs": {"image": name}}


def load_mask(name: str = "m.png", **inputs) -> dict:
    defaults = {"channel": "luminance", "invert": False, "threshold": 0, "grow": 0, "feather": 0}
    return {"class_type": "DIB_LoadMask", "inputs": {"file": name, **defaults, **inputs}}


def poisson(**inputs) -> dict:
    defaults = {"column": 20, "row": 15, "scale": 1, "preset": "painting"}
    defaults |= {"gradients": "import", "bleed": 0, "max_evaluations": 3}
    links = {"target": ["1", 0], "source": ["2", 0], "mask": ["3", 0]}
    return {"class_type": "DIB_PoissonStage", "inputs": {**links, **defaults, **inputs}}


def save(node: str, slot: int = 0) -> dict:
    return {"class_type": "SaveImage", "inputs": {"images": [node, slot], "filename_prefix": "x"}}


def graph(**nodes) -> dict:
    """Target 1, source 2, mask 3, Poisson Stage 4, saved by 9; replaced and added to by `nodes`."""
    basis = {"1": load("t.png"), "2": load("s.png"), "3": load_mask(), "4": poisson()}
    return {**basis, "9": save("4"), **{name.strip("n"): node for name, node in nodes.items()}}


def saved(server, outcome, node: str = "9") -> np.ndarray:
    entry = outcome.outputs[node]["images"][0]
    query = f"/view?filename={entry['filename']}&type={entry['type']}&subfolder="
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{query}") as answer:
        return np.asarray(Image.open(answer).convert("RGB")).astype(int)


def to_prompt(workflow: dict, info: dict) -> dict:
    """A saved workflow as the page would send it."""
    origin = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] not in info:
            continue
        inputs = {s["name"]: origin[s["link"]] for s in node.get("inputs", []) if s["link"]}
        described = info[node["type"]]["input"]
        every = {**described["required"], **described.get("optional", {})}
        widgets = [n for n in every if n not in inputs and not _is_socket(every[n][0])]
        inputs |= dict(zip(widgets, node["widgets_values"], strict=False))
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def _is_socket(kind) -> bool:
    return isinstance(kind, str) and kind in ("IMAGE", "MASK", "MODEL", "LATENT")


def test_the_pack_loads_without_a_failed_import(server):
    assert "IMPORT FAILED" not in server.log.read_text()
    assert set(NODES) <= server.get("/object_info").keys()


@pytest.mark.parametrize("node", NODES)
def test_every_input_and_output_has_a_tooltip_and_numbers_have_ranges(server, node):
    info = server.get(f"/object_info/{node}")[node]
    assert info["description"]
    for name, (kind, *options) in info["input"]["required"].items():
        assert options[0]["tooltip"], name
        if kind in ("INT", "FLOAT"):
            assert options[0]["min"] < options[0]["max"], name
    assert all(info["output_tooltips"])
    assert len(info["output_tooltips"]) == len(info["output"])


@pytest.mark.parametrize(
    ("node", "first"),
    [
        ("DIB_PoissonStage", "target"),
        ("DIB_StyleRefineStage", "blend"),
        ("DIB_LaplacianPreview", "result"),
    ],
)
def test_a_bypassed_node_hands_the_edited_picture_on(server, node, first):
    info = server.get(f"/object_info/{node}")[node]
    assert info["input_order"]["required"][0] == first
    assert info["input"]["required"][first][0] == info["output"][0] == "IMAGE"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs(server, path):
    prompt = to_prompt(json.loads(path.read_text()), server.get("/object_info"))
    for node in prompt.values():
        if "max_evaluations" in node["inputs"]:
            node["inputs"]["max_evaluations"] = 2
    outcome = server.run(prompt)
    assert not outcome.error
    previews = [n for n, node in prompt.items() if node["class_type"] == "PreviewImage"]
    assert previews
    assert all(outcome.outputs[node]["images"] for node in previews)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_has_a_thumbnail_and_its_pictures(path):
    assert path.with_suffix(".jpg").is_file()
    for node in json.loads(path.read_text())["nodes"]:
        if node["type"] in ("LoadImage", "DIB_LoadMask"):
            assert (PACK / "blending" / "demo" / node["widgets_values"][0]).is_file()


@pytest.mark.parametrize("preset", ["painting", "photograph", "seam repair", "paper", "fast"])
def test_the_blend_keeps_the_target_outside_the_mask(server, pictures, preset):
    outcome = server.run(graph(n4=poisson(preset=preset)))
    assert not outcome.error
    target, blend = scene(1, 80, 96).astype(int), saved(server, outcome)
    inside = np.zeros((80, 96), bool)
    inside[15 + 8 : 15 + 32, 20 + 8 : 20 + 40] = True
    assert (blend == target).all(2)[~inside].all()
    assert not (blend == target).all(2)[inside].all()


def test_refine_and_preview_run_after_the_poisson_stage(server, pictures):
    refine = {
        "class_type": "DIB_StyleRefineStage",
        "inputs": {
            "blend": ["4", 0],
            "target": ["1", 0],
            "mask": ["4", 1],
            "preset": "painting",
            "region": "object",
            "strength": 1,
            "max_evaluations": 3,
        },
    }
    look = {
        "class_type": "DIB_LaplacianPreview",
        "inputs": {
            "result": ["5", 0],
            "target": ["1", 0],
            "source": ["2", 0],
            "mask": ["3", 0],
            "column": 20,
            "row": 15,
            "scale": 1,
        },
    }
    outcome = server.run(graph(n5=refine, n6=look, n9=save("5")))
    assert not outcome.error
    assert len(outcome.outputs["6"]["images"]) == 5
    target, refined = scene(1, 80, 96).astype(int), saved(server, outcome)
    assert (refined == target).all(2)[:23].all()


def test_progress_counts_evaluations_to_the_end_and_pictures_come_live(server, pictures):
    put(server, "t.png", scene(2, 200, 240))
    outcome = server.run(graph(n4=poisson(max_evaluations=12, column=21)))
    assert not outcome.error
    values = [(m["value"], m["max"]) for m in outcome.of("progress") if m["node"] == "4"]
    assert values[-1] == (12, 12)
    assert [value for value, _ in values] == sorted(value for value, _ in values)
    assert outcome.previews >= 1


def test_cancel_stops_within_an_evaluation_and_the_queue_goes_on(server, pictures):
    put(server, "t.png", scene(3, 300, 300))
    pressed = []

    def cancel(message):
        if message["type"] == "progress" and message["data"]["value"] >= 2 and not pressed:
            pressed.append(time.monotonic())
            server.post("/interrupt", {})

    started = time.monotonic()
    outcome = server.run(graph(n4=poisson(max_evaluations=1000, scale=4, row=20)), cancel)
    assert outcome.of("execution_interrupted")
    one_evaluation = (pressed[0] - started) / 2
    assert time.monotonic() - pressed[0] < 2 * one_evaluation + 1
    put(server, "t.png", scene(1, 80, 96))
    assert not server.run(graph()).error


def test_an_unchanged_graph_is_cached_and_a_changed_mask_file_is_not(server, pictures):
    prompt = graph(n4=poisson(column=17))
    assert "4" in [m["node"] for m in server.run(prompt).of("executing")]
    assert "4" not in [m["node"] for m in server.run(prompt).of("executing")]
    put(server, "m.png", square(40, 48, 10))
    assert "4" in [m["node"] for m in server.run(prompt).of("executing")]


def test_batches_go_through_and_a_mismatch_is_named(server, pictures):
    def repeat(node, amount):
        inputs = {"image": [node, 0], "amount": amount}
        return {"class_type": "RepeatImageBatch", "inputs": inputs}

    three = poisson(target=["5", 0], preset="seam repair")
    outcome = server.run(graph(n5=repeat("1", 3), n4=three))
    assert len(outcome.outputs["9"]["images"]) == 3
    mixed = {**three, "inputs": {**three["inputs"], "source": ["6", 0]}}
    outcome = server.run(graph(n5=repeat("1", 3), n6=repeat("2", 2), n4=mixed))
    assert "batch sizes must be N with N or 1 with N" in outcome.error


GOOD_MASKS = {
    "grey.png": lambda: (square(40, 48), None),
    "palette.png": lambda: (square(40, 48), "P"),
    "rgb.png": lambda: (np.stack([square(40, 48)] * 3, 2), None),
    "deep16.png": lambda: (square(40, 48).astype(np.uint16) * 257, None),
    "name with spaces é.png": lambda: (square(40, 48), None),
}


@pytest.mark.parametrize("name", GOOD_MASKS)
def test_every_kind_of_mask_file_gives_the_same_mask(server, pictures, name):
    array, mode = GOOD_MASKS[name]()
    put(server, name, array, mode)
    preview = {"class_type": "MaskToImage", "inputs": {"mask": ["3", 0]}}
    outcome = server.run({"3": load_mask(name), "4": preview, "9": save("4")})
    assert not outcome.error
    assert (saved(server, outcome)[..., 0] == square(40, 48)).all()


def test_opaque_alpha_takes_the_source(server):
    rgba = np.dstack([scene(4, 40, 48), square(40, 48)])
    put(server, "rgba.png", rgba)
    preview = {"class_type": "MaskToImage", "inputs": {"mask": ["3", 0]}}
    nodes = {"3": load_mask("rgba.png", channel="alpha"), "4": preview, "9": save("4")}
    outcome = server.run(nodes)
    assert (saved(server, outcome)[..., 0] == square(40, 48)).all()


def wrong(**nodes):
    return lambda server: graph(**nodes)


def text_as_picture(server):
    (server.base / "input" / "text.png").write_text("not a picture")
    return graph(n3=load_mask("text.png"))


def truncated(server):
    whole = (server.base / "input" / "m.png").read_bytes()
    (server.base / "input" / "half.png").write_bytes(whole[: len(whole) // 2])
    return graph(n3=load_mask("half.png"))


def black(server):
    put(server, "black.png", np.zeros((40, 48), np.uint8))
    return graph(n3=load_mask("black.png"))


def other_size(server):
    put(server, "small.png", square(30, 30))
    return graph(n3=load_mask("small.png"))


MISTAKES = {
    "missing file": (wrong(n3=load_mask("nothing.png")), "nothing.png"),
    "file outside": (wrong(n3=load_mask("../server.log")), "input folder"),
    "absolute file": (wrong(n3=load_mask("/etc/passwd")), "input folder"),
    "text as picture": (text_as_picture, "whole picture file"),
    "truncated picture": (truncated, "whole picture file"),
    "no alpha": (wrong(n3=load_mask(channel="alpha")), "luminance"),
    "unknown channel": (wrong(n3=load_mask(channel="cyan")), "channel"),
    "threshold out of range": (wrong(n3=load_mask(threshold=2)), "threshold"),
    "grow out of range": (wrong(n3=load_mask(grow=999)), "grow"),
    "feather out of range": (wrong(n3=load_mask(feather=-1)), "feather"),
    "empty mask": (black, "mask must reach 0.5"),
    "inverted to nothing": (wrong(n3=load_mask(grow=-60)), "mask must reach 0.5"),
    "mask of another size": (other_size, "mask must have the size of source"),
    "off the target": (wrong(n4=poisson(column=500)), "must overlap the target"),
    "mask off the target": (wrong(n4=poisson(column=90)), "inside the target"),
    "unknown preset": (wrong(n4=poisson(preset="magic")), "preset"),
    "unknown gradients": (wrong(n4=poisson(gradients="magic")), "gradients"),
    "too much bleed": (wrong(n4=poisson(bleed=1.5)), "bleed"),
    "fewer than no evaluations": (wrong(n4=poisson(max_evaluations=-1)), "max_evaluations"),
    "scale zero": (wrong(n4=poisson(scale=0)), "scale"),
    "row far out": (wrong(n4=poisson(row=99999)), "row"),
    "not a number": (wrong(n4=poisson(column="left")), "column"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_in_a_message_that_names_it(server, pictures, name):
    build, words = MISTAKES[name]
    outcome = server.run(build(server))
    assert words in outcome.error
    assert not server.run(graph(n4=poisson(preset="seam repair"))).error


def test_half_precision_intermediates(half_server):
    for name, array in (("t", scene(1, 80, 96)), ("s", scene(4, 40, 48)), ("m", square(40, 48))):
        put(half_server, f"{name}.png", array)
    outcome = half_server.run(graph())
    assert not outcome.error
    blend = saved(half_server, outcome)
    assert np.abs(blend[:20] - scene(1, 80, 96)[:20].astype(int)).max() <= 1

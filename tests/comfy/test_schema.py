"""Saved workflows open next year: no form changes but by growing at its end."""

import copy
import json

import pytest

from tests.comfy.snapshot import FILE, breaches, described

pytestmark = pytest.mark.comfy


def test_no_form_has_changed_but_at_its_end(server):
    assert breaches(json.loads(FILE.read_text()), described(server.get("/object_info"))) == []


def test_every_node_is_frozen(server):
    assert described(server.get("/object_info")).keys() <= json.loads(FILE.read_text()).keys()


INFO = {
    "KSampler": {"input": {"required": {}}, "output": [], "output_name": []},
    "DIB_Test": {
        "input": {
            "required": {
                "target": ["IMAGE", {}],
                "row": ["INT", {"default": 0, "min": -5, "max": 5}],
                "scale": ["FLOAT", {"default": 1.0, "min": 0.01, "max": 16.0, "step": 0.01}],
                "preset": [["painting", "fast"], {"default": "painting"}],
                "file": [["a.png"], {"image_upload": True}],
            },
            "optional": {"sequence": ["BOOLEAN", {"default": False}]},
        },
        "output": ["IMAGE", "MASK"],
        "output_name": ["blend", "placed mask"],
    },
}


def test_a_form_reads_as_lines_whichever_version_describes_it():
    lines = [
        "target: IMAGE",
        "row: INT, -5 to 5, default 0",
        "scale: FLOAT, 0.01 to 16, step 0.01, default 1",
        'preset: COMBO, painting | fast, default "painting"',
        "file: COMBO",
        "sequence: BOOLEAN, default false, optional",
    ]
    outputs = ["blend: IMAGE", "placed mask: MASK"]
    assert described(INFO) == {"DIB_Test": {"inputs": lines, "outputs": outputs}}
    newer = copy.deepcopy(INFO)
    newer["DIB_Test"]["input"]["required"]["preset"] = [
        "COMBO",
        {"options": ["painting", "fast"], "default": "painting"},
    ]
    assert described(newer) == described(INFO)


def reorder(node):
    node["input"]["required"] = dict(reversed(node["input"]["required"].items()))


def rename(node):
    required = node["input"]["required"]
    node["input"]["required"] = {n.replace("row", "top"): spec for n, spec in required.items()}


def set_option(**options):
    def change(node):
        for name, value in options.items():
            node["input"]["required"]["row"][1][name] = value

    return change


def coarsen(node):
    node["input"]["required"]["scale"][1]["step"] = 0.1


def drop(node):
    del node["input"]["required"]["scale"]


def retype(node):
    node["input"]["required"]["scale"][0] = "INT"


def lose_choice(node):
    node["input"]["required"]["preset"][0].remove("fast")


def move_to_optional(node):
    node["input"]["optional"] = {"row": node["input"]["required"].pop("row")}


def insert_optional(node):
    node["input"]["optional"] = {"new": ["INT", {}], **node["input"]["optional"]}


def append_required(node):
    node["input"]["required"]["new"] = ["INT", {"default": 0, "min": 0, "max": 1}]


def swap_outputs(node):
    node["output"].reverse()
    node["output_name"].reverse()


def rename_output(node):
    node["output_name"][1] = "mask"


def drop_output(node):
    node["output"].pop()
    node["output_name"].pop()


BREAKING = [
    reorder,
    rename,
    set_option(default=1),
    set_option(min=-6),
    set_option(max=4),
    coarsen,
    drop,
    retype,
    lose_choice,
    move_to_optional,
    insert_optional,
    append_required,
    swap_outputs,
    rename_output,
    drop_output,
]


@pytest.mark.parametrize("change", BREAKING, ids=lambda change: change.__qualname__.split(".")[0])
def test_a_change_that_breaks_saved_workflows_is_found(change):
    changed = copy.deepcopy(INFO)
    change(changed["DIB_Test"])
    assert breaches(described(INFO), described(changed))


def test_a_lost_node_is_found():
    assert breaches(described(INFO), {}) == ["DIB_Test is gone"]


def append_optional(node):
    node["input"]["optional"]["new"] = ["INT", {"default": 0, "min": 0, "max": 1}]


def append_output(node):
    node["output"].append("STRING")
    node["output_name"].append("report")


def reword(node):
    node["input"]["required"]["row"][1]["tooltip"] = "another"
    node["input"]["required"]["file"][0].append("b.png")


@pytest.mark.parametrize("change", [append_optional, append_output, reword])
def test_a_change_that_saved_workflows_survive_passes(change):
    changed = copy.deepcopy(INFO)
    change(changed["DIB_Test"])
    assert breaches(described(INFO), described(changed)) == []

"""Random graphs of our nodes, in words that JSON can hold, from the forms of schema.json."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

SCHEMA = Path(__file__).parents[1] / "comfy" / "schema.json"
WIDGETS = ("INT", "FLOAT", "BOOLEAN", "COMBO")
# Numbers that are drawn from less than the form allows: else most objects lie off the target, or
# a case takes minutes.
SPANS = {
    "column": (-20, 60),
    "row": (-20, 60),
    "max_evaluations": (1, 3),
    "poisson_evaluations": (1, 3),
    "refine_evaluations": (1, 3),
    "fit_width": (1, 200),
    "fit_height": (1, 200),
    "width": (0, 128),
    "height": (0, 96),
    "scale": (0.3, 3),
}
ALWAYS = ("max_evaluations", "poisson_evaluations", "refine_evaluations")  # never the default
FILES = ("m.png", "tm.png", "s.png")
ODD_VALUES = (-1, 2, 1e9, -1e9, 1e30, float("nan"), "none of these", "")
# Tensors of tests/comfy/probes.py, each in the place of a base picture of this size.
ODD_TENSORS = (
    *("half target", "bfloat16 target", "integer target", "wide target", "0..255 target"),
    *("nan target", "alpha target", "grey target", "two-channel target", "flat target"),
    *("alpha source", "half mask", "flat mask", "deep mask", "overshooting mask", "0..255 mask"),
    *("nan mask", "mask batch", "empty mask"),
)
PROBED_TARGET, PROBED_SOURCE = (80, 96), (40, 48)


@dataclass(frozen=True)
class Input:
    """An input of a form.

    Attributes:
        kind: INT, FLOAT, BOOLEAN, COMBO, STRING, IMAGE, MASK, or a type of ours.
        low, high: of a number.
        choices: of a list.
        default: of a widget.
        optional: whether it may be left out.
    """

    kind: str
    low: float
    high: float
    choices: tuple[str, ...]
    default: object
    optional: bool


def _parsed(line: str) -> tuple[str, Input]:
    name, rest = line.split(": ", 1)
    span = re.search(r"(-?[\d.]+) to (-?[\d.]+)", rest)
    low, high = (float(span[1]), float(span[2])) if span else (0.0, 0.0)
    kind, *more = rest.split(", ")
    choices = tuple(more[0].split(" | ")) if more and " | " in more[0] else ()
    default = re.search(r"default (.*?)(, optional)?$", rest)
    value = json.loads(default[1]) if default else None
    return name, Input(kind, low, high, choices, value, rest.endswith("optional"))


_READ = json.loads(SCHEMA.read_text(encoding="utf-8"))
FORMS = {node: dict(map(_parsed, form["inputs"])) for node, form in _READ.items()}
OUTPUTS = {
    node: tuple(line.rsplit(": ", 1)[1] for line in form["outputs"]) for node, form in _READ.items()
}


def _inside(name: str, one: Input) -> st.SearchStrategy:
    if name == "image":
        return st.sampled_from(FILES)
    if one.kind == "BOOLEAN":
        return st.booleans()
    if one.kind == "COMBO":
        return st.sampled_from(one.choices)
    low, high = SPANS.get(name, (one.low, one.high))
    low, high = max(low, one.low), min(high, one.high)
    drawn = st.integers(int(low), int(high)) if one.kind == "INT" else st.floats(low, high)
    return drawn if name in ALWAYS else st.one_of(st.just(one.default), drawn)


def _node(kind: str) -> st.SearchStrategy[dict]:
    form = FORMS[kind]
    widgets = {name: one for name, one in form.items() if one.kind in WIDGETS}
    links = [name for name, one in form.items() if one.kind not in (*WIDGETS, "IMAGEUPLOAD")]
    if kind == "DIB_PrepareMask":
        links.remove("image")  # a text that the page alone writes
    wrong = st.tuples(st.sampled_from(list(widgets) or [""]), st.sampled_from(ODD_VALUES))
    return st.fixed_dictionaries(
        {
            "kind": st.just(kind),
            "widgets": st.fixed_dictionaries({n: _inside(n, one) for n, one in widgets.items()}),
            # 0 to 6: what fits; above, any output of the type. Optional ones: none from 4 on.
            "links": st.fixed_dictionaries({name: st.integers(0, 9) for name in links}),
            "is_wrong": st.sampled_from((False,) * 9 + (True,)),
            "wrong": wrong,
        }
    )


sides = st.tuples(st.integers(8, 72), st.integers(8, 72))
cases = st.fixed_dictionaries(
    {
        "target": sides,
        "source": st.tuples(st.integers(2, 48), st.integers(2, 48)),
        "batch": st.integers(1, 3),
        "source_batch": st.sampled_from((1, 1, 1, 2, 3)),
        "alpha": st.booleans(),
        "odd": st.sampled_from((None,) * 4 * len(ODD_TENSORS) + ODD_TENSORS),
        "seed": st.integers(0, 99),
        "nodes": st.lists(st.sampled_from(sorted(FORMS)).flatmap(_node), min_size=1, max_size=4),
    }
)

# By node and input: the outputs that fit, best first; "*": of any node.
FITTING = {
    ("*", "target"): ("target",),
    ("*", "source"): ("source",),
    ("*", "mask"): ("mask",),
    ("*", "image"): ("target",),
    ("*", "reference"): ("target",),
    ("*", "style"): ("target",),
    ("*", "area"): ("target mask",),
    ("*", "settings"): ("DIB_BlendSettings.0",),
    ("DIB_StyleRefineStage", "blend"): ("DIB_PoissonStage.0", "DIB_PlaceObject.0", "target"),
    ("DIB_StyleRefineStage", "mask"): ("DIB_PoissonStage.1", "DIB_PlaceObject.2", "target mask"),
    ("DIB_StyleRefineStage", "source"): ("DIB_PoissonStage.4", "DIB_PlaceObject.1", "target"),
    ("DIB_ContactShadow", "mask"): ("DIB_PlaceObject.2", "target mask"),
    ("DIB_ContactShadow", "source"): ("DIB_PlaceObject.1", "target"),
    ("DIB_CropForRepair", "mask"): ("target mask",),
    ("DIB_LaplacianPreview", "result"): ("DIB_PoissonStage.0", "target"),
    ("DIB_StitchWithoutSeam", "crop"): ("DIB_CropForRepair.0",),
    ("DIB_StitchWithoutSeam", "place"): ("DIB_CropForRepair.2",),
    ("DIB_LossCurves", "report"): ("DIB_StyleRefineStage.1", "DIB_PoissonStage.3"),
}


@dataclass(frozen=True)
class Output:
    """An output that may be linked: its type, where it is, and what it is."""

    kind: str
    link: tuple[str, int]
    what: str


def wired(case: dict, made: list[Output]) -> dict[str, dict]:
    """Our nodes by id, wired type-correctly.

    Args:
        case: drawn from `cases`.
        made: the outputs of the base nodes; those of ours are added.

    Returns:
        `class_type` and `inputs` by id.
    """
    nodes: dict[str, dict] = {}
    for one in case["nodes"]:
        _add(nodes, one, made)
    return nodes


def _add(nodes: dict[str, dict], one: dict, made: list[Output]) -> None:
    kind = one["kind"]
    if kind == "DIB_StitchWithoutSeam" and all(output.kind != "DIB_PLACE" for output in made):
        widgets = {n: i.default for n, i in FORMS["DIB_CropForRepair"].items() if i.kind in WIDGETS}
        crop = {"kind": "DIB_CropForRepair", "widgets": widgets, "is_wrong": False}
        _add(nodes, {**crop, "links": {"image": 0, "mask": 0}}, made)
    inputs = dict(one["widgets"])
    for name, number in one["links"].items():
        form = FORMS[kind][name]
        link = None if form.optional and number >= 4 else _linked(kind, name, number, made)
        if link is not None:
            inputs[name] = link
        elif not form.optional:
            inputs[name] = "{}"  # the text of a report
    if one["is_wrong"] and one["wrong"][0]:
        inputs[one["wrong"][0]] = one["wrong"][1]
    own = f"n{len(nodes)}"
    nodes[own] = {"class_type": kind, "inputs": inputs}
    for slot, output in enumerate(OUTPUTS[kind]):
        made.append(Output(output, (own, slot), f"{kind}.{slot}"))


def _linked(kind: str, name: str, number: int, made: list[Output]) -> list | None:
    wanted = FORMS[kind][name].kind
    able = [output for output in made if output.kind == wanted]
    if number < 7:
        fitting = FITTING.get((kind, name)) or FITTING.get(("*", name), ())
        for what in fitting:
            for output in reversed(able):
                if output.what == what:
                    return list(output.link)
    return list(able[number % len(able)].link) if able else None

"""Random graphs through real ComfyUI servers: results of the right shape, or an error of ours."""

import atexit
import re
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from ..comfy.conftest import NAMED
from ..comfy.graphs import disc, graph, load, load_mask, look, poisson, probe, repeat, scene
from ..comfy.server import Comfy, Outcome, Server
from .graph_cases import FORMS, PROBED_SOURCE, PROBED_TARGET, Output, cases, wired
from .search import FaultError, Part

# Which input's height and width each output has.
SIZES = {
    "DIB_PoissonStage": {0: "target", 1: "target", 2: "target", 4: "target"},
    "DIB_StyleRefineStage": {0: "blend"},
    "DIB_PlaceObject": {0: "target", 1: "target", 2: "target"},
    "DIB_CleanCutout": {0: "source", 1: "source", 2: "source"},
    "DIB_HarmoniseColours": {0: "source", 1: "mask"},
    "DIB_ContactShadow": {0: "target", 1: "target"},
}
# Whose first output has a picture for each of the longest batch that is linked.
BATCHES = ("DIB_PoissonStage", "DIB_StyleRefineStage", "DIB_PlaceObject", "DIB_ContactShadow")
ERRORS = ("ValueError", "TypeError", "FileNotFoundError", "OSError")
ALSO_NAMED = ("batch sizes", "input folder", "weights", "picture file", "must be a whole")


class _Tested:
    """A server of one version, and what a graph without fault makes there."""

    def __init__(self, comfy: Comfy) -> None:
        """Start it; it lives as long as this process."""
        folder = tempfile.TemporaryDirectory()
        atexit.register(folder.cleanup)
        self.server = Server(comfy, Path(folder.name) / "base")
        atexit.register(self.server.stop)
        self.server.wait()
        for name, size in (("t0.png", (80, 96)), ("s0.png", (40, 48))):
            self.server.put(name, scene(3, *size))
        self.server.put("m0.png", disc(40, 48))
        self._turn = 0
        self._first = self._clean_run(), self._clean_run()

    def check_alive(self) -> None:
        """The server lives, and a clean run gives the same bytes as at first."""
        if self.server.process.poll() is not None:
            raise FaultError("graphs: the server has ended")
        if self._clean_run() != self._first[1 - self._turn]:
            raise FaultError("graphs: the clean run gives other bytes afterwards")

    def _clean_run(self) -> bytes:
        """Two forms take turns, so that none comes from the cache."""
        own = {"n1": load("t0.png"), "n2": load("s0.png"), "n3": load_mask("m0.png")}
        own |= {"n5": repeat("1", 1), "n6": repeat("5", 1), "n8": look("4")}
        stage = poisson(preset="fast", max_evaluations=1, target=["56"[self._turn], 0])
        self._turn = 1 - self._turn
        outcome = self.server.run(graph(**own, n4=stage))
        if outcome.error or outcome.rejection or outcome.left_out:
            raise FaultError(f"graphs: the clean run ends with {outcome.error[:100]}")
        if "4" not in outcome.ran:
            raise FaultError("graphs: the clean run came from the cache")
        return self.server.looked(outcome, "8").tobytes()


@cache
def _tested() -> list[_Tested]:
    return [_Tested(comfy) for comfy in NAMED]


def _base(server: Server, case: dict) -> tuple[dict[str, dict], list[Output]]:
    """Pictures and masks of the case's sizes in the input folder, and the nodes that load them."""
    target, source = tuple(case["target"]), tuple(case["source"])
    if case["odd"]:
        target, source = PROBED_TARGET, PROBED_SOURCE
    draw = np.random.default_rng(case["seed"])
    server.put("t.png", scene(case["seed"], *target))
    picture = scene(case["seed"] + 1, *source)
    alpha = np.where(draw.random(source) < 0.8, 255, 0).astype(np.uint8)[..., None]
    server.put("s.png", np.concatenate((picture, alpha), 2) if case["alpha"] else picture)
    server.put("m.png", disc(*source, radius=max(2, min(source) // 3)))
    server.put("tm.png", disc(*target, radius=max(2, min(target) // 4)))
    nodes = {
        "1": load("t.png"),
        "2": load("s.png"),
        "3": load_mask("m.png"),
        "4": load_mask("tm.png"),
        "5": repeat("1", case["batch"]),
        "6": repeat("2", case["source_batch"]),
    }
    links = {"target": ("5", 0), "source": ("6", 0), "mask": ("3", 0), "target mask": ("4", 0)}
    if case["odd"]:
        role = case["odd"].rsplit(" ", 1)[-1]
        nodes["7"] = probe(case["odd"])
        links["mask" if role == "batch" else role] = ("7", int(role in ("mask", "batch")))
    kinds = {"mask": "MASK", "target mask": "MASK"}
    made = [Output(kinds.get(what, "IMAGE"), link, what) for what, link in links.items()]
    return nodes, [*made, Output("MASK", ("2", 1), "Load Image's mask")]


def check(case: dict) -> str:
    """Run the case's graph in every version."""
    if not NAMED:
        return "COMFYUI_DIR names none"
    ends = []
    for tested in _tested():
        try:
            ends.append(_checked(tested.server, case))
            tested.check_alive()
        except FaultError as fault:
            raise FaultError(f"{fault} (ComfyUI {tested.server.comfy.version})") from fault
    return ends[0] if len(set(ends)) == 1 else f"{' / '.join(ends)} by version"


def _checked(server: Server, case: dict) -> str:
    nodes, made = _base(server, case)
    ours = wired(case, made)
    looks = {
        f"look {number}": look(*output.link)
        for number, output in enumerate(made)
        if output.kind in ("IMAGE", "MASK") and output.what != "Load Image's mask"
    }
    if not looks:
        looks = {"look": look(*made[-1].link)}
    outcome = server.run({**nodes, **ours, **looks, **_texts(made)})
    is_wrong = any(one["is_wrong"] for one in case["nodes"])
    if outcome.rejection:
        return _rejected(outcome, is_wrong)
    if outcome.left_out:
        _check_named(outcome.left_out, is_wrong)
    if outcome.error:
        return _failed(outcome)
    _check_outputs(server, outcome, case, ours, made)
    return "done in part" if outcome.left_out else "done"


def _texts(made: list[Output]) -> dict[str, dict]:
    """What lets every node run whose outputs are no pictures."""
    return {
        f"text {number}": look(*output.link)
        for number, output in enumerate(made)
        if output.kind in ("DIB_BLEND_SETTINGS", "DIB_PLACE", "STRING")
    }


def _rejected(outcome: Outcome, is_wrong: bool) -> str:
    """Before it ran."""
    found = outcome.rejection["node_errors"]
    if not found:
        raise FaultError(f"graphs: rejected without a node: {outcome.error[:150]}")
    _check_named(found, is_wrong)
    return "rejected"


def _check_named(found: dict, is_wrong: bool) -> None:
    """Nodes of ours, each with the input that is at fault."""
    for at in found.values():
        for error in at["errors"]:
            name = error.get("extra_info", {}).get("input_name") or error.get("details", "")
            if not at["class_type"].startswith("DIB_") or not name:
                raise FaultError(f"graphs: {at['class_type']} rejected with {str(error)[:150]}")
    if not is_wrong:
        raise FaultError(f"graphs: a right graph is rejected: {str(found)[:150]}")


def _failed(outcome: Outcome) -> str:
    """While it ran: an error of a node of ours that names one of its inputs."""
    (data,) = outcome.of("execution_error")
    kind, words = data["node_type"], data["exception_message"].strip()
    names = [*FORMS.get(kind, ()), *ALSO_NAMED]
    is_named = any(re.search(rf"\b{re.escape(name)}\b", words) for name in names)
    is_ours = kind in FORMS and data["exception_type"].rsplit(".", 1)[-1] in ERRORS
    if not (is_ours and is_named):
        words = re.sub(r"\d+", "N", words)
        raise FaultError(f"graphs: {kind} ends with {data['exception_type']}: {words[:120]}")
    return "refused"


def _check_outputs(
    server: Server, outcome: Outcome, case: dict, ours: dict, made: list[Output]
) -> None:
    seen = {
        output.link: server.looked(outcome, f"look {number}")
        for number, output in enumerate(made)
        if f"look {number}" in outcome.outputs and output.kind in ("IMAGE", "MASK")
    }
    for output in made:
        if output.link[0] in ours and output.link in seen:
            _check_values(output, seen[output.link], case)
    for own, one in ours.items():
        kind = one["class_type"]
        sizes = {n: seen[tuple(v)].shape for n, v in one["inputs"].items() if _is_seen(v, seen)}
        if outcome.left_out and (own, 0) not in seen:
            continue
        for slot, name in SIZES.get(kind, {}).items():
            shape = seen[(own, slot)].shape
            wanted = sizes.get(name)
            if wanted and len(wanted) > 2 and shape[1:3] != wanted[1:3]:
                raise FaultError(f"graphs: {kind}'s output {slot} has not the size of {name}")
        batches = [shape[0] for shape in sizes.values() if len(shape) > 2]
        if kind in BATCHES and not case["odd"] and len(seen[(own, 0)]) != max(batches):
            raise FaultError(f"graphs: {kind} hands on another number of pictures than it got")


def _is_seen(link: object, seen: dict) -> bool:
    return isinstance(link, list) and tuple(link) in seen


def _check_values(output: Output, array: np.ndarray, case: dict) -> None:
    """Shape, type and range that ComfyUI's other nodes take."""
    what, is_mask = output.what, output.kind == "MASK"
    is_shaped = array.ndim == 3 if is_mask else array.ndim == 4 and array.shape[3] in (3, 4)
    if not is_shaped or 0 in array.shape or array.dtype != np.float32:
        raise FaultError(f"graphs: {what} is {array.dtype} {array.shape}")
    if not np.isfinite(array).all():
        raise FaultError(f"graphs: {what} is not finite")
    is_free = case["odd"] == "wide target" and not is_mask  # its values are kept
    if not is_free and not 0 <= array.min() <= array.max() <= 1:
        raise FaultError(f"graphs: {what} leaves [0, 1]")


GRAPHS = Part("graphs", cases, check)

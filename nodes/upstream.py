"""What a picture has been through before it reached a node, read off the graph. No ComfyUI here."""

from collections.abc import Mapping

OUR_BLENDS = {"DIB_PoissonStage", "DIB_StyleRefineStage"}  # their pictures are no sources


def nodes_behind(prompt: Mapping | None, node: str | None, socket: str) -> set[str]:
    """The types of all nodes that a node's input comes from.

    Args:
        prompt: the graph as ComfyUI runs it, from a node's id to its `class_type` and `inputs`, of
            which a link is [id, slot]; None: unknown.
        node: id of the node that asks.
        socket: its input.

    Returns:
        Types, without those behind a blend; none where the graph is unknown.
    """
    prompt = prompt or {}
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [prompt.get(str(node), {}).get("inputs", {}).get(socket)]
    while waiting:
        link = waiting.pop()
        if not (isinstance(link, list) and len(link) == 2) or str(link[0]) in seen:
            continue
        seen.add(str(link[0]))
        behind = prompt.get(str(link[0]), {})
        kind = behind.get("class_type", "")
        if kind in OUR_BLENDS:
            continue
        found.add(kind)
        waiting += list(behind.get("inputs", {}).values())
    return found


def done_twice(behind: set[str], clean: int, harmonise: float) -> list[str]:
    """Warnings of work that a node before a stage has done already.

    Args:
        behind: types of nodes, from `nodes_behind`.
        clean: width that the stage cleans, pixels; 0: it does not.
        harmonise: share by which the stage moves colours; 0: it does not.

    Returns:
        One line each.
    """
    said = []
    if "DIB_CleanCutout" in behind and clean:
        said.append("source was cleaned by Clean Cut-out already: set clean to 0")
    if "DIB_HarmoniseColours" in behind and harmonise:
        said.append(
            "source was harmonised by Harmonise Colours already, its colours move twice: "
            "set harmonise to 0"
        )
    return said

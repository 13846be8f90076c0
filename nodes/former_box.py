"""The box that Place Object had before its placing view: refused with the values that replace it.

A page's workflow files are translated by the page itself (web/place_object_files.js). A graph of
the API that still carries a box would be placed elsewhere without a word.
"""

from collections.abc import Mapping

SIDES = ("x", "y", "width", "height")


def refuse_former_box(prompt: Mapping | None, node: str | None) -> None:
    """Raise where a node's inputs carry a box that was in force.

    Args:
        prompt: the graph as ComfyUI runs it, from a node's id to its `inputs`; None: unknown.
        node: id of the node that asks.

    Raises:
        ValueError: a box that is drawn, linked or no box. One whose width or height is 1 pixel or
            less was never drawn, and had no effect.
    """
    box = (prompt or {}).get(str(node), {}).get("inputs", {}).get("box")
    if box is None:
        return
    sides = [box.get(name) for name in SIDES] if isinstance(box, Mapping) else []
    numbers = [side for side in sides if isinstance(side, int | float)]
    if len(numbers) < len(SIDES):
        raise ValueError(
            f"box is no input any more, got {box!r:.80}: leave it out and set unit pixels, anchor "
            "centre, column and row to the box's middle, fit inside, fit_width and fit_height to "
            "its sides"
        )
    left, top, width, height = numbers
    if width > 1 and height > 1:
        raise ValueError(
            "box is no input any more, Place Object's own view replaces it: leave it out and set "
            f"unit pixels, anchor centre, column {left + width / 2:g}, row {top + height / 2:g}, "
            f"fit inside, fit_width {width:g}, fit_height {height:g}, which place alike"
        )

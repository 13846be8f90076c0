"""The box that newer ComfyUIs let the user drag over the picture at a node's first input.

The page always shows a box, and a workflow always saves one: whether it was drawn can only be told
by its size. Once dragged its sides are 16 pixels at least, typed ones 1 at least; so a side of 1 is
"not drawn", the default shows as a handle at the picture's corner, and typing 1 goes back to it.
A side of 0 would not do: the page shows 512 pixels for it, and takes no 0 that is typed.
"""

from comfy_api.latest import io

from ..blending.placement.layout import FARTHEST

NOT_DRAWN = {"x": 0, "y": 0, "width": 1, "height": 1}
BY_BOX = ("fitted into the box (column, row, unit, anchor, fit, fit_width, fit_height not used)",)


def box_input() -> list[io.Input]:
    """The widget, where this ComfyUI has it; to be the last, so that older ones open workflows."""
    if not hasattr(io, "BoundingBox"):
        return []
    return [
        io.BoundingBox.Input(
            "box",
            optional=True,
            default=NOT_DRAWN,
            component="ImageCrop",
            tooltip="Box on the target, in pixels: drag the handle at the picture's top left, and "
            "the object is fitted inside and centred instead of column, row, unit, anchor, fit, "
            "fit_width and fit_height; scale, rotation and flip still apply. Width or height 1: "
            "not used.",
        )
    ]


def drawn_box(box: dict[str, float] | None) -> tuple[float, float, float, float] | None:
    """Column, row, width, height of the box; None where it was not drawn.

    Raises:
        ValueError: no box, one with a negative side, or one that is too large or too far away.
    """
    if box is None:
        return None
    sides = [box.get(name) for name in NOT_DRAWN] if isinstance(box, dict) else []
    numbers = [side for side in sides if isinstance(side, int | float)]
    if len(numbers) < len(NOT_DRAWN):
        raise ValueError(
            f"box must be x, y, width and height in pixels, got {box!r:.80}; leave it out"
        )
    column, row, width, height = numbers
    if width < 0 or height < 0:
        side, value = ("width", width) if width < 0 else ("height", height)
        raise ValueError(
            f"box must have a width and height of 0 or more, got a negative {side}, {value:g} "
            "pixels: x and y are its top left corner; draw it on the target, or type 1 to leave "
            "it out"
        )
    if width <= 1 or height <= 1:
        return None
    ends = (column, row, column + width, row + height, width, height)
    if not all(abs(end) <= FARTHEST for end in ends):  # NaN neither
        raise ValueError(
            f"box must lie within {FARTHEST} pixels of the target's top left and be no larger, "
            f"got {box!r:.80}; draw it on the target"
        )
    return column, row, width, height

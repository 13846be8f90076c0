"""The inputs of the mask nodes: one list for all, in the order in which forms are frozen."""

from comfy_api.latest import io

from ..blending.placement.layout import RESIZES
from ..blending.settings import LARGEST_PART
from . import fields

ORDER = "resize, invert, threshold, fill holes, drop specks, grow, feather"


def shaping_inputs() -> list[io.Input]:
    """How the mask is shaped."""
    return [
        fields.switch("invert", False, "Take what the mask leaves out (1 - mask)."),
        fields.number(
            "threshold",
            0.0,
            (0.0, 1.0, 0.01),
            "Value from which a pixel is wholly taken, 0 to 1; 0 keeps the greys.",
        ),
        fields.whole(
            "grow",
            0,
            (-256, 256),
            "Pixels to grow the mask by on every side; negative shrinks it.",
        ),
        fields.whole(
            "feather",
            0,
            (0, 256),
            "Width of the soft edge in pixels, centred on the mask's edge.",
        ),
    ]


def part_inputs() -> list[io.Input]:
    """What is done to holes and specks."""
    area = 0, LARGEST_PART
    return [
        fields.whole(
            "fill_holes",
            0,
            area,
            "Largest area of a hole that is filled, in square pixels; 0 fills none. What "
            "reaches the picture's edge is no hole.",
            optional=True,
        ),
        fields.whole(
            "drop_specks",
            0,
            area,
            "Parts of a smaller area than this are dropped, in square pixels; 0 drops none.",
            optional=True,
        ),
    ]


def size_inputs(use: str = "") -> list[io.Input]:
    """Another size for the mask; `use`: what else the node does with the reference."""
    return [
        fields.choice(
            "resize",
            RESIZES,
            "off",
            "Brings the mask to the reference's size. stretch: proportions lost. "
            "fit: the whole mask inside, nothing taken around it, inverted or not. fill: "
            "covers it, the rest cut off. "
            "off: refuses another size.",
            optional=True,
        ),
        fields.picture(
            "reference",
            f"Picture whose size in pixels the mask is to have, such as the source.{use}",
            optional=True,
        ),
    ]

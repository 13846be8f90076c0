"""What the nodes' forms are made of: inputs and outputs, and the inputs that several share."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from comfy_api.latest import io

from ..blending.placement.layout import FARTHEST
from ..blending.settings import LARGEST_CLEAN

CATEGORY = "image/deep image blending"
NEWER_FIELDS = ("search_aliases",)  # of io.Schema; an older core raises TypeError on them
BlendSettingsLink = io.Custom("DIB_BLEND_SETTINGS")
PlaceLink = io.Custom("DIB_PLACE")  # from Crop for Repair to Stitch without Seam


def form(
    node_id: str,
    name: str,
    shows_text: bool = False,
    reads_graph: bool = False,
    **described: Any,
) -> io.Schema:
    """A node's form: what io.Schema takes, newer fields only where this ComfyUI has them.

    Args:
        node_id: without the pack's prefix.
        name: that people read, without the pack's word for it.
        shows_text: whether the node calls `show_text`, which wants its id.
        reads_graph: whether the node looks at what its inputs come from.
        described: as io.Schema has it.
    """
    known = {field.name for field in dataclasses.fields(io.Schema)}
    kept = {
        field: value
        for field, value in described.items()
        if field in known or field not in NEWER_FIELDS
    }
    return io.Schema(
        node_id=f"DIB_{node_id}",
        display_name=f"{name} (Blending)",
        category=CATEGORY,
        hidden=[io.Hidden.unique_id] * shows_text + [io.Hidden.prompt] * reads_graph,
        **kept,
    )


def picture(name: str, tooltip: str, optional: bool = False) -> io.Input:
    """A socket for an IMAGE."""
    return io.Image.Input(name, tooltip=tooltip, optional=optional)


def mask(name: str, tooltip: str, optional: bool = False) -> io.Input:
    """A socket for a MASK."""
    return io.Mask.Input(name, tooltip=tooltip, optional=optional)


def choice(
    name: str, options: Iterable[str], default: str, tooltip: str, optional: bool = False
) -> io.Input:
    """A list to choose from."""
    return io.Combo.Input(
        name, options=list(options), default=default, tooltip=tooltip, optional=optional
    )


def switch(name: str, default: bool, tooltip: str, optional: bool = False) -> io.Input:
    """On or off."""
    return io.Boolean.Input(name, default=default, tooltip=tooltip, optional=optional)


def whole(
    name: str, default: int | None, span: tuple[int, int], tooltip: str, optional: bool = False
) -> io.Input:
    """A whole number; `span`: the least and the largest."""
    low, high = span
    return io.Int.Input(
        name, default=default, min=low, max=high, tooltip=tooltip, optional=optional
    )


def number(
    name: str,
    default: float,
    span: tuple[float, float, float],
    tooltip: str,
    optional: bool = False,
) -> io.Input:
    """A number; `span`: the least, the largest, and the step that the page rounds it to."""
    low, high, step = span
    return io.Float.Input(
        name, default=default, min=low, max=high, step=step, tooltip=tooltip, optional=optional
    )


def picture_output(name: str, tooltip: str) -> io.Output:
    """An IMAGE."""
    return io.Image.Output(display_name=name, tooltip=tooltip)


def mask_output(name: str, tooltip: str) -> io.Output:
    """A MASK."""
    return io.Mask.Output(display_name=name, tooltip=tooltip)


def report_output(tooltip: str) -> io.Output:
    """A STRING with JSON."""
    return io.String.Output(display_name="report", tooltip=tooltip)


def scale_input(tooltip: str) -> io.Input:
    """The factor by which an object is enlarged."""
    return number("scale", 1.0, (0.01, 16.0, 0.01), tooltip)


def place_inputs() -> list[io.Input]:
    """The source's place on the target: the same three widgets wherever they are needed."""
    words = "of the source's {} edge on the target, in pixels; may be negative."
    span = -FARTHEST, FARTHEST
    return [
        whole("column", 0, span, f"Column {words.format('left')}"),
        whole("row", 0, span, f"Row {words.format('top')}"),
        scale_input(
            "Factor by which source and mask are enlarged, 0.01 to 16; 1 keeps their size."
        ),
    ]


def clean_input() -> io.Input:
    """The width of the band in which a stage cleans a cut-out."""
    tooltip = (
        "Pixels inside the mask's edge in which rests of the source's own background are removed, "
        "0 to 128; 0: none, as after Clean Cut-out; -1: the preset's or the linked settings' own."
    )
    return whole("clean", -1, (-1, LARGEST_CLEAN), tooltip, optional=True)


def harmonise_input() -> io.Input:
    """The share by which a stage harmonises colours."""
    tooltip = (
        "Share, 0 to 1, by which the object's colours are moved towards the place's; 0: not, as "
        "after Harmonise Colours; below 0: the preset's or the linked settings' own."
    )
    return number("harmonise", -1.0, (-1.0, 1.0, 0.05), tooltip, optional=True)


def sequence_input() -> io.Input:
    """Whether a batch is a film."""
    tooltip = (
        "The batch is frames of one film, in their order: each starts from the result of "
        "the one before, which steadies them. Off: every picture stands for itself."
    )
    return switch("sequence", False, tooltip, optional=True)


def settings_input(what_applies: str) -> io.Input:
    """The socket of a Blend Settings node; `what_applies` names the widgets that still count."""
    return BlendSettingsLink.Input(
        "settings",
        optional=True,
        tooltip="A Blend Settings node's settings instead of the preset. "
        f"The widgets {what_applies} still apply on top.",
    )


def steps_input() -> io.Input:
    """The budget of a stage."""
    tooltip = (
        "Most evaluations (steps) for a picture, 1 to 1000; 0: as many as the preset or "
        "the linked settings have."
    )
    return whole("max_evaluations", 0, (0, 1000), tooltip)

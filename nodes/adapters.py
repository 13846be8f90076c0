"""Between ComfyUI and the core: forms, layouts, device. No algorithm."""

from dataclasses import fields, replace
from typing import Any

import comfy.model_management
import torch
from comfy_api.latest import io
from server import PromptServer
from torch import Tensor

from ..blending.placement.layout import FARTHEST
from ..blending.settings import BlendSettings, Compute
from ..blending.stages.device import SHARE_OF_FREE
from .summary import one_line

CATEGORY = "image/deep image blending"
NEWER_FIELDS = ("search_aliases",)  # of io.Schema; an older core raises TypeError on them
BlendSettingsLink = io.Custom("DIB_BLEND_SETTINGS")


def form(shows_text: bool = False, **described: Any) -> io.Schema:
    """A node's form: what io.Schema takes, newer fields only where this ComfyUI has them.

    Args:
        shows_text: whether the node calls `show_text`, which wants its id.
        described: as io.Schema has it.
    """
    known = {field.name for field in fields(io.Schema)}
    kept = {
        name: value
        for name, value in described.items()
        if name in known or name not in NEWER_FIELDS
    }
    hidden = [io.Hidden.unique_id] if shows_text else []
    return io.Schema(category=CATEGORY, hidden=hidden, **kept)


def show_text(node: type[io.ComfyNode], *lines: str) -> None:
    """Write on the node that runs, in the page that queued it.

    Args:
        node: the class that `execute` was called with.
        lines: plain words, the most important first. None: what a run before has left there is
            wiped away, so that it does not outlive an error or Cancel.
    """
    server = getattr(PromptServer, "instance", None)
    if server is not None and node.hidden.unique_id is not None:
        text = one_line(lines) or " "  # the page takes no notice of an empty text
        server.send_progress_text(text, node.hidden.unique_id, server.client_id)


def planes_to_image(planes: Tensor) -> Tensor:
    """(B, C, H, W) to an IMAGE on the device and in the dtype that ComfyUI wants between nodes."""
    return _between_nodes(planes.movedim(1, -1))


def planes_to_mask(planes: Tensor) -> Tensor:
    """(B, 1, H, W) to a MASK, likewise."""
    return _between_nodes(planes[:, 0])


def compute_with(settings: BlendSettings | None) -> Compute:
    """Where ComfyUI computes, in the linked settings' arithmetic and the memory that is free now.

    To be asked when other models have made room: in `borrowed_network`.
    """
    own = settings.compute if settings else Compute()
    device = comfy.model_management.get_torch_device()
    memory = int(SHARE_OF_FREE * comfy.model_management.get_free_memory(device))
    return replace(own, device=str(device), memory=memory)


def place_inputs() -> list[io.Input]:
    """The source's place on the target: the same three widgets wherever they are needed."""
    return [
        io.Int.Input(
            "column",
            default=0,
            min=-FARTHEST,
            max=FARTHEST,
            tooltip="Column of the source's left edge on the target, in pixels; may be negative.",
        ),
        io.Int.Input(
            "row",
            default=0,
            min=-FARTHEST,
            max=FARTHEST,
            tooltip="Row of the source's top edge on the target, in pixels; may be negative.",
        ),
        io.Float.Input(
            "scale",
            default=1.0,
            min=0.01,
            max=16.0,
            step=0.01,
            tooltip="Factor by which source and mask are enlarged, 0.01 to 16; 1 keeps their size.",
        ),
    ]


def sequence_input() -> io.Input:
    """Whether a batch is a film."""
    return io.Boolean.Input(
        "sequence",
        default=False,
        optional=True,
        tooltip="The batch is frames of one film, in their order: each starts from the result of "
        "the one before, which steadies them. Off: every picture stands for itself.",
    )


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
    return io.Int.Input(
        "max_evaluations",
        default=0,
        min=0,
        max=1000,
        tooltip="Most evaluations (steps) for a picture, 1 to 1000; 0: as many as the preset or "
        "the linked settings have.",
    )


def _between_nodes(tensor: Tensor) -> Tensor:
    management = comfy.model_management
    dtype = getattr(management, "intermediate_dtype", lambda: torch.float32)()
    return tensor.to(management.intermediate_device(), dtype).contiguous()

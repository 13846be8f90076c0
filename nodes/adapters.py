"""Between ComfyUI and the core: forms, layouts, device. No algorithm."""

from dataclasses import replace

import comfy.model_management
import torch
from comfy_api.latest import io
from server import PromptServer
from torch import Tensor

from ..blending.settings import BlendSettings, Compute
from ..blending.stages.device import SHARE_OF_FREE
from .summary import one_line


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


def _between_nodes(tensor: Tensor) -> Tensor:
    management = comfy.model_management
    dtype = getattr(management, "intermediate_dtype", lambda: torch.float32)()
    return tensor.to(management.intermediate_device(), dtype).contiguous()

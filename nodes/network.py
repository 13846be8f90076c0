"""The network for one run, known to ComfyUI's model management and gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher

from ..blending.features import Features, load_features
from ..blending.placement import Placed

MARGIN = 64  # pixels around the mask that the network sees, by default
BYTES_A_PIXEL = 4096  # of what it keeps for the backward pass, generously


@contextmanager
def borrowed_network(is_needed: bool, memory_required: int) -> Iterator[Features | None]:
    """Load VGG16, let other models make room, hand it out, drop it however the run ends.

    It is loaded anew each time (15 MB): a network that stayed could be moved by ComfyUI inside
    another node's inference mode, and would break the next backward pass.

    Args:
        is_needed: False: None is handed out.
        memory_required: bytes that the run wants beside the network and the pictures.
    """
    if not is_needed:
        yield None
        return
    network, patcher = _loaded(memory_required)
    try:
        yield network
    finally:
        with torch.inference_mode(False):
            patcher.detach()
            network.to("meta")  # a traceback may still hold the network, but no weights


def _loaded(memory_required: int) -> tuple[Features, ModelPatcher]:
    management = comfy.model_management
    with torch.inference_mode(False):
        network = load_features()
        patcher = ModelPatcher(
            network, management.get_torch_device(), management.unet_offload_device()
        )
        management.load_models_gpu([patcher], memory_required, force_full_load=True)
    return network, patcher


def wanted_memory(placed: Placed) -> int:
    """Bytes that the deep method wants at most beside the pictures."""
    height, width = placed.mask.shape[2:]
    return BYTES_A_PIXEL * (height + 2 * MARGIN) * (width + 2 * MARGIN)

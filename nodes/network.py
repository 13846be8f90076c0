"""The network for one run, known to ComfyUI's model management and gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher

from ..blending.network.vgg16 import Features, load_features


@contextmanager
def borrowed_network(memory_required: int, is_needed: bool) -> Iterator[Features | None]:
    """Load VGG16, let other models make room, hand it out, drop it however the run ends.

    It is loaded anew each time (15 MB): a network that stayed could be moved by ComfyUI inside
    another node's inference mode, and would break the next backward pass.

    Args:
        memory_required: bytes that the run wants beside the network and the pictures.
        is_needed: whether the run computes with the network; otherwise there is room alone, and
            None is handed out.
    """
    management = comfy.model_management
    if not is_needed:
        if memory_required:
            reserved = management.extra_reserved_memory()
            management.free_memory(memory_required + reserved, management.get_torch_device())
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

"""Room in ComfyUI's memory, asked of a model management that only takes notes."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

PACK = Path(__file__).resolve().parents[2]
RESERVED = 1000  # bytes


class Management(ModuleType):
    """What the nodes ask of comfy.model_management."""

    def __init__(self):
        super().__init__("comfy.model_management")
        self.asked = []

    def get_torch_device(self):
        return torch.device("cpu")

    unet_offload_device = get_torch_device

    def extra_reserved_memory(self):
        return RESERVED

    def free_memory(self, memory_required, device):
        self.asked.append(("room", memory_required, str(device)))

    def load_models_gpu(self, patchers, memory_required, force_full_load):
        self.asked.append(("network", memory_required, type(patchers[0].model).__name__))


@pytest.fixture
def management(monkeypatch):
    known = Management()
    comfy, patching = ModuleType("comfy"), ModuleType("comfy.model_patcher")
    comfy.model_management = known
    patching.ModelPatcher = lambda model, *_: SimpleNamespace(model=model, detach=lambda: None)
    for module in (comfy, known, patching):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return known


@pytest.fixture
def borrowed_network(management, monkeypatch):
    """The pack is loaded under a name of its own, as ComfyUI does it."""
    where = [str(PACK)]
    spec = importlib.util.spec_from_file_location(
        "pack", PACK / "__init__.py", submodule_search_locations=where
    )
    monkeypatch.setitem(sys.modules, "pack", importlib.util.module_from_spec(spec))
    yield importlib.import_module("pack.nodes.network").borrowed_network
    for name in [name for name in sys.modules if name.startswith("pack.")]:
        del sys.modules[name]


def test_a_run_without_a_network_has_room_made_all_the_same(borrowed_network, management):
    with borrowed_network(5_000_000, is_needed=False) as network:
        assert network is None
    assert management.asked == [("room", 5_000_000 + RESERVED, "cpu")]


def test_a_run_that_computes_nothing_asks_for_nothing(borrowed_network, management):
    with borrowed_network(0, is_needed=False):
        pass
    assert management.asked == []


def test_a_network_comes_with_its_room_and_goes(borrowed_network, management):
    with borrowed_network(7, is_needed=True) as network:
        assert next(network.parameters()).device.type == "cpu"
    assert management.asked == [("network", 7, "Features")]
    assert next(network.parameters()).device.type == "meta"

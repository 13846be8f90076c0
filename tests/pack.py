"""The pack under a name of its own, as ComfyUI loads it: so nodes/ reaches blending/."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PACK = Path(__file__).resolve().parents[1]
NAME = "loaded_pack"


def pack_module(name: str) -> ModuleType:
    """A module of the pack by its dotted name, such as "nodes.traps"; one that needs no ComfyUI."""
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            NAME, PACK / "__init__.py", submodule_search_locations=[str(PACK)]
        )
        assert spec
        sys.modules[NAME] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{NAME}.{name}")

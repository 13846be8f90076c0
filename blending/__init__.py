"""Deep image blending: put a cut-out of one picture into another as if it belonged there.

>>> from blending import blend
>>> result = blend(source, target, mask, row=40, column=120)
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as type checkers know it; to load `typing` takes a while
if TYPE_CHECKING:
    from typing import Any

    from .network.vgg16 import load_features
    from .pipeline import BlendResult, blend
    from .placement.place import Placed, place
    from .presets import PRESETS
    from .repair.crop import crop_for_repair
    from .repair.region import CropSettings
    from .repair.stitch import stitch
    from .settings import (
        BlendSettings,
        Compute,
        PoissonSettings,
        RefineSettings,
        ShadowSettings,
        Weights,
    )
    from .shadow.contact_shadow import Shadowed, contact_shadow
    from .stages.batch import Evaluation, StageResult
    from .stages.poisson import poisson_stage
    from .stages.refine import refine_stage

__all__ = [
    "PRESETS",
    "BlendResult",
    "BlendSettings",
    "Compute",
    "CropSettings",
    "Evaluation",
    "Placed",
    "PoissonSettings",
    "RefineSettings",
    "ShadowSettings",
    "Shadowed",
    "StageResult",
    "Weights",
    "blend",
    "contact_shadow",
    "crop_for_repair",
    "load_features",
    "place",
    "poisson_stage",
    "refine_stage",
    "stitch",
]

_MODULES = {
    "PRESETS": "presets",
    "BlendResult": "pipeline",
    "BlendSettings": "settings",
    "Compute": "settings",
    "CropSettings": "repair.region",
    "Evaluation": "stages.batch",
    "Placed": "placement.place",
    "PoissonSettings": "settings",
    "RefineSettings": "settings",
    "ShadowSettings": "settings",
    "Shadowed": "shadow.contact_shadow",
    "StageResult": "stages.batch",
    "Weights": "settings",
    "blend": "pipeline",
    "contact_shadow": "shadow.contact_shadow",
    "crop_for_repair": "repair.crop",
    "load_features": "network.vgg16",
    "place": "placement.place",
    "poisson_stage": "stages.poisson",
    "refine_stage": "stages.refine",
    "stitch": "repair.stitch",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that `--help` need not wait for torch.

    Args:
        name: one of `__all__`.

    Returns:
        The class, function or constant of that name.

    Raises:
        AttributeError: there is no such name.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)

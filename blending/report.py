"""What callers are told: where a blend was made, and how far a batch has come."""

import math
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor

# Called before each picture with how many are done and how many there are; it may raise to end.
OnPicture = Callable[[int, int], None]


def machine_report(device: torch.device) -> dict:
    """Versions, device and peak memory, ready for JSON.

    Args:
        device: where the blend was computed.

    Returns:
        `device`, `versions` and `peak_memory_bytes`: on a CUDA device the peak that torch allocated
        since the process began, otherwise the peak resident set of the process; None where the
        system does not tell.
    """
    names = ("torchvision", "kornia", "numpy")
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {
        "device": str(device),
        "peak_memory_bytes": _peak_memory(device),
        "versions": versions | {name: _version(name) for name in names},
    }


def picture_size(picture: Tensor) -> dict[str, int]:
    """Batch, channels, height and width of a picture, (B, C, H, W), by name."""
    return dict(zip(("batch", "channels", "height", "width"), picture.shape, strict=True))


def json_ready(figures: dict[str, float]) -> dict[str, float | None]:
    """The figures with NaN and infinity, which JSON cannot express, replaced by None."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def _version(name: str) -> str | None:
    """Of an installed distribution, or what a module without one (vendored, frozen) says itself."""
    try:
        return version(name)
    except PackageNotFoundError:
        return getattr(sys.modules.get(name), "__version__", None)


def _peak_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

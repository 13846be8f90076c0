"""The part of a report that says where a blend was made."""

import math
import platform
import sys
from importlib.metadata import version

import torch


def machine_report(device: torch.device) -> dict:
    """Versions, device and peak memory, JSON-ready.

    Args:
        device: where the blend was computed.

    Returns:
        `peak_memory_bytes` is the device's peak since the process began on a GPU, and the whole
        process's peak resident set otherwise; None where the system does not tell.
    """
    names = ("torchvision", "kornia", "numpy")
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {
        "device": str(device),
        "peak_memory_bytes": _peak_memory(device),
        "versions": versions | {name: version(name) for name in names},
    }


def json_ready(figures: dict[str, float]) -> dict[str, float | None]:
    """The figures with None for what JSON cannot hold: NaN and infinity."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def _peak_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

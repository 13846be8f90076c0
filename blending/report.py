"""What callers are told: where a blend was made, and how far a batch has come."""

import math
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import torch
from torch import Tensor

# Called before each picture with how many are done and how many there are; it may raise to end.
OnPicture = Callable[[int, int], None]


@dataclass(frozen=True)
class MemoryMark:
    """The memory that was in use when a run began.

    Attributes:
        device: where it computes.
        used: bytes; None where the system does not tell.
    """

    device: torch.device
    used: int | None


def memory_mark(device: torch.device) -> MemoryMark:
    """Begin to measure the peak memory of a run.

    Args:
        device: where it computes; on a CUDA device torch's own peak is set back, on a processor the
            peak resident set that Linux keeps of this process.

    Returns:
        What `machine_report` takes at the run's end.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return MemoryMark(device, torch.cuda.memory_allocated(device))
    try:
        Path("/proc/self/clear_refs").write_text(
            "5", encoding="ascii"
        )  # proc(5): sets VmHWM back to VmRSS
    except OSError:
        return MemoryMark(device, None)
    return MemoryMark(device, _resident("VmRSS"))


def machine_report(device: torch.device, since: MemoryMark | None = None) -> dict:
    """Versions, device and peak memory, ready for JSON.

    Args:
        device: where the blend was computed.
        since: of the run's beginning; None: its memory is not reported.

    Returns:
        `device`, `versions` and `peak_memory_bytes`: the most that the run had beyond what was in
        use at its beginning, allocated by torch on a CUDA device, otherwise resident; None where
        the system does not tell.
    """
    names = ("torchvision", "kornia", "numpy")
    # torch's own is of a class of torch's, which would be loaded wherever a report is unpickled.
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
    return {
        "device": str(device),
        "peak_memory_bytes": _peak_memory(since),
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
    with suppress(PackageNotFoundError, OSError):  # or it cannot be read: no reason to fail
        found = metadata(name)
        if "Version" in found:
            return found["Version"]
    return getattr(sys.modules.get(name), "__version__", None)


def _peak_memory(since: MemoryMark | None) -> int | None:
    if since is None or since.used is None:
        return None
    if since.device.type == "cuda":
        return torch.cuda.max_memory_allocated(since.device) - since.used
    peak = _resident("VmHWM")
    return None if peak is None else max(0, peak - since.used)


def _resident(line: str) -> int | None:
    """A line of Linux's account of this process, in bytes; None where it cannot be read."""
    try:
        lines = Path("/proc/self/status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    for text in lines:
        if text.startswith(f"{line}:"):
            return 1024 * int(text.split()[1])
    return None

"""Device, precision and free memory, as the machine offers them."""

import warnings

import torch

from ..free_memory import free_main_memory
from ..settings import Compute

SHARE_OF_FREE = 0.8  # of the free memory, the share that a stage may take
AMPERE = 8  # major number of the first NVIDIA GPUs that multiply bfloat16


def resolve_device(compute: Compute, otherwise: torch.device) -> torch.device:
    """The device that is asked for, after a test that torch can compute there.

    Args:
        compute: its `device` is the name, or None.
        otherwise: the device where there is no name.

    Returns:
        The device.

    Raises:
        ValueError: torch cannot compute there.
    """
    name = compute.device
    if name is None:
        return otherwise
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with the device is told by an error
            torch.zeros(1, device=name).tolist()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).split(".")[0].splitlines()[0]
        raise ValueError(f"device must be one to compute on, got {name!r}: {reason}") from error
    return torch.device(name)


def resolve_precision(compute: Compute, device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """The dtype of the network's convolutions.

    It depends on the settings and the machine only, so it is the same at every call.

    Args:
        compute: its `precision` is "auto", "float32" or "bfloat16".
        device: where to compute.
        dtype: of the pictures, float32 or float64.

    Returns:
        bfloat16 or `dtype`; float64 stays float64.
    """
    if dtype == torch.float64 or compute.precision == "float32":
        return dtype
    if compute.precision == "bfloat16" or multiplies_bfloat16(device):
        return torch.bfloat16
    return dtype


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device has units for products of bfloat16 matrices.

    On a processor these are AMX's tiles: there an evaluation takes 0.4 of float32's time, while
    with AVX-512's bfloat16 alone it takes 1.3 (tests/benchmarks/RESULTS.md). Timing it here would
    show that, too, but not reliably on a busy machine, and the result of a blend would depend on
    it.
    """
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return torch.version.hip is None and major >= AMPERE
    has_tiles = getattr(torch.cpu, "_is_amx_tile_supported", None)  # torch 2.5 and later
    return device.type == "cpu" and has_tiles is not None and has_tiles()


def free_memory(device: torch.device) -> float:
    """Bytes that a stage may take on a device; infinity where torch cannot tell."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return SHARE_OF_FREE * (free + cached)
    if device.type == "cpu":
        return SHARE_OF_FREE * free_main_memory()
    return float("inf")


def is_out_of_memory(error: RuntimeError | MemoryError | ImportError) -> bool:
    """Whether torch could not allocate memory; on a processor that is a plain RuntimeError."""
    kinds = (MemoryError, getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError))
    words = (
        # Of torch's allocator on Windows and elsewhere, and of the system where it maps a file.
        *("not enough memory", "can't allocate memory", "Cannot allocate memory"),
        "could not create a primitive",  # oneDNN, for a convolution of a shape that it can do
        "failed to map segment from shared object",  # the system, for a library loaded late
    )
    return isinstance(error, kinds) or any(said in str(error) for said in words)

"""Where to compute, and in which arithmetic: the machine is asked, and always answers the same."""

import torch

from ..machine import Compute

AMPERE = 8  # major number of the first NVIDIA GPUs that multiply bfloat16


def resolve_device(compute: Compute, otherwise: torch.device) -> torch.device:
    """The named device, tried; `otherwise` where none is named.

    Raises:
        ValueError: torch cannot compute there.
    """
    name = compute.device
    if name is None:
        return otherwise
    try:
        torch.zeros(1, device=name).tolist()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).split(".")[0].splitlines()[0]
        raise ValueError(f"device must be one to compute on, got {name!r}: {reason}") from error
    return torch.device(name)


def resolve_arithmetic(compute: Compute, device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """The type of the convolutions, for pictures of `dtype`; float64 stays as it is."""
    if dtype == torch.float64 or compute.arithmetic == "float32":
        return dtype
    if compute.arithmetic == "bfloat16" or multiplies_bfloat16(device):
        return torch.bfloat16
    return dtype


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device has units for products of bfloat16 matrices.

    On a processor these are AMX's tiles: there an evaluation takes 0.4 of float32's time, while
    with AVX-512's bfloat16 alone it takes 1.3 (tests/benchmarks/RESULTS.md). A clock would say so,
    too, but not twice the same on a busy machine, and the result would depend on it.
    """
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return torch.version.hip is None and major >= AMPERE
    has_tiles = getattr(torch.cpu, "_is_amx_tile_supported", None)  # torch 2.5 and later
    return device.type == "cpu" and has_tiles is not None and has_tiles()

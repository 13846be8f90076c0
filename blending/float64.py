"""Devices without 64-bit floats: where to compute instead."""

import torch


def float64_device(device: torch.device) -> torch.device:
    """The device itself where it has float64, else the processor.

    Apple's MPS and some of Intel's GPUs have none; torch says so by an error on the first tensor.
    """
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return torch.device("cpu")
    return device

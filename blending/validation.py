"""Checks of tensors: each error names the argument, what was expected and what was given."""

import math

import torch
from torch import Tensor

# Resampling overshoots [0, 1] a little; a picture on 0..255 is a mistake that must not pass.
LOWEST, HIGHEST = -1.0, 2.0
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # torch computes with these
LEVELS = (torch.uint8, torch.uint16)  # as files keep pictures, from 0 to the dtype's largest


def check_image(name: str, image: Tensor) -> None:
    """Raise unless a tensor is an RGB or RGBA picture.

    Args:
        name: the argument's name, for the message.
        image: (B, 3 or 4, H, W), float of 16 to 64 bits, finite, nominally in [0, 1]; overshoot
            down to -1 and up to 2 is accepted.

    Raises:
        ValueError: another shape, no pixels, NaN or infinity, or values that are not on the 0..1
            scale.
        TypeError: not a float tensor, or one of 8 bits or less.
    """
    low, high = _extremes(name, image, (3, 4), "3 or 4")
    if low < LOWEST or high > HIGHEST:
        raise ValueError(
            f"{name} must be in [0, 1], got {low:.4g} to {high:.4g} (divide 8-bit values by 255)"
        )


def check_target(target: Tensor) -> None:
    """Raise unless a tensor is a picture to blend into.

    Args:
        target: (B, 3 or 4, H, W), levels of 8 or 16 bits, or float as for `check_image`.

    Raises:
        ValueError: as `check_image`.
        TypeError: neither levels nor floats.
    """
    if isinstance(target, Tensor) and target.dtype in LEVELS:
        _check_shape("target", target, (3, 4), "3 or 4")
    else:
        check_image("target", target)


def check_mask(name: str, mask: Tensor) -> None:
    """Raise unless a tensor is a mask, 1 = take the source.

    Args:
        name: the argument's name, for the message.
        mask: (B, 1, H, W), float of 16 to 64 bits, finite, in [0, 1].

    Raises:
        ValueError: another shape, no pixels, NaN or infinity, or values outside [0, 1].
        TypeError: not a float tensor, or one of 8 bits or less.
    """
    low, high = _extremes(name, mask, (1,), "1")
    if low < 0 or high > 1:
        raise ValueError(f"{name} must be in [0, 1], got {low:.4g} to {high:.4g}")


def check_same_size(name: str, tensor: Tensor, other_name: str, other: Tensor) -> None:
    """Raise unless two pictures have the same height and width.

    Args:
        name: the argument's name, for the message.
        tensor: (B, C, H, W).
        other_name: the other argument's name, for the message.
        other: (B, C, H, W), whose size is required; batch and channels may differ.

    Raises:
        ValueError: heights or widths differ.
    """
    if tensor.shape[2:] != other.shape[2:]:
        raise ValueError(
            f"{name} must have the size of {other_name}, {pixel_size(other)}, "
            f"got {pixel_size(tensor)}"
        )


def common_batch(**tensors: Tensor) -> int:
    """The batch size N of tensors of which each has N pictures or one.

    Args:
        **tensors: (N or 1, ...), by their names in the message.

    Returns:
        N.

    Raises:
        ValueError: any other mix of batch sizes.
    """
    sizes = {name: tensor.shape[0] for name, tensor in tensors.items()}
    batch = max(sizes.values())
    if any(size not in (1, batch) for size in sizes.values()):
        got = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"batch sizes must be N with N or 1 with N, got {got}")
    return batch


def _extremes(
    name: str, tensor: Tensor, channels: tuple[int, ...], words: str
) -> tuple[float, float]:
    """Check shape, dtype and finiteness without a copy; the least and the largest value."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(tensor).__name__}")
    _check_shape(name, tensor, channels, words)
    if not tensor.is_floating_point():
        raise TypeError(f"{name} must be a float tensor in [0, 1], got {tensor.dtype}")
    if tensor.dtype not in FLOATS:
        names = ", ".join(str(kind).removeprefix("torch.") for kind in FLOATS)
        raise TypeError(f"{name} must be one of {names}, got {tensor.dtype}")
    low, high = (value.item() for value in tensor.detach().aminmax())  # NaN passes through
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return low, high


def _check_shape(name: str, tensor: Tensor, channels: tuple[int, ...], words: str) -> None:
    shape = tuple(tensor.shape)
    if len(shape) != 4 or shape[1] not in channels or 0 in shape:
        raise ValueError(f"{name} must be (B, {words}, H, W) and not empty, got {shape}")


def pixel_size(tensor: Tensor) -> str:
    """The size of (B, C, H, W) in words, such as '640 x 480 pixels'."""
    return f"{tensor.shape[3]} x {tensor.shape[2]} pixels"

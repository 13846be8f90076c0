"""Pictures and masks of other nodes as planes, checked; no ComfyUI here."""

import torch
from torch import Tensor

MASK_SLACK = 0.05  # resizing and blurring go that far beyond [0, 1]


def image_planes(name: str, image: Tensor) -> Tensor:
    """IMAGE (N, H, W, C) to (N, 3 or 4, H, W); one channel is read as grey.

    Raises:
        ValueError: other shapes; not floats; NaN or infinity.
    """
    check_given(name, image, "an IMAGE")
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(
            f"{name} must be an IMAGE (batch, height, width, 1 (grey), 3 or 4 channels), got "
            f"{tuple(image.shape)}: link a picture, such as Load Image's IMAGE"
        )
    if not image.is_floating_point():
        raise ValueError(
            f"{name} must be an IMAGE of floats in [0, 1], got {image.dtype}: divide 8-bit values "
            "by 255 in the node that made it"
        )
    _check_finite(name, image)
    planes = image.movedim(-1, 1)
    return planes.expand(-1, 3, -1, -1) if planes.shape[1] == 1 else planes


def mask_planes(name: str, mask: Tensor) -> tuple[Tensor, tuple[str, ...]]:
    """MASK (N, H, W), at times (H, W) or (N, 1, H, W), to (N, 1, H, W) in [0, 1].

    Returns:
        The planes, and a line where values a little beyond [0, 1] were cut.

    Raises:
        ValueError: other shapes; NaN or infinity; values on another scale.
    """
    check_given(name, mask, "a MASK")
    is_stack = mask.ndim == 4 and mask.shape[1] == 1
    if not (is_stack or mask.ndim in (2, 3)) or 0 in mask.shape:
        raise ValueError(
            f"{name} must be a MASK (batch, height, width), got {tuple(mask.shape)}: link a mask, "
            "such as Load Mask's"
        )
    _check_finite(name, mask)
    mask = mask.float() if mask.dtype == torch.bool else mask
    planes = mask.reshape(-1, 1, *mask.shape[-2:])
    low, high = (value.item() for value in planes.aminmax())
    if low >= 0 and high <= 1:
        return planes, ()
    if low < -MASK_SLACK or high > 1 + MASK_SLACK:
        raise ValueError(
            f"{name} must be in [0, 1], got {low:.4g} to {high:.4g}: divide 8-bit values by 255, "
            "or make it with Load Mask"
        )
    return planes.clamp(0, 1), (f"{name} reached from {low:.3g} to {high:.3g}: cut to 0..1",)


def check_given(name: str, tensor: Tensor | None, kind: str) -> None:
    """Raise where a node before has handed on nothing: None, or a batch without a picture.

    Args:
        name: of the input.
        tensor: what came.
        kind: "an IMAGE" or "a MASK".

    Raises:
        ValueError: nothing came, or no tensor.
    """
    if tensor is None:
        raise ValueError(
            f"{name} must be {kind}, got None: the node that is linked there has made nothing; "
            "run it or link another"
        )
    if not isinstance(tensor, Tensor):
        raise ValueError(
            f"{name} must be {kind}, got {type(tensor).__name__}: link a node whose output is "
            f"{kind}"
        )
    if tensor.ndim and not tensor.shape[0]:
        raise ValueError(
            f"{name} must have a picture at least, got an empty batch (0 pictures): look at what "
            "selects or filters them before this node"
        )


def cut_alpha(source: Tensor, name: str = "source") -> tuple[Tensor, tuple[str, ...]]:
    """A source with its alpha in [0, 1]: it is a mask, and resizing makes it overshoot."""
    if source.shape[1] == 3:
        return source, ()
    alpha, said = mask_planes(f"{name}'s alpha", source[:, 3:])
    return (torch.cat((source[:, :3], alpha), 1) if said else source), said


def _check_finite(name: str, tensor: Tensor) -> None:
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        raise ValueError(
            f"{name} must be finite, got NaN or infinity, which a picture shows as black: often a "
            "VAE or model in half precision; start ComfyUI with --fp32-vae, or mend what made it"
        )

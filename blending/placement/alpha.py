"""The source as a cut-out: colour, alpha and mask of one size, resampled together."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..validation import check_mask, check_same_size, common_batch, pixel_size
from .resample import resize

LARGEST_SIDE = 32768
LARGEST_AREA = 100_000_000  # resampled before it is clipped: 1.2 GB
OPAQUE_ENOUGH = 1 / 512  # half an 8-bit level: a resampled alpha up to this counts as transparent


def cut_out(source: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor, tuple[str, ...]]:
    """Split a source into colour and alpha, and multiply the mask by that alpha.

    Args:
        source: (N, 3 or 4, h, w), in [0, 1], checked.
        mask: (N, 1, h, w), in [0, 1], 1 = take the source; or None.

    Returns:
        Colour (N, 3, h, w); alpha (N, 1, h, w), all 1 for a source without one; the mask (N, 1, h,
        w) multiplied by the alpha, or the alpha itself where no mask is given; notes on that for
        the report.

    Raises:
        ValueError: a bad mask, another size or batch, or neither mask nor alpha.
        TypeError: the mask is not a float tensor.
    """
    if mask is not None:
        check_mask("mask", mask)
        check_same_size("mask", mask, "source", source)
    if source.shape[1] == 3:
        if mask is None:
            raise ValueError("mask must be given for a source without alpha, got none")
        return source, torch.ones_like(mask), mask, ()
    colour, alpha = source[:, :3], source[:, 3:]
    check_mask("source's alpha", alpha)
    if mask is None:
        return colour, alpha, alpha, ("the source's alpha is the mask",)
    common_batch(source=source, mask=mask)
    return colour, alpha, alpha * mask, ("the source's alpha multiplies the mask",)


def rescale(
    colour: Tensor, alpha: Tensor, mask: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Resample a cut-out by a factor, bicubic with antialiasing.

    Args:
        colour: (N, 3, h, w), in [0, 1]; weighted by alpha, so that colours of transparent pixels do
            not bleed into visible ones.
        alpha: (N, 1, h, w), in [0, 1].
        mask: (N, 1, h, w), in [0, 1].
        scale: factor, > 0; sides are rounded to whole pixels, at least one.

    Returns:
        Colour (N, 3, H, W); where it is valid (N, 1, H, W), 0 or 1; the mask (N, 1, H, W). At least
        float32.

    Raises:
        ValueError: a side would be longer than 32768 pixels, or the area larger than 100 million.
    """
    height, width = (max(1, round(side * scale)) for side in colour.shape[2:])
    check_extent(height, width, "scale", f"{scale:g} for {pixel_size(colour)}")
    return resize_to(colour, alpha, mask, height, width)


def check_extent(height: int, width: int, name: str, got: str) -> None:
    """Raise unless a cut-out of this size may be resampled.

    Args:
        height: in pixels.
        width: in pixels.
        name: the argument that asked for this size, for the message.
        got: the value that it had, for the message.

    Raises:
        ValueError: a side is longer than 32768 pixels, or the area is larger than 100 million.
    """
    if max(height, width) > LARGEST_SIDE or height * width > LARGEST_AREA:
        raise ValueError(
            f"{name} must keep the source within {LARGEST_SIDE} pixels a side and "
            f"{LARGEST_AREA // 10**6} million in all, got {got}"
        )


def resize_to(
    colour: Tensor, alpha: Tensor, mask: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Resample a cut-out to a height and width, bicubic with antialiasing.

    Args:
        colour: (N, 3, h, w), in [0, 1]; weighted by alpha, so that colours of transparent pixels do
            not bleed into visible ones.
        alpha: (N, 1, h, w), in [0, 1].
        mask: (N, 1, h, w), in [0, 1].
        height: of the result, pixels.
        width: of the result, pixels.

    Returns:
        Colour (N, 3, height, width); where it is valid (N, 1, height, width), 0 or 1; the mask (N,
        1, height, width). At least float32.
    """

    def at_size(tensor: Tensor) -> Tensor:
        return resize(tensor, (height, width))

    dtype = torch.promote_types(colour.dtype, torch.float32)
    colour, alpha, mask = (tensor.to(dtype) for tensor in (colour, alpha, mask))
    weight = at_size(alpha)
    resized = _resized_colour(colour, alpha, weight, at_size)
    return resized, (weight > OPAQUE_ENOUGH).to(weight.dtype), at_size(mask).clamp(0, 1)


def _resized_colour(
    colour: Tensor, alpha: Tensor, weight: Tensor, at_size: Callable[[Tensor], Tensor]
) -> Tensor:
    """The colours resampled, weighted by alpha in the pictures whose alpha is not 1 everywhere.

    Each picture of a batch comes out as it would by itself.
    """
    is_rough = (alpha < 1).amax((1, 2, 3), keepdim=True)
    if not is_rough.any():
        return at_size(colour)
    low, high = (extreme(colour, (1, 2, 3), keepdim=True) for extreme in (torch.amin, torch.amax))
    # The kernel's negative lobes make nonsense of a rough alpha's rim.
    weighted = (at_size(colour * alpha) / weight.clamp_min(OPAQUE_ENOUGH)).clamp(low, high)
    return weighted if is_rough.all() else torch.where(is_rough, weighted, at_size(colour))

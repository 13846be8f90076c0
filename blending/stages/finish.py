"""What follows a minimisation: a new object as sharp and as grainy as its place."""

import torch
from torch import Tensor

from ..placement.window import Window, composite
from ..strokes.grain import as_sharp_as, grain_level, reflected_places, with_grain


def as_photographed(x: Tensor, window: Window, amount: float) -> Tensor:
    """The grain of a photograph, mirrored from beside the object, and its softness.

    Args:
        x: (1, 3, h, w), what was found; may exceed [0, 1].
        window: that it was found for.
        amount: 0 (x itself) to 1.

    Returns:
        (1, 3, h, w), not clipped; `x` where the object covers the window.
    """
    free = ~window.support
    if not amount or not bool(free.any()):
        return x
    x = _softened(x, window, window.target, free, amount)
    places, level = reflected_places(window.support), grain_level(window.target, free)
    return with_grain(x, window.target, places, amount, level)


def as_painted(
    x: Tensor, window: Window, target: Tensor, free: Tensor, places: Tensor, amount: float
) -> Tensor:
    """The finest texture of a painting, from where the object has its like, and its softness.

    Args:
        x: (1, 3, h, w), what was found; may exceed [0, 1].
        window: that it was found for.
        target: (1, 3, H, W), that has the texture: the window's, or another picture.
        free: (1, 1, H, W), bool, its visible part; somewhere True.
        places: (h, w), see `with_grain`.
        amount: 0 (x itself) to 1.

    Returns:
        (1, 3, h, w), not clipped.
    """
    if not amount:
        return x
    x = _softened(x, window, target, free, amount)
    return with_grain(x, target, places, amount, None)


def _softened(x: Tensor, window: Window, target: Tensor, free: Tensor, amount: float) -> Tensor:
    """X under the mask as soft as the target; its edge is judged and softened on its place."""
    seen = composite(window.target, x, window.mask)
    soft = as_sharp_as(seen, window.support, target, free, amount)
    return torch.where(window.support, x + (soft - seen), x)

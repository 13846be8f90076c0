"""What follows a minimisation: a new object as sharp and as grainy as its place."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..placement.window import Window, composite
from ..strokes.grain import (
    as_sharp_as,
    painting_level,
    photograph_level,
    reflected_places,
    with_grain,
)
from ..strokes.matching import NOWHERE


@dataclass(frozen=True)
class PaintedPlace:
    """A painting that an object takes its finest texture from.

    Attributes:
        target: (1, 3, H, W), RGB in [0, 1], the window's, or another picture.
        free: (1, 1, H, W), bool, its visible part.
        places: (h, w), from where the object has its like, see `with_grain`; None: nowhere.
        is_window: whether the target is the window's own, so that its texture can be mirrored from
            beside the object where it is plain at these places.
    """

    target: Tensor
    free: Tensor
    places: Tensor | None
    is_window: bool


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
    level = photograph_level(window.target, free)
    return with_grain(x, window.target, reflected_places(window.support), level, amount)


def as_painted(
    x: Tensor,
    window: Window,
    brush: PaintedPlace,
    amount: float,
    film: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """The finest texture of a painting, and its softness.

    Args:
        x: (1, 3, h, w), what was found; may exceed [0, 1].
        window: that it was found for; what lies under its mask is given the texture.
        brush: where the texture is from.
        amount: 0 (x itself) to 1.
        film: from the texture that this picture is given, (1, 3, h, w), to that of a film's frame;
            None: it is no film.

    Returns:
        (1, 3, h, w), not clipped; `x` where nothing of the target is seen.
    """
    if not amount or not bool(brush.free.any()):
        return x
    beside = reflected_places(window.support) if brush.is_window else None
    places = beside if brush.places is None else brush.places
    if places is None:
        return x
    places = torch.where(window.support[0, 0], places, NOWHERE)
    x = _softened(x, window, brush.target, brush.free, amount)
    level = painting_level(brush.target, brush.free)
    grainy = with_grain(x, brush.target, places, level, amount, beside)
    return grainy if film is None else x + film(grainy - x)


def _softened(x: Tensor, window: Window, target: Tensor, free: Tensor, amount: float) -> Tensor:
    """What is under the mask as soft as the target; its edge is judged on its place."""
    seen = composite(window.target, x, window.mask)
    soft = as_sharp_as(seen, window.support, target, free, amount)
    return torch.where(window.support, x + (soft - seen), x)

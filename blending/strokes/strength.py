"""How strongly an object is to be painted: by its place's own texture and by its size."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.colour import to_lab
from ..image.filters import smoothstep
from ..image.texture import local_contrast
from ..placement.window import Window

# L*, means of the local contrast's medians over three bands. Dusk 0.1 to 0.6, fog 0.3, a portrait
# in oil 1.0, a wooden table 1.4, impasto 2.7, Van Gogh's sky 4.4.
SMOOTH, ROUGH = 0.6, 2.0
# Pixels, mean distance from the object's edge: a frame of glasses 2.5, a slim rocket 7.
THIN, THICK = 2.0, 14.0
FARTHEST = 24  # pixels from the edge that are told apart
SAME, OTHER = 0.01, 0.05  # root mean square of the change from the target under the mask
# The object's own local contrast by its place's: from where on, and up to where, it counts as its
# own detail; and how much what is plainer is held.
PLAIN, DETAILED, LEAST_HELD = 0.4, 1.2, 0.2
EDGED, STRONG, MOST_HELD = 1.5, 4.0, 4.0  # the same of lines, lettering, rims, which must not wave
BESIDE = 3  # pixels beside the object that do not count as its place


@torch.no_grad()
def stroke_strength(window: Window, texture: Tensor | None = None) -> float:
    """From 0, the place has no strokes to give or the object cannot bear them, to 1.

    Args:
        window: its source is what is to be painted; its mask, somewhere above 0, the object.
        texture: (1, 3, H, W), RGB in [0, 1], another picture that has the strokes. None: the
            window's target, where it is not covered.

    Returns:
        0 to 1.
    """
    levels = _place_contrast(window, texture)
    if levels is None:
        return 0.0
    rough = torch.stack(levels).mean()
    strength = smoothstep(rough, SMOOTH, ROUGH)
    strength = strength * smoothstep(_mean_depth(window.support), THIN, THICK)
    return strength.item() * newness(window, texture)


@torch.no_grad()
def newness(window: Window, texture: Tensor | None = None) -> float:
    """How much of an object is new to its place, which has its own strokes and grain already.

    Args:
        window: (1, C, h, w) planes, as for `stroke_strength`.
        texture: (1, 3, H, W), another picture that has the texture, which is always new.

    Returns:
        0 to 1.
    """
    if texture is not None:
        return 1.0
    change = (window.source - window.target).square().mean(1, keepdim=True)[window.support]
    return smoothstep(change.mean().sqrt(), SAME, OTHER).item()


@torch.no_grad()
def detail_share(window: Window, texture: Tensor | None = None) -> Tensor:
    """How much each pixel is to be held: what is plainer than the place less, strong edges more.

    A painter does not leave a plain surface plain: there strokes have room.

    Args:
        window: as for `stroke_strength`.
        texture: as for `stroke_strength`.

    Returns:
        (1, 1, h, w), 0.2 to 4; 1 where nothing of the place is seen.
    """
    levels = _place_contrast(window, texture)
    if levels is None:
        return torch.ones_like(window.mask)
    own = local_contrast(to_lab(window.source)[:, :1])
    ratios = [here / level.clamp_min(1e-3) for here, level in zip(own, levels, strict=True)]
    ratio = torch.stack(ratios).mean(0)
    detail = LEAST_HELD + (1 - LEAST_HELD) * smoothstep(ratio, PLAIN, DETAILED)
    return detail + (MOST_HELD - 1) * smoothstep(ratio, EDGED, STRONG)


def _place_contrast(window: Window, texture: Tensor | None) -> list[Tensor] | None:
    """The medians of the place's local contrast, fine to coarse; None where nothing is seen."""
    covered = F.max_pool2d(window.support.float(), 2 * BESIDE + 1, 1, BESIDE) > 0
    seen = window.target if texture is None else texture
    free = ~covered if texture is None else torch.ones_like(seen[:, :1], dtype=torch.bool)
    if not bool(free.any()):
        return None
    return [band[free].median() for band in local_contrast(to_lab(seen)[:, :1])]


def _mean_depth(support: Tensor) -> Tensor:
    """The mean distance of an object's pixels to its edge in steps of pixels, up to 24."""
    inside = support.float()
    total = inside.sum()
    eroded = inside
    for _ in range(FARTHEST - 1):
        eroded = 1 - F.max_pool2d(1 - eroded, 3, 1, 1)
        total = total + eroded.sum()
    return total / inside.sum()

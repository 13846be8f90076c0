"""A large object at a working size, and what was found there carried to its full size.

The network's cost follows the object's area. Above a working size it sees a reduced picture. What
it changes is enlarged; where the change goes along with the picture's lightness (contours, folds),
it follows the edges of the full picture, not their blurred ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.colour import to_opponent
from ..image.filters import gaussian_blur
from ..placement.box import Box, bounding_box
from ..placement.window import Window
from ..poisson.guidance import guidance_field
from .memory import reducing_factor
from .prepare import Prepared

SMOOTHING, REACH = (
    2.0,
    6,
)  # reduced pixels, of the Gaussian in which a change is compared with tones
QUIET = 0.02**2  # variance of lightness below which a change is not compared with it
STEEPEST = 1.0  # change by unit of lightness that is followed
LEAST_MASK = 1 / 256


def working_factor(windows: Sequence[Window]) -> float:
    """By how much windows of one size are reduced for the network: 1, or more for large objects.

    Args:
        windows: (1, C, h, w) planes.

    Returns:
        >= 1, so that the largest object is 512 pixels across at most.
    """
    return max(reducing_factor(bounding_box(window.support)) for window in windows)


@dataclass(frozen=True)
class View:
    """A window as the network sees it: as it is, or at the working size.

    Attributes:
        full: (1, C, h, w) planes.
        factor: by which it is reduced, >= 1; at 1 everything is handed on as it is.
    """

    full: Window
    factor: float

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the reduced window, pixels."""
        height, width = self.full.target.shape[2:]
        return max(1, round(height / self.factor)), max(1, round(width / self.factor))

    @cached_property
    def window(self) -> Window:
        """The reduced window, (1, C, h / factor, w / factor); its box is its own."""
        full = self.full
        if self.factor == 1:
            return full
        mask = self.plane(full.mask)
        inside = self.plane(full.mask * full.source) / mask.clamp_min(1e-3)
        source = torch.where(mask > 1e-3, inside, self.plane(full.source))
        valid = (self.plane(full.source_valid) > 0.5).to(mask)
        mask = torch.where(mask < LEAST_MASK, 0, mask)
        return Window(source, mask, valid, self.plane(full.target), Box(0, 0, *self.size))

    def plane(self, full: Tensor) -> Tensor:
        """A plane of the window, (1, C, h, w), reduced: the means of areas."""
        return full if self.factor == 1 else F.interpolate(full, self.size, mode="area")

    def picture(self, other: Tensor) -> Tensor:
        """Another picture, (1, C, H, W), of any size, reduced as much."""
        if self.factor == 1:
            return other
        size = [max(8, round(side / self.factor)) for side in other.shape[2:]]
        return F.interpolate(other, size, mode="area")

    def shown(self, x: Tensor) -> Tensor:
        """What stands for the reduced source, (1, 3, h / factor, w / factor), at full size."""
        if self.factor == 1:
            return x
        return self.full.source + self.enlarged(x - self.window.source)

    def changed(self, picture: Tensor, x: Tensor) -> Tensor:
        """A picture with the change that was found in the reduced source.

        Args:
            picture: (1, 3, h, w), the window's source.
            x: (1, 3, h / factor, w / factor), what stands for the reduced one.

        Returns:
            (1, 3, h, w).
        """
        if self.factor == 1:
            return x
        return picture + self.carried(x - self.window.source, picture)

    def enlarged(self, small: Tensor) -> Tensor:
        """A reduced plane, (1, C, h / factor, w / factor), at full size: (1, C, h, w)."""
        size = self.full.target.shape[2:]
        return F.interpolate(small, size, mode="bicubic", align_corners=False)

    def carried(self, change: Tensor, picture: Tensor) -> Tensor:
        """A change of the reduced picture at full size.

        Args:
            change: (1, 3, h / factor, w / factor).
            picture: (1, 3, h, w), what is changed, at full size.

        Returns:
            (1, 3, h, w): the change enlarged and, where it goes along with lightness nearby, as
            much of it as the full picture's lightness differs from the enlarged reduced one.

        Source: He and Sun 2015, fast guided filter. Differs: what does not go along with the
        guide, strokes above all, is kept.
        """
        tone = to_opponent(picture)[:, :1]
        small = self.plane(tone)

        def mean(plane: Tensor) -> Tensor:
            return gaussian_blur(plane, SMOOTHING, REACH)

        level = mean(small)
        variance = mean(small.square()) - level.square()
        slope = (mean(small * change) - level * mean(change)) / (variance + QUIET)
        slope = self.enlarged(slope.clamp(-STEEPEST, STEEPEST))
        return self.enlarged(change) + slope * (tone - self.enlarged(small))

    def places(self, small: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Places of a reduced target, for each pixel at full size: at the same distance from it.

        Args:
            small: (h / factor, w / factor), whole numbers, row · W + column on the reduced target
                of H / factor by W / factor; -1: nowhere.
            shape: of the target at full size, (..., H, W).

        Returns:
            (h, w), whole numbers on that target; -1 where there is none.
        """
        if self.factor == 1:
            return small
        height, width = self.full.target.shape[2:]
        size = shape[-2:]
        reduced = [max(1, round(side / self.factor)) for side in size]
        rows = (torch.arange(height, device=small.device) + 0.5) * small.shape[0] / height
        columns = (torch.arange(width, device=small.device) + 0.5) * small.shape[1] / width
        own = rows.long()[:, None], columns.long()[None]
        place = small[own]
        row, column = place // reduced[1], place % reduced[1]
        # The rest within a reduced pixel goes along.
        down, along = rows[:, None] - own[0], columns[None] - own[1]
        row = ((row + down) * size[0] / reduced[0]).long().clamp_max(size[0] - 1)
        column = ((column + along) * size[1] / reduced[1]).long().clamp_max(size[1] - 1)
        return torch.where(place >= 0, row * size[1] + column, -1)


def reduced(prepared: Prepared, view: View, gradients: str) -> Prepared:
    """What was prepared for the Poisson stage, at the scale that its window is seen at.

    Args:
        prepared: of the view's full window.
        view: of it.
        gradients: of the settings, see `guidance_field`.

    Returns:
        Its window reduced, with guidance of its own.
    """
    window = view.window
    guidance = guidance_field(
        window.source, window.source_valid, window.target, window.support, gradients
    )
    return replace(prepared, window=window, guidance=guidance)

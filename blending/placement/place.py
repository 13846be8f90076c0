"""Put source and mask on the target's canvas, cut the working window out of it, composite."""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_range
from ..validation import check_image, common_batch, pixel_size
from .alpha import LARGEST_SIDE, cut_out, rescale
from .window import Scene, bounding_box, composite, crop, pick, window_around

SOLVED_FROM = 0.5  # mask values below this equal the target bit for bit


@dataclass(frozen=True)
class Placed:
    """A source and its mask at their place on a target; only what the target's frame shows of them.

    Attributes:
        source: (N, 3, h, w), in [0, 1], float; N is 1 or the batch size, as for the others.
        mask: (N, 1, h, w), in [0, 1]; 0 below 0.5.
        known: (N, 1, h, w), 0 or 1; where the source has pixels (its alpha is above 0).
        target: (N, 3 or 4, H, W), as given.
        row, column: place of the visible part's top-left corner on the target, in pixels, >= 0.
        notes: what was done that the caller may not expect, for the report.
    """

    source: Tensor
    mask: Tensor
    known: Tensor
    target: Tensor
    row: int
    column: int
    notes: tuple[str, ...] = ()

    @property
    def batch(self) -> int:
        """The number of pictures."""
        return common_batch(source=self.source, mask=self.mask, target=self.target)

    @cached_property
    def full_mask(self) -> Tensor:
        """The mask on the whole target, (N, 1, H, W), 0 below 0.5, in the target's dtype."""
        height, width = self.target.shape[2:]
        return self._lay_out(self.mask, (0, 0, height, width)).to(self.target.dtype)

    @property
    def paste(self) -> Tensor:
        """Plain copy and paste, (N, 3 or 4, H, W), in the target's dtype, with its alpha."""
        image = self.target.expand(self.batch, -1, -1, -1).clone()
        height, width = self.mask.shape[2:]
        window = crop(image[:, :3], (self.row, self.column, height, width))
        wide = torch.promote_types(image.dtype, torch.float32)
        source, mask = (tensor.to(window.device, wide) for tensor in (self.source, self.mask))
        pasted = composite(window.to(wide), source, mask)
        window.copy_(torch.where(mask > 0, pasted.to(window), window))
        return image

    def is_empty(self, sample: int) -> bool:
        """Whether this picture has nothing to blend."""
        return not bool((pick(self.mask, sample) > 0).any())

    def scene(self, sample: int, margin: int, device: torch.device | None = None) -> Scene:
        """The window of one picture: the mask's box and `margin` pixels around it, in the frame.

        Args:
            sample: which picture; it must not be empty.
            margin: pixels around the mask's box.
            device: where to compute; None: where the target is.
        """
        mask = pick(self.mask, sample)
        top, left, height, width = bounding_box(mask > 0)
        box = window_around(
            (top + self.row, left + self.column, height, width), margin, self.target.shape
        )
        dtype = torch.promote_types(self.target.dtype, torch.float32)
        device = device or self.target.device

        def cut(tensor: Tensor) -> Tensor:
            return self._lay_out(pick(tensor, sample), box).to(device, dtype)

        target = crop(pick(self.target, sample)[:, :3], box).to(device, dtype, copy=True)
        return Scene(cut(self.source), cut(mask), cut(self.known), target, box)

    def _lay_out(self, tensor: Tensor, box: tuple[int, int, int, int]) -> Tensor:
        """The tensor on a window of the target, (top, left, height, width), 0 beyond it."""
        top, left, height, width = box
        before, above = self.column - left, self.row - top
        after = width - before - tensor.shape[3]
        below = height - above - tensor.shape[2]
        return F.pad(tensor, (before, after, above, below))


def place(
    source: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    row: int = 0,
    column: int = 0,
    scale: float = 1.0,
) -> Placed:
    """Put a source and its mask on a target.

    Args:
        source: (N, 3 or 4, h, w), in [0, 1]. Its alpha multiplies the mask and is the mask when
            there is none.
        target: (N, 3 or 4, H, W), in [0, 1]; its alpha is carried through.
        mask: (N, 1, h, w), in [0, 1], 1 = take the source. Pixels below 0.5 are not taken at all.
        row: of the source's top-left corner on the target, pixels; may be negative, and the source
            may overhang.
        column: likewise.
        scale: factor for source and mask, > 0, bicubic with antialiasing; colours weighted by
            alpha.

    Returns:
        The visible part, in its place. N is 1 or the batch size for each argument.

    Raises:
        ValueError: wrong shapes, ranges, sizes or batches; source without alpha and no mask; a mask
        that never reaches
            0.5, or lies wholly outside the target, in every picture of the batch.
        TypeError: not float tensors; places that are not whole numbers.
    """
    check_image("source", source)
    check_image("target", target)
    check_range("row", row, -LARGEST_SIDE, LARGEST_SIDE, whole=True)
    check_range("column", column, -LARGEST_SIDE, LARGEST_SIDE, whole=True)
    check_range("scale", scale, 1e-3, 1e3)
    colour, alpha, mask, notes = cut_out(source, mask)
    common_batch(source=colour, mask=mask, target=target)
    check_taken(mask)
    if scale != 1:
        colour, alpha, mask = rescale(colour, alpha, mask, scale)
    rows, columns = visible(colour, target, row, column)
    placed = Placed(
        source=colour[..., rows, columns],
        mask=torch.where(mask >= SOLVED_FROM, mask, 0)[..., rows, columns],
        known=(alpha > 0).to(mask.dtype)[..., rows, columns],
        target=target,
        row=max(row, 0),
        column=max(column, 0),
        notes=notes,
    )
    if not bool((placed.mask > 0).any()):
        raise ValueError(
            f"mask must reach {SOLVED_FROM} inside the target of {pixel_size(target)}, got nothing "
            f"there with the source's corner at column {column}, row {row}, scale {scale:g}"
        )
    return placed


def check_taken(mask: Tensor) -> None:
    """Raise ValueError on a mask, (N, 1, h, w), that takes nothing."""
    if not bool((mask >= SOLVED_FROM).any()):
        raise ValueError(
            f"mask must reach {SOLVED_FROM} somewhere (1 = take the source), "
            f"got at most {mask.max().item():.3g}; is it empty, inverted, or another channel?"
        )


def visible(colour: Tensor, target: Tensor, row: int, column: int) -> tuple[slice, slice]:
    """The rows and columns of the source that lie on the target; an error where there are none."""
    height, width = colour.shape[2:]
    rows = slice(max(-row, 0), min(height, target.shape[2] - row))
    columns = slice(max(-column, 0), min(width, target.shape[3] - column))
    if rows.stop <= rows.start or columns.stop <= columns.start:
        raise ValueError(
            f"source of {pixel_size(colour)} must overlap the target of {pixel_size(target)}, "
            f"got its corner at column {column}, row {row}"
        )
    return rows, columns

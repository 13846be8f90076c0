"""Put source and mask on the target's canvas; cut the working windows out of it."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ..checks import check_range
from ..validation import check_image, check_target, common_batch, pixel_size
from .alpha import LARGEST_SIDE, cut_out, rescale
from .box import Box, bounding_box, crop, full_box
from .levels import as_kept, as_values, float_dtype
from .window import Window, composite, lay_out, pick, window_box

# Pixels whose mask is below this keep the target's bits: less than a level of eight bits is none.
SOLVED_FROM = 1 / 256


@dataclass(frozen=True)
class Placed:
    """A source and its mask at their place on a target, cut to what lies inside its frame.

    Attributes:
        source: (N, 3, h, w), in [0, 1], float; N is 1 or the batch size, as for the others.
        mask: (N, 1, h, w), in [0, 1], 1 = source; 0 where it was below 1/256.
        source_valid: (N, 1, h, w), 0 or 1; where the source has pixels (its alpha is above 0).
        target: (N, 3 or 4, H, W), as given: float in [0, 1], or levels of 8 or 16 bits.
        row: of the visible part's top-left corner on the target, pixels, >= 0.
        column: of that corner, pixels, >= 0.
        notes: what was done that the caller may not expect, for the report.
        whole: (N, 3 or 4, H', W'), the picture that the target was cut from, see `vicinity`; None:
            the target is whole.
        corner: row and column of the target's top-left corner on that picture, pixels.
    """

    source: Tensor
    mask: Tensor
    source_valid: Tensor
    target: Tensor
    row: int
    column: int
    notes: tuple[str, ...] = ()
    whole: Tensor | None = None
    corner: tuple[int, int] = (0, 0)

    @property
    def known(self) -> Tensor:
        """The former name of `source_valid`, (N, 1, h, w)."""
        return self.source_valid

    @property
    def batch(self) -> int:
        """The number of pictures N."""
        return common_batch(source=self.source, mask=self.mask, target=self.target)

    @property
    def box(self) -> Box:
        """The box that source and mask cover on the target."""
        return Box(self.row, self.column, *self.mask.shape[2:])

    @property
    def picture(self) -> Tensor:
        """The whole picture that the target is, or was cut from, (N, 3 or 4, H', W')."""
        return self.target if self.whole is None else self.whole

    @property
    def part(self) -> Box:
        """The box that the target covers on the whole picture."""
        return full_box(self.target.shape).shifted(*self.corner)

    @cached_property
    def full_mask(self) -> Tensor:
        """The mask on the target, (N, 1, H, W), N as its own, 1 = source; in its float dtype."""
        frame = full_box(self.target.shape)
        mask = self.mask if self.box == frame else lay_out(self.mask, self.box, frame)
        return mask.to(float_dtype(self.target))

    @property
    def paste(self) -> Tensor:
        """Plain copy and paste, (N, 3 or 4, H, W), in the target's dtype, with its alpha."""
        target = self.target.expand(self.batch, -1, -1, -1)
        return pasted(target, self.source, self.mask, self.box)

    def vicinity(self, reach: int | None) -> "Placed":
        """The same on a part of its target, in floats: what is far from the source costs nothing.

        Args:
            reach: pixels of the target around the box of the source; None: all of it.

        Returns:
            Its target is a view of this one's if that is float; its `whole` is this one's.
        """
        box = window_box(self.box, reach, self.target.shape)
        return replace(
            self,
            target=as_values(crop(self.target, box)),
            row=self.row - box.top,
            column=self.column - box.left,
            whole=self.picture,
            corner=box.shifted(*self.corner).corner,
        )

    def on_whole(self) -> "Placed":
        """The same on the whole picture that the target was cut from."""
        row, column = self.box.shifted(*self.corner).corner
        return replace(self, target=self.picture, row=row, column=column, whole=None, corner=(0, 0))

    def is_empty(self, sample: int) -> bool:
        """Whether the mask of picture `sample` is 0 everywhere: there is nothing to blend."""
        return not bool((pick(self.mask, sample) > 0).any())

    def object_box(self, sample: int) -> Box:
        """The box of the mask of picture `sample` on the target; it must not be empty."""
        return bounding_box(pick(self.mask, sample) > 0).shifted(self.row, self.column)

    def window(self, sample: int, margin: int | None, device: torch.device | None = None) -> Window:
        """The window of one picture: the mask's box and a margin around it, inside the frame.

        Args:
            sample: which picture of the batch, from 0; it must not be empty.
            margin: pixels around the mask's box; None: the whole target.
            device: where to compute; None: where the target is.

        Returns:
            The window's planes, (1, C, h, w), at least float32, contiguous: in another layout sums
            are rounded otherwise. Its target is a copy.
        """
        box = window_box(self.object_box(sample), margin, self.target.shape)
        dtype = torch.promote_types(float_dtype(self.target), torch.float32)
        device = device or self.target.device

        def cut(tensor: Tensor) -> Tensor:
            return lay_out(pick(tensor, sample), self.box, box).to(device, dtype).contiguous()

        target = as_values(crop(pick(self.target, sample)[:, :3], box))
        target = target.to(device, dtype, copy=True, memory_format=torch.contiguous_format)
        return Window(cut(self.source), cut(self.mask), cut(self.source_valid), target, box)


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
        source: (N, 3 or 4, h, w), in [0, 1]. Its alpha multiplies the mask, or is the mask where
            none is given.
        target: (N, 3 or 4, H, W), float in [0, 1], or levels of 8 or 16 bits; its alpha is carried
            through.
        mask: (N, 1, h, w), in [0, 1], 1 = take the source; every 8-bit level above 0 counts.
        row: of the source's top-left corner on the target, pixels; may be negative, and the source
            may overhang.
        column: of that corner, pixels; may be negative.
        scale: factor for source and mask, > 0, bicubic with antialiasing; colours weighted by
            alpha.

    Returns:
        The visible part, in its place. N is 1 or the batch size for each argument.

    Raises:
        ValueError: wrong shapes, ranges, sizes or batches; source without alpha and no mask; a mask
            that is 0, or lies wholly outside the target, in every picture of the
            batch.
        TypeError: not such tensors; places that are not whole numbers.
    """
    check_image("source", source)
    check_target(target)
    source, target = source.detach(), target.detach()  # what is handed back has no gradients
    mask = mask.detach() if isinstance(mask, Tensor) else mask
    check_range("row", row, -LARGEST_SIDE, LARGEST_SIDE, whole=True)
    check_range("column", column, -LARGEST_SIDE, LARGEST_SIDE, whole=True)
    check_range("scale", scale, 1e-3, 1e3)
    colour, alpha, mask, notes = cut_out(source, mask)
    common_batch(source=colour, mask=mask, target=target)
    check_taken(mask)
    if scale != 1:
        colour, alpha, mask = rescale(colour, alpha, mask, scale)
    rows, columns = visible_part(colour, target, row, column).slices
    placed = Placed(
        source=colour[..., rows, columns],
        mask=solved_mask(mask)[..., rows, columns],
        source_valid=(alpha > 0).to(mask.dtype)[..., rows, columns],
        target=target,
        row=max(row, 0),
        column=max(column, 0),
        notes=notes,
    )
    if not bool((placed.mask > 0).any()):
        raise ValueError(
            f"mask must be above 0 inside the target of {pixel_size(target)}, got nothing "
            f"there with the source's corner at column {column}, row {row}, scale {scale:g}"
        )
    return placed


def solved_mask(mask: Tensor) -> Tensor:
    """The mask, (N, 1, h, w), 1 = source, set to 0 where it is below 1/256: not solved there."""
    return torch.where(mask >= SOLVED_FROM, mask, 0)


def check_taken(mask: Tensor, marked: str = "take the source") -> None:
    """Raise unless a mask takes at least one pixel.

    Args:
        mask: (N, 1, h, w), in [0, 1].
        marked: what 1 means in it, for the message.

    Raises:
        ValueError: it reaches 1/256 in none of its pictures.
    """
    if not bool((mask >= SOLVED_FROM).any()):
        raise ValueError(
            f"mask must be above 0 somewhere (1 = {marked}), "
            f"got at most {mask.max().item():.3g}; is it empty, inverted, or another channel?"
        )


def visible_part(source: Tensor, target: Tensor, row: int, column: int) -> Box:
    """The part of a source that lies inside its target's frame.

    Args:
        source: (N, C, h, w).
        target: (N, C, H, W).
        row: of the source's top-left corner on the target, pixels, may be negative.
        column: of that corner, pixels, may be negative.

    Returns:
        Its box on the source.

    Raises:
        ValueError: the source lies wholly outside.
    """
    box = full_box(target.shape).shifted(-row, -column).clipped(source.shape)
    if box.is_empty:
        raise ValueError(
            f"source of {pixel_size(source)} must overlap the target of {pixel_size(target)}, "
            f"got its corner at column {column}, row {row}"
        )
    return box


def pasted(target: Tensor, source: Tensor, mask: Tensor, box: Box) -> Tensor:
    """Copy and paste with a soft mask.

    Args:
        target: (N, 3 or 4, H, W), in [0, 1], or levels of 8 or 16 bits; not changed.
        source: (N or 1, 3, h, w), in [0, 1].
        mask: (N or 1, 1, h, w), in [0, 1], 1 = source.
        box: where source and mask lie on the target, of their size.

    Returns:
        (N, 3 or 4, H, W), in the target's dtype, with its alpha; the target's bits where the mask
        is 0.
    """
    image = target.clone()
    part = crop(image[:, :3], box)
    wide = torch.promote_types(float_dtype(image), torch.float32)
    values = as_values(part).to(wide)
    source, mask = (tensor.to(part.device, wide) for tensor in (source, mask))
    part.copy_(as_kept(torch.where(mask > 0, composite(values, source, mask), values), part))
    return image

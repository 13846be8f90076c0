"""Cut the parts of a picture that a sampler is to repaint, with what lies around them."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..checks import check_type
from ..placement.box import Box
from ..placement.place import check_taken
from ..placement.resample import resampled
from ..placement.window import lay_out
from ..validation import check_image, check_mask, check_same_size, common_batch
from .region import CropSettings, Region, fitted_regions, masked_parts


@dataclass(frozen=True)
class CropPlace:
    """Where crops were cut, and all that is needed to put them back.

    Attributes:
        picture: (N, 3 or 4, H, W), as given; nothing but what lies under a region's mask changes.
        regions: one for each crop, in their order.
        size: height and width of the crops, pixels.
        notes: what was done that the caller may not expect.
    """

    picture: Tensor
    regions: tuple[Region, ...]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    def scale(self, region: Region) -> float:
        """The factor by which a region was enlarged for its crop: the mean of both sides."""
        (height, width), box = self.size, region.box
        return (height / box.height + width / box.width) / 2

    @property
    def words(self) -> str:
        """How many crops of which size, and where the first was cut."""
        region, count = self.regions[0], len(self.regions)
        scales = sorted({f"{self.scale(one):.2f}" for one in self.regions}, key=float)
        span = " to ".join(scales[:1] + scales[1:][-1:])
        scaled = "" if scales == ["1.00"] else f", scaled by {span}"
        first = "the first " if count > 1 else ""
        return (
            f"{count} crop{'s' * (count > 1)} of {self.size[1]} x {self.size[0]} pixels{scaled}, "
            f"{first}cut at column {region.box.left}, row {region.box.top}"
        )


@dataclass(frozen=True)
class Crops:
    """What is repainted, and its place.

    Attributes:
        image: (R, 3, h, w), the crops, in [0, 1], in the picture's dtype.
        mask: (R, 1, h, w), in [0, 1], 1 = repaint.
        place: where they were cut.
    """

    image: Tensor
    mask: Tensor
    place: CropPlace


def crop_for_repair(image: Tensor, mask: Tensor, settings: CropSettings | None = None) -> Crops:
    """Cut out the parts of a picture under a mask, with context, to be repainted.

    Args:
        image: (N, 3 or 4, H, W), in [0, 1]; its alpha is not cut out and stays as it is.
        mask: (M, 1, H, W), in [0, 1], 1 = repair. One for all pictures, one for each, or several
            for a single picture: then each is a region of it.
        settings: None: the defaults.

    Returns:
        Crops of one size, their masks and their place. Without a size named they have the picture's
        own pixels; else they are resampled, bicubic with antialiasing.

    Raises:
        ValueError: shapes, ranges, sizes or batches; a mask that takes nothing, or falls into more
            than 64 parts.
        TypeError: not float tensors.
    """
    settings = settings or CropSettings()
    check_type("settings", settings, CropSettings)
    check_image("image", image)
    check_mask("mask", mask)
    check_same_size("mask", mask, "image", image)
    common_batch(image=image, mask=mask)
    check_taken(mask, "repair")
    mask = mask.to(image.device)
    frame = image.shape[2], image.shape[3]
    parts, empty = masked_parts(mask, settings, len(image))
    regions, size = fitted_regions(parts, settings, frame)
    place = CropPlace(image, tuple(regions), size)
    place = replace(place, notes=(*_notes(place), *_empty(empty)))
    images = [_cut(image[region.sample :][:1, :3], region.box) for region in regions]
    masks = [
        lay_out(region.mask, region.box.clipped(frame), region.box).to(image) for region in regions
    ]
    return Crops(_resized(images, size), _resized(masks, size), place)


def _cut(picture: Tensor, box: Box) -> Tensor:
    """A part of (1, C, H, W), its frame's pixels repeated where the box sticks out."""
    rows = torch.arange(box.top, box.bottom, device=picture.device).clamp(0, picture.shape[2] - 1)
    columns = torch.arange(box.left, box.right, device=picture.device)
    return picture[..., rows[:, None], columns.clamp(0, picture.shape[3] - 1)]


def _resized(planes: list[Tensor], size: tuple[int, int]) -> Tensor:
    return torch.cat([resampled(plane, size) for plane in planes])


def _notes(place: CropPlace) -> list[str]:
    """What the caller may not expect of where crops were cut."""
    frame, said = place.picture.shape, []
    padded = [region for region in place.regions if region.box.clipped(frame) != region.box]
    if padded:
        box = padded[0].box
        said.append(
            f"picture of {frame[3]} x {frame[2]} pixels is smaller than the part of "
            f"{box.width} x {box.height} to cut out: its frame's pixels are repeated around it"
        )
    if any(
        region.mask.shape[2:] == frame[2:] and region.mask.min() > 0 for region in place.regions
    ):
        said.append(
            "mask covers the whole picture: nothing beside it to match the crop's colours to"
        )
    least = min(place.scale(region) for region in place.regions)
    if least < 1:
        said.append(
            f"shrunk to {least:.2f} of its size: the repainted part comes back that much softer"
        )
    return said


def _empty(masks: list[int]) -> list[str]:
    """Words on masks that take nothing."""
    numbers = ", ".join(str(number) for number in masks)
    which = f"mask{'s' * (len(masks) > 1)} {numbers} of the batch"
    return [f"{which} (from 0) takes nothing: no crop for it"] * bool(masks)

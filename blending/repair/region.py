"""What is repaired: shaped masks as regions, and the box that is cut out around each."""

from dataclasses import dataclass

from torch import Tensor

from ..checks import check_range, check_type
from ..image.components import connected_parts
from ..image.mask import LARGEST_RADIUS, adjust_mask
from ..placement.box import Box, bounding_box, crop
from ..placement.place import solved_mask
from ..placement.window import lay_out, pick
from ..settings import LARGEST_PART

LARGEST_SIDE, LARGEST_MULTIPLE = 8192, 256  # pixels, of a crop
LARGEST_SHARE, LARGEST_CONTEXT = 8.0, 4096  # of the mask's box; pixels
MOST_REGIONS = 64  # more are specks


@dataclass(frozen=True)
class CropSettings:
    """How a part of a picture is cut out around a mask.

    Attributes:
        context: what is shown around the mask, on every side, as a share of the mask's own height
            (above and below) and width (left and right), 0 to 8.
        context_pixels: pixels of the picture shown around the mask on every side beside that share,
            0 to 4096.
        multiple: the crop's sides are multiples of it, 1 to 256.
        width: of the crops, pixels; 0: as many as they have in the picture, or in proportion to
            `height`. A multiple of `multiple`, at most 8192.
        height: likewise.
        grow: pixels by which the mask grows first, -256 to 256; negative shrinks it.
        fill_holes: largest area of a hole of the mask that is filled first, square pixels.
        feather: width in pixels of the mask's soft edge, 0 to 256.
        split: whether each connected part of a mask is a region of its own.
    """

    context: float = 0.5
    context_pixels: int = 32
    multiple: int = 8
    width: int = 0
    height: int = 0
    grow: int = 8
    fill_holes: int = 0
    feather: int = 0
    split: bool = False

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError on a value that is not allowed."""
        check_range("context", self.context, 0, LARGEST_SHARE)
        check_range("context_pixels", self.context_pixels, 0, LARGEST_CONTEXT, whole=True)
        check_range("multiple", self.multiple, 1, LARGEST_MULTIPLE, whole=True)
        check_range("grow", self.grow, -LARGEST_RADIUS, LARGEST_RADIUS, whole=True)
        check_range("fill_holes", self.fill_holes, 0, LARGEST_PART, whole=True)
        check_range("feather", self.feather, 0, LARGEST_RADIUS, whole=True)
        check_type("split", self.split, bool)
        for name in ("width", "height"):
            side = getattr(self, name)
            check_range(name, side, 0, LARGEST_SIDE, whole=True)
            if side % self.multiple:
                below = side // self.multiple * self.multiple
                raise ValueError(
                    f"{name} must be a multiple of {self.multiple} (multiple), got {side}: "
                    f"{below} and {below + self.multiple} are"
                )


@dataclass(frozen=True)
class Region:
    """One part of a picture that is cut out and put back.

    Attributes:
        sample: which picture of the batch it is of, from 0.
        box: what is cut out, on the picture; sticks out of it where the crop is padded.
        mask: (1, 1, h, w), in [0, 1], 1 = repair; of the box's part inside the picture.
    """

    sample: int
    box: Box
    mask: Tensor


@dataclass(frozen=True)
class Part:
    """A mask, or a connected part of one, that takes something.

    Attributes:
        sample: the number of its picture in the batch, from 0.
        extent: the box of what is above 0 in it, on the picture.
        mask: (1, 1, h, w), in [0, 1], 1 = repair, of that box.
    """

    sample: int
    extent: Box
    mask: Tensor


def masked_parts(
    mask: Tensor, settings: CropSettings, pictures: int
) -> tuple[list[Part], list[int]]:
    """The shaped masks, part by part where they are split.

    Args:
        mask: (M, 1, H, W), in [0, 1], 1 = repair; M = 1 holds for every picture, and every mask of
            a batch for a single one.
        settings: how it is shaped, and whether its connected parts are regions of their own.
        pictures: how many there are, N; M is N or one of them is 1.

    Returns:
        The parts; the numbers, from 0, of the masks that take nothing.

    Raises:
        ValueError: a mask falls into more than 64 parts; none takes anything.
    """
    shaped = solved_mask(
        adjust_mask(
            mask, fill_holes=settings.fill_holes, grow=settings.grow, feather=settings.feather
        )
    )
    parts, empty = [], []
    for number in range(max(pictures, len(shaped))):
        whole = pick(shaped, number)
        if not bool((whole > 0).any()):
            empty.append(number)
            continue
        extent = bounding_box(whole > 0)
        found = [(extent, crop(whole, extent))]
        if settings.split:
            found = connected_parts(whole, MOST_REGIONS + 1)
        if len(found) > MOST_REGIONS:
            raise ValueError(
                f"mask must have at most {MOST_REGIONS} connected parts with split, got more: drop "
                "its specks, grow it, or leave split off"
            )
        sample = min(number, pictures - 1)
        parts += [Part(sample, extent, part) for extent, part in found]
    if not parts:
        raise ValueError(
            f"mask must take something once it is shaped, got nothing left with grow "
            f"{settings.grow} and feather {settings.feather}"
        )
    return parts, empty


def fitted_regions(
    parts: list[Part], settings: CropSettings, frame: tuple[int, int]
) -> tuple[list[Region], tuple[int, int]]:
    """The box that is cut out around each part, all for crops of one size.

    A box has its context on every side; at the picture's frame it moves inwards, and where the
    picture is too small context is given up. It sticks out only where a side of the picture is
    smaller than the mask's, rounded up to the multiple or to the crop's proportions.

    Args:
        parts: from `masked_parts`, at least one.
        settings: context and sizes.
        frame: height and width of the pictures.

    Returns:
        The regions; height and width of the crops, pixels.
    """
    size, is_resized = _crop_size([part.extent for part in parts], settings, frame)
    regions = []
    for part in parts:
        sides = _proportioned(part.extent, settings, frame, size) if is_resized else size
        (row, column), (height, width) = part.extent.centre, sides
        top, left = _first(row, height, frame[0]), _first(column, width, frame[1])
        box = Box(top, left, height, width)
        mask = lay_out(part.mask, part.extent, box.clipped(frame))
        regions.append(Region(part.sample, box, mask))
    return regions, size


def _with_context(side: int, settings: CropSettings) -> int:
    return side + 2 * (round(settings.context * side) + settings.context_pixels)


def _crop_size(
    extents: list[Box], settings: CropSettings, frame: tuple[int, int]
) -> tuple[tuple[int, int], bool]:
    """Height and width of the crops; and whether they are resized: a side was named."""
    multiple, sides = settings.multiple, []
    for axis, limit in enumerate(frame):
        tight = max(extent.size[axis] for extent in extents)
        wide = max(_with_context(extent.size[axis], settings) for extent in extents)
        up, within = -(-wide // multiple) * multiple, limit // multiple * multiple
        if up > limit:
            up = within if within >= tight else -(-tight // multiple) * multiple
        sides.append(up)
    height, width = sides
    if settings.width and settings.height:
        height, width = settings.height, settings.width
    elif settings.width:
        height, width = _rounded(settings.width * height / width, multiple), settings.width
    elif settings.height:
        height, width = settings.height, _rounded(settings.height * width / height, multiple)
    return (height, width), bool(settings.width or settings.height)


def _rounded(side: float, multiple: int) -> int:
    return max(1, round(side / multiple)) * multiple


def _proportioned(
    extent: Box, settings: CropSettings, frame: tuple[int, int], size: tuple[int, int]
) -> tuple[int, int]:
    """Height and width of a box in the crop's proportions: with context, as far as it fits."""
    shape = size[0] / size[1]
    wide = [_with_context(side, settings) for side in extent.size]
    height = min(max(wide[0], wide[1] * shape), frame[0], frame[1] * shape)
    height = max(height, extent.height, extent.width * shape)
    sides = round(height), round(height / shape)
    return max(sides[0], extent.height), max(sides[1], extent.width)


def _first(centre: int, side: int, limit: int) -> int:
    """Where a side begins: around the centre, inside the picture; around that if it is longer."""
    if side > limit:
        return -((side - limit) // 2)
    return min(max(centre - side // 2, 0), limit - side)

"""A rectangle of whole pixels: of a picture, or of a feature map."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right`, the last ones not in it.

    Attributes:
        top: first row, pixels; may be negative where the box sticks out of its picture.
        left: first column, likewise.
        height: rows, >= 0.
        width: columns, >= 0.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The row after the last."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The column after the last."""
        return self.left + self.width

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index (..., H, W) with; for a box that does not stick out."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int) -> "Box":
        """With `margin` pixels more on every side; it may stick out of the picture then."""
        return Box(
            self.top - margin, self.left - margin, self.height + 2 * margin, self.width + 2 * margin
        )

    def clipped(self, shape: tuple[int, ...]) -> "Box":
        """What lies inside a (..., H, W) picture; without rows or columns where nothing does."""
        top, left = max(self.top, 0), max(self.left, 0)
        bottom, right = min(self.bottom, shape[-2]), min(self.right, shape[-1])
        return Box(top, left, max(bottom - top, 0), max(right - left, 0))

    def intersection(self, other: "Box") -> "Box":
        """What lies in both; without rows or columns where nothing does."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Box(top, left, max(bottom - top, 0), max(right - left, 0))

    def shifted(self, rows: int, columns: int) -> "Box":
        """Moved down and to the right, pixels."""
        return Box(self.top + rows, self.left + columns, self.height, self.width)

    def relative_to(self, other: "Box") -> "Box":
        """As seen from the top left corner of another box."""
        return self.shifted(-other.top, -other.left)

    def pooled(self, stride: int) -> "Box":
        """On a map whose pixels are `stride` of this one's; all four sides are multiples of it."""
        return Box(
            self.top // stride, self.left // stride, self.height // stride, self.width // stride
        )

    def aligned(self, stride: int) -> "Box":
        """The smallest box around this one with multiples of `stride` as sides."""
        top, left = self.top // stride * stride, self.left // stride * stride
        bottom, right = -(-self.bottom // stride) * stride, -(-self.right // stride) * stride
        return Box(top, left, bottom - top, right - left)


def full_box(shape: tuple[int, ...]) -> Box:
    """The box of a whole picture, (..., H, W)."""
    return Box(0, 0, shape[-2], shape[-1])


def bounding_box(support: Tensor) -> Box:
    """The smallest box around the pixels of a support.

    Args:
        support: (1, 1, H, W), bool, at least one of them True.
    """
    rows = support[0, 0].any(1).nonzero()
    columns = support[0, 0].any(0).nonzero()
    top, left = int(rows[0]), int(columns[0])
    return Box(top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1)


def crop(tensor: Tensor, box: Box) -> Tensor:
    """A view of a box of (..., H, W); the box does not stick out."""
    rows, columns = box.slices
    return tensor[..., rows, columns]

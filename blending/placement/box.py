"""A rectangle of whole pixels: of a picture, or of a feature map."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Box:
    """Rows from `top` to before `bottom`, columns from `left` to before `right`.

    Attributes:
        top: first row, pixels; may be negative where the box sticks out of its picture.
        left: first column, pixels; may be negative where the box sticks out.
        height: number of rows, >= 0.
        width: number of columns, >= 0.
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
    def corner(self) -> tuple[int, int]:
        """Row and column of the top-left pixel."""
        return self.top, self.left

    @property
    def centre(self) -> tuple[int, int]:
        """Row and column of the middle pixel."""
        return self.top + self.height // 2, self.left + self.width // 2

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel in it."""
        return not (self.height and self.width)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns as an index into (..., H, W); for a box inside the picture."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int) -> "Box":
        """The box with `margin` pixels more on every side; it may stick out of the picture then."""
        return Box(
            self.top - margin, self.left - margin, self.height + 2 * margin, self.width + 2 * margin
        )

    def clipped(self, shape: tuple[int, ...]) -> "Box":
        """The part of the box inside a (..., H, W) picture, `shape`; empty where there is none."""
        top, left = max(self.top, 0), max(self.left, 0)
        bottom, right = min(self.bottom, shape[-2]), min(self.right, shape[-1])
        return Box(top, left, max(bottom - top, 0), max(right - left, 0))

    def intersection(self, other: "Box") -> "Box":
        """The part that both boxes share; empty where there is none."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Box(top, left, max(bottom - top, 0), max(right - left, 0))

    def shifted(self, rows: int, columns: int) -> "Box":
        """The box moved down and to the right.

        Args:
            rows: pixels down; negative: up.
            columns: pixels to the right; negative: to the left.

        Returns:
            A box of the same size.
        """
        return Box(self.top + rows, self.left + columns, self.height, self.width)

    def relative_to(self, other: "Box") -> "Box":
        """The box in coordinates whose origin is the top-left corner of another box."""
        return self.shifted(-other.top, -other.left)

    def pooled(self, stride: int) -> "Box":
        """The box on a map pooled by `stride`, of which its four sides are multiples."""
        return Box(
            self.top // stride, self.left // stride, self.height // stride, self.width // stride
        )

    def aligned(self, stride: int) -> "Box":
        """The smallest box around this one whose four sides lie on multiples of `stride`."""
        top, left = self.top // stride * stride, self.left // stride * stride
        bottom, right = -(-self.bottom // stride) * stride, -(-self.right // stride) * stride
        return Box(top, left, bottom - top, right - left)


def full_box(shape: tuple[int, ...]) -> Box:
    """The box of a whole picture of `shape`, (..., H, W)."""
    return Box(0, 0, shape[-2], shape[-1])


def bounding_box(support: Tensor) -> Box:
    """The smallest box around the pixels of a support.

    Args:
        support: (1, 1, H, W), bool, at least one pixel True.

    Returns:
        The box in pixels of (H, W).
    """
    rows = support[0, 0].any(1).nonzero()
    columns = support[0, 0].any(0).nonzero()
    top, left = int(rows[0]), int(columns[0])
    return Box(top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1)


def crop(tensor: Tensor, box: Box) -> Tensor:
    """A view of the part of a tensor inside a box.

    Args:
        tensor: (..., H, W).
        box: inside the tensor's last two dimensions.

    Returns:
        (..., h, w), a view of the box's size: writing to it writes to `tensor`.
    """
    rows, columns = box.slices
    return tensor[..., rows, columns]

"""The edge of a mask as a graph: what is found inside the mask is summed and smoothed along it."""

import numpy as np

Array = np.ndarray

WHOLE, BUT_LAST, BUT_FIRST = slice(None), slice(None, -1), slice(1, None)
# Where a pixel and its neighbour to the right, below, and on both diagonals lie.
STEPS = (
    ((WHOLE, BUT_LAST), (WHOLE, BUT_FIRST)),
    ((BUT_LAST, WHOLE), (BUT_FIRST, WHOLE)),
    ((BUT_LAST, BUT_LAST), (BUT_FIRST, BUT_FIRST)),
    ((BUT_LAST, BUT_FIRST), (BUT_FIRST, BUT_LAST)),
)


class MaskEdge:
    """The pixels just outside a mask, joined to their eight neighbours among them.

    Each pixel of the mask belongs to the nearest of them, its foot. What belongs to a stretch of
    the edge ends, at both ends of the stretch, along straight lines across the edge.

    Attributes:
        depth: (h, w), each pixel's distance to the outside, 0 there; infinite if there is none.
        foot: (h, w), the number of each pixel's foot; that of an outside pixel is itself where it
            lies on the edge, else −1.
        count: pixels of the edge.
    """

    def __init__(self, inside: Array) -> None:
        """Find the edge of a mask.

        Args:
            inside: (h, w), bool. The frame is no edge.
        """
        # SciPy takes a while to load: only where it is needed.
        from scipy.ndimage import binary_dilation, distance_transform_edt
        from scipy.sparse import csr_matrix

        self.depth = np.full(inside.shape, np.inf)
        self.foot = np.full(inside.shape, -1)
        edge = binary_dilation(inside, np.ones((3, 3), bool)) & ~inside
        self.count = int(edge.sum())
        number = np.full(inside.shape, -1)
        number[edge] = np.arange(self.count)
        if self.count:
            nearest = distance_transform_edt(inside, return_distances=False, return_indices=True)
            row, column = np.asarray(nearest)
            rows, columns = np.ogrid[0 : inside.shape[0], 0 : inside.shape[1]]
            self.depth = np.sqrt(np.square(row - rows) + np.square(column - columns))
            self.foot = number[row, column]
        pairs = [(number[a], number[b]) for a, b in STEPS]
        joined = [(one >= 0) & (other >= 0) for one, other in pairs]
        first = np.concatenate([one[both] for (one, _), both in zip(pairs, joined, strict=True)])
        second = np.concatenate(
            [other[both] for (_, other), both in zip(pairs, joined, strict=True)]
        )
        own = np.arange(self.count)
        rows, columns = np.concatenate([first, second, own]), np.concatenate([second, first, own])
        ones = np.ones(len(rows), np.float32)
        self._joined = csr_matrix((ones, (rows, columns)), shape=(self.count, self.count))

    def sums(self, pixels: Array, values: Array | None = None) -> Array:
        """Sums over the pixels that belong to each foot.

        Args:
            pixels: (h, w), bool, inside the mask.
            values: (h, w); None: pixels are counted.

        Returns:
            (count,).
        """
        weights = None if values is None else values[pixels]
        return np.bincount(self.foot[pixels], weights, self.count).astype(np.float32)

    def smoothed(self, values: Array, sigma: float) -> Array:
        """Values smoothed along the edge, about like a Gaussian.

        Args:
            values: (count,) or (count, k).
            sigma: standard deviation, in pixels along the edge.

        Returns:
            Like the values. A quotient of two smoothed sums is a local mean.
        """
        degree = np.asarray(self._joined.sum(1)).clip(1).reshape(-1, *[1] * (values.ndim - 1))
        # A mean over a pixel and its two neighbours has variance 2/3.
        for _ in range(round(1.5 * sigma**2)):
            values = (self._joined @ values) / degree
        return values

    def grown(self, marked: Array, steps: int) -> Array:
        """The marked pixels of the edge and those within some steps along it.

        Args:
            marked: (count,), bool.
            steps: >= 0.

        Returns:
            (count,), bool.
        """
        for _ in range(steps):
            marked = (self._joined @ marked.astype(np.float32)) > 0
        return marked

    def stretches(self, marked: Array) -> Array:
        """Number the stretches of marked pixels.

        Args:
            marked: (count,), bool.

        Returns:
            (count,), int, from 1 on; 0 where not marked.
        """
        from scipy.sparse.csgraph import connected_components

        found = np.zeros(self.count, int)
        if marked.any():
            part = self._joined[marked][:, marked]
            found[marked] = 1 + connected_components(part, directed=False)[1]
        return found

    def over(self, marked: Array) -> Array:
        """The pixels of the mask whose foot is marked.

        Args:
            marked: (count,), bool.

        Returns:
            (h, w), bool, inside the mask.
        """
        if not self.count:
            return self.foot >= 0
        return marked[self.foot] & (self.foot >= 0) & (self.depth > 0)

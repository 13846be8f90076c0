"""Peers of the benchmarks that are called the same way everywhere."""

from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from blending.placement.box import bounding_box


def opencv_clone(source: Tensor, target: Tensor, mask: Tensor, row: int, column: int) -> Tensor:
    """OpenCV's `seamlessClone`, normal, after Pérez et al. 2003, in 8 bits.

    Args:
        source: (1, 3, h, w), in [0, 1].
        target: (1, 3, H, W), in [0, 1].
        mask: (1, 1, h, w), in [0, 1]; it erodes this by a square of 7 x 7.
        row: of the source's corner on the target.
        column: likewise.

    Returns:
        (1, 3, H, W).
    """
    cloned = prepared_clone(source, target, mask, row, column)()
    return torch.from_numpy(cloned).permute(2, 0, 1)[None] / 255


def prepared_clone(
    source: Tensor, target: Tensor, mask: Tensor, row: int, column: int
) -> Callable[[], np.ndarray]:
    """`opencv_clone` without the conversions from and to tensors, to be timed; (H, W, 3), uint8."""
    import cv2

    # The box around the mask is centred on the point, rounded down.
    box = bounding_box(mask > 0)
    pictures = _levels(source), _levels(target)
    levels = _levels(mask.expand(-1, 3, -1, -1))
    centre = (column + box.left + box.width // 2, row + box.top + box.height // 2)
    # A copy each time: the mask is changed there.
    return lambda: cv2.seamlessClone(*pictures, levels.copy(), centre, cv2.NORMAL_CLONE)


def _levels(image: Tensor) -> np.ndarray:
    """(H, W, 3), uint8, of its own memory."""
    array = image[0].permute(1, 2, 0).numpy()
    return np.ascontiguousarray(np.rint(array * 255).astype(np.uint8))


def amg_solution(matrix: sparse.csc_matrix, right: np.ndarray, cycles: int) -> np.ndarray:
    """pyamg's Ruge-Stüben multigrid as preconditioner of conjugate gradients, set-up included.

    Args:
        matrix: (n, n).
        right: (n, channels).
        cycles: at most.
    """
    import pyamg

    solver = pyamg.ruge_stuben_solver(matrix.tocsr())
    columns = [solver.solve(b, tol=1e-12, maxiter=cycles, accel="cg") for b in right.T]
    return np.stack(columns, 1)


def fpie_solution(
    source: Tensor, target: Tensor, mask: Tensor, backend: str, iterations: int
) -> Tensor:
    """fpie's equation solver, Jacobi iterations; its mask may not touch the frame.

    Args and returns: as `opencv_clone`, all of one size; clipped, but not rounded to 8 bits.
    """
    from fpie.process import EquProcessor

    planes = [p[0].permute(1, 2, 0).numpy() * 255 for p in (source, target)]
    levels = (mask[0, 0].numpy() * 255).astype(np.uint8)
    processor = EquProcessor("src", backend, n_cpu=torch.get_num_threads())
    processor.reset(planes[0], levels, planes[1], (0, 0), (0, 0))
    processor.sync()
    filled, _ = processor.step(iterations)
    return torch.from_numpy(filled).permute(2, 0, 1)[None] / 255

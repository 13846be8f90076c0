"""Systems of the exact solve's benchmark: pictures, masks of awkward shapes, equations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor

from blending.image.filters import laplacian
from blending.pictures.read import read_picture
from blending.poisson.solver import solve_poisson

DIRECT = 512  # pixels across, up to which SciPy solves the system
DEMO = Path(__file__).resolve().parents[2] / "blending" / "demo"


def shapes(side: int) -> dict[str, np.ndarray]:
    """Bool masks of that many pixels across."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    disc = radius < side / 2
    rng = np.random.default_rng(side)
    holes = disc.copy()
    for row, column in rng.uniform(-side / 2, side / 2, (40, 2)):
        holes &= np.hypot(rows - row, columns - column) > side / 32
    across = [
        np.abs(rows * np.cos(turn) - columns * np.sin(turn)) < max(1.5, side / 256)
        for turn in np.arange(12) * np.pi / 12
    ]
    return {
        "disc": disc,
        "rectangle": np.ones_like(disc),
        "blob": radius < side * (0.35 + 0.1 * np.sin(3 * angle) + 0.04 * np.sin(11 * angle)),
        "holes": holes,
        "thin": disc & np.any(across, axis=0),
        "sieve": rng.random((side, side)) < 0.7,
    }


@dataclass(frozen=True)
class System:
    """One blend: pictures (1, 3, H, W), mask (1, 1, H, W), and its equations in float64."""

    source: Tensor
    target: Tensor
    mask: Tensor

    @property
    def support(self) -> Tensor:
        return self.mask > 0

    def solved(self, tolerance: float = 0.1, dtype: torch.dtype = torch.float32) -> Tensor:
        guidance = laplacian(self.source.to(dtype))
        return solve_poisson(guidance, self.support, self.target.to(dtype), tolerance)

    def matrix(self) -> tuple[sparse.csc_matrix, np.ndarray]:
        """A and b of the unknowns, row by row, without the solver's own code."""
        inside = self.support[0, 0].numpy()
        number = np.where(inside, np.cumsum(inside).reshape(inside.shape) - 1, -1)
        size = int(inside.sum())
        source, target = (p[0].double().numpy() for p in (self.source, self.target))
        diagonal, right = np.zeros(size), np.zeros((size, 3))
        links = []
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            here, there = _neighbours(inside.shape, axis, step)
            use = inside[here]
            own = number[here][use]
            diagonal[own] += 1
            right[own] += (source[(slice(None), *here)] - source[(slice(None), *there)])[:, use].T
            linked = inside[there][use]
            fixed = target[(slice(None), *there)][:, use].T
            right[own[~linked]] += fixed[~linked]
            links.append((own[linked], number[there][use][linked]))
        rows, columns = (np.concatenate(part) for part in zip(*links, strict=True))
        values = -np.ones(len(rows))
        matrix = sparse.coo_matrix((values, (rows, columns)), shape=(size, size))
        return (matrix + sparse.diags(diagonal)).tocsc(), right

    def reference(self) -> np.ndarray:
        """(unknowns, 3)."""
        matrix, right = self.matrix()
        if self.mask.shape[2] <= DIRECT + 16:
            return splu(matrix).solve(right)
        solution = self.unknowns(self.solved(1e-7, torch.float64))
        residual = np.abs(matrix @ solution - right).max()
        if residual > 1e-8:
            raise RuntimeError(f"the reference's residual must be below 1e-8, got {residual:.2g}")
        return solution

    def unknowns(self, picture: Tensor) -> np.ndarray:
        return picture[0][:, self.support[0, 0]].double().numpy().T


def _neighbours(shape: tuple[int, int], axis: int, step: int) -> tuple[tuple, tuple]:
    """Indices of all pixels that have the neighbour, and of these neighbours."""
    first, last = slice(0, shape[axis] - 1), slice(1, shape[axis])
    here, there = [slice(None)] * 2, [slice(None)] * 2
    here[axis], there[axis] = (first, last) if step == 1 else (last, first)
    return tuple(here), tuple(there)


def make_system(side: int, shape: str) -> System:
    frame = side + 16
    mask = torch.from_numpy(np.pad(shapes(side)[shape], 8)).float()[None, None]
    pictures = (
        F.interpolate(read_picture(DEMO / name).pixels[:, :3], (frame, frame), mode="bicubic")
        for name in ("rocket.png", "starry_night.jpg")
    )
    # fpie clips its result; at half of the contrast nothing is clipped.
    source, target = (0.25 + 0.5 * picture.clamp(0, 1) for picture in pictures)
    return System(source, target, mask)

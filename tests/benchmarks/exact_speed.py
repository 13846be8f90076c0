"""Time the exact Poisson solve beside its peers, on masks of every size and awkward shapes.

    python tests/benchmarks/exact_speed.py [--sizes N ...] [--shapes NAME ...] [--rounds N]
        [--slow-peers] [--markdown]

A photograph into a photograph, three channels. Times are medians in milliseconds, the calls taking
turns. `solve` is the solver alone, `stage` all that a user of the exact method waits for. Errors
are the largest, in grey levels, against the same system in float64: solved directly by SciPy up to
512 pixels, above by our iteration carried on until the residual, by SciPy's matrix, is below 1e-8.
OpenCV's `seamlessClone` is timed where it is installed, pyamg and fpie with --slow-peers, each run
until its largest error is 0.5 level (ours is asked for 0.1), or given up.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from measuring import milliseconds, peak_megabytes  # noqa: E402
from peers import amg_solution, fpie_solution, opencv_clone  # noqa: E402
from tables import table  # noqa: E402

from blending import PoissonSettings, place, poisson_stage  # noqa: E402
from blending.filters import laplacian  # noqa: E402
from blending.pictures import read_picture  # noqa: E402
from blending.poisson import solve_poisson  # noqa: E402

LEVEL = 1 / 255
DIRECT = 512  # pixels across, up to which SciPy solves the system
GOOD = 0.5  # levels, the largest error that a peer is run to
DEMO = ROOT / "blending" / "demo"


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


def largest_error(system: System, picture: Tensor, reference: np.ndarray) -> float:
    return np.abs(system.unknowns(picture) - reference).max() / LEVEL


def until_good(
    solve: Callable[[int], Tensor], system: System, reference: np.ndarray, limit: float
) -> str:
    """Milliseconds of the first of ever longer runs that is good enough."""
    effort = 1
    while True:
        started = time.perf_counter()
        picture = solve(effort)
        seconds = time.perf_counter() - started
        error = largest_error(system, picture, reference)
        if error <= GOOD:
            return f"{1000 * seconds:.0f}"
        if seconds > limit:
            return f"> {1000 * seconds:.0f} ({error:.0f})"
        effort *= 2


def measure(side: int, shape: str, rounds: int, slow_peers: bool) -> list[str]:
    system = make_system(side, shape)
    placed = place(system.source, system.target, system.mask)
    settings = PoissonSettings(method="exact")
    calls = {"solve": system.solved, "stage": lambda: poisson_stage(placed, settings)}
    if find_spec("cv2"):
        calls["cv"] = lambda: opencv_clone(system.source, system.target, system.mask, 0, 0)
    memory = peak_megabytes(system.solved)  # first: later the process has it already
    times = milliseconds(calls, rounds)
    reference = system.reference()
    row = [str(side), shape, f"{times['solve']:.0f}", f"{times['stage']:.0f}"]
    row.append(f"{largest_error(system, system.solved(), reference):.3f}")
    row.append("" if memory is None else f"{memory:.0f}")
    if "cv" in times:
        row += [f"{times['cv']:.0f}", f"{times['stage'] / times['cv']:.2f}"]
    if slow_peers:
        matrix, right = system.matrix()

        def amg(effort: int) -> Tensor:
            return _filled(system, amg_solution(matrix, right, cycles=effort))

        row.append(until_good(amg, system, reference, limit=60))
        for backend in ("numba", "taichi-cpu"):

            def fpie(effort: int, backend: str = backend) -> Tensor:
                return fpie_solution(
                    system.source, system.target, system.mask, backend, 250 * effort
                )

            row.append(until_good(fpie, system, reference, limit=20))
    return row


def _filled(system: System, unknowns: np.ndarray) -> Tensor:
    picture = system.target.double().clone()
    picture[0][:, system.support[0, 0]] = torch.from_numpy(unknowns.T)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    sizes = [128, 256, 512, 1024, 2048]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes, metavar="N")
    parser.add_argument("--shapes", nargs="+", default=list(shapes(64)), choices=list(shapes(64)))
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--slow-peers", action="store_true", help="pyamg and fpie, too")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    head = ["across", "mask", "solve", "stage", "error", "MB"]
    head += ["OpenCV", "stage / OpenCV"] if find_spec("cv2") else []
    head += ["pyamg", "fpie numba", "fpie taichi"] if options.slow_peers else []
    print(f"{torch.get_num_threads()} threads; milliseconds, levels, MB beyond the pictures")
    rows = [
        measure(side, shape, options.rounds, options.slow_peers)
        for side in options.sizes
        for shape in options.shapes
    ]
    print(table(head, rows, options.markdown))


if __name__ == "__main__":
    main()

"""Time the exact Poisson solve beside its peers, on masks of every size and awkward shapes.

    python tests/benchmarks/exact_speed.py [--sizes N ...] [--shapes NAME ...] [--rounds N]
        [--slow-peers] [--markdown]

A photograph into a painting, three channels. Times are medians in milliseconds, the calls taking
turns. `solve` is the solver alone, `stage` all that a user of the exact method waits for. Errors
are the largest, in grey levels, against the same system in float64: solved directly by SciPy up to
512 pixels, above by our iteration carried on until the residual, by SciPy's matrix, is below 1e-8.
OpenCV's `seamlessClone` is timed where it is installed; with --slow-peers SciPy's direct solve, and
pyamg and fpie where they are installed, each run until its largest error is 0.5 level (ours is
asked for 0.1), or given up. MB are the most that a call takes beyond what the process has already.
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from exact_systems import System, make_system, shapes  # noqa: E402
from measuring import milliseconds, peak_megabytes  # noqa: E402
from peers import amg_solution, fpie_solution, prepared_clone  # noqa: E402
from tables import table  # noqa: E402

from blending import PoissonSettings, place, poisson_stage  # noqa: E402

LEVEL = 1 / 255
GOOD = 0.5  # levels, the largest error that a peer is run to


def largest_error(system: System, picture: Tensor, reference: np.ndarray) -> float:
    return np.abs(system.unknowns(picture) - reference).max() / LEVEL


def until_good(
    solve: Callable[[int], Tensor], system: System, reference: np.ndarray, limit: float
) -> str:
    """Milliseconds and MB of the first of ever longer runs that is good enough."""
    effort = 1
    while True:
        found, started = [], time.perf_counter()
        memory = _rounded(peak_megabytes(lambda: found.append(solve(effort))))  # noqa: B023
        seconds = time.perf_counter() - started
        error = largest_error(system, found[0], reference)
        if error <= GOOD:
            return f"{1000 * seconds:.0f}, {memory} MB"
        if seconds > limit:
            return f"> {1000 * seconds:.0f} ({error:.0f}), {memory} MB"
        effort *= 2


def measure(side: int, shape: str, rounds: int, slow_peers: bool) -> list[str]:
    system = make_system(side, shape)
    placed = place(system.source, system.target, system.mask)
    settings = PoissonSettings(method="exact")
    calls = {"solve": system.solved, "stage": lambda: poisson_stage(placed, settings)}
    if find_spec("cv2"):
        calls["cv"] = prepared_clone(system.source, system.target, system.mask, 0, 0)
    # First: later the process has it already.
    memory = {name: _rounded(peak_megabytes(call)) for name, call in calls.items()}
    times = milliseconds(calls, rounds)
    reference = system.reference()
    row = [str(side), shape, f"{times['solve']:.0f}", f"{times['stage']:.0f}"]
    row.append(f"{largest_error(system, system.solved(), reference):.3f}")
    row.append(memory["solve"])
    if "cv" in times:
        ratios = [f"{times[ours] / times['cv']:.2f}" for ours in ("solve", "stage")]
        row += [f"{times['cv']:.0f}", memory["cv"], *ratios]
    return row + (_slow_peers(system, reference) if slow_peers else [])


def _slow_peers(system: System, reference: np.ndarray) -> list[str]:
    """SciPy's sparse direct solve, set-up included; pyamg; fpie. Empty where not installed."""
    matrix, right = system.matrix()
    row = [
        until_good(
            lambda _: _filled(system, splu(matrix).solve(right)), system, reference, limit=60
        )
    ]

    def amg(effort: int) -> Tensor:
        return _filled(system, amg_solution(matrix, right, cycles=effort))

    row.append(until_good(amg, system, reference, limit=60) if find_spec("pyamg") else "")
    for backend in ("numba", "taichi-cpu"):

        def fpie(effort: int, backend: str = backend) -> Tensor:
            return fpie_solution(system.source, system.target, system.mask, backend, 250 * effort)

        is_there = find_spec("fpie") and find_spec(backend.partition("-")[0])
        row.append(until_good(fpie, system, reference, limit=20) if is_there else "")
    return row


def _rounded(megabytes: float | None) -> str:
    return "" if megabytes is None else f"{megabytes:.0f}"


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
    parser.add_argument("--slow-peers", action="store_true", help="SciPy, pyamg, fpie, too")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    head = ["across", "mask", "solve", "stage", "error", "MB"]
    head += ["OpenCV", "MB", "solve / OpenCV", "stage / OpenCV"] if find_spec("cv2") else []
    head += ["SciPy", "pyamg", "fpie numba", "fpie taichi"] if options.slow_peers else []
    print(f"{torch.get_num_threads()} threads; milliseconds, levels, MB beyond the pictures")
    rows = [
        measure(side, shape, options.rounds, options.slow_peers)
        for side in options.sizes
        for shape in options.shapes
    ]
    print(table(head, rows, options.markdown))


if __name__ == "__main__":
    main()

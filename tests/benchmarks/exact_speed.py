"""Time the exact Poisson solve beside its peers, on masks of every size and awkward shapes.

    python tests/benchmarks/exact_speed.py [--sizes N ...] [--shapes NAME ...] [--rounds N]
        [--slow-peers] [--markdown]

A photograph into a painting, three channels. Times are medians in milliseconds, the calls taking
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
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
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
        calls["cv"] = prepared_clone(system.source, system.target, system.mask, 0, 0)
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

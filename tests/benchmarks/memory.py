"""Measure what a stage takes beside its pictures, against what blending/memory.py plans.

    python tests/benchmarks/memory.py [--windows N ...] [--shares F ...] [--tiles N ...]
        [--arithmetics NAME ...] [--evaluations N] [--histogram]

Every row is a process of its own: a square object in the middle of a square window, all at once and
in the tiles that memory.py may fall back to. The plan is to be too large rather than too small: a
ratio of 1 to 1.3. Linux only. History of the optimiser fills with evaluations: for its whole size
give 12, by default 2 are run and its other pages stay untouched.
"""

import argparse
import multiprocessing
import sys
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from measuring import peak_megabytes  # noqa: E402
from tables import table  # noqa: E402

from blending import PoissonSettings, Weights, load_features, place, poisson_stage  # noqa: E402
from blending.machine import ARITHMETICS, Compute  # noqa: E402
from blending.memory import TILES, Extent, Plan, planned_bytes  # noqa: E402

MEGABYTE = 2**20


def measured(
    window: int, side: int, tile: int | None, arithmetic: str, evaluations: int, histogram: bool
) -> tuple[float | None, float, int | None]:
    """Megabytes that a stage took and was planned to take, and the tile that it worked in."""
    extent = Extent((window, window), (side, side), histogram)
    planned = planned_bytes(extent, Plan(1, tile))
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.rand(1, 3, n, n, generator=generator) for n in (side, window))
    corner = (window - side) // 2
    placed = place(source, target, torch.ones(1, 1, side, side), corner, corner)
    weights = replace(Weights(), histogram=float(histogram))
    settings = PoissonSettings(margin=None, max_evaluations=evaluations, weights=weights)
    compute, network, results = Compute(None, arithmetic, planned), load_features(), []
    poisson_stage(
        place(source[..., :8, :8], target[..., :8, :8], torch.ones(1, 1, 8, 8)), network=network
    )

    def run() -> None:
        results.append(poisson_stage(placed, settings, network, compute))

    peak = peak_megabytes(run)
    return peak, planned / MEGABYTE, results[0].report["pictures"][0]["tile"]


def rows(options: argparse.Namespace) -> list[list[str]]:
    found = []
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as processes:
        for window in options.windows:
            for side in (round(share * window) for share in options.shares):
                for tile in (tile or None for tile in options.tiles if tile < window):
                    for arithmetic in options.arithmetics:
                        given = window, side, tile, arithmetic
                        rest = options.evaluations, options.histogram
                        peak, planned, used = processes.apply(measured, (*given, *rest))
                        if used != tile:  # a larger plan is planned to take less
                            continue
                        ratio = "" if peak is None else f"{planned / peak:.2f}"
                        taken = "" if peak is None else f"{peak:.0f}"
                        found.append([*map(str, given), taken, f"{planned:.0f}", ratio])
                        print("  ".join(found[-1]), file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--windows", type=int, nargs="+", default=[384, 640, 1152], metavar="N")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=[0.25, 0.5, 0.9], metavar="F", help="of a side"
    )
    parser.add_argument(
        "--tiles", type=int, nargs="+", default=[0, *TILES], metavar="N", help="0: all at once"
    )
    parser.add_argument("--evaluations", type=int, default=2, metavar="N")
    parser.add_argument("--histogram", action="store_true", help="with the histogram term")
    parser.add_argument(
        "--arithmetics", nargs="+", default=list(ARITHMETICS[1:]), choices=ARITHMETICS[1:]
    )
    head = ["window", "object", "tile", "arithmetic", "MB", "planned", "ratio"]
    print(table(head, rows(parser.parse_args()), markdown=False))


if __name__ == "__main__":
    main()

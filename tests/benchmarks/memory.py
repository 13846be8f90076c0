"""Measure what a stage takes beside its pictures, against what blending/stages/memory.py plans.

    python tests/benchmarks/memory.py [--windows N ...] [--shares F ...] [--tiles N ...]
        [--arithmetics NAME ...] [--evaluations N] [--histogram] [--matched]

Every row is a process of its own: a square object in the middle of a square window, all at once and
in the tiles that memory.py may fall back to. The plan is to be too large rather than too small: a
ratio of 1 to 1.3. Linux only. History of the optimiser fills with evaluations: for its whole size
give 12, by default 2 are run and its other pages stay untouched.
"""

import argparse
import itertools
import multiprocessing
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from measuring import peak_megabytes  # noqa: E402
from tables import table  # noqa: E402

from blending import (  # noqa: E402
    Placed,
    PoissonSettings,
    RefineSettings,
    StageResult,
    Weights,
    load_features,
    place,
    poisson_stage,
    refine_stage,
)
from blending.settings import PRECISIONS, Compute  # noqa: E402
from blending.stages.memory import TILES, Extent, Plan, planned_bytes, plans  # noqa: E402

MEGABYTE = 2**20


def megabytes(
    extent: Extent, plan: Plan, arithmetic: str, evaluations: int
) -> tuple[float | None, int | None]:
    """What a stage takes at most, and the tile that it worked in; run in a process of its own."""
    (window, _), (side, _) = extent.window, extent.changing
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.rand(1, 3, n, n, generator=generator) for n in (side, window))
    corner = (window - side) // 2
    placed = place(source, target, torch.ones(1, 1, side, side), corner, corner)
    compute, network = Compute(None, arithmetic, planned_bytes(extent, plan)), load_features()

    def stage(placed: Placed) -> StageResult:
        if extent.is_matched:
            own = RefineSettings(margin=None, max_evaluations=evaluations)
            mask, paste = placed.full_mask, placed.target
            return refine_stage(paste, paste, mask, own, network, compute, source=1 - paste)
        weights = replace(Weights(), histogram=float(extent.has_histogram))
        own = PoissonSettings(margin=None, max_evaluations=evaluations, weights=weights)
        return poisson_stage(placed, own, network, compute)

    small = place(source[..., :8, :8], target[..., :64, :64], torch.ones(1, 1, 8, 8), 20, 20)
    stage(small)  # what torch takes once is not counted
    results = []
    peak = peak_megabytes(lambda: results.append(stage(placed)))
    return peak, results[0].report["pictures"][0]["tile"]


def rows(options: argparse.Namespace) -> Iterator[list[str]]:
    plans_of = itertools.product(options.windows, options.shares, options.tiles)
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as processes:
        for window, share, tile in plans_of:
            side, plan = round(share * window), Plan(1, tile or None)
            extent = Extent((window, window), (side, side), options.histogram, options.matched)
            planned = planned_bytes(extent, plan)
            if plan != plans(extent, 1, planned)[0]:  # all at once takes less, or it is one tile
                continue
            for arithmetic in options.arithmetics:
                given = extent, plan, arithmetic, options.evaluations
                peak, used = processes.apply(megabytes, given)
                if used != plan.tile:
                    raise RuntimeError(f"tiles of {plan.tile} were planned, got {used}")
                taken = ["", ""]
                if peak is not None:
                    taken = [f"{peak:.0f}", f"{planned / MEGABYTE / peak:.2f}"]
                row = [window, side, plan.tile or "", arithmetic, f"{planned / MEGABYTE:.0f}"]
                yield [*map(str, row), *taken]


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
        "--matched", action="store_true", help="the refine stage with matched style instead"
    )
    parser.add_argument(
        "--arithmetics", nargs="+", default=list(PRECISIONS[1:]), choices=PRECISIONS[1:]
    )
    head = ["window", "object", "tile", "arithmetic", "planned MB", "taken", "ratio"]
    found = []
    for row in rows(parser.parse_args()):
        found.append(row)
        print(" ".join(row), file=sys.stderr, flush=True)  # the table takes minutes
    print(table(head, found, markdown=False))


if __name__ == "__main__":
    main()

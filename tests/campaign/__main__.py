"""Search for faults: `python -m tests.campaign [PART ...] --cases N --seed S --minutes M`.

Each fault is told with the line that runs its case again. The exit status is 1 where there is one.
"""

import argparse
import json
import sys
import time

import torch

from .parts import PARTS
from .search import search


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--cases", type=int, default=1000, metavar="N", help="of each part")
    parser.add_argument("--seed", type=int, metavar="S", help="by default one that nobody chose")
    parser.add_argument("--minutes", type=float, default=10, metavar="M", help="of each part, most")
    parser.add_argument("--case", type=json.loads, help="run this one case of a part again")
    options = parser.parse_args(words)
    unknown = set(options.parts) - set(PARTS)
    if unknown or (options.case is not None and len(options.parts) != 1):
        parser.error(f"PART must be one of {', '.join(PARTS)}, with --case a single one")
    torch.set_num_threads(1)
    chosen = [PARTS[name] for name in options.parts or PARTS]
    if options.case is not None:
        print(chosen[0].check(options.case))
        return 0
    start = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    outcomes = []
    for part in chosen:
        began = time.monotonic()
        outcomes.append(search(part, options.cases, start, 60 * options.minutes))
        print(f"{outcomes[-1].words}, seed {start}, {time.monotonic() - began:.0f} s", flush=True)
    return int(any(outcome.faults for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())

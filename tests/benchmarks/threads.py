"""Compare blends of the bundled cases at several numbers of threads.

    python tests/benchmarks/threads.py [CASE ...] [--threads N ...]

Columns, for each stage: the largest difference to the picture of the first number of threads, in
levels of an 8-bit file, and the share of the object's pixels that differ by more than one.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from quality_cases import find_cases, read_case  # noqa: E402
from tables import table  # noqa: E402
from torch import Tensor  # noqa: E402

from blending import PRESETS, load_features, poisson_stage, refine_stage  # noqa: E402
from blending.network.vgg16 import Features  # noqa: E402

CASES = Path(__file__).with_name("cases")


def pictures(folder: Path, network: Features) -> dict[str, Tensor]:
    """Both stages' pictures in levels, (3, pixels) under the mask, by the stage's name."""
    preset, placed = PRESETS["painting"], read_case(folder).placed
    first = poisson_stage(placed, preset.poisson, network)
    second = refine_stage(first.image, placed.target, first.mask, preset.refine, network)
    inside = first.mask[0, 0] > 0
    found = {"poisson": first, "refine": second}
    return {name: (255 * x.image[0, :3, inside]).round() for name, x in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8, 16], metavar="N")
    options, network, rows = parser.parse_args(), load_features(), []
    for folder in find_cases([CASES], options.cases or None):
        first: dict[str, Tensor] = {}
        for count in options.threads:
            torch.set_num_threads(count)
            found = pictures(folder, network)
            first = first or found
            row = [folder.name, str(count)]
            for name, picture in found.items():
                difference = (picture - first[name]).abs().amax(0)
                row += [f"{difference.max():.0f}", f"{(difference > 1).float().mean():.2%}"]
            rows.append(row)
            print(" ".join(row), file=sys.stderr, flush=True)
    head = ["case", "threads", "poisson, most", "over 1", "refine, most", "over 1"]
    print(table(head, rows, markdown=False))


if __name__ == "__main__":
    main()

"""Measure what the command line takes at most for a small object in a large target, and how long.

    python tests/benchmarks/large_targets.py [--sides N ...] [--kinds png jpg tif png16]
        [--options "WORDS" ...] [--folder FOLDER]

Every row is a process of its own, whose peak resident memory, all that Python and torch take in it,
is set beside the picture's bytes. The targets, smooth with a little noise, are kept in the folder.
Linux only.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

from tables import table  # noqa: E402

DEMO = ROOT / "blending" / "demo"
OBJECT = 400  # pixels, a side
BAND = 512  # rows that are drawn at once
RUN = """
import sys
from pathlib import Path
from blending.cli.main import main
status = main(sys.argv[1:])
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line))
sys.exit(status)
"""


def draw(path: Path, side: int, kind: str) -> None:
    """A target of a side and kind; nothing if it is there."""
    if path.exists():
        return
    dtype = np.uint16 if kind == "png16" else np.uint8
    picture, noise = np.empty((side, side, 3), dtype), np.random.default_rng(0)
    columns = np.arange(side)
    for top in range(0, side, BAND):
        rows = np.arange(top, min(top + BAND, side))[:, None]
        for channel in range(3):
            waves = np.sin(rows / (300 + 50 * channel)) * np.cos(columns / (420 - 60 * channel))
            grain = noise.integers(-6, 7, waves.shape)
            levels = (120 + 60 * waves + grain).clip(0, 255)
            picture[top : top + BAND, :, channel] = levels * (np.iinfo(dtype).max // 255)
    cv2.imwrite(str(path), picture)


def cut_out(folder: Path) -> list[str]:
    """The demo's portrait and its mask as files, as options."""
    options = []
    for option, name in (("source", "astronaut.jpg"), ("mask", "astronaut_mask.png")):
        path = folder / f"{option}.png"
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(DEMO / name)), (OBJECT, OBJECT)))
        options.append(f"--{option}={path}")
    return options


def rows(options: argparse.Namespace, folder: Path) -> Iterator[list[str]]:
    given = cut_out(folder)
    for side in options.sides:
        for kind in options.kinds:
            suffix, depth = kind.removesuffix("16"), 2 if kind == "png16" else 1
            target = folder / f"target_{side}_{kind}.{suffix}"
            draw(target, side, kind)
            for words in options.options:
                at, out = side // 2, folder / f"out.{suffix}"
                command = [sys.executable, "-c", RUN, *given, f"--target={target}", f"--out={out}"]
                command += [f"--at={at},{at}", "--overwrite", *words.split()]
                begun = time.perf_counter()
                run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
                seconds = time.perf_counter() - begun
                peak = re.search(r"VmHWM:\s+(\d+) kB", run.stdout)
                if run.returncode or not peak:
                    raise RuntimeError(f"{' '.join(command)}: {run.stdout}{run.stderr}")
                taken, picture = 1024 * int(peak[1]), 3 * depth * side**2
                times, megabytes = f"{taken / picture:.1f}", f"{taken / 1e6:.0f}"
                yield [str(side), kind, words, megabytes, times, f"{seconds:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[8000, 16000], metavar="N")
    parser.add_argument(
        "--kinds", nargs="+", default=["jpg"], choices=("png", "jpg", "tif", "png16")
    )
    parser.add_argument(
        "--options",
        nargs="+",
        default=["--stage exact", "--preset photograph", ""],
        metavar="WORDS",
    )
    parser.add_argument("--folder", type=Path, help="where targets are kept (default: nowhere)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        found = []
        for row in rows(options, (options.folder or Path(temporary)).resolve()):
            found.append(row)
            print(" ".join(row), file=sys.stderr, flush=True)
    head = ["side", "kind", "options", "peak MB", "times the picture", "seconds"]
    print(table(head, found, markdown=True))


if __name__ == "__main__":
    main()

"""Measure batches on this machine: the rate, how busy the workers are, memory, and single calls.

    python tests/benchmarks/batch.py [--rows N] [--preset NAME] [--workers N] [--threads N]
        [--singles N] [--side PX]

A row is an object of the demo on a crop of its target, of this side; every fourth row shares its
target with one before. Printed: the wall time beside the workers' summed time of blending divided
by their number, the memory of all workers (their sum, resident) over the rows, and, with --singles,
the time of as many calls of the command line, for the ratio.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from blending.cluster import BatchSettings, run  # noqa: E402

DEMO = ROOT / "blending" / "demo"
OBJECTS = {"rocket": ("rocket.png", 60), "astronaut": ("astronaut.jpg", 107)}  # file, width
MEGABYTE = 1e6
LAST = 400  # rows over which the memory is to stay


def make_rows(folder: Path, rows: int, preset: str, side: int) -> Path:
    """Write pictures and a manifest; its path."""
    draw = random.Random(1)
    for name, (file, width) in OBJECTS.items():
        with Image.open(DEMO / file) as image, Image.open(DEMO / f"{name}_mask.png") as mask:
            size = (width * side // 256, image.height * width * side // (256 * image.width))
            image.convert("RGB").resize(size).save(folder / f"{name}.png")
            mask.convert("L").resize(size).save(folder / f"{name}_mask.png")
    manifest = folder / "rows.jsonl"
    with Image.open(DEMO / "starry_night.jpg") as opened, manifest.open("w") as file:
        night = opened.convert("RGB")
        for number in range(rows):
            target = folder / f"target_{number - number % 4 // 3}.png"
            if not target.exists():
                left, top = draw.randrange(night.width - side), draw.randrange(night.height - side)
                night.crop((left, top, left + side, top + side)).save(target)
            name = list(OBJECTS)[number % 2]
            at = [draw.randrange(side // 2), draw.randrange(side // 4)]
            row = {"source": f"{name}.png", "mask": f"{name}_mask.png", "target": target.name}
            row |= {"at": at, "preset": preset, "out": f"{number}.png"}
            file.write(json.dumps(row) + "\n")
    return manifest


class Memory:
    """The resident memory of all worker processes after each row."""

    def __init__(self) -> None:
        self.megabytes: list[float] = []

    def __call__(self, record: dict) -> None:
        """Look at the workers after a row."""
        total = 0
        for child in psutil.Process().children():
            try:
                total += child.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        self.megabytes.append(total / MEGABYTE)


def main() -> None:
    """Run the batch, and the single calls if they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--preset", default="painting")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--singles", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = make_rows(folder, given.rows, given.preset, given.side)
        memory = Memory()
        began = time.monotonic()
        settings = BatchSettings(workers=given.workers, threads=given.threads)
        summary = run(manifest, folder / "out", settings, on_record=memory)
        wall = time.monotonic() - began
        assert summary.done == given.rows, summary
        shared = summary.blending_seconds / given.workers
        print(f"{given.rows} rows of {given.side}², {given.preset}: {wall:.1f} s,", end=" ")
        print(
            f"{given.workers} workers of {given.threads} threads; {wall / given.rows:.3f} s a row"
        )
        print(f"wall / (summed blending / workers): {wall / shared:.3f}")
        last = memory.megabytes[-LAST:]
        print(f"memory of all workers over the last {len(last)} rows: {min(last):.0f} to", end=" ")
        print(f"{max(last):.0f} MB; means of their fifths", *_fifths(last))
        if given.singles:
            _singles(manifest, folder, given.singles, wall / given.rows)


def _fifths(values: list[float]) -> list[int]:
    size = max(1, len(values) // 5)
    parts = [values[at : at + size] for at in range(0, size * 5, size)]
    return [round(sum(part) / len(part)) for part in parts if part]


def _singles(manifest: Path, folder: Path, count: int, a_row: float) -> None:
    rows = [json.loads(line) for line in manifest.read_text().splitlines()[:count]]
    began = time.monotonic()
    for row in rows:
        words = ["--at", ",".join(map(str, row["at"])), "--preset", row["preset"].replace(" ", "-")]
        for name in ("source", "mask", "target"):
            words += [f"--{name}", str(folder / row[name])]
        words += ["--out", str(folder / f"single_{row['out']}")]
        command = [sys.executable, "-m", "blending", *words]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    single = (time.monotonic() - began) / count
    print(f"single calls: {single:.3f} s each, {single / a_row:.1f} times a row of the batch")
    same = [(folder / f"single_{r['out']}").read_bytes() for r in rows]
    print("same bytes:", same == [(folder / "out" / row["out"]).read_bytes() for row in rows])


if __name__ == "__main__":
    main()

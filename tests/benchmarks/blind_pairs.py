"""Blind pairs: lay out two sets of pictures side by side, sides drawn, and count the verdicts.

    python tests/benchmarks/blind_pairs.py lay A B OUT [--judges 5] [--cases NAME ...]
    python tests/benchmarks/blind_pairs.py count OUT

A and B are folders of pictures of the same names, in PNG, one a case. `lay` writes
OUT/judge_1/CASE.png and so on, at full size with a gap between: for each judge and case a hash says
which side A is on, so nobody can learn it, and it can be drawn again. A judge writes verdicts.txt
into that folder: a line a case, `CASE left reason` or `CASE right reason`. `count` reads them:
verdicts for A by case, all of them, and every reason with the side's name in its place.
"""

import argparse
import hashlib
import sys
from pathlib import Path

from PIL import Image

GAP = 24  # pixels
SIDES = ("left", "right")


def side_of_first(case: str, judge: int) -> str:
    """The side that the first folder's picture is on."""
    return SIDES[hashlib.sha256(f"{case} {judge}".encode()).digest()[0] % 2]


def pair(first: Image.Image, second: Image.Image, side: str) -> Image.Image:
    """Both beside each other on white, the first on its side."""
    left, right = (first, second) if side == "left" else (second, first)
    size = left.width + GAP + right.width, max(left.height, right.height)
    sheet = Image.new("RGB", size, "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + GAP, 0))
    return sheet


def lay(first: Path, second: Path, out: Path, judges: int, cases: list[str] | None) -> None:
    """Write every judge's pairs."""
    shared = {path.stem for path in first.glob("*.png")} & {p.stem for p in second.glob("*.png")}
    names = sorted(shared) if cases is None else cases
    if not names or not set(names) <= shared:
        sys.exit(f"cases must be in both folders, got {', '.join(names) or 'none'}")
    for judge in range(1, judges + 1):
        folder = out / f"judge_{judge}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            pictures = (Image.open(f / f"{name}.png").convert("RGB") for f in (first, second))
            pair(*pictures, side_of_first(name, judge)).save(folder / f"{name}.png")


def verdicts(out: Path) -> list[tuple[str, int, bool, str]]:
    """Case, judge, whether the first was preferred, and why."""
    found = []
    for path in sorted(out.glob("judge_*/verdicts.txt")):
        judge = int(path.parent.name.removeprefix("judge_"))
        for line in filter(None, map(str.strip, path.read_text(encoding="utf-8").splitlines())):
            case, side, *reason = line.split(maxsplit=2)
            if side not in SIDES or not (path.parent / f"{case}.png").exists():
                sys.exit(f"{path} must have lines of a case and left or right, got {line!r}")
            is_first = side == side_of_first(case, judge)
            found.append((case, judge, is_first, " ".join(reason)))
    return found


def count(out: Path) -> str:
    """The tally in words."""
    found = verdicts(out)
    lines = [f"for A: {sum(first for *_, first, _ in found)} of {len(found)}"]
    for case in sorted({case for case, *_ in found}):
        own = [(judge, first, reason) for name, judge, first, reason in found if name == case]
        lines.append(f"{case}: {sum(first for _, first, _ in own)} of {len(own)}")
        lines += [f"  {'A' if first else 'B'} (judge {judge}): {why}" for judge, first, why in own]
    return "\n".join(lines)


def main() -> None:
    """Lay out, or count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    ways = parser.add_subparsers(dest="way", required=True)
    laying = ways.add_parser("lay")
    for name in ("first", "second", "out"):
        laying.add_argument(name, type=Path)
    laying.add_argument("--judges", type=int, default=5)
    laying.add_argument("--cases", nargs="+", metavar="NAME")
    ways.add_parser("count").add_argument("out", type=Path)
    options = parser.parse_args()
    if options.way == "lay":
        lay(options.first, options.second, options.out, options.judges, options.cases)
    else:
        print(count(options.out))


if __name__ == "__main__":
    main()

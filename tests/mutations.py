"""How good the tests are: `python -m tests.mutations --count 40 --seed S --record FILE`.

Draws places in the code of AREAS, as many of each, and one mutation that cosmic-ray knows for each
place (`pip install cosmic-ray` beside the test dependencies). Each is made in a clone of the last
commit; the mirrored test file runs first, then its folder, then the rest of the default tests but
those of the code's form (test_house.py: a formatter sees each mutation). The record is JSON Lines;
a run that ended early goes on where it was. `--near` leaves out the rest, and a run without it then
tries what the near tests did not catch. The table at the end is Markdown's. Mutations of
annotations are left out: Python itself refuses most, the rest change nothing; so are those that put
an operator of bits in the place of arithmetic: numbers and tensors refuse it, which any test sees.
"""

import argparse
import ast
import difflib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
AREAS = {
    "placement": ["blending/placement/*.py"],
    "Poisson solver": ["blending/poisson/*.py"],
    "losses": ["blending/deep/losses.py", "blending/deep/fidelity.py"],
    "batch": ["blending/stages/batch.py"],
    "writing": ["blending/pictures/write.py", "blending/pictures/atomic.py"],
}
BITS = re.compile(r"core/ReplaceBinaryOperator_(?!Bit|[LR]Shift).*_(Bit\w+|[LR]Shift)")
LONGEST = {"its file": 600, "its folder": 1200, "the rest": 2400}  # seconds, for endless loops


@dataclass(frozen=True)
class Mutation:
    """One change by cosmic-ray: its n-th of an operator in a file, and the line that it touches."""

    area: str
    file: str
    line: int
    operator: str
    occurrence: int


def annotated(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where a module's annotations begin and end: line, column."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef):
            found.append(node.returns)
    spans = [one for one in found if one is not None]
    return [
        ((one.lineno, one.col_offset), (one.end_lineno or 0, one.end_col_offset or 0))
        for one in spans
    ]


def mutations(area: str, file: str) -> dict[tuple[int, int], list[Mutation]]:
    """What cosmic-ray can do to a file, by the place where it does it."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    text = (ROOT / file).read_text(encoding="utf-8")
    left_out, nodes = annotated(text), list(ast_nodes(get_ast(text)))
    found = defaultdict(list)
    for name in sorted(operator_names()):
        if get_operator(name).arguments() or BITS.fullmatch(name):
            continue
        operator = get_operator(name)()
        places = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, place in enumerate(places):
            if not any(start <= place < end for start, end in left_out):
                found[place].append(Mutation(area, file, place[0], name, occurrence))
    return found


def drawn(count: int, seed: int) -> list[Mutation]:
    """As many of each area, each at a place of its own; the seed alone decides."""
    generator = random.Random(seed)
    chosen = []
    for area, patterns in AREAS.items():
        files = sorted({path for pattern in patterns for path in ROOT.glob(pattern)})
        at = {
            (file, place): choices
            for file in (path.relative_to(ROOT).as_posix() for path in files)
            for place, choices in mutations(area, file).items()
        }
        places = generator.sample(sorted(at), count // len(AREAS))
        chosen += [generator.choice(at[place]) for place in places]
    return chosen


def stages(file: str) -> dict[str, list[str]]:
    """Which tests run on a mutation of a file, the likeliest to catch it first."""
    path = Path(file)
    folder = Path("tests", *path.parts[:-1])
    return {
        "its file": [str(folder / f"test_{path.name}")],
        "its folder": [str(folder)],
        "the rest": ["tests", "--ignore=tests/comfy", "--ignore=tests/test_house.py"],
    }


def caught_by(mutation: Mutation, clone: Path, wanted: list[str]) -> str:
    """The first test of the stages wanted that fails, or nothing."""
    for stage, tests in stages(mutation.file).items():
        if stage not in wanted:
            continue
        # a fault that stops a test for ever is caught by whoever waits for the run
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        options = {"cwd": clone, "capture_output": True, "text": True, "env": environment}
        try:
            done = subprocess.run(command, check=False, timeout=LONGEST[stage], **options)
        except subprocess.TimeoutExpired:
            return f"{stage}: did not end"
        if done.returncode:
            lines = [
                line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERR"))
            ]
            return lines[0].split(" - ")[0].split(" ", 1)[1] if lines else f"{stage}: no start"
    return ""


def tried(mutation: Mutation, clone: Path, wanted: list[str]) -> dict:
    """A mutation made in the clone, tested, and taken back."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    path = clone / mutation.file
    before = path.read_text(encoding="utf-8")
    after = mutate_code(before, get_operator(mutation.operator)(), mutation.occurrence)
    assert after, mutation
    changed = [
        line
        for line in difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]
    path.write_text(after, encoding="utf-8")
    try:
        caught = caught_by(mutation, clone, wanted)
        return asdict(mutation) | {"changed": changed, "caught": caught, "last": wanted[-1]}
    finally:
        path.write_text(before, encoding="utf-8")


def table(rows: list[dict]) -> str:
    """Markdown: place, what was done, which test saw it."""
    lines = ["| place | mutation | caught by |", "| --- | --- | --- |"]
    for row in rows:
        words = [line[1:].strip().replace("|", "\\|") for line in row["changed"]]
        place = f"{row['file'].removeprefix('blending/')}:{row['line']}"
        change = " → ".join(f"`{word}`" for word in words)
        lines.append(f"| {place} | {change} | {row['caught'] or '**nothing**'} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--record", type=Path, required=True, metavar="FILE")
    parser.add_argument("--near", action="store_true", help="the mirrored file and folder alone")
    options = parser.parse_args()
    chosen = drawn(options.count, options.seed)
    rows = []
    if options.record.exists():
        rows = [json.loads(line) for line in options.record.read_text("utf-8").splitlines()]
    for row, mutation in zip(rows, chosen, strict=False):
        if row | asdict(mutation) != row:
            parser.error(f"the record must be of this draw, {mutation}, got {row}")
    rows += [{"caught": "", "last": ""} for _ in chosen[len(rows) :]]
    *near, rest = LONGEST
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        for number, mutation in enumerate(chosen):
            row = rows[number]
            wanted = ([] if row["last"] else near) + ([] if options.near else [rest])
            if row["caught"] or row["last"] == rest or not wanted:
                continue
            rows[number] = tried(mutation, clone, wanted)
            done = [json.dumps(row) for row in rows if row["last"]]
            options.record.write_text("\n".join(done) + "\n", encoding="utf-8")
            print(table(rows[number : number + 1]).splitlines()[-1], flush=True)
    caught = sum(bool(row["caught"]) for row in rows)
    print(f"\n{table(rows)}\n\n{caught} of {len(rows)} caught")


if __name__ == "__main__":
    main()

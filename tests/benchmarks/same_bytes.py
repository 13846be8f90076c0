"""Compare what two versions of the pack make, byte for byte, on one machine.

    python tests/benchmarks/same_bytes.py OLD NEW [--authors FOLDER] [--only WORD ...] [--markdown]

OLD and NEW are commits, or folders that hold a checkout. Each is run in processes of its own, by
the command line and by the public names alone, so that it may be laid out in any way: the demo, the
bundled cases (and the authors', with --authors, which the project may not carry) by both stages,
exact solves of six shapes of mask, a blend in tiles, by bfloat16 and with a histogram, a film, and
what the nodes draw. Two pictures are the same where every bit of their float values is; else the
table says how far they are apart. Reports count, less what a clock or the machine tells.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

from tables import table  # noqa: E402

MAKER = Path(__file__).with_name("same_bytes_cases.py")


def checkout(name: str, folder: Path) -> Path:
    """The folder of that name, or that commit's files in `folder`."""
    if Path(name).is_dir():
        return Path(name).resolve()
    folder.mkdir()
    command = f"git archive {name} | tar -x -C {folder}"
    subprocess.run(command, cwd=ROOT, shell=True, check=True)
    return folder


def make(pack: Path, out: Path, options: argparse.Namespace) -> None:
    """All pictures and reports of a checkout."""
    out.mkdir()
    command = [sys.executable, str(MAKER), str(out), str(ROOT / "tests" / "benchmarks" / "cases")]
    command += [str(options.authors.resolve())] if options.authors else []
    command += [f"--only={word}" for word in options.only]
    subprocess.run(
        command, cwd=pack, env={"PYTHONPATH": str(pack), "PATH": "/usr/bin:/bin"}, check=True
    )


def difference(old: Path, new: Path) -> str:
    """Words on two files of one name."""
    if not old.exists() or not new.exists():
        return f"only in {'the new' if new.exists() else 'the old'} one"
    if old.read_bytes() == new.read_bytes():
        return "same"
    if old.suffix == ".json":
        one, other = (json.loads(path.read_text()) for path in (old, new))
        return "differs at " + ", ".join(sorted(_paths(one, other))[:4])
    one, other = np.load(old), np.load(new)
    if one.shape != other.shape or one.dtype != other.dtype:
        return f"{one.dtype} {one.shape} against {other.dtype} {other.shape}"
    apart = np.abs(one.astype(float) - other)
    return f"up to {255 * apart.max():.3g} levels, {np.mean(apart > 0):.1%} of the values"


def _paths(one: object, other: object, path: str = "") -> set[str]:
    """Where two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = one.keys() | other.keys()
        return set().union(*(_paths(one.get(k), other.get(k), f"{path}.{k}") for k in keys))
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return set().union(*(_paths(a, b, f"{path}[{i}]") for i, (a, b) in pairs))
    return set() if one == other else {path.lstrip(".")}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--authors", type=Path, metavar="FOLDER", help="with their cases")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="names with it")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what was made; reuse it")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        kept = (options.keep or Path(temporary)).resolve()  # it is used in other folders, too
        kept.mkdir(exist_ok=True, parents=True)
        made = []
        for number, name in enumerate((options.old, options.new)):
            pack = checkout(name, Path(temporary) / f"pack{number}")
            out = kept / ("old", "new")[number]
            if number:
                shutil.rmtree(out, ignore_errors=True)  # the old one's is kept from run to run
            if not out.exists():
                make(pack, out, options)
            made.append(out)
        names = {path.name for folder in made for path in folder.iterdir()}
        names = sorted(name for name in names if all(word in name for word in options.only))
        words = {name: difference(*(folder / name for folder in made)) for name in names}
    rows = [[name, said] for name, said in words.items()]
    print(table(["what", "against the old one"], rows, markdown=options.markdown))
    same = sum(said == "same" for said in words.values())
    print(f"{same} of {len(words)} the same")
    return int(same < len(words))


if __name__ == "__main__":
    sys.exit(main())

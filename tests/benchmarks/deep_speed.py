"""Time both deep stages, beside the authors' own code where it is at hand.

    python tests/benchmarks/deep_speed.py FOLDER ... [--cases NAME ...] [--presets NAME ...]
        [--arithmetics NAME ...] [--rounds N] [--authors FOLDER] [--evaluations N]

FOLDER holds cases as for quality.py. Timed is all that a user waits for after import: the
network's loading, placing, both stages, the report. With --authors, a checkout of
owenzlz/DeepImageBlending, its `run.py` is run on the same pictures with its device set to the
processor and VGG16 without trained weights (it would download them; the time is the same), for
that many evaluations a stage; the median of its time an evaluation, times the 1000 a stage of its
default, is compared. Needs what it needs: scikit-image and imageio. Square sources and targets of
512 pixels only, as it has them.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from measuring import peak_megabytes  # noqa: E402
from quality_cases import Case, blended, find_cases, read_case  # noqa: E402
from tables import table  # noqa: E402

from blending import PRESETS, BlendSettings, Compute  # noqa: E402
from blending.pictures.write import write_picture  # noqa: E402
from blending.settings import PRECISIONS  # noqa: E402

PUBLISHED = 1000  # evaluations a stage
DRIVER = """
import sys
import torchvision.models as models
original = models.vgg16
models.vgg16 = lambda pretrained=False: original()
folder = sys.argv.pop(1)
sys.path.insert(0, folder)
code = open(folder + "/run.py").read()
assert code.count("gpu_id = opt.gpu_id") == 1
code = code.replace("gpu_id = opt.gpu_id", "gpu_id = 'cpu'")
sys.argv[0] = folder + "/run.py"
exec(compile(code, sys.argv[0], "exec"), {"__name__": "__main__"})
"""


def ours(case: Case, settings: BlendSettings) -> tuple[float, list[int]]:
    """Seconds of a whole blend and its evaluations by stage."""
    started = time.perf_counter()
    result = blended(case.placed, settings)
    seconds = time.perf_counter() - started
    stages = result.report["stages"]
    return seconds, [stage["pictures"][0].get("evaluations", 0) for stage in stages]


def authors(case: Case, folder: Path, evaluations: int) -> list[float]:
    """Median seconds an evaluation of each of their stages."""
    placed = case.placed
    side, size = placed.source.shape[2], placed.target.shape[2]
    with tempfile.TemporaryDirectory() as place:
        files = {name: Path(place) / f"{name}.png" for name in ("source", "mask", "target")}
        pictures = {
            "source": placed.source[:, :3],
            "mask": placed.mask.expand(-1, 3, -1, -1),
            "target": placed.target[:, :3],
        }
        for name, picture in pictures.items():
            write_picture(files[name], picture, overwrite=False)
        words = [sys.executable, "-u", "-c", DRIVER, str(folder), "--output_dir", place]
        words += [f"--{name}_file={path}" for name, path in files.items()]
        words += [f"--ss={side}", f"--ts={size}", f"--num_steps={evaluations}"]
        words += [f"--x={placed.row + side // 2}", f"--y={placed.column + side // 2}"]
        times: list[list[float]] = [[], []]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            stage = 0
            for line in process.stdout or ():
                stage = 1 if line.startswith("Optimizing") else stage
                if line.startswith("run ["):
                    times[stage].append(time.perf_counter())
        if process.returncode:
            raise RuntimeError(f"the authors' code ended with status {process.returncode}")
    return [statistics.median(b - a for a, b in itertools.pairwise(found)) for found in times]


def measure(
    case: Case, choices: list[tuple[str, str]], rounds: int, folder: Path | None, evaluations: int
) -> list[list[str]]:
    """A row for each preset and arithmetic; the authors' code is run once for all."""
    theirs = authors(case, folder, evaluations) if folder else []
    rows = []
    for preset, arithmetic in choices:
        settings = replace(PRESETS[preset], compute=Compute(precision=arithmetic))
        memory = peak_megabytes(lambda s=settings: ours(case, s))
        runs = [ours(case, settings) for _ in range(rounds)]
        seconds = statistics.median(time for time, _ in runs)
        counts = " + ".join(map(str, runs[0][1]))
        row = [case.name, preset, arithmetic, f"{seconds:.1f}", counts]
        row.append("" if memory is None else f"{memory:.0f}")
        if theirs:
            faster = PUBLISHED * sum(theirs) / seconds
            row += [*(f"{stage:.2f}" for stage in theirs), f"{faster:.0f}"]
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--cases", nargs="+", metavar="NAME")
    parser.add_argument("--presets", nargs="+", default=["painting"], choices=list(PRESETS))
    parser.add_argument("--arithmetics", nargs="+", default=["auto"], choices=PRECISIONS)
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--authors", type=Path, metavar="FOLDER")
    parser.add_argument("--evaluations", type=int, default=20, metavar="N", help="of the authors'")
    options = parser.parse_args()
    head = ["case", "preset", "arithmetic", "seconds", "evaluations", "MB"]
    if options.authors:
        head += ["theirs: s an evaluation", "refine", "times faster"]
    choices = list(itertools.product(options.presets, options.arithmetics))
    rows = []
    for path in find_cases(options.folders, options.cases):
        found = (read_case(path), choices, options.rounds, options.authors, options.evaluations)
        rows += measure(*found)
    print(f"{torch.get_num_threads()} threads")
    print(table(head, rows, markdown=False))


if __name__ == "__main__":
    main()

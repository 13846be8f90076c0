"""Score blends of ten bundled cases, or of a folder of cases, against simple peers.

    python tests/benchmarks/quality.py [FOLDER ...] [--presets NAME ...] [--cases NAME ...]
        [--sheet FILE] [--markdown FILE]

A case is a folder with source.png, mask.png, target.png or .jpg, and `at` (column,row of the
source's corner); they may lie in its subfolder `ready`, with published results first_pass.png and
second_pass.png beside that. Published pictures are composited with the mask before they are
measured, but for their background. Every picture is measured as an 8-bit file would have it.

Columns: seam ratio, to the paste's; gradient error, levels²; content error at relu2_2 (0 is the
paste's where the mask is hard); style error and those of four layers that no objective sees, as
multiples of the paste's; ΔE₀₀ to the paste; share of flipped hues; what an eye sees: how much of
the target shows through the object's rim and further inside, the share of the paste's contour and
tone that is left, how foreign its colours and highlights are (ΔE), how unlike its strokes are to
the target's (octaves of local contrast); how far its strokes are from the place's and these from
its own, at a layer that noise cannot pass; share of clipped values; largest difference to the
target outside the mask, levels; seconds, both stages' for a refined picture.
"""

import argparse
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from contact_sheet import contact_sheet  # noqa: E402
from quality_cases import chosen_cases, read_case  # noqa: E402
from quality_figures import (  # noqa: E402
    HAND,
    LOOKS,
    MEANS,
    Figures,
    geometric_mean,
    held_out_gains,
    measure,
    relative,
    remembering,
    summary,
)
from quality_methods import HAS_OPENCV, results  # noqa: E402
from tables import table  # noqa: E402
from torch import Tensor  # noqa: E402

from blending import PRESETS, load_features  # noqa: E402
from blending.network.vgg16 import Features  # noqa: E402

CASES = Path(__file__).with_name("cases")
FORMATS = {"gradient": ".2f", "content": ".0f", "ΔE": ".2f", "background": ".0f", "seconds": ".1f"}
PLAIN = ".3f"  # of all other columns
NONE = "–"  # noqa: RUF001


def score(
    folder: Path, presets: list[str], network: Features
) -> tuple[dict[str, Figures], dict[str, Tensor]]:
    """The figures and the picture of every method on one case."""
    case = read_case(folder)
    judge = remembering(network, case.placed.target)
    rows, pictures = {}, {}
    for result in results(case, presets, network):
        rows[result.method] = measure(result, case.placed, judge)
        pictures[result.method] = result.image
    return relative(rows), pictures


def figures_table(rows: dict[str, Figures], markdown: bool = False) -> str:
    """One line a method."""
    head = ["method", *next(iter(rows.values()))]
    body = [[method, *(cell(*figure) for figure in row.items())] for method, row in rows.items()]
    return table(head, body, markdown)


def cell(column: str, value: float | None) -> str:
    """The figure in its column's format."""
    return NONE if value is None else format(value, FORMATS.get(column, PLAIN))


def conclusions(scores: dict[str, dict[str, Figures]]) -> dict[str, dict[str, Figures]]:
    """Title to rows of the tables over all cases, if there are several."""
    cases = list(scores.values())
    tables: dict[str, dict[str, Figures]] = {}
    if len(cases) > 1:
        eyes = (*LOOKS.values(), *HAND)
        columns = [name for name in next(iter(cases[0].values())) if name not in eyes]
        tables[f"Geometric means, {len(cases)} cases"] = summary(cases, MEANS, geometric_mean)
        tables[f"Maxima, {len(cases)} cases"] = summary(cases, columns, max)
        tables[f"Medians, {len(cases)} cases"] = summary(cases, eyes, median)
    gains = held_out_gains(cases)
    if gains:
        named = {name: {"poisson / refine": gain} for name, gain in gains.items()}
        tables["Held-out style error, median over layers and cases"] = named
    return tables


def parse() -> argparse.Namespace:
    """The command line, with `folders` replaced by the case folders themselves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("folders", type=Path, nargs="*", default=[CASES], metavar="FOLDER")
    add("--presets", nargs="+", choices=PRESETS, default=["painting", "photograph"], metavar="NAME")
    add("--cases", nargs="+", metavar="NAME", help="these folders only")
    add("--sheet", type=Path, metavar="FILE", help="all pictures in one")
    add("--markdown", type=Path, metavar="FILE", help="the tables as Markdown")
    options = parser.parse_args()
    options.folders = chosen_cases(options.folders, options.cases, parser.error)
    return options


def main() -> None:
    """Score, print, and write what was asked for."""
    options = parse()
    network = load_features()
    if not HAS_OPENCV:
        print("OpenCV is not installed: its rows are left out")
    scores, pictures = {}, {}
    for folder in options.folders:
        scores[folder.name], pictures[folder.name] = score(folder, options.presets, network)
        print(f"\n{folder.name}\n\n{figures_table(scores[folder.name])}", flush=True)
    tables = conclusions(scores)
    for title, rows in tables.items():
        print(f"\n{title}\n\n{figures_table(rows)}")
    if options.markdown:
        parts = (tables | scores).items()
        text = "\n\n".join(f"## {title}\n\n{figures_table(rows, True)}" for title, rows in parts)
        options.markdown.write_text(text + "\n", encoding="utf-8")
    if options.sheet:
        contact_sheet(pictures).save(options.sheet)


if __name__ == "__main__":
    main()

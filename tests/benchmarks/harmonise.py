"""Harmonise the objects of cases with their places, paste them, and say what changed.

    python tests/benchmarks/harmonise.py [FOLDER ...] [--cases NAME ...] [--strengths F ...]
        [--plain] [--sight FILE] [--sheet FILE] [--markdown FILE]

A case is a folder as `quality.py` takes it. Pastes only: no stage runs. Columns: gaps of mean
chroma (hundredths of OKLab) and lightness to the place's; ΔE₀₀ to the raw paste; share of flipped
hues; ΔE₀₀ of doing it twice against once; seconds. With FILE, a module whose function
`figures(result, paste, target, mask)` takes NumPy pictures, its `tone`, `gamut` and `white` as
well: contrast left, and ΔE of foreign colours and of highlights. Cases marked * were held out when
shares and limits were settled.
"""

import argparse
import runpy
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from contact_sheet import contact_sheet  # noqa: E402
from quality_cases import chosen_cases, read_case  # noqa: E402
from tables import table  # noqa: E402
from torch import Tensor  # noqa: E402

from blending import load_features  # noqa: E402
from blending.harmonise.palette import RING  # noqa: E402
from blending.harmonise.place_colours import harmonised  # noqa: E402
from blending.network.vgg16 import Features  # noqa: E402
from blending.placement.window import Window, composite  # noqa: E402
from blending.quality.guardrails import colour_difference, hue_flip_share  # noqa: E402

CASES = Path(__file__).with_name("cases")
HELD_OUT = {"balloons_in_fog", "cup_in_night", "moon_in_dusk", "shuttle_on_table"}
SIGHT = ("tone", "gamut", "white")
PLACES = {"flips": 3, "tone": 2, "L before": 2, "L after": 2, "seconds": 2}  # decimals; else 1
Row = dict[str, float]


def score(window: Window, strength: float, network: Features | None) -> tuple[Row, Tensor]:
    """The figures and the paste of one case at one strength."""
    target, mask = window.target, window.mask
    start = time.perf_counter()
    once = harmonised(window.source, mask, target, strength, network=network)
    seconds = time.perf_counter() - start
    twice = harmonised(once.source, mask, target, strength, network=network)
    paste, again = (composite(target, result.source, mask) for result in (once, twice))
    figures = {name: value or 0.0 for name, value in once.figures.items()}
    row = {
        "C before": 100 * figures["chroma_gap_before"],
        "C after": 100 * figures["chroma_gap_after"],
        "L before": figures["lightness_gap_before"],
        "L after": figures["lightness_gap_after"],
        "ΔE": colour_difference(paste, window.paste, mask),
        "flips": hue_flip_share(paste, window.paste, mask),
        "twice": colour_difference(again, paste, mask),
        "seconds": seconds,
    }
    return row, paste


def seen(sight: dict, picture: Tensor, window: Window) -> Row:
    """The columns that a module of figures adds."""
    pictures = (picture, window.paste, window.target)
    arrays = [one[0].permute(1, 2, 0).cpu().numpy() for one in pictures]
    found = sight["figures"](*arrays, (window.mask[0, 0] >= 0.5).cpu().numpy())
    return {name: float(found[name]) for name in SIGHT}


def figures_table(rows: dict[str, Row], markdown: bool = False) -> str:
    """One line a case, and the median last."""
    columns = list(next(iter(rows.values())))
    middle = {name: median(row[name] for row in rows.values()) for name in columns}
    body = [
        [case, *(f"{row[name]:.{PLACES.get(name, 1)}f}" for name in columns)]
        for case, row in (rows | {"median": middle}).items()
    ]
    return table(["case", *columns], body, markdown)


def parse() -> argparse.Namespace:
    """The command line, with `folders` replaced by the case folders themselves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("folders", type=Path, nargs="*", default=[CASES], metavar="FOLDER")
    add("--cases", nargs="+", metavar="NAME", help="these folders only")
    add("--strengths", type=float, nargs="+", default=[0.5, 1.0], metavar="F")
    add("--plain", action="store_true", help="without the network: the place alone")
    add("--sight", type=Path, metavar="FILE", help="a Python file with `figures`")
    add("--sheet", type=Path, metavar="FILE", help="all pastes in one")
    add("--markdown", type=Path, metavar="FILE", help="the tables as Markdown")
    options = parser.parse_args()
    options.folders = chosen_cases(options.folders, options.cases, parser.error)
    return options


def main() -> None:
    """Harmonise, print, and write what was asked for."""
    options = parse()
    network = None if options.plain else load_features()
    sight = runpy.run_path(str(options.sight)) if options.sight else None
    tables: dict[str, dict[str, Row]] = {"raw": {}} if sight else {}
    pictures: dict[str, dict[str, Tensor]] = {}
    for folder in options.folders:
        window = read_case(folder).placed.window(0, margin=RING)
        name = folder.name + "*" * (folder.name in HELD_OUT)
        pictures[name] = {"raw": window.paste}
        if sight:
            tables["raw"][name] = seen(sight, window.paste, window)
        for strength in options.strengths:
            row, paste = score(window, strength, network)
            row |= seen(sight, paste, window) if sight else {}
            tables.setdefault(f"{strength:g}", {})[name] = row
            pictures[name][f"{strength:g}"] = paste
    for title, rows in tables.items():
        print(f"\nstrength {title}\n\n{figures_table(rows)}")
    if options.markdown:
        parts = (f"## {title}\n\n{figures_table(rows, True)}" for title, rows in tables.items())
        options.markdown.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    if options.sheet:
        contact_sheet(pictures).save(options.sheet)


if __name__ == "__main__":
    main()

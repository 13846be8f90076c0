"""Variants of matched style: what each part of it is worth, and what it costs.

    python tests/benchmarks/strokes.py [FOLDER ...] [--cases NAME ...] [--sheet FILE]
        [--markdown FILE]

Cases as `quality.py` takes them; medians over them of the refine stage's picture. Columns: octaves
of local contrast to the place's; distances of strokes at relu3_1 from the object's cells to the
place's and back; contour and tone that are left of the paste's; evaluations; seconds of the stage.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from contact_sheet import contact_sheet  # noqa: E402
from network_figures import stroke_distances  # noqa: E402
from quality_cases import chosen_cases, read_case  # noqa: E402
from tables import table  # noqa: E402
from torch import Tensor  # noqa: E402

from blending import RefineSettings, load_features, poisson_stage, refine_stage  # noqa: E402
from blending.quality.appearance import appearance  # noqa: E402
from blending.strokes import matching, strength  # noqa: E402

CASES = Path(__file__).with_name("cases")
OWN = RefineSettings()
# What differs from the default: settings, and constants of modules.
VARIANTS: dict[str, tuple[RefineSettings, list[tuple[ModuleType, str, object]]]] = {
    "default": (OWN, []),
    "each cell its nearest alone": (OWN, [(matching, "CANDIDATES", 1)]),
    "no agreement with neighbours": (OWN, [(matching, "AGREEMENT", 0.0)]),
    "twice the agreement": (OWN, [(matching, "AGREEMENT", 0.6)]),
    "plain surfaces held like detail": (OWN, [(strength, "LEAST_HELD", 1.0)]),
    "strong edges held like detail": (OWN, [(strength, "MOST_HELD", 1.0)]),
    "no grain": (replace(OWN, grain=0.0), []),
    "Gram matrices": (replace(OWN, style_form="gram"), []),
}
COLUMNS = ("strokes", "to the place", "to the object", "contour", "tone", "evaluations", "seconds")


@contextmanager
def changed(constants: list[tuple[ModuleType, str, object]]) -> Iterator[None]:
    """Constants of modules, for as long as it lasts."""
    before = [(module, name, getattr(module, name)) for module, name, _ in constants]
    try:
        for module, name, value in constants:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def main() -> None:
    """Refine every case by every variant."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", default=[CASES])
    parser.add_argument("--cases", nargs="+", metavar="NAME")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    network = load_features()
    rows: dict[str, list[tuple[float, ...]]] = {}
    pictures: dict[str, dict[str, Tensor]] = {}
    for folder in chosen_cases(options.folders, options.cases, parser.error):
        placed = read_case(folder).placed
        blend = poisson_stage(placed, network=network)
        given = blend.image, placed.target, blend.mask
        for name, (settings, constants) in VARIANTS.items():
            with changed(constants):
                found = refine_stage(*given, settings, network, source=blend.source)
            looks = appearance(found.image, placed.paste, placed.target, placed.full_mask)[0]
            hand = stroke_distances(found.image, placed.target, placed.full_mask, network)
            figures = looks["strokes"], *hand, looks["contour_kept"], looks["tone_kept"]
            counted = found.report["pictures"][0].get("evaluations", 0), found.report["seconds"]
            rows.setdefault(name, []).append((*figures, *counted))
            pictures.setdefault(folder.name, {})[name] = found.image
        print(folder.name, file=sys.stderr)
    body = [
        [name, *(f"{median(column):.3f}" for column in zip(*found, strict=True))]
        for name, found in rows.items()
    ]
    text = table(["variant", *COLUMNS], body, markdown=bool(options.markdown))
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n", encoding="utf-8")
    if options.sheet:
        contact_sheet(pictures).save(options.sheet)


if __name__ == "__main__":
    main()

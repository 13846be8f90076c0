"""Clean synthetic cut-outs of known alpha and say how much was lost, left, changed.

    python tests/benchmarks/cutout.py [--cases WORD ...] [--unseen] [--markdown]

Lost: of the object's alpha that the mask had, %. Left: of a rough mask's excess, %. Changed: of a
clean mask, %. Rim: mean error of the colours against the true ones inside the mask, where alpha is
in between or within 3 pixels of the contour, in levels of 255, raw and cleaned. Bars: lost 2, left
10, changed 1, rim halved. --unseen takes ten other objects, that
no threshold was changed after.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from scipy import ndimage
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cutout_cases import CutoutCase, cutout_cases
from cutout_cases_unseen import unseen_cases
from tables import table

from blending.cutout.clean import CleanCutout, clean_cutout

BARS = {"lost": 2.0, "left": 10.0, "changed": 1.0, "rim": 0.5}
RIM = 3  # pixels on both sides of the contour


def rim(case: CutoutCase) -> Tensor:
    """(1, 1, h, w), bool: inside the mask, near the true contour or mixed."""
    alpha = case.alpha[0, 0].numpy()
    inside, outside = (ndimage.distance_transform_edt(half) for half in (alpha >= 0.5, alpha < 0.5))
    near = (inside + outside <= RIM) | ((alpha > 0.05) & (alpha < 0.95))
    return torch.from_numpy(near)[None, None] & (case.mask > 0)


def figures(case: CutoutCase, cleaned: CleanCutout) -> dict[str, float]:
    """Lost, and left or changed, in %; colour errors in levels; rim, their quotient."""
    alpha, true, mask = (plane.double() for plane in (cleaned.alpha, case.alpha, case.mask))
    at = rim(case).expand_as(case.source)
    raw, new = (
        255 * (colours - case.foreground)[at].abs().mean().item()
        for colours in (case.source, cleaned.source)
    )
    lost = 100 * ((torch.minimum(true, mask) - alpha).clamp_min(0).sum() / true.sum()).item()
    found = {"lost": lost, "raw": raw, "new": new, "rim": new / raw}
    if case.clean:
        return found | {"changed": 100 * ((mask - alpha).sum() / mask.sum()).item()}
    excess = (mask - true).clamp_min(0).sum()
    return found | {"left": 100 * ((alpha - true).clamp_min(0).sum() / excess).item()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", help="words that a case's name has; all")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--unseen", action="store_true", help="the cases never tuned on")
    options = parser.parse_args()
    rows, worst = [], dict.fromkeys(BARS, 0.0)
    for case in unseen_cases() if options.unseen else cutout_cases():
        if options.cases and not any(word in case.name for word in options.cases):
            continue
        began = time.process_time()
        cleaned = clean_cutout(case.source, case.mask, case.width)
        seconds = time.process_time() - began
        found = figures(case, cleaned)
        worst = {name: max(value, found.get(name, 0)) for name, value in worst.items()}
        failed = [name for name, bar in BARS.items() if found.get(name, 0) > bar]
        cells = [f"{found[name]:.2f}" if name in found else "" for name in BARS]
        colours = f"{found['raw']:.1f} to {found['new']:.1f}"
        confidence = f"{cleaned.confidence[0]:.2f}"
        rows.append([case.name, *cells, colours, confidence, f"{seconds:.2f}", " ".join(failed)])
    rows.append(["worst", *(f"{value:.2f}" for value in worst.values()), "", "", "", ""])
    head = ["case", *BARS, "colours", "confidence", "CPU s", "missed"]
    print(table(head, rows, options.markdown))


if __name__ == "__main__":
    main()

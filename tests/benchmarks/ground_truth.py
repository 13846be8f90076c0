"""Cut a region out of a photograph, change its colours, blend it back and compare with what was.

    python tests/benchmarks/ground_truth.py [--pictures PATH ...] [--regions N]
        [--presets NAME ...] [--markdown]

The target is the picture with the region blanked to mid-grey, the source the same picture with a
colour change. All pictures are first scaled into [0.2, 0.8], so that no change leaves [0, 1]:
nothing is clipped. Figures are the PSNR in dB (peak 1) inside the mask, medians over the regions.

The peers get the best that they can: OpenCV a mask grown by 6 pixels (it leaves the target a rim,
blanked here, that a square of 7 x 7 erodes, and looks one pixel ahead); a source that is known only
under the mask is continued by its nearest colours for it and for the feathered paste.
"""

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ground_truth_cases import (  # noqa: E402
    CHANGES,
    LEAST_SIDE,
    SURROUND,
    Case,
    cases,
    foreign,
    load,
)
from peers import opencv_clone  # noqa: E402
from tables import table  # noqa: E402

from blending import PRESETS, BlendSettings, PoissonSettings, blend, poisson_stage  # noqa: E402
from blending.image.mask import adjust_mask  # noqa: E402
from blending.poisson.boundary_match import match_boundary  # noqa: E402

MODES = {"beyond": "source known beyond the mask", "mask": "source known under the mask only"}


def psnr(result: Tensor, case: Case) -> float:
    """Inside the mask, in dB; 120 where nothing differs."""
    inside = (case.full_mask > 0).expand_as(case.picture)
    error = (result.double() - case.picture.double())[inside].square().mean().item()
    return -10 * np.log10(max(error, 1e-12))


def continued(case: Case) -> Tensor:
    """The source's colours, beyond its alpha those of the neighbours, ring by ring."""
    colours, known = case.source[:, :3], case.source[:, 3:]
    while not bool((known > 0).all()):
        share = F.avg_pool2d(known, 3, 1, 1)
        grown = F.avg_pool2d(known * colours, 3, 1, 1) / share.clamp_min(1e-6)
        colours = torch.where(known > 0, colours, grown)
        known = (share > 0).float()
    return colours


def copy_paste(case: Case) -> Tensor:
    return case.placed.paste


def feathered_paste(case: Case) -> Tensor:
    mask = adjust_mask(case.mask, feather=8)
    image = case.target.clone()
    height, width = mask.shape[2:]
    window = image[..., case.row : case.row + height, case.column : case.column + width]
    window += mask * (continued(case) - window)
    return image


def seamless_clone(case: Case) -> Tensor:
    mask = adjust_mask(case.mask, grow=6)
    return opencv_clone(continued(case), case.target, mask, case.row, case.column)


def exact(case: Case) -> Tensor:
    return poisson_stage(case.placed, PoissonSettings(method="exact")).image


def exact_and_match(case: Case) -> Tensor:
    return poisson_stage(case.placed, PoissonSettings(method="exact", match=True)).image


def with_preset(settings: BlendSettings) -> Callable[[Case], Tensor]:
    def run(case: Case) -> Tensor:
        return blend(
            case.source,
            case.target,
            case.mask,
            row=case.row,
            column=case.column,
            settings=settings,
        ).image

    return run


def methods(presets: list[str]) -> dict[str, Callable[[Case], Tensor]]:
    named = {"copy-paste": copy_paste, "feathered paste, 8 px": feathered_paste}
    if find_spec("cv2"):
        named["OpenCV seamlessClone"] = seamless_clone
    named |= {"exact": exact, "exact + match": exact_and_match}
    return named | {f"preset {name}": with_preset(PRESETS[name]) for name in presets}


def confidence(case: Case) -> float:
    return match_boundary(case.placed.window(0, SURROUND)).confidence


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    demo = ROOT / "blending" / "demo"
    parser.add_argument("--pictures", type=Path, nargs="+", default=[demo], metavar="PATH")
    parser.add_argument("--regions", type=int, default=24, metavar="N")
    parser.add_argument("--presets", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--markdown", action="store_true", help="the tables as Markdown")
    options = parser.parse_args()
    pictures = load(options.pictures)
    if not pictures:
        parser.error(f"--pictures must have one of {LEAST_SIDE} pixels a side or more, got none")
    print(f"{options.regions} regions, {len(pictures)} pictures; PSNR inside the mask, median, dB")
    if not find_spec("cv2"):
        print("OpenCV is not installed: its row is left out")
    for mode, meaning in MODES.items():
        found = cases(pictures, options.regions, mode)
        rows = []
        for name, method in methods(options.presets).items():
            figures = [[psnr(method(case), case) for case in found[kind]] for kind in CHANGES]
            rows.append([name, *(f"{np.median(column):.1f}" for column in figures)])
        trust = [np.median([confidence(case) for case in found[kind]]) for kind in CHANGES]
        rows.append(["confidence of the match", *(f"{value:.2f}" for value in trust)])
        print(f"\n{meaning}\n\n{table(['method', *CHANGES], rows, options.markdown)}")
        strange = [confidence(case) for case in foreign(found["shift"])]
        if strange:
            print(f"\nconfidence in another picture: at most {max(strange):.2f} of {len(strange)}")


if __name__ == "__main__":
    main()

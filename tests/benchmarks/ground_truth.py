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
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from peers import opencv_clone  # noqa: E402

from blending import (  # noqa: E402
    PRESETS,
    BlendSettings,
    PoissonSettings,
    blend,
    place,
    poisson_stage,
)
from blending.masks import adjust_mask  # noqa: E402
from blending.match import match_boundary  # noqa: E402
from blending.pictures import read_picture  # noqa: E402
from blending.placement import Placed  # noqa: E402

SEED = 20200301
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}
CLEAR = 24  # pixels between the region and the frame
SURROUND = 16  # pixels of the source beyond the region
CHANGES = ("shift", "gain", "gradient")
MODES = {"beyond": "source known beyond the mask", "mask": "source known under the mask only"}
LEAST_SIDE = 160 + 2 * (SURROUND + CLEAR) + 1  # of a picture
GREY = 0.5


@dataclass(frozen=True)
class Case:
    """One region with one change. All (1, C, h, w): the picture's frame, the source's own."""

    picture: Tensor
    mask: Tensor  # the source's frame
    source: Tensor  # with alpha
    row: int
    column: int

    @property
    def target(self) -> Tensor:
        return torch.where(self.full_mask > 0, GREY, self.picture)

    @property
    def full_mask(self) -> Tensor:
        full = torch.zeros_like(self.picture[:, :1])
        height, width = self.mask.shape[2:]
        full[..., self.row : self.row + height, self.column : self.column + width] = self.mask
        return full

    @property
    def placed(self) -> Placed:
        return place(self.source, self.target, self.mask, row=self.row, column=self.column)


def region_mask(rng: np.random.Generator, shape: str) -> np.ndarray:
    """A bool array that the region fills, 40 to 160 pixels at its longer side."""
    side = int(rng.integers(40, 161))
    ratio = 1.0 if shape == "disc" else rng.uniform(0.5, 1)
    height, width = (side, int(side * ratio))[:: 1 if rng.random() < 0.5 else -1]
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    if shape == "rectangle":
        return np.ones((height, width), bool)
    if shape == "disc":
        return radius <= 1
    if shape == "blob":
        phases, sizes = rng.uniform(0, 2 * np.pi, 4), rng.uniform(0, 0.12, 4)
        waves = (sizes[k] * np.cos((k + 2) * angle + phases[k]) for k in range(4))
        return radius <= 0.75 + sum(waves)
    bend = rng.uniform(-0.5, 0.5)  # thin: a bent bar along the longer side
    along, across = (rows, columns) if height >= width else (columns, rows)
    thickness = rng.uniform(8, 16) / min(height, width)
    return np.abs(across - bend * (1 - 2 * along**2)) <= thickness


def change(colours: Tensor, kind: str, rng: np.random.Generator) -> Tensor:
    """The colours of a source after one change, by channel; those in [0.2, 0.8] stay in [0, 1]."""

    def signs() -> Tensor:
        return torch.from_numpy(rng.uniform(0.5, 1, 3) * rng.choice((-1, 1), 3)).float()

    amount = signs().view(1, 3, 1, 1)
    if kind == "shift":
        return colours + 0.18 * amount
    if kind == "gain":
        return colours * (1 + 0.24 * amount)
    height, width = colours.shape[2:]
    down = torch.linspace(-1, 1, height).view(1, 1, -1, 1)
    right = torch.linspace(-1, 1, width).view(1, 1, 1, -1)
    return colours + 0.09 * amount * (down + signs().sign().view(1, 3, 1, 1) * right)


def cases(pictures: list[Tensor], regions: int, mode: str) -> dict[str, list[Case]]:
    """By change, the same regions each: shapes and pictures in turn."""
    found: dict[str, list[Case]] = {kind: [] for kind in CHANGES}
    rng = np.random.default_rng(SEED)
    for index in range(regions):
        picture = pictures[index % len(pictures)]
        shape = ("disc", "blob", "rectangle", "thin")[index // len(pictures) % 4]
        mask = F.pad(torch.from_numpy(region_mask(rng, shape)).float(), (SURROUND,) * 4)[None, None]
        height, width = mask.shape[2:]
        row, column = (
            int(rng.integers(CLEAR, whole - part - CLEAR))
            for whole, part in zip(picture.shape[2:], (height, width), strict=True)
        )
        colours = picture[..., row : row + height, column : column + width]
        alpha = mask if mode == "mask" else torch.ones_like(mask)
        for kind in CHANGES:
            source = torch.cat((change(colours, kind, rng), alpha), 1)
            found[kind].append(Case(picture, mask, source, row, column))
    return found


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
    return match_boundary(case.placed.scene(0, SURROUND)).confidence


def foreign(own: list[Case]) -> list[Case]:
    """Every region's source at the next region's place, where that is in another picture."""
    moved = []
    for case, other in zip(own, own[1:] + own[:1], strict=True):
        height, width = case.mask.shape[2:]
        row = min(other.row, other.picture.shape[2] - height)
        column = min(other.column, other.picture.shape[3] - width)
        if case.picture is not other.picture:
            moved.append(replace(case, picture=other.picture, row=row, column=column))
    return moved


def table(head: list[str], rows: list[list[str]], markdown: bool) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [[cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in (head, *rows)]
    if not markdown:
        return "\n".join("  ".join(line).rstrip() for line in lines)
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def load(paths: list[Path]) -> list[Tensor]:
    """The pictures of files and folders, in [0.2, 0.8]; masks and small ones are left out."""
    files = [path for path in paths if path.is_file()]
    for folder in (path for path in paths if path.is_dir()):
        files += sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    found = [read_picture(path).pixels[:, :3] for path in files if "mask" not in path.name]
    return [0.2 + 0.6 * picture for picture in found if min(picture.shape[2:]) >= LEAST_SIDE]


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

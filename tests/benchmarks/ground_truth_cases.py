"""Regions of real pictures, blanked there, and the same with other colours as sources."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from blending import place
from blending.pictures.read import read_picture
from blending.placement.place import Placed

SEED = 20200301
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}
CLEAR = 24  # pixels between the region and the frame
SURROUND = 16  # pixels of the source beyond the region
CHANGES = ("shift", "gain", "gradient")
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


def load(paths: list[Path]) -> list[Tensor]:
    """The pictures of files and folders, in [0.2, 0.8]; masks and small ones are left out."""
    files = [path for path in paths if path.is_file()]
    for folder in (path for path in paths if path.is_dir()):
        files += sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    found = [read_picture(path).pixels[:, :3] for path in files if "mask" not in path.name]
    return [0.2 + 0.6 * picture for picture in found if min(picture.shape[2:]) >= LEAST_SIDE]

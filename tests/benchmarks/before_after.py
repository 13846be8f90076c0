"""Pasted beside blended: the row that README opens with, and the examples' thumbnails.

    python tests/benchmarks/before_after.py [--out FILE] [--thumbnails FOLDER]

Each pair is what the example of that number makes of its pictures, beside the plain paste.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image, ImageSequence  # noqa: E402
from torch import Tensor  # noqa: E402

from blending import PRESETS, BlendSettings, blend, crop_for_repair, stitch  # noqa: E402
from blending.cli.options import DEMO  # noqa: E402
from blending.pictures.read import read_mask, read_picture, read_raw  # noqa: E402
from blending.placement.layout import Layout  # noqa: E402
from blending.placement.place_object import place_object  # noqa: E402
from blending.placement.resample import resampled  # noqa: E402
from blending.repair.region import CropSettings  # noqa: E402

EXAMPLES = ROOT / "example_workflows"
INPUTS = EXAMPLES / "inputs"
OUT = Path(__file__).with_name("before_after.jpg")
HEIGHT, NARROW, WIDE = 330, 4, 20  # pixels: of a picture, within a pair, between pairs
QUALITY = 90
Pair = tuple[Image.Image, Image.Image]


def painting() -> Pair:
    """Example 1: a balloon in The Starry Night."""
    return _balloon(
        DEMO / "starry_night.jpg", "painting", (440, 120), 0.85, 0.2, (400, 90, 745, 490)
    )


def photograph() -> Pair:
    """Example 2: the balloon over a launch pad."""
    where = INPUTS / "blending_launch_pad.jpg"
    return _balloon(where, "photograph", (360, 20), 0.65, None, (265, 0, 635, 427))


def by_hand() -> Pair:
    """Example 3: a cup in The Starry Night, sized and turned."""
    source, mask = _cut_out("cup")
    target = read_picture(DEMO / "starry_night.jpg").pixels
    layout = Layout(column=76, row=71, scale=0.64, rotation=-8)
    placed = place_object(source, target, mask, layout, trim=True)
    result = blend(placed.source, target, placed.mask, settings=_settings("painting", 0.15))
    return _pair(result.paste, result.image, (412, 272, 752, 590))


def repair() -> Pair:
    """Example 4: a cat's eyes as a sampler gave them back, pasted and stitched."""
    pixels = read_raw(INPUTS / "blending_cat.png")
    cat, mask = pixels[:, :3], 1 - pixels[:, 3:]
    crops = crop_for_repair(cat, mask, CropSettings(context=0.15, context_pixels=16, width=768))
    repainted = read_picture(INPUTS / "blending_cat_repainted.jpg").pixels
    paste, box = cat.clone(), crops.place.regions[0].box
    paste[(..., *box.slices)] = resampled(repainted, box.size)
    size = crops.image.shape[2:]
    result = stitch(resampled(repainted, (size[0], size[1])), crops.place).image
    return _pair(paste, result, (30, 10, 345, 250))


def film() -> list[Image.Image]:
    """Example 5: three of the film's frames."""
    with Image.open(INPUTS / "blending_film.webp") as file:
        frames = [np.asarray(f.convert("RGB")) for f in ImageSequence.Iterator(file)]
    target = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2) / 255
    source, mask = _cut_out("balloon")
    settings = _settings("photograph", None)
    settings = replace(settings, poisson=replace(settings.poisson, sequence=True))
    place = {"column": 130, "row": 60, "scale": 0.5}
    images = blend(source, target, mask, **place, settings=settings).image
    return [_picture(image[None]) for image in images[::2]]


def row(pictures: Sequence[Image.Image], gap: int) -> Image.Image:
    """Pictures of one height beside each other, on white."""
    width = sum(picture.width + gap for picture in pictures) - gap
    sheet = Image.new("RGB", (width, HEIGHT), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + gap
    return sheet


def _balloon(
    target: Path,
    preset: str,
    at: tuple[int, int],
    scale: float,
    harmonise: float | None,
    shown: tuple[int, int, int, int],
) -> Pair:
    source, mask = _cut_out("balloon")
    place = {"column": at[0], "row": at[1], "scale": scale}
    pixels = read_picture(target).pixels
    result = blend(source, pixels, mask, **place, settings=_settings(preset, harmonise))
    return _pair(result.paste, result.image, shown)


def _cut_out(name: str) -> tuple[Tensor, Tensor]:
    source = read_picture(INPUTS / f"blending_{name}.jpg").pixels
    return source, read_mask(INPUTS / f"blending_{name}_mask.png")


def _settings(preset: str, harmonise: float | None) -> BlendSettings:
    settings = PRESETS[preset]
    if harmonise is None:
        return settings
    return replace(settings, poisson=replace(settings.poisson, harmonise=harmonise))


def _pair(paste: Tensor, result: Tensor, shown: tuple[int, int, int, int]) -> Pair:
    """Both, cut to left, top, right and bottom."""
    return _picture(paste, shown), _picture(result, shown)


def _picture(pixels: Tensor, shown: tuple[int, int, int, int] | None = None) -> Image.Image:
    array = (255 * pixels[0, :3]).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    image = Image.fromarray(array).crop(shown) if shown else Image.fromarray(array)
    width = max(1, round(image.width * HEIGHT / image.height))
    return image.resize((width, HEIGHT), Image.Resampling.LANCZOS)


def main() -> None:
    """Blend all, write the row and the thumbnails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--thumbnails", type=Path, default=EXAMPLES)
    options = parser.parse_args()
    pairs = [painting(), photograph(), by_hand(), repair()]
    chosen = (pairs[2], pairs[1], pairs[3])
    row([row(pair, NARROW) for pair in chosen], WIDE).save(options.out, quality=QUALITY)
    names = [path.stem for path in sorted(EXAMPLES.glob("*.json"))]
    for name, pictures in zip(names, [*pairs, film()], strict=True):
        row(pictures, NARROW).save(options.thumbnails / f"{name}.jpg", quality=QUALITY)


if __name__ == "__main__":
    main()

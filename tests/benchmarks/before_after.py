"""The row of pairs that README opens with: a portrait, an object in a painting, in a photograph.

    python tests/benchmarks/before_after.py [--out FILE]

Each pair is the plain paste beside the blend by the preset that the case is for.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402
from quality_cases import blended, read_case  # noqa: E402
from torch import Tensor  # noqa: E402

from blending import PRESETS  # noqa: E402
from blending.cli.options import DEMO, DEMO_PLACE  # noqa: E402
from blending.pictures.read import read_mask, read_picture  # noqa: E402
from blending.placement.place import Placed, place  # noqa: E402

CASES = Path(__file__).with_name("cases")
OUT = Path(__file__).with_name("before_after.jpg")
HEIGHT, NARROW, WIDE = 300, 4, 20  # pixels: of a picture, within a pair, between pairs
AROUND = 0.15  # of the object's box that is shown beside it
QUALITY = 90


def demo() -> Placed:
    """What the command line's --demo blends."""
    source = read_picture(DEMO / "astronaut.jpg").pixels
    target = read_picture(DEMO / "starry_night.jpg").pixels
    mask = read_mask(DEMO / "astronaut_mask.png", "luminance")
    return place(source, target, mask, row=DEMO_PLACE[1], column=DEMO_PLACE[0])


def case(name: str) -> Placed:
    """One of the benchmark's."""
    return read_case(CASES / name).placed


PAIRS = (  # what, by which preset
    (demo, "painting"),
    (lambda: case("cup_in_night"), "painting"),
    (lambda: case("balloons_in_fog"), "photograph"),
)


def pair(placed: Placed, preset: str) -> Image.Image:
    """The paste and the blend, cut around the object."""
    result = blended(placed, PRESETS[preset])
    box = placed.object_box(0)
    shown = box.grown(round(AROUND * max(box.size))).clipped(placed.target.shape)
    pictures = [_picture(x[(..., *shown.slices)]) for x in (result.paste, result.image)]
    return row(pictures, NARROW)


def row(pictures: list[Image.Image], gap: int) -> Image.Image:
    """Pictures of one height beside each other, on white."""
    width = sum(picture.width + gap for picture in pictures) - gap
    sheet = Image.new("RGB", (width, HEIGHT), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + gap
    return sheet


def _picture(pixels: Tensor) -> Image.Image:
    array = (255 * pixels[0]).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    image = Image.fromarray(array)
    width = max(1, round(image.width * HEIGHT / image.height))
    return image.resize((width, HEIGHT), Image.Resampling.LANCZOS)


def main() -> None:
    """Blend all, write the row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    pairs = [pair(make(), preset) for make, preset in PAIRS]
    row(pairs, WIDE).save(options.out, quality=QUALITY)


if __name__ == "__main__":
    main()

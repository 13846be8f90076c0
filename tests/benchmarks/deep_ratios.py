"""Ratios that the deep stages promise: batches, canvases, films, arithmetic, each from one run.

    python tests/benchmarks/deep_ratios.py [--rounds N] [--only NAME ...]

A part of a photograph into a part of a painting, default settings. Times are medians; ratios are
what counts. `batch`: eight pictures of 256 x 256 in one call beside eight calls, one, two, four and
eight of them at once; and eight sources for one target. `canvas`: an object of 512 x 512 in a
target of 1024 x 1024, and in one of 4096 x 4096 that it is set into. `film`: eight frames with a
little noise, each for itself and each from the one before. `arithmetic`: float32 beside bfloat16, a
stage each from the same input, the mean difference in levels under the mask and in the picture;
and what float32 makes of noise of 1/40 level in its input, for a stage ends before it has
converged to the last digit.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch
from skimage import data
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from measuring import peak_megabytes  # noqa: E402
from tables import table  # noqa: E402

from blending import (  # noqa: E402
    BlendSettings,
    Compute,
    PoissonSettings,
    RefineSettings,
    blend,
    load_features,
    place,
    poisson_stage,
    refine_stage,
)
from blending.pictures.read import read_picture  # noqa: E402

PAINTING = ROOT / "blending" / "demo" / "starry_night.jpg"


def photograph(side: int) -> Tensor:
    levels = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.interpolate(levels, (side, side), mode="bicubic").clamp(0, 1)


def painting(side: int) -> Tensor:
    picture = read_picture(PAINTING).pixels[..., :600, :600]
    return torch.nn.functional.interpolate(picture, (side, side), mode="bicubic").clamp(0, 1)


def disc(side: int, share: float = 0.8) -> Tensor:
    axis = (torch.arange(side) - (side - 1) / 2) / (side / 2)
    return ((axis[:, None] ** 2 + axis[None] ** 2) <= share**2).float()[None, None]


def seconds(call: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def batch(rounds: int) -> list[list[str]]:
    side, count = 128, 8
    sources = torch.cat([photograph(side).roll(3 * n, 3) for n in range(count)])
    targets = torch.cat([painting(256).roll(5 * n, 2) for n in range(count)])
    mask = disc(side)

    def call(source: Tensor, target: Tensor) -> object:
        return blend(source, target, mask, row=60, column=70)

    singly = seconds(
        lambda: [call(s[None], t[None]) for s, t in zip(sources, targets, strict=True)], rounds
    )
    rows = [["eight calls", f"{singly:.1f}", "1.00"]]
    for at_once in (1, 2, 4, 8):
        with ExitStack() as changed:
            for stage in ("poisson", "refine"):
                name = f"blending.stages.{stage}.rows_at_once"
                changed.enter_context(mock.patch(name, lambda *_, rows=at_once: rows))
            found = seconds(lambda: call(sources, targets), rounds)
        rows.append([f"one call, {at_once} at once", f"{found:.1f}", f"{found / singly:.2f}"])
    found = seconds(lambda: call(sources, targets[:1]), rounds)
    rows.append(["one call, one target", f"{found:.1f}", f"{found / singly:.2f}"])
    return rows


def canvas(rounds: int) -> list[list[str]]:
    source, mask, target = photograph(512), disc(512), painting(1024)
    large = painting(4096)
    large[..., 1536:2560, 1536:2560] = target
    places = {"1024": (target, 256), "4096": (large, 1792)}
    found = {}
    for name, (picture, corner) in places.items():

        def call(picture: Tensor = picture, corner: int = corner) -> Tensor:
            image = blend(source, picture, mask, row=corner, column=corner).image
            return image[..., corner : corner + 512, corner : corner + 512].clone()

        memory, pixels = peak_megabytes(call), call()
        found[name] = (seconds(call, rounds), memory or 0, pixels)
    small, wide = found["1024"], found["4096"]
    outputs = [2 * 12 * side**2 / 2**20 for side in (1024, 4096)]  # result and paste, float32
    memories = [small[1] - outputs[0], wide[1] - outputs[1]]
    difference = 255 * (small[2] - wide[2]).abs().mean().item()
    return [
        ["in 1024 x 1024", f"{small[0]:.1f} s", f"{memories[0]:.0f} MB beside the pictures"],
        ["in 4096 x 4096", f"{wide[0]:.1f} s", f"{memories[1]:.0f} MB beside the pictures"],
        ["ratio", f"{wide[0] / small[0]:.2f}", f"{memories[1] / memories[0]:.2f}"],
        ["difference", f"{difference:.3f} level", "mean of the object"],
    ]


def film(rounds: int) -> list[list[str]]:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(8, 3, 128, 128, generator=generator) / 255
    frames = (photograph(128) + noise).clamp(0, 1)
    target, mask, rows = painting(256), disc(128), []
    for name, sequence in (("each for itself", False), ("from the one before", True)):
        settings = BlendSettings(
            PoissonSettings(sequence=sequence), RefineSettings(sequence=sequence)
        )
        result = blend(frames, target, mask, row=60, column=70, settings=settings)
        time_taken = seconds(
            lambda s=settings: blend(frames, target, mask, row=60, column=70, settings=s), rounds
        )
        stages = [stage["pictures"] for stage in result.report["stages"]]
        counts = [sum(picture["evaluations"] for picture in pictures) for pictures in stages]
        ends = [sum(sum(p["terms_end"].values()) for p in pictures) / 8 for pictures in stages]
        flicker = 255 * (result.image[1:] - result.image[:-1]).abs()[..., 60:188, 70:198].mean()
        rows.append(
            [
                name,
                f"{time_taken:.1f} s",
                " + ".join(map(str, counts)),
                ", ".join(f"{end:.3f}" for end in ends),
                f"{flicker:.2f} levels between frames",
            ]
        )
    return rows


def arithmetic(rounds: int) -> list[list[str]]:
    network, rows = load_features(), []
    target, mask = painting(512), disc(256)
    placed = place(photograph(256), target, mask, 130, 120)
    area = placed.full_mask
    first = poisson_stage(placed, None, network, Compute(precision="float32")).image
    noise = 1e-4 * (2 * torch.rand_like(first) - 1)
    noisy = replace(placed, source=placed.source + noise[..., :256, :256])

    def poisson(kind: str, is_noisy: bool = False) -> Tensor:
        given = noisy if is_noisy else placed
        return poisson_stage(given, None, network, Compute(precision=kind)).image

    def refine(kind: str, is_noisy: bool = False) -> Tensor:
        image = first + noise * (area > 0) if is_noisy else first
        return refine_stage(image, target, area, None, network, Compute(precision=kind)).image

    for stage in (poisson, refine):
        wide, short = (stage(kind) for kind in ("float32", "bfloat16"))
        times = [seconds(lambda k=k, s=stage: s(k), rounds) for k in ("float32", "bfloat16")]
        row = [stage.__name__, *(f"{t:.1f}" for t in times), f"{times[1] / times[0]:.2f}"]
        for image in (short, stage("float32", is_noisy=True)):
            difference = 255 * (image - wide).abs()
            inside = difference[(area > 0).expand_as(difference)].mean().item()
            row.append(f"{inside:.2f}, {difference.mean().item():.2f}")
        rows.append(row)
    return rows


PARTS = {"batch": batch, "canvas": canvas, "film": film, "arithmetic": arithmetic}
HEADS = {
    "batch": ["eight of 256 x 256", "seconds", "ratio"],
    "canvas": ["object of 512 x 512", "time", "memory"],
    "film": ["eight frames", "time", "evaluations", "objective at the end", "flicker"],
    "arithmetic": ["stage", "float32", "bfloat16", "ratio", "difference", "of noise"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=list(PARTS))
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, arithmetic of auto: see the reports")
    for name in options.only:
        print(f"\n{name}\n" + table(HEADS[name], PARTS[name](options.rounds), markdown=False))


if __name__ == "__main__":
    main()

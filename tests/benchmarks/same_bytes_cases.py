"""What `same_bytes.py` compares: run in a checkout's folder, by its public names alone.

python same_bytes_cases.py OUT CASES [AUTHORS] [--only=WORD ...]
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import blending
from blending import (
    PRESETS,
    BlendSettings,
    Compute,
    PoissonSettings,
    Weights,
    blend,
    load_features,
    place,
    poisson_stage,
    refine_stage,
)

CLOCK = {"seconds", "peak_memory_bytes", "versions", "files"}  # of a report
Made = dict[str, Tensor | dict]


def timeless(report: object) -> object:
    """A report without what no two runs have in common."""
    if isinstance(report, dict):
        return {name: timeless(value) for name, value in report.items() if name not in CLOCK}
    return [timeless(value) for value in report] if isinstance(report, list) else report


def planes(path: Path, mode: str) -> Tensor:
    array = np.asarray(Image.open(path).convert(mode), dtype=np.float32) / 255
    return torch.from_numpy(np.atleast_3d(array)).permute(2, 0, 1)[None].contiguous()


def read(folder: Path) -> tuple[Tensor, Tensor, Tensor, int, int]:
    """Source, target, mask, row and column of a case."""
    folder = folder / "ready" if (folder / "ready").is_dir() else folder
    column, row = map(int, (folder / "at").read_text().split(","))
    target = next(path for path in sorted(folder.iterdir()) if path.stem == "target")
    source, mask = planes(folder / "source.png", "RGB"), planes(folder / "mask.png", "L")
    return source, planes(target, "RGB"), mask, row, column


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def masks(side: int) -> dict[str, Tensor]:
    """Six shapes, (1, 1, side, side)."""
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    away = ((row - side / 2) ** 2 + (column - side / 2) ** 2).sqrt()
    shapes = {
        "disc": away < 0.4 * side,
        "rectangle": (row > side // 8) & (row < 7 * side // 8) & (column > 9),
        "ring": (away < 0.45 * side) & (away > 0.3 * side),
        "sieve": (row % 9 > 0) | (column % 7 > 0),
        "strip": (row - side // 2).abs() < 3,
        "specks": (row * 7 + column * 3) % 31 < 4,
    }
    return {name: shape[None, None].float() for name, shape in shapes.items()}


def case(folder: Path, settings: BlendSettings) -> Made:
    source, target, mask, row, column = read(folder)
    made = blend(source, target, mask, row=row, column=column, settings=settings)
    return {"image": made.image, "mask": made.mask, "paste": made.paste, "report": made.report}


def exact(name: str) -> Made:
    source, target = noise(1, 3, 230, 230, seed=1), noise(1, 3, 260, 300, seed=2)
    placed = place(source, target, masks(230)[name], 17, 41)
    made = poisson_stage(placed, PoissonSettings(method="exact"))
    screened = poisson_stage(placed, PoissonSettings(method="exact", bleed=0.3))
    return {"image": made.image, "screened": screened.image, "report": made.report}


def film(cases: Path) -> Made:
    source, target, mask, *_ = read(cases / "rocket_in_night")
    frames = [place(source, target, mask, 60 + 3 * number, 200 + 5 * number) for number in range(3)]
    masks_, sources = zip(*((f.full_mask, f.paste) for f in frames), strict=True)
    placed = place(torch.cat(sources), target, torch.cat(masks_))
    settings = PRESETS["painting"]
    first = poisson_stage(placed, replace(settings.poisson, sequence=True))
    wanted = replace(settings.refine, sequence=True)
    second = refine_stage(first.image, target, first.mask, wanted)
    return {"image": second.image, "first": first.image, "report": second.report}


def command_line(*options: str) -> Made:
    pack = Path(blending.__file__).parents[1]
    out, report = Path("same-bytes.png").resolve(), Path("same-bytes.json").resolve()
    command = [sys.executable, "-m", "blending", *options, f"--out={out}", f"--report={report}"]
    try:
        subprocess.run([*command, "--overwrite"], cwd=pack, check=True, stdout=subprocess.DEVNULL)
        return {"image": planes(out, "RGB"), "report": json.loads(report.read_text())}
    finally:
        out.unlink(missing_ok=True)
        report.unlink(missing_ok=True)


def small(settings: BlendSettings, cases: Path, scale: float = 1.0) -> Made:
    """A part of a case, by settings that take long."""
    source, target, mask, row, column = read(cases / "shuttle_on_table")
    made = blend(source, target, mask, row=row, column=column, settings=settings, scale=scale)
    return {"image": made.image, "report": made.report}


def styled(cases: Path) -> Made:
    """A refine stage with a style picture, in a band, at part strength; alpha in all pictures."""
    source, target, mask, row, column = read(cases / "moon_in_dusk")
    alpha = noise(1, 1, *source.shape[2:], seed=3)
    placed = place(torch.cat((source, alpha), 1), target, mask, row, column, 0.8)
    settings = replace(PRESETS["fast"].refine, region="band", strength=0.7)
    style = noise(1, 3, 90, 130, seed=5)
    made = refine_stage(
        placed.paste, target, placed.full_mask, settings, load_features(), style=style
    )
    return {"image": made.image, "paste": placed.paste, "report": made.report}


def everything(cases: Path, authors: Path | None) -> Iterator[tuple[str, object]]:
    """Names, and calls that make what is compared."""
    yield "demo", lambda: command_line("--demo")
    yield "demo in tiles", lambda: command_line("--demo", "--memory=700")
    folders = sorted(path for path in cases.iterdir() if path.is_dir())
    folders += [authors / name for name in ("1", "3")] if authors else []
    for folder in folders:
        yield f"case {folder.name}", lambda f=folder: case(f, BlendSettings())
    for name in masks(8):
        yield f"exact {name}", lambda n=name: exact(n)
    yield "film", lambda: film(cases)
    for name in ("photograph", "seam repair", "fast", "paper"):
        yield f"preset {name}", lambda n=name: small(PRESETS[n], cases)
    deep = PRESETS["fast"].poisson
    weights = Weights(histogram=0.5, tv=0.1)
    for name, poisson in {
        "histogram": replace(deep, weights=weights),
        "mixed": replace(deep, gradients="mixed"),
        "monochrome": replace(deep, gradients="monochrome"),
        "whole margin": replace(deep, margin=None, start="exact"),
    }.items():
        settings = BlendSettings(poisson, None)
        yield f"setting {name}", lambda s=settings: small(s, cases, 0.6)
    half = BlendSettings(deep, None, compute=Compute(arithmetic="bfloat16"))
    yield "setting bfloat16", lambda: small(half, cases, 0.5)
    tiled = BlendSettings(replace(deep, weights=weights), None, compute=Compute(memory=660 * 2**20))
    yield "setting tiles", lambda: small(tiled, cases)
    yield "styled", lambda: styled(cases)


def main() -> None:
    torch.set_num_threads(2)
    given = [word for word in sys.argv[1:] if not word.startswith("--only=")]
    only = [word.removeprefix("--only=") for word in sys.argv[1:] if word.startswith("--only=")]
    out, cases = Path(given[0]), Path(given[1])
    authors = Path(given[2]) if len(given) > 2 else None
    for name, make in everything(cases, authors):
        if not all(word in name for word in only):
            continue
        for kind, made in make().items():
            path = out / f"{name}, {kind}"
            if isinstance(made, Tensor):
                np.save(path.with_name(f"{path.name}.npy"), made.numpy())
            else:
                text = json.dumps(timeless(made), indent=1, sort_keys=True)
                path.with_name(f"{path.name}.json").write_text(text)
        sys.stderr.write(f"{name}\n")


if __name__ == "__main__":
    main()

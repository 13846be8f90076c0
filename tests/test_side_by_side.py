"""README's promise: one machine, version and number of threads, the same bytes.

Whoever runs beside. Each run is a process with every preset in it; two start their work at the
same moment.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blending.cli.waiting import WAITING
from blending.presets import PRESETS

REPOSITORY = Path(__file__).parents[1]
RUN = """
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
import torch
from blending.cli.main import main
from blending import PRESETS, blend
from blending.pictures.read import read_mask, read_picture

print("ready", flush=True)
input()
given = "--source source.png --target target.png --mask mask.png --at 11,9 --evaluations 2"
for threads in (1, 2):
    torch.set_num_threads(threads)
    folder = Path(sys.argv[1], str(threads))
    folder.mkdir(parents=True)
    for number, preset in enumerate(PRESETS):
        if preset == "fast":  # cut short it is painting
            continue
        words = [*given.split(), "--preset", preset.replace(" ", "-")]
        assert main([*words, "--out", f"{folder}/{number}.png"]) == 0
"""
# The same in one process: two blends on threads of Python's.
THREADS = """
pictures = read_picture("source.png").pixels, read_picture("target.png").pixels
mask, settings = read_mask("mask.png"), PRESETS["photograph"]
settings = replace(settings, poisson=replace(settings.poisson, max_evaluations=2))

def run(_):
    return blend(*pictures, mask, row=9, column=11, settings=settings).image

for threads in (1, 2):
    torch.set_num_threads(threads)
    alone = run(0)
    with ThreadPoolExecutor(2) as pool:
        assert all(torch.equal(image, alone) for image in pool.map(run, range(2)))
"""


@pytest.fixture
def pictures(tmp_path):
    """Large enough that torch divides the work on them between its threads."""
    draw, rows = np.random.default_rng(3), np.mgrid[0:76, 0:84]
    levels = 90 + 60 * np.sin(rows.sum(0) / 9)[..., None] + draw.normal(0, 20, (76, 84, 3))
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(tmp_path / "target.png")
    Image.fromarray(draw.integers(0, 256, (56, 62, 3), np.uint8)).save(tmp_path / "source.png")
    mask = np.pad(np.full((44, 50), 255, np.uint8), 6)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def start(folder, name, more=""):
    environment = os.environ | WAITING  # as the command line waits; else it takes ten times as long
    environment |= {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", RUN + more, name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    return process


def finish(*processes):
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert (process.returncode, errors) == (0, "")


def content(folder):
    """Bytes by name, for each number of threads."""
    numbers = sorted(folder.iterdir())
    return [{path.name: path.read_bytes() for path in number.iterdir()} for number in numbers]


@pytest.mark.weights
def test_two_runs_side_by_side_give_the_bytes_of_one_alone(pictures):
    finish(start(pictures, "alone", THREADS))
    alone = content(pictures / "alone")
    assert len(alone) == 2
    for made in alone:
        assert len(set(made.values())) == len(made) == len(PRESETS) - 1
    finish(*(start(pictures, name) for name in ("one", "other")))
    for name in ("one", "other"):
        assert content(pictures / name) == alone

"""What blends and files never do: network, other programs, pickle; see `tests.guard`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
GUARDED = """
import sys
from tests.guard import guard
guard({folder!r})
"""
# Every command line, read and written as files, and the calls of a repair; first use of everything.
BLENDS = """
import numpy as np, torch
from PIL import Image
from blending import blend, crop_for_repair, stitch, BlendSettings, PoissonSettings
from blending.cli.main import main

def no_pickle(*_, **__):
    raise PermissionError("torch.load")

torch.load = no_pickle
generator = np.random.default_rng(0)
for name, size in (("source", (40, 48, 4)), ("target", (80, 96, 3))):
    Image.fromarray(generator.integers(0, 256, size, np.uint8)).save(name + ".tif")
Image.fromarray(np.pad(np.full((24, 32), 255, np.uint8), 8)).save("mask.png")
for number, words in enumerate((
    "--preset painting --evaluations 1 --save-cutout cut.png --report report.json",
    "--preset photograph --evaluations 1 --weights weights.safetensors",
    "--preset seam-repair --gradients mixed",
)):
    line = "--source source.tif --target target.tif --mask mask.png --at 20,20"
    assert main([*line.split(), *words.split(), "--out", f"out{number}.png"]) == 0
image = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
mask = torch.zeros(1, 1, 96, 128)
mask[..., 30:60, 40:80] = 1
crops = crop_for_repair(image, mask)
stitch(crops.image, crops.place, finish="photograph")
print("done")
"""


def child(folder, code, cwd):
    """Run code with what is forbidden to a folder's files."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", GUARDED.format(folder=str(folder)) + code]
    return subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.weights
def test_blends_need_no_network_no_other_program_and_no_pickle(tmp_path):
    weights = REPOSITORY / "blending" / "weights" / "vgg16.safetensors"
    (tmp_path / "weights.safetensors").write_bytes(weights.read_bytes())
    done = child(REPOSITORY / "blending", BLENDS, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("done\n")


@pytest.mark.parametrize(
    ("does", "event"),
    [
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "socket."),
        ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')", "urllib."),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("import os; os.system('true')", "os.system"),
        ("import pickle; pickle.loads(pickle.dumps(print))", "pickle.find_class"),
    ],
)
def test_the_guard_ends_each_of_these_for_the_folder_and_no_other(does, event, tmp_path):
    (tmp_path / "mine.py").write_text(f"def run():\n    {does}\n")
    code = "import mine\nmine.run()\n"
    mine = child(tmp_path, code, tmp_path)
    assert f"PermissionError: {event}" in mine.stderr
    assert "must not happen" not in child(tmp_path / "another", code, tmp_path).stderr

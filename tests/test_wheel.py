"""The wheel: all of the core and its data, nothing else, and it finds them from another folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = "from setuptools.build_meta import build_wheel; print(build_wheel({!r}))"
USE = """
import sys
from pathlib import Path

import blending
from blending.cli.options import DEMO
from blending.network.vgg16 import BUNDLED, load_features

installed = Path(sys.argv[1])
assert Path(blending.__file__).is_relative_to(installed), blending.__file__
assert BUNDLED.is_relative_to(installed)
assert load_features().precision.is_floating_point
for name in ("rocket.png", "rocket_mask.png", "starry_night.jpg", "ORIGIN.md"):
    assert (DEMO / name).is_file() and DEMO.is_relative_to(installed), name
for name in blending.__all__:
    getattr(blending, name)
print("found")
"""


def run(*command: str, cwd: Path, **environment: str) -> str:
    everything = os.environ | environment
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=everything)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    return set(run("git", "ls-files", "blending", cwd=ROOT).splitlines())


@pytest.fixture(scope="module")
def wheel(tracked, tmp_path_factory) -> Path:
    """Built from the tracked files alone: what lies about in a working folder is not in it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in [*tracked, "pyproject.toml", "README.md", "LICENSE"]:
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "tree" / name)
    command = sys.executable, "-W", "ignore", "-c", BUILD.format(str(folder))
    built = run(*command, cwd=folder / "tree")
    return folder / built.splitlines()[-1]


def test_the_wheel_holds_the_core_and_its_data_and_nothing_else(wheel, tracked):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == tracked
    assert {name.rpartition("/")[2] for name in names} >= {"LICENSE", "METADATA"}


def test_an_installed_wheel_finds_its_weights_and_pictures(wheel, tmp_path):
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip = sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"
    run(*pip, "--target", str(installed), str(wheel), cwd=elsewhere)
    use = run(
        *(sys.executable, "-c", USE, str(installed)),
        cwd=elsewhere,
        PYTHONPATH=str(installed),
    )
    assert use == "found\n"

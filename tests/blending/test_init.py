"""The public names: each is there, is the thing itself, and none brings torch before it is used."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import blending

ROOT = Path(__file__).parents[2]
# Where each public name is defined; settings and presets do without torch.
LIGHT = {
    "PRESETS": "presets",
    "BlendSettings": "settings",
    "Compute": "settings",
    "PoissonSettings": "settings",
    "RefineSettings": "settings",
    "ShadowSettings": "settings",
    "Weights": "settings",
}
HEAVY = {
    "BlendResult": "pipeline",
    "blend": "pipeline",
    "load_features": "network.vgg16",
    "Placed": "placement.place",
    "place": "placement.place",
    "Evaluation": "stages.batch",
    "StageResult": "stages.batch",
    "poisson_stage": "stages.poisson",
    "refine_stage": "stages.refine",
    "CropSettings": "repair.region",
    "crop_for_repair": "repair.crop",
    "stitch": "repair.stitch",
    "Shadowed": "shadow.contact_shadow",
    "contact_shadow": "shadow.contact_shadow",
}


def ended_well(code):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_these_are_the_public_names_and_dir_lists_them():
    assert sorted(blending.__all__) == sorted(LIGHT | HEAVY)
    assert len(set(blending.__all__)) == len(blending.__all__)
    assert dir(blending) == sorted(blending.__all__)


@pytest.mark.parametrize("name", LIGHT | HEAVY)
def test_a_public_name_is_what_its_module_defines(name):
    module = importlib.import_module(f"blending.{(LIGHT | HEAVY)[name]}")
    assert getattr(blending, name) is getattr(module, name)
    if name != "PRESETS":
        assert getattr(blending, name).__module__ == module.__name__
        assert getattr(blending, name).__doc__


@pytest.mark.parametrize("name", ["nonsense", "_MODULE", "Blend"])
def test_another_name_is_none_of_its_attributes(name):
    with pytest.raises(AttributeError, match=f"module 'blending' has no attribute '{name}'"):
        getattr(blending, name)


def test_neither_the_package_nor_its_settings_bring_torch():
    names = ", ".join(LIGHT)
    ended_well(
        f"import sys, blending; dir(blending); from blending import {names}\n"
        "assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)\n"
    )


def test_a_star_imports_every_name_and_no_other():
    found: dict[str, object] = {}
    exec("from blending import *", found)
    assert set(found) - {"__builtins__"} == set(LIGHT | HEAVY)
    assert all(found[name] is getattr(blending, name) for name in LIGHT | HEAVY)

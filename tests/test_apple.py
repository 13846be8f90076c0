"""A device without float64, as Apple's GPUs are: every public call, its inputs there."""

import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils import backend_registration

ROOT = Path(__file__).parents[1]
CALLS = """
from dataclasses import replace

import torch

torch.set_num_threads(1)
from blending import PRESETS, ShadowSettings, blend, contact_shadow, crop_for_repair, stitch
from blending.cutout.clean import clean_cutout
from blending.placement.layout import Layout
from blending.placement.place_object import place_object
from tests.apple import NAME, device, register

# Of some noise the rounding of a sum is a thousandfold in the result; of this it is not.
generator = torch.Generator().manual_seed(3)
source = torch.rand(1, 3, 24, 32, generator=generator)
target = torch.rand(1, 3, 48, 64, generator=generator)
mask, part = torch.zeros(1, 1, 24, 32), torch.zeros(1, 1, 48, 64)
mask[..., 4:20, 4:28] = 1
part[..., 15:30, 20:40] = 1


def short(settings):
    steps = {"max_evaluations": 1}
    refine = settings.refine and replace(settings.refine, **steps)
    return replace(settings, poisson=replace(settings.poisson, **steps), refine=refine)


def pictures(source, target, mask, part):
    for name in ("painting", "photograph", "seam repair"):
        settings = short(PRESETS[name])
        yield name, blend(source, target, mask, row=10, column=15, settings=settings).image
    turned = place_object(source, target, mask, Layout(rotation=30.0, scale=1.2))
    yield "turned", turned.source
    yield "cleaned", clean_cutout(source, mask, 6).source
    yield "shadow", contact_shadow(target, part, ShadowSettings(direction=40)).image
    crops = crop_for_repair(target, part)
    for finish in ("photograph", "painting"):
        yield f"stitched as a {finish}", stitch(0.9 * crops.image, crops.place, finish=finish).image


def expect_refusals():
    there = torch.ones(3, device=NAME)
    for make, words in (
        (there.double, "the device has no torch.float64"),
        (lambda: torch.zeros(1, dtype=torch.float64, device=NAME), "the device has no"),
        (lambda: there + torch.ones(3), "all tensors must be on one device"),
    ):
        try:
            made = make()
        except (TypeError, RuntimeError) as error:
            assert words in str(error), error
        else:
            raise AssertionError(made.dtype)
    assert (2 * there + torch.tensor(1.0)).tolist() == [3.0] * 3


inputs = source, target, mask, part
register()
expected = dict(pictures(*inputs))
with device():
    expect_refusals()
    for name, image in pictures(*(one.to(NAME) for one in inputs)):
        assert image.device.type == NAME, name
        print(name, (image.cpu() - expected[name]).abs().max().item())
"""


@pytest.mark.weights
def test_every_call_computes_there_what_it_computes_on_the_processor():
    """Within 0.1 level: the sums run in another order there."""
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this torch has no devices of Python: NO DEVICE WITHOUT FLOAT64 WAS PLAYED")
    command = [sys.executable, "-c", CALLS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = (line.rpartition(" ") for line in done.stdout.splitlines())
    differences = {name: float(size) for name, _, size in told}
    assert len(differences) == 8
    assert max(differences.values()) < 0.1 / 255, differences

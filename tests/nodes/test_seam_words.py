"""What the stages' nodes say of the seams of real blends that are good, and of one that is not."""

import pytest
import torch

from blending import place, poisson_stage, refine_stage
from blending.cli.options import DEMO
from blending.pictures.read import read_mask, read_picture
from blending.presets import poisson_preset, refine_preset
from blending.quality.guardrails import seam_figures
from nodes.summary import summary


def demo(name):
    return read_picture(DEMO / name).pixels[:, :3]


def line(image, given):
    stage = {"pictures": [{}], "seconds": 1.0, "settings": {}, "notes": []}
    report = {"stages": [stage], "guard_rails": [seam_figures(image, given)]}
    return "; ".join(summary(report, "the plain paste's"))


def as_held(first):
    """What both stages' nodes compare with: the placed source as the refine stage is given it."""
    return place(first.source[:, :3], first.placed.target, first.mask)


def refined(first):
    wanted = refine_preset("painting")
    target = first.placed.target
    return refine_stage(first.image, target, first.mask, wanted, source=first.source).image


@pytest.mark.parametrize("name", ["astronaut.jpg", "starry_night.jpg"])
def test_a_repair_is_good_in_both_stages_and_a_step_is_not(name):
    """The middle of a picture, repainted duller, darker at the left and lighter at the right."""
    picture = demo(name)
    height, width = picture.shape[2:]
    mask = torch.zeros(1, 1, height, width)
    mask[..., height // 4 : height // 2, width // 4 : width // 2] = 1
    repainted = (picture * 0.95 + 0.04 + torch.linspace(-0.06, 0.06, width)).clamp(0, 1)
    placed = place(repainted, picture, mask)
    first = poisson_stage(placed, poisson_preset("seam repair"))
    assert "; seam good: 0.0" in line(first.image, placed)
    assert "; seam good: " in line(refined(first), as_held(first))
    stepped = (first.image + 0.2 * first.mask).clamp(0, 1)
    assert "; seam look: " in line(stepped, as_held(first))


def test_an_object_in_a_painting_is_good_in_both_stages():
    mask = read_mask(DEMO / "rocket_mask.png")
    placed = place(demo("rocket.png"), demo("starry_night.jpg"), mask, 60, 400)
    first = poisson_stage(placed, poisson_preset("painting"))
    assert "; seam good: " in line(first.image, as_held(first))
    assert "; seam good: " in line(refined(first), as_held(first))

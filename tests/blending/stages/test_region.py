"""The region of the refine stage: what changes, and what that wants."""

from dataclasses import replace

import pytest
import torch

from blending.image.mask import adjust_mask
from blending.placement.place import place
from blending.settings import PoissonSettings, RefineSettings
from blending.stages.memory import EXACT, PASS, Extent, Plan, estimated_memory, planned_bytes
from blending.stages.refine import region_mask

OBJECT = RefineSettings(margin=16)


@pytest.fixture
def placed():
    """A disc's box of 11 x 11 pixels on 160 x 200, near the left edge."""
    mask = torch.zeros(1, 1, 160, 200)
    mask[..., 60:71, 10:21] = 1
    picture = torch.zeros(1, 3, 160, 200)
    return place(picture, picture, mask)


@pytest.mark.parametrize("settings", [replace(OBJECT, region="band", band=40), OBJECT])
def test_a_region_wants_what_its_mask_wants(placed, settings):
    grown = place(placed.source, placed.target, region_mask(placed.mask, settings))
    wanted = estimated_memory(placed, settings)
    assert wanted == estimated_memory(grown, OBJECT)
    assert (wanted > estimated_memory(placed, OBJECT)) == (settings.region == "band")


def test_a_whole_picture_wants_as_much_whatever_its_mask(placed):
    settings = replace(OBJECT, region="picture")
    whole = planned_bytes(Extent((160, 200), (160, 200), False), Plan(1, None))
    assert estimated_memory(placed, settings) == whole
    nothing = replace(placed, mask=torch.zeros_like(placed.mask))
    assert estimated_memory(nothing, settings) == whole


def test_a_large_style_picture_counts(placed):
    style = torch.zeros(2, 3, 900, 1200)
    assert estimated_memory(placed, OBJECT, style) == PASS * 900 * 1200
    assert estimated_memory(placed, OBJECT, style[..., :8, :8]) == estimated_memory(placed, OBJECT)


def test_strength_0_wants_nothing(placed):
    assert estimated_memory(placed, replace(OBJECT, strength=0), placed.target) == 0


def test_the_exact_method_wants_planes_of_the_masks_box(placed):
    settings = PoissonSettings(method="exact")
    assert estimated_memory(placed, settings) == EXACT * 11 * 11


@pytest.mark.parametrize("band", [1, 24])
def test_growing_in_the_objects_box_is_growing_in_the_picture(band, noise):
    mask = noise(2, 1, 50, 60, seed=3) * torch.linspace(0, 1, 60)
    mask[..., :30, :] = 0
    settings = RefineSettings(region="band", band=band)
    everywhere = adjust_mask(mask, grow=band)
    assert torch.equal(region_mask(mask, settings) >= 0.5, everywhere >= 0.5)

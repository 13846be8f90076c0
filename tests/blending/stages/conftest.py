"""What the tests of the stages share: a small picture to blend, and each stage as one call."""

import numpy as np
import pytest

from blending.placement.place import place
from blending.settings import PoissonSettings, RefineSettings
from blending.stages.poisson import poisson_stage
from blending.stages.refine import refine_stage
from tests.plain import PLAIN


@pytest.fixture
def double(network):
    """The network in float64, where other orders of the same sums hardly differ."""
    return network.double()


@pytest.fixture
def scenery(photo, disc):
    """A source with a mask, its place on a target: 24 x 26 on 32 x 32 pixels."""
    return photo(24, 26), photo(32, 32, 250, 20), disc(24, 26, 8), 3, 5


@pytest.fixture(scope="session")
def stage_settings():
    """Quick settings by the name of what is run."""
    quick = {"max_evaluations": 5, "margin": 16}
    return {
        "deep": PoissonSettings(**PLAIN, **quick),
        "prepared": PoissonSettings(clean=3, **quick),
        "exact": PoissonSettings(method="exact"),
        "refine": RefineSettings(grain=0.0, **quick),
        "gram": RefineSettings(style_form="gram", **quick),
        "picture": RefineSettings(region="picture", style_form="gram", **quick),
    }


def runner(network, stage_settings):
    """run(name, source, target, mask, row, column, ...): run a stage, on what the name says."""

    def run(name, source, target, mask, row=0, column=0, **options):
        placed = place(source, target, mask, row, column)
        settings = stage_settings[name]
        if name in ("deep", "prepared", "exact"):
            return poisson_stage(placed, settings, network, **options)
        return refine_stage(placed.paste, target, placed.full_mask, settings, network, **options)

    return run


@pytest.fixture
def stage(network, stage_settings):
    """stage(name, source, target, mask, row, column, ...)"""
    return runner(network, stage_settings)


@pytest.fixture
def wide_stage(wide_network, stage_settings):
    """The same with VGG16's own width."""
    return runner(wide_network, stage_settings)


@pytest.fixture(scope="session")
def on_target():
    """on_target(mask, target, row, column): the mask laid out by hand, (H, W), bool."""

    def lay(mask, target, row, column):
        full = np.zeros(target.shape[2:], bool)
        height, width = mask.shape[2:]
        full[row : row + height, column : column + width] = mask[0, 0].numpy() > 0
        return full

    return lay

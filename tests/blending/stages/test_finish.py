"""What follows a minimisation: grain and softness, in photographs and in paintings."""

from dataclasses import replace

import pytest
import torch

from blending.image.filters import gaussian_blur
from blending.placement.box import full_box
from blending.placement.place import place
from blending.placement.window import Window
from blending.settings import PoissonSettings
from blending.stages.finish import PaintedPlace, as_painted, as_photographed
from blending.stages.poisson import poisson_stage


@pytest.fixture
def window(noise, disc):
    """A plain grey disc in front of grain, 80 x 90."""
    target = (0.5 + 0.08 * (noise(1, 1, 80, 90) - 0.5)).expand(1, 3, -1, -1).clone()
    mask = disc(80, 90, 26)
    return Window(torch.full_like(target, 0.45), mask, mask, target, full_box(mask.shape))


def test_a_plain_object_in_a_grainy_photograph_gets_grain_and_nothing_else_changes(window):
    found = as_photographed(window.source, window, 1.0)
    change = (found - window.source)[0, 0]
    inside = window.support[0, 0]
    assert change[inside].std() > 0.01
    assert change[inside].mean().abs() < 0.003
    assert not change[~inside].any()
    assert as_photographed(window.source, window, 0.0) is window.source


def test_an_object_that_covers_all_is_left(window):
    whole = Window(
        window.source,
        torch.ones_like(window.mask),
        torch.ones_like(window.mask),
        window.target,
        window.box,
    )
    assert as_photographed(whole.source, whole, 1.0) is whole.source


def test_painted_takes_the_target_at_its_places(window):
    places = torch.where(window.support[0, 0], 3 * 90 + 5, -1)
    brush = PaintedPlace(window.target, ~window.support, places, is_window=False)
    assert as_painted(window.source, window, brush, 0.0) is window.source
    found = as_painted(window.source, window, brush, 1.0)
    change = (found - window.source)[0, 0][window.support[0, 0]]
    assert change.std() < 0.2 * change.abs().mean()  # one place for all: the same everywhere


def test_without_matches_the_texture_is_mirrored_from_beside_if_it_is_there(window):
    brush = PaintedPlace(window.target, ~window.support, None, is_window=True)
    change = (as_painted(window.source, window, brush, 1.0) - window.source)[0, 0]
    assert change[window.support[0, 0]].std() > 0.01
    other = replace(brush, is_window=False)  # another picture is not beside the object
    assert as_painted(window.source, window, other, 1.0) is window.source


def test_an_edge_sharper_than_the_place_s_is_softened_at_the_mask_too(disc):
    bars = (0.3 + 0.4 * (torch.arange(90) // 9 % 2).float()).expand(1, 3, 80, 90)
    soft, mask = gaussian_blur(bars, 2.5, 9), disc(80, 90, 26)
    window = Window(bars.clone(), mask, torch.ones_like(mask), soft, full_box(mask.shape))
    found = as_photographed(window.source, window, 1.0)

    def steepest(picture):
        return picture[..., 30:50, 30:60].diff(dim=-1).abs().amax()

    assert steepest(found) < 0.85 * steepest(bars)


@pytest.mark.parametrize("method", ["deep", "exact"])
def test_the_stage_gives_a_new_object_grain_and_a_patch_of_the_picture_none(
    method, window, network
):
    mask = window.mask
    settings = PoissonSettings(method=method, grain=1.0, match=True, harmonise=0, max_evaluations=2)
    plain = PoissonSettings(method=method, match=True, harmonise=0, max_evaluations=2)
    new = place(window.source, window.target, mask)
    changes = []
    for placed in (new, place(window.target, window.target, mask)):
        grainy, other = (poisson_stage(placed, s, network).image for s in (settings, plain))
        changes.append((grainy - other)[..., mask[0, 0] > 0].abs().mean().item())
    assert changes[0] > 0.005
    assert changes[1] < (1e-3 if method == "deep" else changes[0])

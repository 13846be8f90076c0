"""A large object at a working size: what is handed on, carried back and found again."""

import pytest
import torch
import torch.nn.functional as F

from blending.placement.box import Box
from blending.placement.place import place
from blending.placement.window import Window
from blending.settings import PoissonSettings, RefineSettings
from blending.stages import memory
from blending.stages.poisson import FINISHING, poisson_stage
from blending.stages.reduced import View, working_factor
from blending.stages.refine import refine_stage

HEIGHT, WIDTH = 48, 64


@pytest.fixture
def window(photo, disc):
    mask = disc(HEIGHT, WIDTH, 20)
    source, target = photo(HEIGHT, WIDTH, 10, 20), photo(HEIGHT, WIDTH, 200, 250)
    return Window(source, mask, torch.ones_like(mask), target, Box(5, 7, HEIGHT, WIDTH))


@pytest.mark.parametrize(("side", "expected"), [(512, 1.0), (41, 1.0), (20, 41 / 20), (10, 4.0)])
def test_the_factor_makes_the_largest_object_as_large_as_the_working_size(
    side, expected, window, monkeypatch, disc
):
    monkeypatch.setattr(memory, "WORKING", side)
    small = Window(window.source, disc(HEIGHT, WIDTH, 5), window.mask, window.target, window.box)
    assert working_factor([small, window]) == pytest.approx(expected, abs=0.11)


def test_at_1_everything_is_handed_on(window):
    view = View(window, 1.0)
    x, places = torch.rand_like(window.source), torch.zeros(HEIGHT, WIDTH).long()
    assert view.window is window
    assert view.plane(x) is view.picture(x) is view.shown(x) is view.changed(window.source, x) is x
    assert view.places(places, (HEIGHT, WIDTH)) is places


def test_a_reduced_window_has_the_means_of_areas(window):
    small = View(window, 2.0).window
    assert small.target.shape == (1, 3, HEIGHT // 2, WIDTH // 2)
    torch.testing.assert_close(small.target, F.avg_pool2d(window.target, 2))
    torch.testing.assert_close(small.mask, F.avg_pool2d(window.mask, 2))
    pasted = F.avg_pool2d(window.paste, 2)
    torch.testing.assert_close(
        small.paste[small.mask.expand_as(pasted) == 1], pasted[small.mask.expand_as(pasted) == 1]
    )


def test_under_a_reduced_edge_is_the_objects_own_colour(window):
    """Not one mixed with the source's ground, which a cut-out has no business with."""
    painted = torch.where(window.mask > 0, 1.0, 0.0).expand(1, 3, -1, -1).contiguous()
    own = Window(painted, window.mask, window.source_valid, window.target, window.box)
    small = View(own, 4.0).window
    assert small.source[(small.mask > 0.01).expand_as(small.source)].min() > 0.99


def test_an_even_change_is_carried_as_it_is(window):
    view = View(window, 3.0)
    change = torch.full((1, 3, *view.size), 0.2)
    torch.testing.assert_close(
        view.carried(change, window.source), torch.full_like(window.source, 0.2), atol=1e-4, rtol=0
    )


def test_a_change_along_an_edge_follows_the_full_pictures_edge():
    """What lies on the light side alone is changed: half as far off as the enlarged change."""
    light = (torch.arange(64) >= 30).float().expand(1, 3, 64, 64).contiguous()
    ones = torch.ones(1, 1, 64, 64)
    view = View(Window(light, ones, ones, light, Box(0, 0, 64, 64)), 4.0)
    wanted = -0.3 * light
    small = view.plane(wanted)
    error, plain = (
        (found - wanted)[..., 24:36].abs().mean()
        for found in (view.carried(small, light), view.enlarged(small))
    )
    assert error < 0.5 * plain


def test_places_are_as_far_from_each_pixel_as_in_the_reduced_picture(window):
    view = View(window, 2.0)
    rows, columns = torch.meshgrid(torch.arange(24), torch.arange(32), indexing="ij")
    small = (rows - 3).clamp_min(0) * 32 + (columns + 2).clamp_max(31)
    small[0, 0] = -1
    found = view.places(small, (HEIGHT, WIDTH))
    assert (found[:2, :2] == -1).all()
    row, column = found[8:40, 8:40] // WIDTH, found[8:40, 8:40] % WIDTH
    assert torch.equal(row, torch.arange(8, 40)[:, None].expand(32, 32) - 6)
    assert torch.equal(column, torch.arange(8, 40)[None].expand(32, 32) + 4)


@pytest.fixture
def large(photo, disc, monkeypatch):
    """An object of 72 pixels where 40 are the working size."""
    monkeypatch.setattr(memory, "WORKING", 40)
    return place(photo(80, 80), photo(112, 120, 250, 20), disc(80, 80, 36), 16, 20)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_poisson_stage_ends_near_what_full_size_finds(batch, large, monkeypatch, network):
    settings = PoissonSettings(clean=0, harmonise=0.0, max_evaluations=16, margin=16)
    seen = []
    found = poisson_stage(large, settings, network, on_evaluation=seen.append)
    figures = found.report["pictures"][0]
    assert figures["reduced_by"] == pytest.approx(1.8, abs=0.05)
    assert figures["evaluations"] == len(figures["trace"]) == len(seen) - 1 <= 16
    assert [event.number for event in seen] == sorted({event.number for event in seen})
    assert {event.picture().shape for event in seen} == {(1, 3, 112, 120)}
    monkeypatch.setattr(memory, "WORKING", 512)
    full = poisson_stage(large, settings, network)
    assert "reduced_by" not in full.report["pictures"][0]
    inside = large.full_mask.expand_as(found.image) > 0
    change = (full.image - large.paste)[inside].square().mean().sqrt()
    assert (found.image - full.image)[inside].square().mean().sqrt() < 0.45 * change
    assert torch.equal(found.image[~inside], large.target[~inside])
    assert figures["evaluations"] > FINISHING


@pytest.mark.parametrize("form", ["matched", "gram"])
@pytest.mark.parametrize("has_style", [False, True])
def test_the_refine_stage_sees_a_reduced_picture(form, has_style, large, network, photo):
    settings = RefineSettings(style_form=form, max_evaluations=3, margin=16)
    style = photo(100, 90, 30, 40) if has_style else None
    seen = []
    found = refine_stage(
        large.paste,
        large.target,
        large.full_mask,
        settings,
        network,
        on_evaluation=seen.append,
        style=style,
    )
    assert {event.picture().shape for event in seen} == {(1, 3, 112, 120)}
    inside = large.full_mask.expand_as(found.image) > 0
    assert torch.equal(found.image[~inside], large.target[~inside])
    assert (found.image != large.paste)[inside].any()
    assert torch.isfinite(found.image).all()

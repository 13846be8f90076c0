"""Captioned panels and profiles."""

import pytest
import torch

from blending.placement.place import place
from blending.plots.panel_captions import NARROWEST, STRIP, panel_sheets, profile_plots
from blending.quality.laplacian_panels import laplacian_panels


@pytest.fixture
def panels(photo, disc):
    placed = place(photo(40, 40), photo(90, 90, 250, 20), disc(40, 40, 14), 20, 25)
    return laplacian_panels(placed.paste, placed)


def test_each_panel_lies_whole_times_larger_under_its_caption(panels):
    sheets = panel_sheets(panels)
    height, width = panels.source.shape[2:]
    times = -(-NARROWEST // width)
    assert times > 1
    assert sheets.shape == (5, 3, STRIP + times * height, times * width)
    for sheet, name in zip(
        sheets, ("source", "target", "guidance", "result", "residual"), strict=True
    ):
        below = sheet[:, STRIP + times // 2 :: times, times // 2 :: times]
        assert torch.equal(below, getattr(panels, name)[0])


def test_captions_differ_and_the_residuals_bar_is_coloured(panels):
    strips = panel_sheets(panels)[..., :STRIP, :]
    assert len({strip.numpy().tobytes() for strip in strips}) == 5
    colour = strips.amax(1) - strips.amin(1)
    assert (colour[:4] < 0.1).all()
    assert (colour[4] > 0.9).sum() > 200


def test_wide_panels_are_not_enlarged_and_tall_ones_get_a_ground(photo):
    target, mask = photo(30, 400, 40, 0), torch.ones(1, 1, 30, 400)
    wide = laplacian_panels(target, place(target, target, mask))
    assert panel_sheets(wide).shape == (5, 3, STRIP + 30, 400)
    tall = torch.full((1, 3, 1500, 40), 0.5)
    shown = panel_sheets(laplacian_panels(tall, place(tall, tall, torch.ones(1, 1, 1500, 40))))
    assert shown.shape == (5, 3, STRIP + 1500, NARROWEST)


def test_an_empty_picture_says_so(photo, disc):
    masks = torch.cat((torch.zeros(1, 1, 20, 20), disc(20, 20, 7)))
    placed = place(photo(20, 20), photo(60, 60, 250, 20), masks, 20, 20)
    sheets = panel_sheets(laplacian_panels(placed.paste, placed))
    assert len(sheets) == 10
    assert not torch.equal(sheets[0, :, :STRIP], sheets[5, :, :STRIP])


def test_a_profile_for_each_picture(photo, disc, panels):
    masks = torch.cat((disc(20, 20, 5), disc(20, 20, 7)))
    placed = place(photo(20, 20), photo(60, 60, 250, 20), masks, 20, 20)
    plots = profile_plots(laplacian_panels(placed.paste, placed))
    assert plots.shape == (2, 3, 600, 960)
    assert not torch.equal(plots[0], plots[1])


def test_a_mask_without_an_edge_has_a_title_alone(photo):
    target = photo(30, 30)
    plots = profile_plots(laplacian_panels(target, place(target, target, torch.ones(1, 1, 30, 30))))
    assert plots[..., 96:, :].std() < 0.05

"""Cleaning before a stage: what continues its target is left, each row as if it were alone."""

import torch

from blending.cutout.antialias import antialiased
from blending.placement.place import place
from blending.settings import PoissonSettings
from blending.stages.cleaned import cleaned

CLEAN = PoissonSettings(clean=10)


def rough_cut(disc, ground=0.9):
    """A dark disc on a bright ground, its mask 5 pixels too large, 80 x 80."""
    object_, mask = disc(80, 80, 20), disc(80, 80, 25)
    return (ground + (0.1 - ground) * object_).expand(-1, 3, -1, -1).clone(), mask, object_


def test_a_rest_goes_and_a_row_that_continues_its_target_keeps_all(disc, noise):
    source, mask, object_ = rough_cut(disc)
    place_ = 0.4 + 0.2 * noise(1, 3, 80, 80)
    placed = place(source, torch.cat((place_, source)), mask)
    found, figures = cleaned(placed, CLEAN)
    assert figures["continues_target"] == [False, True]
    assert torch.equal(found.mask[1:], mask)
    assert torch.equal(found.source[1:], source)
    smooth = antialiased(object_)
    assert (found.mask[:1] - smooth).abs().mean() < 0.1 * (mask - smooth).mean()
    alone, _ = cleaned(place(source, place_, mask), CLEAN)
    assert torch.equal(found.mask[:1], alone.mask) and torch.equal(found.source[:1], alone.source)


def test_where_all_continue_their_target_nothing_is_done(disc):
    source, mask, _ = rough_cut(disc)
    placed = place(source, source, mask)
    found, figures = cleaned(placed, CLEAN)
    assert found is placed and figures == {}


def test_an_empty_canvas_around_the_source_changes_nothing(disc, noise):
    source, mask, _ = rough_cut(disc)
    target = 0.4 + 0.2 * noise(1, 3, 120, 130)
    alpha = torch.zeros(1, 1, 120, 130)
    alpha[..., 9:89, 20:100] = 1
    canvas, wide = torch.zeros(1, 4, 120, 130), torch.zeros(1, 1, 120, 130)
    canvas[..., 9:89, 20:100] = torch.cat((source, torch.ones(1, 1, 80, 80)), 1)
    wide[..., 9:89, 20:100] = mask
    there, _ = cleaned(place(source, target, mask, 9, 20), CLEAN)
    laid, _ = cleaned(place(canvas, target, wide), CLEAN)
    assert torch.equal(there.full_mask, laid.full_mask)
    assert torch.equal(there.paste, laid.paste)


def test_each_picture_is_announced(disc, noise):
    source, mask, _ = rough_cut(disc)
    told = []
    placed = place(torch.cat((source, source)), noise(1, 3, 80, 80), mask)
    cleaned(placed, CLEAN, lambda *numbers: told.append(numbers))
    assert told == [(0, 2), (1, 2)]


def test_of_an_object_pasted_before_the_edge_alone_is_smoothed(disc, noise):
    place_, mask = 0.3 + 0.1 * noise(1, 3, 80, 80), disc(80, 80, 25)
    pasted = torch.where(mask > 0, 0.95, place_)
    found, figures = cleaned(place(pasted, place_, mask), CLEAN)
    assert figures["pasted_before"] == [True] and figures["continues_target"] == [False]
    assert figures["removed_share"] == [0.0]
    assert torch.equal(found.source, pasted)
    assert torch.equal(found.mask, antialiased(mask))

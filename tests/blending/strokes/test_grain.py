"""Grain and softness of a place: where they are from, by how much, and where nothing is added."""

import pytest
import torch
from scipy.ndimage import gaussian_filter

from blending.image.filters import gaussian_blur
from blending.strokes.grain import (
    GrainLevel,
    as_sharp_as,
    matched_places,
    painting_level,
    photograph_level,
    reflected_places,
    with_grain,
)
from blending.strokes.matching import NOWHERE, Matches


@pytest.fixture
def grainy(noise):
    """Grey with a grain of 6 levels, (1, 3, 90, 90)."""
    return (0.5 + 0.08 * (noise(1, 1, 90, 90) - 0.5)).expand(1, 3, -1, -1).clone()


def support_of(disc, size=90, radius=24):
    return disc(size, size, radius) > 0


def fine(picture):
    """The root mean square of what a Gaussian of one pixel takes away, by SciPy."""
    grey = picture[0].mean(0).double().numpy()
    return float(((grey - gaussian_filter(grey, 1)) ** 2).mean() ** 0.5)


def reflected(picture, target, support, amount=1.0):
    level = photograph_level(target, ~support)
    return with_grain(picture, target, reflected_places(support), level, amount)


def test_a_plain_object_gets_the_place_s_grain_and_nothing_around_it_changes(grainy, disc):
    support = support_of(disc)
    plain = torch.where(support, 0.5, grainy)
    found = reflected(plain, grainy, support)
    assert torch.equal(found[..., ~support[0, 0]], plain[..., ~support[0, 0]])
    middle = (..., slice(32, 58), slice(32, 58))
    assert fine(plain[middle]) < 1e-4
    assert 0.5 < fine(found[middle]) / fine(grainy[middle]) < 1.1
    half = reflected(plain, grainy, support, 0.5)
    torch.testing.assert_close(half - plain, 0.5 * (found - plain), atol=1e-3, rtol=0)


def test_a_smooth_place_and_an_object_with_grain_of_its_own_add_nothing(grainy, disc):
    support = support_of(disc)
    smooth = torch.full_like(grainy, 0.6)
    assert (reflected(grainy, smooth, support) - grainy).abs().max() < 1e-5
    rough = 0.5 + 3 * (grainy - 0.5)
    change = (reflected(rough, grainy, support) - rough).abs().max()
    assert change < 0.02


def test_a_place_s_edge_is_not_its_grain(grainy, disc):
    support = support_of(disc)
    striped = grainy.clone()
    striped[..., 78:] += 0.4  # a bright wall beside the object
    plain = torch.full_like(grainy, 0.5)
    found, usual = (reflected(plain, target, support) for target in (striped, grainy))
    assert (found - plain).abs().max() < 1.5 * (usual - plain).abs().max()


def test_it_changes_lightness_alone(grainy, disc):
    support = support_of(disc)
    red = torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1).expand_as(grainy).clone()
    change = (reflected(red, grainy, support) - red)[..., support[0, 0]]
    assert (change[0, 0] * change[0, 1] >= 0).float().mean() > 0.99  # channels rise together


def test_the_same_again_and_overshoot_stays(grainy, disc):
    support = support_of(disc)
    over = torch.where(support, 1.2, grainy)
    found = reflected(over, grainy, support)
    assert torch.equal(found, reflected(over, grainy, support))
    assert found[..., 45, 45].min() > 1.0


def test_reflections_lie_beside_the_object_and_near_their_pixels(disc):
    support = support_of(disc, 70, 30)
    places = reflected_places(support)
    inside = support[0, 0]
    assert (places[~inside] == NOWHERE).all()
    row, column = places[inside] // 70, places[inside] % 70
    assert not inside[row, column].any()
    at = inside.nonzero()
    edge = (at[:, 0] - 35).square() + (at[:, 1] - 35).square() > 28**2
    away = (torch.stack((row, column), 1) - at).abs().amax(1)
    assert away[edge].max() <= 8  # at the edge its next ones


def test_an_object_that_covers_all_has_no_place():
    places = reflected_places(torch.ones(1, 1, 6, 7, dtype=torch.bool))
    assert (places == NOWHERE).all()
    picture = torch.rand(1, 3, 6, 7)
    assert with_grain(picture, picture, places, GrainLevel([0.1], [0.1]), 1.0) is picture


def test_at_its_matches_an_object_takes_what_the_target_has_there(grainy):
    """Moved by 8 pixels, all of it: the target's own grain, moved."""
    positions = torch.arange(20).view(4, 5)
    matches = Matches((positions // 5 + 2) * 22 + positions % 5 + 2, 22)
    places = matched_places(matches, (15, 18), (90, 86))
    assert places.shape == (15, 18)
    assert places[0, 0] == 8 * 86 + 8 and places[14, 17] == 22 * 86 + 25
    target = grainy[..., :86]
    plain = torch.full((1, 3, 15, 18), 0.5)
    level = painting_level(target, torch.ones_like(target[:, :1], dtype=torch.bool))
    found = with_grain(plain, target, places, level, 1.0) - plain
    there = target[..., 8:23, 8:26]
    there = (there - gaussian_blur(target, 2, 8)[..., 8:23, 8:26])[0, 0].flatten()
    assert torch.corrcoef(torch.stack((found[0, 0].flatten(), there)))[0, 1] > 0.95


def test_positions_without_a_match_have_no_place():
    matches = Matches(torch.tensor([[NOWHERE, 0]]), 3)
    places = matched_places(matches, (4, 8), (12, 12))
    assert (places[:, :4] == NOWHERE).all() and (places[:, 4:] >= 0).all()


def edges(size=90):
    """Vertical bars, 10 pixels wide."""
    columns = torch.arange(size) // 10 % 2
    return (0.3 + 0.4 * columns.float()).expand(1, 3, size, size).clone()


def test_a_sharp_object_in_a_soft_place_is_softened_and_not_the_reverse(disc):
    support = support_of(disc)
    sharp, soft = edges(), gaussian_blur(edges(), 2.0, 8)
    found = as_sharp_as(sharp, support, soft, ~support, 1.0)
    assert fine(soft) < fine(found) < 0.7 * fine(sharp)
    assert as_sharp_as(soft, support, sharp, ~support, 1.0) is soft
    assert as_sharp_as(sharp, support, sharp, ~support, 1.0) is sharp


def test_a_place_without_edges_says_nothing_of_sharpness(disc):
    support = support_of(disc)
    sharp = edges()
    assert as_sharp_as(sharp, support, torch.full_like(sharp, 0.5), ~support, 1.0) is sharp


def test_where_its_like_is_plain_the_texture_is_from_beside(grainy):
    """Two halves, grain and nothing: what is matched to the plain half takes the other's grain."""
    half = grainy.clone()
    half[..., 45:] = 0.5
    places = torch.full((20, 20), 40 * 90 + 80)
    beside = (torch.arange(20)[:, None] + 30) * 90 + torch.arange(20) + 10
    plain, level = torch.full((1, 3, 20, 20), 0.5), GrainLevel([0.02, 0.01], [0.03, 0.02])
    alone = with_grain(plain, half, places, level, 1.0)
    found = with_grain(plain, half, places, level, 1.0, beside)
    assert (alone - plain).std() < 1e-3 < 5e-3 < (found - plain).std()


def test_an_object_finer_than_its_place_is_subdued_if_told(grainy, disc):
    support = support_of(disc)
    rough = 0.5 + 6 * (grainy - 0.5)
    places = reflected_places(support)
    kept, subdued = (
        with_grain(rough, grainy, places, GrainLevel([0.01, 0.01], [0.01, 0.01], ease), 1.0)
        for ease in (0.0, 1 / 3)
    )
    middle = (..., slice(32, 58), slice(32, 58))
    assert fine(kept[middle]) == pytest.approx(fine(rough[middle]), rel=0.02)
    assert 0.7 < fine(subdued[middle]) / fine(rough[middle]) < 0.85


def test_the_paper_between_the_lines_of_a_drawing_is_its_surface():
    paper = torch.full((1, 3, 120, 120), 0.8)
    paper += 0.004 * torch.randn(1, 1, 120, 120, generator=torch.Generator().manual_seed(1))
    drawn = paper.clone()
    drawn[..., ::12, :] = 0.1  # the median sees a line nearly everywhere
    everywhere = torch.ones(1, 1, 120, 120, dtype=torch.bool)
    blank, lines = (painting_level(x.clamp(0, 1), everywhere).most[0] for x in (paper, drawn))
    busy = photograph_level(drawn, everywhere).most[0]
    assert lines <= 1.2 * 1.5 * busy
    assert blank < 0.02

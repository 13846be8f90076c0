"""The gamut of a place: what is read of it, and where foreign colours go."""

import math

import pytest
import torch

from blending.harmonise.place_gamut import (
    LEAST_CONTRAST,
    LOWERED,
    RAISED,
    SAMPLES,
    PlaceGamut,
    chroma_into_gamut,
    joined,
    lightness_ends,
    lightness_into_gamut,
    place_gamut,
)
from blending.image.colour import from_oklab, to_oklab, to_srgb

ORANGE, BLUE = (0.7, 0.10, 0.10), (0.45, -0.02, -0.12)


def gamut_of(*colours, copies=20):
    return PlaceGamut(torch.tensor(colours).repeat(copies, 1), (0.0, 1.0))


def moved(colour, gamut, strength=0.5):
    """Where one OKLab colour goes: a and b."""
    plane = torch.tensor(colour)[None, :, None, None]
    offset = chroma_into_gamut(plane[:, :1], plane[:, 1:], gamut, strength)
    return (plane[:, 1:] + offset)[0, :, 0, 0]


def picture_of(*colours, side=40):
    """Stripes of OKLab colours, (1, 3, side, side · n)."""
    stripes = torch.tensor(colours).T[None, :, None, :]
    stripes = stripes.repeat_interleave(side, 3).expand(-1, -1, side, -1)
    return to_srgb(from_oklab(stripes)).clamp(0, 1)


def test_the_colours_of_a_picture_are_read_where_it_can_be_seen():
    picture = picture_of(ORANGE, BLUE)
    free = torch.zeros_like(picture[:, :1])
    free[..., :30] = 1
    gamut = place_gamut(picture, free)
    assert gamut is not None
    torch.testing.assert_close(gamut.colours, torch.tensor(ORANGE).expand_as(gamut.colours))
    both = place_gamut(picture, torch.ones_like(free))
    assert both is not None and both.colours[:, 2].min() < -0.1 < 0.05 < both.colours[:, 2].max()


def test_nothing_seen_is_no_gamut():
    picture = picture_of(ORANGE)
    assert place_gamut(picture, torch.zeros_like(picture[:, :1])) is None
    assert joined([None, None]) is None
    assert joined([]) is None


def test_what_is_covered_does_not_tint_a_large_picture_s_edge():
    picture = picture_of(ORANGE, BLUE, side=400)
    free = torch.zeros_like(picture[:, :1])
    free[..., :401] = 1  # one column of blue is in the last sample
    free[..., 400:] = 0
    gamut = place_gamut(picture, free)
    assert gamut is not None
    torch.testing.assert_close(
        gamut.colours, torch.tensor(ORANGE).expand_as(gamut.colours), atol=2e-3, rtol=0
    )


def test_gamuts_are_joined_and_thinned_out():
    many = PlaceGamut(torch.rand(3 * SAMPLES, 3), (0.2, 0.7))
    whole = joined([many, None, gamut_of(BLUE)])
    assert whole is not None
    assert SAMPLES < len(whole.colours) <= 2 * SAMPLES
    assert (whole.colours == torch.tensor(BLUE)).all(1).any()
    assert whole.ends == (0.0, 1.0)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 5)])
def test_any_size(size, noise):
    gamut = place_gamut(noise(1, 3, *size), torch.ones(1, 1, *size))
    assert gamut is not None and gamut.colours.isfinite().all()
    assert gamut.nearest.isfinite().all()
    assert 0 <= gamut.one_tone <= 1


def test_a_colour_of_the_place_stays():
    gamut = gamut_of(ORANGE, BLUE)
    for colour in (ORANGE, BLUE):
        torch.testing.assert_close(
            moved(colour, gamut), torch.tensor(colour[1:]), atol=0.01, rtol=0
        )


def test_a_foreign_colour_goes_to_its_hue_s_like_rather_than_to_the_nearest_grey():
    grey = (0.5, 0.02, 0.02)
    red = (0.55, 0.22, 0.10)
    a, b = moved(red, gamut_of(ORANGE, grey, BLUE))
    to_orange = math.dist((a, b), ORANGE[1:]) < math.dist((a, b), grey[1:])
    assert to_orange
    assert 0.05 < math.dist((a, b), red[1:]) < math.dist(ORANGE[1:], red[1:])
    a, b = moved(red, gamut_of(grey, BLUE))  # where no orange is, grey it is
    assert math.hypot(a, b) < 0.6 * math.hypot(*red[1:])


def test_more_strength_goes_nearer_and_none_stays():
    red, gamut = (0.55, 0.22, 0.10), gamut_of(BLUE, (0.5, 0.0, 0.0))
    sizes = [moved(red, gamut, strength).norm().item() for strength in (0, 0.25, 0.5, 1)]
    assert sizes[0] == pytest.approx(math.hypot(0.22, 0.10))
    assert sizes == sorted(sizes, reverse=True)


def test_in_a_print_of_one_tone_nothing_keeps_a_hue_of_its_own():
    levels = torch.linspace(0.1, 0.9, 200)[:, None]
    sepia = PlaceGamut(torch.cat((levels, 0.02 + 0 * levels, 0.04 * levels), 1), (0.1, 0.9))
    assert sepia.one_tone == 1
    assert gamut_of(ORANGE, (0.7, -0.1, 0.05)).one_tone == 0
    for vivid in ((0.6, 0.22, 0.12), (0.5, -0.1, -0.2)):
        a, b = moved(vivid, sepia)
        assert math.dist((a, b), (0.02, 0.04 * vivid[0])) < 0.06


def test_ends_leave_out_the_very_few():
    values = torch.cat((torch.tensor([0.0, 1.0]), torch.linspace(0.3, 0.6, 2000)))
    low, high = lightness_ends(values)
    assert low == pytest.approx(0.3, abs=0.01) and high == pytest.approx(0.6, abs=0.01)
    assert lightness_ends(torch.tensor([0.4])) == pytest.approx((0.4, 0.4))


def test_what_is_too_dark_and_too_light_goes_towards_the_place_and_keeps_its_contrast():
    levels = torch.linspace(0.1, 0.95, 50)[None, None, None]
    offset = lightness_into_gamut(levels, (0.1, 0.95), (0.2, 0.85), 0.5)
    assert offset[..., 0].item() == pytest.approx(0.5 * RAISED * 0.1)
    assert offset[..., -1].item() == pytest.approx(-0.5 * LOWERED * 0.1)
    strong = levels + lightness_into_gamut(levels, (0.1, 0.95), (0.8, 0.3), 1.0)
    assert (strong.diff() > 0).all()
    assert (strong.max() - strong.min()).item() == pytest.approx(LEAST_CONTRAST * 0.85)


def test_within_the_place_s_range_lightness_stays():
    levels = torch.linspace(0.3, 0.6, 9)[None, None, None]
    assert (lightness_into_gamut(levels, (0.3, 0.6), (0.1, 0.9), 1.0) == 0).all()
    assert (lightness_into_gamut(levels * 0 + 0.5, (0.5, 0.5), (0.1, 0.9), 1.0) == 0).all()


def test_its_colours_are_those_of_the_file(noise):
    picture = noise(1, 3, 20, 30)
    gamut = place_gamut(picture, torch.ones(1, 1, 20, 30))
    assert gamut is not None
    torch.testing.assert_close(gamut.colours, to_oklab(picture)[0].flatten(1).T)


def test_the_darkest_may_be_a_thin_line_that_a_smaller_picture_does_not_show():
    picture = torch.full((1, 3, 400, 400), 0.6)
    picture[..., ::40, :] = 0.0
    gamut = place_gamut(picture, torch.ones(1, 1, 400, 400))
    assert gamut is not None
    assert gamut.ends[0] < 0.01
    assert gamut.colours[:, 0].min() > 0.2


def test_of_a_very_large_picture_some_rows_are_read():
    picture = picture_of(ORANGE, BLUE, side=2100)[:, :, :60]
    gamut = place_gamut(picture, torch.ones_like(picture[:, :1]))
    assert gamut is not None
    known = torch.tensor((ORANGE, BLUE))
    assert torch.cdist(gamut.colours, known).amin(1).quantile(0.98) < 1e-3

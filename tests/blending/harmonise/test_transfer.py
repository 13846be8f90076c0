"""The transfer of colours: linear algebra against SciPy, limits on a cube of colours, by hand."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
import torch

from blending.harmonise.palette import Palette, palette
from blending.harmonise.transfer import (
    FLOOR,
    LIGHTNESS_SHIFT,
    LOSS,
    box_mean,
    chroma_offset,
    harmonise,
    lightness_offset,
    monge_kantorovich,
    self_guided,
)
from blending.image.colour import from_oklab, to_lab, to_oklab, to_srgb, turned_hues


def whole(picture):
    return palette(picture, torch.ones_like(picture[:, :1]))


def flat(lightness, a, b, height=1, width=1, dtype=torch.float32):
    """A picture of one OKLab colour, (1, 3, H, W)."""
    colour = torch.tensor([lightness, a, b], dtype=dtype)[None, :, None, None]
    return to_srgb(from_oklab(colour)).expand(1, 3, height, width).contiguous()


def made(lightness=0.6, chroma=(0.0, 0.0), variance=0.001, highlights=(0.0, 0.0), start=0.9):
    """A palette by its numbers."""

    def row(*values):
        return torch.tensor([values], dtype=torch.float64)

    covariance = variance * torch.eye(2, dtype=torch.float64)[None]
    one = row(lightness)[0]
    spread, start, pixels = row(0.2)[0], row(start)[0], row(100)[0]
    ends = row(0.0, 1.0)
    return Palette(one, spread, row(*chroma), covariance, row(*highlights), start, pixels, ends)


EMPTY = palette(torch.zeros(1, 3, 1, 1), torch.zeros(1, 1, 1, 1))
PLACES = {
    "night": made(0.4, (-0.02, -0.09), 0.001, (-0.03, 0.06)),
    "autumn": made(0.65, (0.06, 0.09), 0.004, (0.0, 0.08)),
    "fog": made(0.75, (0.0, -0.01), 0.0001, (0.0, 0.0)),
    "meadow": made(0.5, (-0.08, 0.08), 0.002, (-0.02, 0.03)),
}


@pytest.fixture(scope="module")
def cube():
    """Colours all over the cube, each a patch of 9 x 9 pixels of its own, (1, 3, H, W)."""
    steps = torch.linspace(0, 1, 6)
    grid = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")).reshape(1, 3, 12, 18)
    return grid.repeat_interleave(9, 2).repeat_interleave(9, 3)


def test_strength_0_and_unknown_palettes_return_the_source_itself(noise):
    source, place = noise(1, 3, 5, 6), PLACES["night"]
    assert harmonise(source, whole(source), place, 0) is source
    assert harmonise(source, EMPTY, place, 1) is source
    assert harmonise(source, whole(source), EMPTY, 1) is source


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_strength_has_a_range(noise, strength):
    with pytest.raises(ValueError, match=r"strength must be in \[0, 1\], got"):
        harmonise(noise(1, 3, 2, 2), EMPTY, EMPTY, strength)


def test_a_place_of_the_same_colours_changes_nothing(photo):
    source = photo(40, 50).double()
    own = whole(source)
    # But for near-neutral highlights, which take the mean of their own tenth: none are left here.
    own = made(own.lightness.item(), own.chroma[0].tolist(), 0.002, start=2.0)
    source = source * 0.3
    torch.testing.assert_close(harmonise(source, own, own, 1.0), source, rtol=0, atol=1e-9)


@pytest.mark.parametrize("strength", [0.25, 0.5])
def test_a_grey_takes_a_share_of_the_place_s_tint(strength):
    """Chroma's gap of 0.03, less the 0.01 that belongs together, at equal lightness."""
    source = flat(0.6, 0.0, 0.0, dtype=torch.float64)
    own, place = made(start=2.0), made(chroma=(0.03, 0.0))
    a, b = to_oklab(harmonise(source, own, place, strength))[0, 1:, 0, 0]
    assert a.item() == pytest.approx(strength * 0.02, rel=0.1)  # limits bend it a little
    assert abs(b) < 1e-6


def test_lightness_moves_two_thirds_of_the_strength():
    middle = torch.full((1, 1, 1, 1), 0.65, dtype=torch.float64)
    offset = lightness_offset(middle, made(0.6), made(0.66), 0.5)
    assert offset.item() == pytest.approx(0.06 / 3, rel=0.05)  # the largest shift bends it


def test_an_object_of_little_contrast_is_lifted_less():
    levels = torch.full((1, 1, 1, 1), 0.65, dtype=torch.float64)
    plain = replace(made(0.4), spread=torch.tensor([0.05], dtype=torch.float64))
    light, dark = made(0.9), made(0.1)
    assert lightness_offset(levels, plain, light, 1.0) < 0.025  # 0.01 and 0.3 of its spread
    assert lightness_offset(levels, made(0.4), light, 1.0) > 0.06
    same = [lightness_offset(levels, own, dark, 1.0) for own in (plain, made(0.4))]
    assert torch.equal(*same)  # a darker place darkens both alike


@pytest.mark.parametrize("place", [0.0, 0.3, 1.0])
def test_lightness_keeps_black_white_and_order(place):
    levels = torch.linspace(0, 1, 501, dtype=torch.float64)[None, None, None]
    moved = levels + lightness_offset(levels, made(0.5), made(place), 1.0)
    assert (moved.diff() > 0).all()
    assert moved[..., 0] == 0
    assert moved.max() <= 1
    assert (moved - levels).abs().max() < LIGHTNESS_SHIFT
    if place > 0.5:
        dark = levels < 0.25  # sRGB 31 of 255: blacks are lifted by 3 levels at most
        assert (moved - levels)[dark].max() < 0.015
        assert moved[..., -1] == 1


def test_the_map_takes_one_covariance_to_the_other():
    covariance = torch.tensor([[[0.004, 0.001], [0.001, 0.002]]], dtype=torch.float64)
    wanted = torch.tensor([[[0.003, -0.001], [-0.001, 0.003]]], dtype=torch.float64)
    found = monge_kantorovich(covariance, wanted)[0].numpy()
    first, second = (m[0].numpy() + FLOOR * np.eye(2) for m in (covariance, wanted))
    root = scipy.linalg.sqrtm(first)
    back = np.linalg.inv(root)
    np.testing.assert_allclose(found, back @ scipy.linalg.sqrtm(root @ second @ root) @ back)
    np.testing.assert_allclose(found @ first @ found.T, second)
    np.testing.assert_allclose(found, found.T)


def test_gains_of_the_map_are_limited():
    none, much = torch.zeros(1, 2, 2).double(), torch.diag(torch.tensor([1.0, 1e-4])).double()[None]
    eye = torch.eye(2).double()[None]
    torch.testing.assert_close(monge_kantorovich(eye, none), 0.5 * eye)
    torch.testing.assert_close(monge_kantorovich(none, eye), 2 * eye)
    found = monge_kantorovich(much, much.flip(1, 2))
    torch.testing.assert_close(found, torch.diag(torch.tensor([0.5, 2.0])).double()[None])


@pytest.mark.parametrize("place", PLACES)
def test_few_hues_flip_anywhere_in_the_cube(cube, place):
    for strength in (0.5, 1.0):
        moved = harmonise(cube, whole(cube), PLACES[place], strength)
        coloured, turned = turned_hues(to_lab(moved), to_lab(cube))
        assert (coloured & turned).sum() < 0.05 * coloured.sum()


@pytest.mark.parametrize("place", PLACES)
def test_vivid_colours_stay_vivid(cube, place):
    before = to_oklab(cube)
    # A colour's offset is that of OKLab: what the screen cannot show comes on top of it.
    own = whole(cube)
    offset = chroma_offset(before[:, :1], before[:, 1:], own, PLACES[place], 1.0)
    size, moved = (torch.hypot(*c.split(1, 1)) for c in (before[:, 1:], before[:, 1:] + offset))
    vivid = size > 0.15
    assert vivid.any()
    # The cube's white is near grey, so that limits begin from there: 0.027² / 0.1 at the most.
    assert (moved > (1 - LOSS) * size - 0.0073)[vivid].all()


@pytest.mark.parametrize("place", PLACES)
def test_black_stays_black_and_nothing_leaves_the_screen(cube, place):
    moved = harmonise(cube, whole(cube), PLACES[place], 1.0)
    assert torch.isfinite(moved).all()
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert moved[..., 4, 4].max() < 1 / 255  # the first patch is black


def test_white_takes_the_hue_of_the_place_s_highlights():
    source, place = flat(0.97, 0.0, 0.0), made(highlights=(0.0, 0.06), lightness=0.6)
    own = made(highlights=(0.0, 0.0), start=0.9)
    lightness, a, b = to_oklab(harmonise(source, own, place, 0.5))[0, :, 0, 0]
    # Three quarters of the highlights' 0.06, which is shortened to 0.054, and bent by the limits.
    assert 0.02 < b < 0.04
    assert abs(a) < 0.01
    assert lightness > 0.93  # and stays white


def test_a_tinted_white_loses_the_tint_that_a_coloured_thing_keeps():
    """Blue of one chroma: the object's own white, or something blue beside a neutral white."""
    blue, place = flat(0.7, -0.01, -0.055), PLACES["autumn"]
    as_white = harmonise(blue, made(0.7, (-0.01, -0.05), highlights=(-0.01, -0.055)), place, 0.5)
    as_thing = harmonise(blue, made(0.7, (-0.01, -0.05), highlights=(0.0, 0.0)), place, 0.5)
    left = [torch.hypot(*to_oklab(p)[:, 1:].split(1, 1)).item() for p in (as_white, as_thing)]
    assert left[0] < 0.6 * left[1]


def test_a_dark_grey_takes_as_much_less_tint_as_it_is_darker():
    lightness = torch.tensor([0.2, 0.6, 0.61], dtype=torch.float64)[None, None, None]
    grey, place = torch.zeros(1, 2, 1, 3, dtype=torch.float64), made(0.6, chroma=(0.02, 0.0))
    a = chroma_offset(lightness, grey, made(start=2.0), place, 0.5)[0, 0, 0]
    # Offsets this small are bent by less than 1 %; beyond the place's lightness no more is added.
    torch.testing.assert_close(a / a[1], lightness[0, 0, 0].clamp(max=0.6) / 0.6, rtol=0.01, atol=0)


def test_a_tint_is_not_turned_into_its_opposite():
    """Chroma −0.05, the object's own white, on a place at 0.15: past grey by 0.0125 at most."""
    lightness, chroma = (
        torch.full((1, 1, 1, 1), 0.6),
        torch.tensor([-0.05, 0.0])[None, :, None, None],
    )
    own = made(chroma=(-0.05, 0.0), highlights=(-0.05, 0.0), start=0.6)
    a = (chroma + chroma_offset(lightness, chroma, own, made(chroma=(0.15, 0.0)), 1.0))[0, 0]
    assert -0.02 < a.item() < 0.0125


def test_grain_keeps_its_contrast(noise):
    """A map of gain 2 leaves noise of 0.005 as it is, where it would double it."""
    grain = 0.005 * (noise(1, 3, 64, 64).double() - 0.5) * 12**0.5
    source = flat(0.6, 0.02, 0.01, 64, 64, torch.float64) + grain
    own, place = made(variance=0.0, start=2.0), made(variance=0.01)
    moved = harmonise(source, own, place, 1.0)
    before, after = (to_oklab(p)[0, 1:].flatten(1).std(1) for p in (source, moved))
    assert (to_oklab(moved) - to_oklab(source))[:, 1:].mean().abs() > 0.005  # it did move
    torch.testing.assert_close(after, before, rtol=0.12, atol=0)


def test_an_edge_between_two_colours_stays_where_it_is():
    """Each side moves as it would alone, up to the pixel beside the edge."""
    left, right = flat(0.5, 0.1, 0.05, 12, 15), flat(0.7, -0.08, 0.02, 12, 15)
    both, own = torch.cat((left, right), 3), made(0.6)
    found = harmonise(both, own, PLACES["night"], 0.5)
    alone = [harmonise(side, own, PLACES["night"], 0.5) for side in (left, right)]
    torch.testing.assert_close(found, torch.cat(alone, 3), rtol=0, atol=2 / 255)


def test_rows_of_a_batch_are_single_runs(noise):
    source = noise(3, 3, 19, 23)
    own = whole(source[:1])
    found = harmonise(source, own, PLACES["autumn"], 0.5)
    for row in range(3):
        single = harmonise(source[row : row + 1], own, PLACES["autumn"], 0.5)
        assert torch.equal(found[row : row + 1], single)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes_come_back_and_the_source_stays(noise, dtype):
    source = noise(1, 3, 8, 9).to(dtype)
    before, own = source.clone(), whole(source)
    found = harmonise(source, own, PLACES["night"], 0.5)
    assert found.dtype == dtype
    assert torch.equal(source, before)
    wide = harmonise(source.double(), own, PLACES["night"], 0.5)
    epsilon = max(torch.finfo(dtype).eps, 1e-4 if dtype != torch.float64 else 0)
    torch.testing.assert_close(found.double(), wide, rtol=0, atol=epsilon)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 2), (3, 40)])
def test_any_size(noise, size):
    source = noise(1, 3, *size)
    found = harmonise(source, whole(source), PLACES["autumn"], 1.0)
    assert found.shape == source.shape
    assert torch.isfinite(found).all()


def test_overshoot_is_no_more_than_the_source_s():
    source = torch.tensor([[-0.2, 0.5, 1.3], [1.2, 0.4, -0.1], [0.0, 0.6, 1.0]])[None, :, None]
    found = harmonise(source, whole(source), PLACES["autumn"], 1.0)
    assert torch.isfinite(found).all()
    assert (found >= source.clamp(max=0)).all()
    assert (found <= source.clamp(min=1)).all()


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_an_object_of_one_colour(level):
    source = torch.full((1, 3, 6, 6), level)
    found = harmonise(source, whole(source), PLACES["night"], 1.0)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found, found[..., :1, :1].expand_as(found), rtol=0, atol=1e-6)


def test_a_second_time_changes_less_than_the_first(photo):
    source = photo(60, 60)
    once = harmonise(source, whole(source), PLACES["night"], 0.5)
    twice = harmonise(once, whole(once), PLACES["night"], 0.5)
    first, second = ((a - b).square().mean() for a, b in ((once, source), (twice, once)))
    assert second < first


@pytest.mark.parametrize("radius", [0, 1, 2, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (20, 31)])
def test_box_means_are_scipys(noise, radius, size):
    image = noise(1, 2, *size).double()
    side = 2 * radius + 1
    expected = scipy.ndimage.uniform_filter(image.numpy(), (0, 0, side, side), mode="nearest")
    torch.testing.assert_close(box_mean(image, radius), torch.from_numpy(expected))


def test_the_filter_takes_grain_and_leaves_edges(noise):
    grain = 0.01 * (noise(1, 1, 40, 40) - 0.5)
    edge = (torch.arange(40) >= 20).float().expand(1, 1, 40, 40)
    found = self_guided(edge + grain, 4, 2e-4)
    assert found[..., :10].std() < 0.3 * grain[..., :10].std()
    # A contrast of 1/4 against 2e-4 keeps all but 0.1 %.
    assert (found - edge)[..., 18:22].abs().max() < 0.01
    torch.testing.assert_close(self_guided(torch.ones(1, 3, 4, 5), 4, 4e-4), torch.ones(1, 3, 4, 5))

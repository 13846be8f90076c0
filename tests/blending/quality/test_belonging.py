"""Foreign colours and highlights at known distances, and against SciPy on photographs."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage import color

from blending.image.colour import to_lab
from blending.placement.box import Box, crop, full_box
from blending.placement.levels import as_kept, as_values
from blending.quality.belonging import foreign_colours, highlights, smooth_colours
from blending.quality.object_view import object_view


@pytest.fixture
def far_disc(flat, disc):
    """far_disc(*lab): a disc of a colour on a target of (50, 10, 10): pasted picture, target."""

    def make(*lab):
        target = flat(80, 90, 50, 10, 10)
        return torch.where(disc(80, 90, 30) > 0, flat(80, 90, *lab), target), target

    return make


def smoothed(picture):
    """scikit-image's CIELAB blurred by the binomial of variance 1 in SciPy, (H, W, 3)."""
    lab = color.rgb2lab(picture[0].double().numpy(), channel_axis=0)
    for axis in (1, 2):
        lab = ndimage.convolve1d(lab, np.array([1, 4, 6, 4, 1]) / 16, axis, mode="nearest")
    return np.moveaxis(lab, 0, -1)


def expected_distance(result, target, mask):
    """The 90th percentile over all pixels by all distances; nothing is left out."""
    inside = mask[0, 0].numpy() >= 0.5
    distances = cdist(smoothed(result)[inside], smoothed(target)[~inside])
    return np.percentile(np.sort(distances, 1)[:, 2], 90)


# --- foreign colours


@pytest.mark.parametrize(
    ("lab", "distance"), [((50, 10, 10), 0), ((53, 14, 10), 5), ((38, 10, 10), 12)]
)
def test_a_colour_is_as_foreign_as_it_is_far(lab, distance, far_disc, disc):
    paste, target = far_disc(*lab)
    inner = disc(80, 90, 27)  # without the rim, where a blurred colour is the ground's in part
    # 1e-2: scikit-image and kornia have the matrices of sRGB to 4 and 6 digits.
    assert foreign_colours(paste, target, inner) == pytest.approx(distance, abs=0.02)


def test_one_pixel_of_a_colour_in_the_target_is_chance(far_disc, disc, flat):
    # Blurred, it leaves three pixels with a tenth of the way to its colour: 30 less 3.
    paste, target = far_disc(50, 40, 10)
    inner = disc(80, 90, 27)
    target = target.clone()
    target[..., 2, 2] = flat(1, 1, 50, 40, 10)[..., 0, 0]
    assert foreign_colours(paste, target, inner) > 25
    target[..., :10, :10] = flat(10, 10, 50, 40, 10)
    assert foreign_colours(paste, target, inner) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(("rows", "distance"), [(2, 0), (12, 30)])
def test_a_tenth_of_the_object_may_be_foreign(rows, distance, flat):
    mask = torch.zeros(1, 1, 100, 60)
    mask[..., 20:70, 10:50] = 1
    target = flat(100, 60, 50, 10, 10)
    result = target.clone()
    result[..., 20 : 20 + rows, 10:50] = flat(rows, 40, 50, 40, 10)
    assert foreign_colours(result, target, mask) == pytest.approx(distance, abs=0.05)


def test_the_target_under_the_mask_teaches_nothing(far_disc, disc):
    paste, _ = far_disc(50, 40, 10)
    assert foreign_colours(paste, paste, disc(80, 90, 33)) == pytest.approx(30, abs=0.02)


def test_small_pictures_are_measured_whole(photo, disc):
    result, target, mask = photo(60, 70), photo(60, 70, 250, 20), disc(60, 70, 20)
    expected = expected_distance(result, target, mask)
    assert foreign_colours(result, target, mask) == pytest.approx(expected, rel=2e-3)
    assert expected > 3


def test_a_sample_stands_for_a_large_picture(photo, disc):
    """14 000 pixels of an object, 30 000 around it, against a quarter of them, not 6000."""
    result, target, mask = photo(200, 220), photo(200, 220, 280, 0), disc(200, 220, 67)
    expected = expected_distance(result[..., ::2, ::2], target[..., ::2, ::2], mask[..., ::2, ::2])
    assert foreign_colours(result, target, mask) == pytest.approx(expected, rel=0.15)


def test_a_mask_in_the_corner_and_one_everywhere(photo):
    mask = torch.zeros(1, 1, 60, 70)
    mask[..., 50:, 60:] = 1
    found = foreign_colours(photo(60, 70), photo(60, 70, 250, 20), mask)
    expected = expected_distance(photo(60, 70), photo(60, 70, 250, 20), mask)
    assert found == pytest.approx(expected, rel=2e-3)
    ones = torch.ones(1, 1, 60, 70)
    assert math.isnan(foreign_colours(photo(60, 70), photo(60, 70), ones))
    assert math.isnan(foreign_colours(photo(60, 70), photo(60, 70), 0.4 * ones))


@pytest.mark.parametrize("corner", [(0, 0), (91, 80)])
def test_a_part_with_the_object_does_beside_the_whole_target(corner, photo, disc):
    box = Box(*corner, 70, 72)
    result, target, mask = photo(200, 220), photo(200, 220, 280, 0), torch.zeros(1, 1, 200, 220)
    crop(mask, box).copy_(disc(70, 72, 33))
    whole = foreign_colours(result, target, mask)
    assert foreign_colours(crop(result, box), target, crop(mask, box), box) == whole
    levels = as_kept(target, torch.empty(0, dtype=torch.uint8))
    found = foreign_colours(result, levels, mask)
    assert found == foreign_colours(result, as_values(levels), mask)


def test_fewer_than_fifty_pixels_have_no_figure(photo):
    mask = torch.zeros(1, 1, 60, 70)
    mask[..., 5, :49] = 1
    assert math.isnan(foreign_colours(photo(60, 70), photo(60, 70), mask))
    assert math.isnan(foreign_colours(photo(60, 70), photo(60, 70), 1 - mask))
    mask[..., 5, 49] = 1
    assert not math.isnan(foreign_colours(photo(60, 70), photo(60, 70), mask))
    assert not math.isnan(foreign_colours(photo(60, 70), photo(60, 70), 1 - mask))


# --- the sample


@pytest.mark.parametrize("size", [(300, 200), (1, 60000), (60000, 1), (7, 9000), (245, 245)])
def test_a_sample_is_about_as_large_as_wished(size):
    picture = torch.zeros(1, 3, *size)
    where = torch.ones(1, 1, *size, dtype=torch.bool)
    found = smooth_colours(picture, where, full_box(picture.shape), 1500)
    assert found.shape[1] == 3
    assert 1400 <= len(found) <= 1700


def test_a_sample_is_spread_evenly():
    """Every ninth of the picture has its ninth of the colours, within a few."""
    rows = torch.arange(300).div(100, rounding_mode="floor")
    ninth = (3 * rows[:, None] + rows[None]) / 10
    picture = ninth[None, None].expand(1, 3, -1, -1)
    where = torch.ones(1, 1, 300, 300, dtype=torch.bool)
    found = smooth_colours(picture, where, full_box(picture.shape), 3600)[:, 0]
    edges = to_lab((torch.arange(10) / 10 - 0.05).view(1, 1, 1, 10).expand(1, 3, 1, 10))[0, 0, 0]
    shares = torch.histogram(found, torch.sort(edges).values).hist
    assert shares.tolist() == pytest.approx([400] * 9, rel=0.08)


def test_a_small_area_gives_each_pixel_once_blurred(photo):
    picture = photo(30, 40).double()
    where = torch.zeros(1, 1, 30, 40, dtype=torch.bool)
    where[..., 0:9, 31:] = True
    where[..., 4, 35] = False
    found = smooth_colours(picture, where, Box(0, 31, 9, 9), 3000)
    assert found.dtype == torch.float64
    assert np.allclose(found, smoothed(picture)[where[0, 0].numpy()], atol=0.03)


def test_the_blur_is_a_gaussian_of_one_pixel(photo):
    picture = photo(60, 70).double()
    where = torch.ones(1, 1, 60, 70, dtype=torch.bool)
    found = smooth_colours(picture, where, full_box(where.shape), 60 * 70)
    lab = color.rgb2lab(picture[0].numpy(), channel_axis=0)
    expected = ndimage.gaussian_filter(lab, (0, 1, 1), mode="nearest")
    difference = found.T.numpy() - expected.reshape(3, -1)
    assert np.sqrt(np.square(difference).mean()) < 0.1 * lab.std() / 10


# --- highlights


@pytest.fixture
def lit(flat, disc):
    """lit(*lab): a grey disc on a grey target, a sixth of it highlights of a colour, pasted."""

    def make(*lab):
        grey = flat(120, 130, 40, 0, 0)
        mask = disc(120, 130, 30)
        bright = mask.clone()
        bright[..., :78, :] = 0
        return torch.where(bright > 0, flat(120, 130, *lab), grey), mask

    return make


def test_the_distance_of_the_highlights_hues(lit, flat, disc):
    result, mask = lit(80, 13, 20)
    target = flat(120, 130, 30, 0, 0)
    target[..., :30, :] = flat(30, 130, 80, 10, 16)
    assert highlights(object_view(result, result, target, mask)) == pytest.approx(5, abs=0.02)


def test_the_targets_highlights_are_near_and_not_under_the_object(lit, flat):
    result, mask = lit(80, 13, 20)
    result, mask = (torch.nn.functional.pad(x, (0, 150)) for x in (result, mask))
    target = flat(120, 280, 30, 3, 4)
    target[mask.expand(-1, 3, -1, -1) > 0] = 1.0  # white, but under the object
    target[..., 200:] = 1.0  # 100 pixels away
    found = highlights(object_view(result, result, target, mask))
    assert found == pytest.approx(math.hypot(10, 16), abs=0.03)


def test_highlights_of_few_pixels_have_no_figure(photo, disc):
    picture = photo(60, 70)
    for mask in (disc(60, 70, 3), torch.ones(1, 1, 60, 70), torch.zeros(1, 1, 60, 70)):
        assert math.isnan(highlights(object_view(picture, picture, picture, mask)))


def test_highlights_on_photographs_in_numpy(scene, view_of):
    paste, target, mask = scene
    inside = mask[0, 0].numpy() > 0
    near = ~inside & (ndimage.distance_transform_edt(~inside) <= 80)

    def brightest(picture, where):
        colours = color.rgb2lab(picture[0].numpy(), channel_axis=0)[:, where]
        return colours[1:, colours[0] >= np.percentile(colours[0], 90)].mean(1)

    expected = np.hypot(*(brightest(paste, inside) - brightest(target, near)))
    assert highlights(view_of(paste)) == pytest.approx(expected, rel=0.01)

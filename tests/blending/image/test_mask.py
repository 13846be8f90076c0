"""Mask shaping against SciPy's morphology and the Gaussian's closed form."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from blending.image.mask import adjust_mask, like_reference


def disc(radius):
    """Every offset whose distance is at most the radius."""
    steps = np.arange(-radius, radius + 1)
    return steps[:, None] ** 2 + steps[None] ** 2 <= radius**2


def grey_mask(noise, height, width, seed=0):
    """Mostly black, with grey and white specks: growing does not fill it at once."""
    mask = noise(1, 1, height, width, seed=seed)
    return torch.where(mask > 0.97, noise(1, 1, height, width, seed=seed + 1), 0)


def half_plane(width, edge):
    mask = torch.zeros(1, 1, 9, width)
    mask[..., edge:] = 1
    return mask


def test_without_a_wish_the_mask_is_returned_as_it_came(noise):
    mask = noise(2, 1, 5, 7)
    assert torch.equal(adjust_mask(mask), mask)


def test_inverting_takes_one_minus_the_mask():
    mask = torch.tensor([0.0, 0.25, 0.75, 1.0]).view(1, 1, 2, 2)
    assert adjust_mask(mask, invert=True).flatten().tolist() == [1.0, 0.75, 0.25, 0.0]


def test_a_value_on_the_threshold_becomes_white():
    mask = torch.tensor([0.0, 0.25, 0.5, 0.75]).view(1, 1, 2, 2)
    assert adjust_mask(mask, threshold=0.5).flatten().tolist() == [0, 0, 1, 1]


def test_inverting_comes_before_the_threshold():
    # 0.25 -> 0.75 -> white; the other order would give 0.25 -> black -> white and 0.75 -> black.
    mask = torch.tensor([0.25, 0.75]).view(1, 1, 1, 2)
    assert adjust_mask(mask, invert=True, threshold=0.75).flatten().tolist() == [1, 0]


def test_the_threshold_comes_before_growing():
    mask = torch.tensor([0.0, 0.0, 0.4, 0.0, 0.0, 0.6]).view(1, 1, 1, 6)
    assert adjust_mask(mask, threshold=0.5, grow=1).flatten().tolist() == [0, 0, 0, 0, 1, 1]


def test_growing_comes_before_the_feather():
    mask = half_plane(40, 24)
    both = adjust_mask(mask, grow=4, feather=8)
    assert torch.equal(both, adjust_mask(half_plane(40, 20), feather=8))


@pytest.mark.parametrize("radius", [1, 2, 3, 5, 8, 13, 40])
def test_growing_is_grey_dilation_by_a_disc(radius, noise):
    mask = grey_mask(noise, 31, 44)
    expected = ndimage.grey_dilation(mask[0, 0], footprint=disc(radius), mode="constant", cval=0)
    assert np.array_equal(adjust_mask(mask, grow=radius)[0, 0], expected)


@pytest.mark.parametrize("radius", [1, 2, 3, 5, 8, 13, 40])
def test_shrinking_is_grey_erosion_by_a_disc_and_the_frame_is_no_edge(radius, noise):
    mask = torch.ones(1, 1, 31, 44)
    mask[..., 11, 30], mask[..., 25, 4] = 0, 0.5
    expected = ndimage.grey_erosion(mask[0, 0], footprint=disc(radius), mode="constant", cval=1)
    assert np.array_equal(adjust_mask(mask, grow=-radius)[0, 0], expected)


def test_a_mask_on_the_frame_shrinks_from_its_inner_edge_alone():
    mask = torch.zeros(1, 1, 12, 12)
    mask[..., :6] = 1
    expected = torch.zeros(1, 1, 12, 12)
    expected[..., :4] = 1
    assert torch.equal(adjust_mask(mask, grow=-2), expected)


@pytest.mark.parametrize("radius", [-256, 256])
def test_the_largest_radius_works_on_a_small_mask(radius):
    mask = torch.zeros(1, 1, 4, 5)
    mask[..., 1, 2] = 1
    assert torch.equal(adjust_mask(mask, grow=radius), torch.full_like(mask, float(radius > 0)))


@pytest.mark.parametrize("width", [8, 16, 40])
def test_the_feather_follows_the_gaussian_integral(width):
    edge = 60
    row = adjust_mask(half_plane(120, edge), feather=width)[0, 0, 4]
    for offset in range(-width, width):
        distance = offset + 0.5  # of the pixel's centre from the edge
        expected = 0.5 * (1 + math.erf(distance / (width / 4) / math.sqrt(2)))
        # A sum over whole pixels is off by max|density'| / 24 = 0.242 / (24 sigma^2) at most; the
        # Gaussian's cut at 4 sigma adds 1e-4.
        allowed = 0.242 / (24 * (width / 4) ** 2) + 1e-4
        assert row[edge + offset].item() == pytest.approx(expected, abs=allowed)


@pytest.mark.parametrize("width", [1, 2, 5, 16])
def test_the_feather_is_symmetric_about_the_edge(width):
    row = adjust_mask(half_plane(64, 32), feather=width)[0, 0, 4]
    torch.testing.assert_close(row + row.flip(0), torch.ones(64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("width", [8, 16, 40])
def test_the_feather_rises_from_2_to_98_percent_over_its_width(width):
    row = adjust_mask(half_plane(160, 80), feather=width)[0, 0, 4].numpy()
    low, high = np.interp([0.0228, 0.9772], row, np.arange(160) + 0.5)  # Phi(-2), Phi(2)
    # Sampling at pixels and reading between them by lines widens the smallest by 0.16.
    assert high - low == pytest.approx(width, abs=0.2)
    assert (low + high) / 2 == pytest.approx(80, abs=0.01)


def test_the_feather_leaves_a_mask_alone_where_it_meets_the_frame():
    row = adjust_mask(half_plane(64, 32), feather=12)
    torch.testing.assert_close(row[..., -8:], torch.ones(1, 1, 9, 8), rtol=0, atol=1e-6)
    torch.testing.assert_close(row[:, :, 0], row[:, :, 4], rtol=0, atol=1e-6)
    full = adjust_mask(torch.ones(1, 1, 5, 7), feather=64)
    torch.testing.assert_close(full, torch.ones(1, 1, 5, 7), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_dtype_is_kept_and_values_stay_in_range(dtype, noise):
    mask = noise(1, 1, 12, 10).to(dtype)
    options = {"invert": (False, True), "threshold": (0.0, 0.5), "grow": (-2, 2), "feather": (0, 3)}
    for values in itertools.product(*options.values()):
        result = adjust_mask(mask, **dict(zip(options, values, strict=True)))
        assert result.dtype == dtype
        assert result.shape == mask.shape
        assert 0 <= result.min() <= result.max() <= 1


def test_a_batch_gives_what_its_masks_give(noise):
    masks = noise(3, 1, 14, 11)
    batch = adjust_mask(masks, threshold=0.9, grow=2, feather=4)
    for sample in range(3):
        single = adjust_mask(masks[sample : sample + 1], threshold=0.9, grow=2, feather=4)
        # float32 sums whose order depends on the batch
        torch.testing.assert_close(batch[sample : sample + 1], single, rtol=0, atol=1e-6)


def test_the_given_mask_is_not_changed(noise):
    mask = noise(1, 1, 9, 9)
    before = mask.clone()
    adjust_mask(mask, invert=True, threshold=0.5, grow=2, feather=4)
    assert torch.equal(mask, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.1}, r"threshold must be in \[0, 1\], got 1.1"),
        ({"threshold": float("nan")}, r"threshold must be in \[0, 1\], got nan"),
        ({"grow": 257}, r"grow must be in \[-256, 256\], got 257"),
        ({"grow": -257}, r"grow must be in \[-256, 256\], got -257"),
        ({"feather": -1}, r"feather must be in \[0, 256\], got -1"),
        ({"feather": 257}, r"feather must be in \[0, 256\], got 257"),
    ],
)
def test_a_value_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        adjust_mask(torch.ones(1, 1, 4, 4), **options)


@pytest.mark.parametrize("name", ["grow", "feather"])
def test_half_a_pixel_is_refused(name):
    with pytest.raises(TypeError, match=f"{name} must be a whole number, got 1.5"):
        adjust_mask(torch.ones(1, 1, 4, 4), **{name: 1.5})


def test_a_picture_is_no_mask(noise):
    with pytest.raises(ValueError, match=r"mask must be \(B, 1, H, W\)"):
        adjust_mask(noise(1, 3, 4, 4))
    with pytest.raises(TypeError, match="mask must be a float tensor"):
        adjust_mask(torch.ones(1, 1, 4, 4, dtype=torch.uint8))


def drawn(text):
    """A mask from rows of digits, tenths; 'X' is 1, '.' is 0."""
    rows = [["0123456789X".index(c.replace(".", "0")) for c in row] for row in text.split()]
    return torch.tensor(rows, dtype=torch.float64)[None, None] / 10


def test_holes_are_filled_before_specks_are_dropped():
    # The ring has 8 pixels, 9 when its hole is filled.
    ring = drawn("..... .XXX. .X.X. .XXX. .....")
    assert adjust_mask(ring, fill_holes=1, drop_specks=9).sum() == 9
    assert adjust_mask(ring, drop_specks=9).sum() == 0


def test_the_threshold_comes_before_and_growing_after():
    mask = drawn("....... ..444.. ..4.4.. ..444.. .......")
    assert adjust_mask(mask, threshold=0.4, fill_holes=1).sum() == 9
    assert adjust_mask(mask, fill_holes=1).sum() == mask.sum()  # below 0.5 nothing is enclosed
    assert adjust_mask(drawn("X......"), drop_specks=2, grow=3).sum() == 0


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"fill_holes": -1}, r"fill_holes must be in \[0, 1e\+08\], got -1"),
        ({"drop_specks": 100_000_001}, r"drop_specks must be in \[0, 1e\+08\]"),
        ({"drop_specks": 1.5}, "drop_specks must be a whole number"),
    ],
)
def test_areas_out_of_range_are_refused(wish, message):
    with pytest.raises((ValueError, TypeError), match=message):
        adjust_mask(torch.ones(1, 1, 3, 3), **wish)


def white(height, width):
    return torch.ones(1, 1, height, width)


def test_a_mask_of_the_references_size_comes_back_in_every_way(noise):
    mask = noise(1, 1, 6, 8)
    for resize in ("off", "stretch", "fit", "fill"):
        assert torch.equal(like_reference(mask, (6, 8), resize), mask)
    assert torch.equal(like_reference(mask, None, "off"), mask)


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [
        ((20, 20), (5, 15), (0, 20)),  # 10 x 20 fits by its width
        ((10, 40), (0, 10), (10, 30)),
        ((5, 5), (1, 3), (0, 5)),  # 2.5 rows round to 2, 3 to spare: one above, two below
    ],
)
def test_fit_keeps_all_of_the_mask_in_the_middle_of_nothing(size, rows, columns):
    fitted = like_reference(white(10, 20), size, "fit")
    expected = torch.zeros(1, 1, *size)
    expected[..., slice(*rows), slice(*columns)] = 1
    torch.testing.assert_close(fitted, expected)


def test_fill_covers_and_cuts_the_middle_out():
    # Columns 0 to 3 of 4 become 0 to 7 of 8; a width of 4 keeps 2 to 5: the inner two of the four.
    mask = torch.tensor([0.0, 1.0, 1.0, 0.0]).repeat(2, 1)[None, None]
    filled = like_reference(mask, (4, 4), "fill")
    stretched = like_reference(mask, (4, 8), "stretch")
    torch.testing.assert_close(filled, stretched[..., 2:6])


def test_stretch_takes_the_size_as_it_is(noise):
    mask = noise(2, 1, 9, 12)
    stretched = like_reference(mask, (18, 6), "stretch")
    assert stretched.shape == (2, 1, 18, 6)
    halved = like_reference(mask, (9, 6), "stretch")  # antialiased: a mean, not every second
    assert halved.mean() == pytest.approx(mask.mean().item(), abs=0.02)


@pytest.mark.parametrize("resize", ["stretch", "fit", "fill"])
def test_a_resized_mask_stays_within_0_and_1_in_its_dtype(resize):
    steps = (torch.arange(12) % 4 < 2).half().expand(1, 1, 10, 12)
    resized = like_reference(steps, (33, 31), resize)
    assert resized.dtype == torch.float16
    assert 0 <= resized.min() <= resized.max() <= 1


def test_another_size_without_leave_is_refused_with_the_remedy():
    message = "mask must have the size of reference, 20 x 10 pixels, got 8 x 6 pixels; set resize"
    with pytest.raises(ValueError, match=message):
        like_reference(white(6, 8), (10, 20), "off")


def test_a_resize_without_a_reference_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match="reference must be there for resize fit, got none; link"):
        like_reference(white(6, 8), None, "fit")


def test_resizes_of_another_name_are_refused():
    with pytest.raises(ValueError, match="resize must be one of off, stretch, fit, fill"):
        like_reference(white(6, 8), (10, 20), "crop")


def test_what_lies_beyond_the_file_is_not_taken_by_an_inverted_mask_either():
    wide = torch.ones(1, 1, 4, 12)
    wide[..., 6:] = 0
    fitted = like_reference(wide, (12, 12), "fit", beyond=1.0)
    taken = adjust_mask(fitted, invert=True)
    assert taken[..., :4, :].max() == taken[..., 8:, :].max() == 0
    assert torch.equal(taken[..., 4:8, :], 1 - wide)

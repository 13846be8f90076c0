"""The pictures of what a mask takes, and of what was taken away."""

import pytest
import torch

from blending.plots.mask_overlay import CHEQUERS, PAINT, show_removed, show_taken


def test_what_is_taken_is_the_picture_and_the_rest_dimmed_chequers():
    pixels = torch.full((1, 3, 32, 32), 0.8)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :, 16:] = 1
    shown = show_taken(pixels, mask)
    assert torch.equal(shown[..., 16:], pixels[..., 16:])
    # A quarter of the picture under chequers of 16 pixels.
    for row, grey in ((0, CHEQUERS[0]), (16, CHEQUERS[1])):
        corner = shown[..., row : row + 16, :16]
        torch.testing.assert_close(corner, torch.full_like(corner, 0.25 * 0.8 + 0.75 * grey))


def test_half_taken_is_half_way():
    pixels = torch.full((1, 3, 8, 8), 0.8)
    shown = show_taken(pixels, torch.full((1, 1, 8, 8), 0.5))
    background = show_taken(pixels, torch.zeros(1, 1, 8, 8))
    torch.testing.assert_close(shown, (pixels + background) / 2)


def test_alpha_is_left_out_and_large_pictures_are_shown_smaller():
    shown = show_taken(torch.ones(1, 4, 500, 2000), torch.ones(1, 1, 500, 2000))
    assert shown.shape == (1, 3, 256, 1024)
    assert (shown == 1).all()


def thirds():
    """A grey picture: kept on the left, taken away in the middle, outside on the right."""
    pixels = torch.full((1, 3, 4, 9), 0.8)
    kept, removed = torch.zeros(1, 1, 4, 9), torch.zeros(1, 1, 4, 9)
    kept[..., :3], removed[..., 3:6] = 1, 1
    return pixels, kept, removed


def test_what_was_taken_away_is_painted_what_stays_is_the_picture_the_rest_is_dimmed():
    pixels, kept, removed = thirds()
    shown = show_removed(pixels, kept, removed)
    torch.testing.assert_close(shown[..., :3], pixels[..., :3])
    paint = torch.tensor(PAINT).view(1, 3, 1, 1)
    torch.testing.assert_close(shown[..., 3:6], (0.75 * paint + 0.25 * 0.8).expand(1, 3, 4, 3))
    torch.testing.assert_close(shown[..., 6:], torch.full((1, 3, 4, 3), 0.2))


def test_a_pixel_half_taken_away_is_half_painted():
    pixels, kept, removed = thirds()
    half = show_removed(pixels, kept + removed / 2, removed / 2)
    whole = show_removed(pixels, kept, removed)
    torch.testing.assert_close(half[..., 3:6], (whole[..., 3:6] + pixels[..., 3:6]) / 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_batches_alpha_and_dtypes_of_what_was_taken_away(dtype):
    pixels, kept, removed = thirds()
    both = torch.cat((pixels, 1 - pixels)).to(dtype)
    shown = show_removed(torch.cat((both, both[:, :1]), 1), kept.to(dtype), removed.to(dtype))
    assert shown.shape == (2, 3, 4, 9)
    assert shown.dtype == dtype
    expected = show_removed(pixels, kept, removed)
    torch.testing.assert_close(shown[:1].float(), expected, atol=0.01, rtol=0)
    assert torch.equal(shown[:1], show_removed(both[:1], kept, removed))


def test_values_beyond_range_are_shown_within_it():
    pixels, kept, removed = thirds()
    shown = show_removed(3 * pixels - 1, kept, removed)
    assert shown.min() >= 0
    assert shown.max() <= 1

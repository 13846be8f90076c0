"""The picture of what a mask takes."""

import torch

from blending.plots.mask_overlay import CHEQUERS, show_taken


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

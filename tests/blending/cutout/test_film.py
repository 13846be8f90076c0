"""Alphas of a film: one frame's error is outvoted, what moves is followed, bounds are kept."""

import pytest
import torch

from blending.cutout.film import steadied


def frames(disc, shifts, radius=12):
    """A disc that moves along a row, as masks of 40 x 80."""
    masks = torch.zeros(len(shifts), 1, 40, 80)
    for number, shift in enumerate(shifts):
        masks[number, :, 4:36, shift : shift + 32] = disc(32, 32, radius)[0]
    return masks


def test_what_one_frame_alone_takes_away_is_put_back(disc):
    mask = frames(disc, (5, 8, 11, 14))
    alpha = mask.clone()
    alpha[1, :, 10:20, 20:26] = 0
    assert (alpha != mask).any()
    assert torch.equal(steadied(alpha, mask), mask)


def test_what_all_frames_take_away_moves_along(disc):
    shifts = (5, 9, 13, 17, 21)
    mask, alpha = frames(disc, shifts), frames(disc, shifts, radius=9)
    assert torch.equal(steadied(alpha, mask), alpha)


def test_noise_flickers_less(disc, noise):
    mask = frames(disc, (10,) * 9)
    alpha = mask * (0.5 + 0.5 * noise(9, 1, 40, 80))

    def flicker(x):
        return (x[1:] - x[:-1]).abs().mean()

    found = steadied(alpha, mask)
    assert flicker(found) < 0.6 * flicker(alpha)
    assert (found <= mask).all() and (found >= 0).all()


def test_two_frames_outvote_nobody_and_an_empty_one_has_no_say(disc):
    mask = frames(disc, (5, 9))
    alpha = 0.5 * mask
    assert steadied(alpha, mask) is alpha
    mask = frames(disc, (5, 5, 5))
    mask[1] = 0
    alpha = 0.5 * mask
    torch.testing.assert_close(steadied(alpha, mask), alpha)


def test_far_apart_frames_are_each_their_own(disc):
    mask = torch.zeros(3, 1, 20, 400)
    for number, left in enumerate((0, 190, 380)):
        mask[number, :, :, left : left + 20] = disc(20, 20, 9)[0]
    alpha = 0.25 * mask
    torch.testing.assert_close(steadied(alpha, mask), alpha)


@pytest.mark.parametrize("shape", [(2, 1, 40, 80), (3, 1, 40, 81)])
def test_other_sizes_or_counts_are_refused(shape, disc):
    with pytest.raises(ValueError, match="alpha must"):
        steadied(torch.zeros(shape), frames(disc, (5, 5, 5)))

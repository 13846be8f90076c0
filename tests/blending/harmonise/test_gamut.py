"""Changes within the gamut: by hand at its edges, and for random ones everywhere."""

import pytest
import torch

from blending.harmonise.gamut import KNEE, compressed, within_gamut


def pixel(*values):
    return torch.tensor(values, dtype=torch.float64)[None, :, None, None]


def test_a_small_change_is_added():
    found = within_gamut(pixel(0.5, 0.4, 0.3), pixel(0.1, -0.1, 0.05))
    torch.testing.assert_close(found, pixel(0.6, 0.3, 0.35))


def test_no_change_keeps_the_bits(noise):
    linear = noise(2, 3, 6, 7)
    linear[:, :, 0] = 0
    linear[:, :, 1] = 1
    assert torch.equal(within_gamut(linear, torch.zeros_like(linear)), linear)


def test_a_tinted_white_is_dimmed_with_its_hue():
    """(1.2, 1, 0.9) has no room above: divided by 1.2; clipping would give (1, 1, 0.9)."""
    found = within_gamut(pixel(1, 1, 1), pixel(0.2, 0, -0.1))
    torch.testing.assert_close(found, pixel(1, 1 / 1.2, 0.9 / 1.2))


def test_black_keeps_black():
    found = within_gamut(pixel(0, 0, 0), pixel(0.1, -0.05, 0.0))
    assert found.max() < 1e-5


def test_a_channel_that_would_fall_below_0_takes_a_share_of_the_change():
    found = within_gamut(pixel(0.5, 0.1, 0.5), pixel(0.1, -0.3, 0.1))
    share = compressed(torch.tensor(3.0, dtype=torch.float64)).item() / 3  # three times the room
    expected = pixel(0.5 + 0.1 * share, 0.1 - 0.3 * share, 0.5 + 0.1 * share)
    torch.testing.assert_close(found, expected)
    assert found.min() >= 0


def test_random_changes_stay_inside(noise):
    linear = noise(1, 3, 60, 60, seed=1)
    change = 4 * noise(1, 3, 60, 60, seed=2) - 2
    found = within_gamut(linear, change)
    assert torch.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_growing_change_moves_a_colour_on_without_a_jump():
    grown = torch.linspace(0, 1, 400, dtype=torch.float64)[None, None, None]
    linear = pixel(0.7, 0.5, 0.3).expand(1, 3, 1, 400)
    found = within_gamut(linear, grown * pixel(1.0, -0.2, -0.8))
    assert found.diff(dim=3).abs().max() < 2.5 / 399  # twice the change's own steps, and rounding


def test_compression_is_the_identity_below_the_knee_and_stays_below_1():
    used = torch.linspace(0, 5, 501, dtype=torch.float64)[None, None, None]
    found = compressed(used)
    low = used <= KNEE
    assert torch.equal(found[low], used[low])
    assert found.max() < 1
    assert (found.diff() > 0).all()
    assert found.diff().max() <= 0.01 + 1e-12  # never faster than what is asked for


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtypes(dtype):
    assert within_gamut(torch.ones(2, 3, 1, 1, dtype=dtype), torch.zeros(1)).dtype == dtype

"""Poses: moved pixels exactly, resampled ones against Keys's kernel and known pictures."""

import itertools
import math

import numpy as np
import pytest
import torch

from blending.placement import warp
from blending.placement.layout import Layout, Spot
from blending.placement.warp import cubic_samples, pose


def posed(colour, alpha=None, mask=None, **wish):
    height, width = colour.shape[2:]
    ones = torch.ones_like(colour[:, :1])
    layout = Layout(**wish)
    spot = layout.spot((height, width), (height, width))
    alpha = ones if alpha is None else alpha
    return pose(colour, alpha, ones if mask is None else mask, layout.flip, spot)


def test_flips_by_hand():
    rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(1, 3, 2, 2)
    expected = {
        "off": [[1, 2], [3, 4]],
        "horizontal": [[2, 1], [4, 3]],
        "vertical": [[3, 4], [1, 2]],
        "both": [[4, 3], [2, 1]],
    }
    for flip, values in expected.items():
        assert posed(rows, flip=flip)[0][0, 0].tolist() == values


def test_a_quarter_turn_clockwise_by_hand():
    rows = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).expand(1, 3, 2, 3)
    assert posed(rows, rotation=90)[0][0, 0].tolist() == [[4, 1], [5, 2], [6, 3]]
    assert posed(rows, rotation=-90)[0][0, 0].tolist() == [[3, 6], [2, 5], [1, 4]]
    assert posed(rows, rotation=180)[0][0, 0].tolist() == [[6, 5, 4], [3, 2, 1]]


@pytest.mark.parametrize("rotation", [90, -90, 270])
def test_four_quarter_turns_give_the_same_bits(noise, rotation):
    planes = (noise(2, 3, 7, 10), noise(2, 1, 7, 10, seed=1).round(), noise(2, 1, 7, 10, seed=2))
    turned = planes
    for _ in range(4):
        turned = posed(*turned, rotation=rotation)
    assert all(torch.equal(*pair) for pair in zip(turned, planes, strict=True))


@pytest.mark.parametrize("flip", ["horizontal", "vertical", "both"])
def test_a_flip_twice_gives_the_same_bits(noise, flip):
    planes = (noise(1, 3, 7, 10), noise(1, 1, 7, 10, seed=1).round(), noise(1, 1, 7, 10, seed=2))
    twice = posed(*posed(*planes, flip=flip), flip=flip)
    assert all(torch.equal(*pair) for pair in zip(twice, planes, strict=True))


def test_the_flip_comes_before_the_turn():
    rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(1, 3, 2, 2)
    found = posed(rows, flip="horizontal", rotation=90)[0][0, 0]  # [[2, 1], [4, 3]], turned
    assert found.tolist() == [[4, 2], [3, 1]]


def ramp(height, width, across, down):
    """0.5 in the middle, rising by `across` and `down` a pixel."""
    rows = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float64)[None] - (width - 1) / 2
    return (0.5 + across * columns + down * rows).expand(1, 3, height, width)


@pytest.mark.parametrize("rotation", [10, 37.5, -20, 135, 260])
def test_a_turned_ramp_is_the_ramp_in_the_turned_direction(rotation):
    # Cubic convolution reproduces linear functions, away from the frame.
    turned = posed(ramp(60, 80, 0.004, 0.0), rotation=rotation)[0]
    angle = math.radians(rotation)
    expected = ramp(*turned.shape[2:], 0.004 * math.cos(angle), 0.004 * math.sin(angle))
    middle = slice(turned.shape[2] // 2 - 10, turned.shape[2] // 2 + 10)
    centre = slice(turned.shape[3] // 2 - 10, turned.shape[3] // 2 + 10)
    torch.testing.assert_close(
        turned[..., middle, centre], expected[..., middle, centre], atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_scaled_and_turned_ramp_is_as_much_flatter(scale):
    turned = posed(ramp(80, 80, 0.004, 0.0), rotation=30, scale=scale)[0]
    angle = math.radians(30)
    slope = 0.004 / scale
    expected = ramp(*turned.shape[2:], slope * math.cos(angle), slope * math.sin(angle))
    half = turned.shape[2] // 2
    middle = slice(half - 8, half + 8)
    found, wanted = turned[..., middle, middle], expected[..., middle, middle]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_a_turn_keeps_what_is_beneath_a_disc(disc):
    # A disc in the middle looks the same in every pose.
    mask = disc(41, 41, 12)
    turned = posed(mask.expand(-1, 3, -1, -1), mask=mask, rotation=31)[2]
    spare = (turned.shape[2] - 41) // 2
    own = turned[..., spare : spare + 41, spare : spare + 41]
    assert turned.sum() == pytest.approx(mask.sum().item(), rel=0.01)
    assert ((own - mask).abs() > 0.6).sum() == 0


def test_the_area_of_a_turned_rectangle_is_kept_and_its_edge_is_soft():
    turned = posed(torch.ones(1, 3, 40, 60), rotation=25)
    assert turned[2].sum() == pytest.approx(40 * 60, rel=0.005)
    assert turned[1].sum() == pytest.approx(40 * 60, rel=0.01)
    soft = (turned[2] > 0.02) & (turned[2] < 0.98)
    assert 150 < soft.sum() < 600  # a perimeter of 200, one to three pixels wide


def test_a_white_object_has_no_dark_rim_and_hidden_colours_do_not_bleed(disc):
    alpha = disc(40, 40, 14)
    for hidden in (0.0, 0.3):
        colour = torch.where(alpha > 0, 0.9, hidden).expand(-1, 3, -1, -1)
        turned, valid, mask = posed(colour, alpha, alpha, rotation=33)
        shown = (mask >= 0.05).expand(-1, 3, -1, -1)
        torch.testing.assert_close(
            turned[shown], torch.full_like(turned[shown], 0.9), atol=1e-5, rtol=0
        )
        assert (mask[valid == 0] < 0.5).all()


def test_an_opaque_picture_has_its_own_colours_to_the_edge():
    turned, valid, mask = posed(torch.full((1, 3, 30, 40), 0.8), rotation=12)
    edge = (mask > 0.01).expand(-1, 3, -1, -1)
    torch.testing.assert_close(turned[edge], torch.full_like(turned[edge], 0.8))
    assert set(valid.unique().tolist()) == {0, 1}
    assert (turned[..., 0, 0] == 0).all()  # the corner lies outside


def test_shrinking_by_a_turn_averages_instead_of_skipping():
    # Stripes of one pixel: every second one skipped would leave black or white.
    stripes = (torch.arange(120) % 2).float().expand(1, 3, 120, 120)
    turned = posed(stripes, rotation=3, scale=0.25)[0]
    middle = turned[..., 10:-10, 10:-10]
    torch.testing.assert_close(middle, torch.full_like(middle, 0.5), atol=0.02, rtol=0)


def test_a_batch_is_turned_picture_by_picture(noise):
    batch = noise(3, 3, 20, 30)
    together = posed(batch, rotation=20, scale=0.7)[0]
    for sample in range(3):
        alone = posed(batch[sample : sample + 1], rotation=20, scale=0.7)[0]
        torch.testing.assert_close(together[sample : sample + 1], alone, atol=0, rtol=0)


def test_half_precision_is_computed_in_float32(noise):
    turned = posed(noise(1, 3, 20, 30).half(), rotation=20)
    assert all(plane.dtype == torch.float32 for plane in turned)


def keys(distance):
    """Keys 1981, equation 15, with a = -1/2."""
    d, a = abs(distance), -0.5
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def sampled_by_loop(plane, row, column):
    """A value between the pixels of (h, w); beyond the frame the nearest pixel counts."""
    total = 0.0
    for r, c in itertools.product(range(math.floor(row) - 1, math.floor(row) + 3), range(-9, 30)):
        value = plane[min(max(r, 0), plane.shape[0] - 1), min(max(c, 0), plane.shape[1] - 1)]
        total += keys(row - r) * keys(column - c) * value
    return total


@pytest.mark.parametrize("strip", [1, 1 << 19])
def test_samples_are_those_of_the_kernel_inside_and_at_the_frame(strip, noise, monkeypatch):
    monkeypatch.setattr(warp, "STRIP", strip)
    planes = noise(2, 3, 7, 9).double()
    shares = noise(5, 6, 2, seed=1).double()
    places = shares * torch.tensor([10.0, 12.0]).double() - 2  # up to two pixels beyond the frame
    places[0, 0], places[0, 1] = torch.tensor([3.0, 4.0]), torch.tensor([-1.0, 8.5])
    found = cubic_samples(planes, places)
    assert found.shape == (2, 3, 5, 6)
    for n, c, i, j in itertools.product(range(2), range(3), range(5), range(6)):
        row, column = places[i, j].tolist()
        wanted = sampled_by_loop(planes[n, c].numpy(), row, column)
        assert found[n, c, i, j].item() == pytest.approx(wanted, abs=1e-12)


def test_samples_at_pixels_are_the_pixels():
    plane = torch.arange(20.0).reshape(1, 1, 4, 5) ** 2
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(5.0), indexing="ij")
    assert torch.equal(cubic_samples(plane, torch.stack((rows, columns), 2)), plane)


def test_a_parabola_is_kept_between_its_pixels():
    # Of all cubic convolutions, a = -1/2 alone reproduces polynomials of the second degree.
    rows, columns = np.mgrid[:12, :14].astype(np.float64)

    def parabola(r, c):
        return 0.3 + 0.02 * r - 0.05 * c + 0.01 * r * c + 0.004 * r**2 - 0.003 * c**2

    places = 2 + 6 * torch.rand(9, 10, 2, generator=torch.Generator().manual_seed(3)).double()
    found = cubic_samples(torch.from_numpy(parabola(rows, columns))[None, None], places)
    wanted = parabola(*places.unbind(2))
    torch.testing.assert_close(found[0, 0], wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("rotation", "down", "across"), [(20, 1.5, 1.5), (250, 1.2, 2.0)])
def test_a_turned_pixel_is_the_source_at_the_place_turned_back(rotation, down, across, noise):
    # Clockwise on the screen, rows downwards: x right goes to (cos, sin), so back by its transpose.
    colour = noise(1, 3, 11, 14).double()
    ones = torch.ones_like(colour[:, :1])
    spot = Spot(0, 0, 41, 43, down, across, rotation)
    found = pose(colour, ones, ones, "off", spot)[0]
    angle = math.radians(rotation)
    checked = 0
    for i, j in itertools.product(range(0, 41, 3), range(0, 43, 3)):
        y, x = (i - 20) / down, (j - 21) / across
        row = 5 + math.cos(angle) * y - math.sin(angle) * x
        column = 6.5 + math.sin(angle) * y + math.cos(angle) * x
        if 1 <= row <= 9 and 1 <= column <= 12:
            wanted = [sampled_by_loop(plane.numpy(), row, column) for plane in colour[0]]
            low, high = colour.min().item(), colour.max().item()
            clipped = [min(max(value, low), high) for value in wanted]
            assert found[0, :, i, j].tolist() == pytest.approx(clipped, abs=1e-9)
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("shared", ["colour", "alpha", "mask"])
def test_one_plane_serves_a_batch_when_turned(shared, noise, disc):
    planes = {
        "colour": noise(2, 3, 20, 24),
        "alpha": torch.cat((disc(20, 24, 9), torch.ones(1, 1, 20, 24))),
        "mask": noise(2, 1, 20, 24, seed=2),
    }
    planes[shared] = planes[shared][:1]
    spot = Layout(rotation=20, scale=1.3).spot((20, 24), (20, 24))
    together = pose(*planes.values(), "vertical", spot)
    assert {plane.shape[0] for plane in together} == {2}
    for n in range(2):
        own = [plane[n % len(plane)][None] for plane in planes.values()]
        alone = pose(*own, "vertical", spot)
        assert all(torch.equal(a[n : n + 1], b) for a, b in zip(together, alone, strict=True))


def test_a_quarter_turn_of_another_size_is_resampled_after_the_turn(noise):
    colour, alpha = noise(1, 3, 10, 16), noise(1, 1, 10, 16, seed=1).round()
    turned = posed(colour, alpha, alpha, rotation=90, scale=1.5)
    by_hand = [plane.transpose(2, 3).flip(3) for plane in (colour, alpha, alpha)]
    expected = posed(*by_hand, scale=1.5)
    assert turned[0].shape == (1, 3, 24, 15)
    assert all(torch.equal(*pair) for pair in zip(turned, expected, strict=True))


def test_unsized_pixels_are_valid_where_their_alpha_is_above_0():
    alpha = torch.tensor([[[[0.0, 1e-4], [0.5, 1.0]]]])
    valid = posed(torch.ones(1, 3, 2, 2), alpha, flip="horizontal")[1]
    assert valid.tolist() == [[[[1, 0], [1, 1]]]]

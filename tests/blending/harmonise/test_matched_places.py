"""Places that features match: textures made for it, a network with random weights."""

import pytest
import torch

from blending.harmonise import matched_places
from blending.harmonise.matched_places import matched_weight


def stripes(height, width, period, across):
    """Black and white stripes, (1, 3, H, W)."""
    steps = torch.arange(width if across else height) // period % 2
    plane = steps[None].expand(height, width) if across else steps[:, None].expand(height, width)
    return plane.float()[None, None].expand(1, 3, height, width).contiguous()


@pytest.fixture
def two_textures():
    """Upright stripes on the left, lying ones on the right, (1, 3, 48, 96)."""
    return torch.cat((stripes(48, 48, 2, True), stripes(48, 48, 2, False)), 3)


def ones(picture):
    return torch.ones_like(picture[:, :1])


@pytest.mark.parametrize("across", [True, False])
def test_an_object_matches_its_own_texture(network, two_textures, across):
    source = stripes(48, 96, 2, across)
    mask = torch.zeros(1, 1, 48, 96)
    mask[..., 16:32, 32:64] = 1
    weight = matched_weight(source, mask, two_textures, ones(two_textures), network)
    left, right = weight[..., :48].sum(), weight[..., 48:].sum()
    alike, other = (left, right) if across else (right, left)
    assert alike > 9 * other


def test_nothing_is_learnt_where_it_is_not_allowed(network, two_textures, noise):
    source, mask = stripes(48, 96, 2, True), torch.ones(1, 1, 48, 96)
    allowed = ones(two_textures)
    allowed[..., :40] = 0
    weight = matched_weight(source, mask, two_textures, allowed, network)
    assert not weight[..., :40].any()
    assert weight[..., 40:].any()


def test_a_position_that_the_object_touches_is_not_chosen(network, noise):
    picture = noise(1, 3, 32, 32)
    allowed = ones(picture)
    allowed[..., 17, 17] = 0
    weight = matched_weight(picture, ones(picture), picture, allowed, network)
    assert not weight[..., 16:20, 16:20].any()


def test_a_pixel_in_the_midst_of_a_chosen_position_is_left_out(network, noise, monkeypatch):
    monkeypatch.setattr(matched_places, "LARGEST_SIDE", 8)
    picture = noise(1, 3, 64, 64)
    allowed = ones(picture)
    allowed[..., 5, 40] = 0  # one of a position's 32 x 32
    weight = matched_weight(picture, ones(picture), picture, allowed, network)
    assert (weight > 0).sum() == 64 * 64 - 1
    assert weight[..., 5, 40] == 0


def test_the_parts_that_are_compared_at_once_do_not_matter(network, noise, monkeypatch):
    source, reference = noise(1, 3, 40, 32, seed=1), noise(1, 3, 28, 44, seed=2)
    expected = matched_weight(source, ones(source), reference, ones(reference), network)
    monkeypatch.setattr(matched_places, "AT_ONCE", 7)
    found = matched_weight(source, ones(source), reference, ones(reference), network)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    # Each of 10 x 8 positions chooses three; the roots' squares, 16 pixels each, count them.
    assert (found**2).sum().item() == pytest.approx(3 * 80 * 16)


def test_large_pictures_are_scaled_down_alike(network, noise, monkeypatch):
    monkeypatch.setattr(matched_places, "LARGEST_SIDE", 64)
    source, reference = noise(1, 3, 128, 128, seed=1), noise(1, 3, 128, 128, seed=1)
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 48:80, 48:80] = 1
    seen = []
    forward = network.forward
    monkeypatch.setattr(
        network, "forward", lambda x, layers: seen.append(x.shape) or forward(x, layers)
    )
    matched_weight(source, mask, reference, ones(reference), network)
    assert [tuple(shape[2:]) for shape in seen] == [
        (40, 40),
        (64, 64),
    ]  # 12 scaled pixels on all sides


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (13, 2)])
def test_any_size(network, noise, size):
    source, reference = noise(1, 3, *size, seed=1), noise(1, 3, *size[::-1], seed=2)
    weight = matched_weight(source, ones(source), reference, ones(reference), network)
    assert weight.shape == (1, 1, *size[::-1])
    assert torch.isfinite(weight).all()
    assert weight.any()


def test_without_an_object_or_a_place_nothing_matches(network, noise):
    picture, none = noise(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    assert not matched_weight(picture, none, picture, ones(picture), network).any()
    assert not matched_weight(picture, ones(picture), picture, none, network).any()


def test_half_pictures_give_a_float32_weight_and_stay_as_they_are(network, noise):
    picture = noise(1, 3, 16, 16).half()
    before = picture.clone()
    weight = matched_weight(picture, ones(picture), picture, ones(picture), network)
    assert weight.dtype == torch.float32
    assert torch.equal(picture, before)

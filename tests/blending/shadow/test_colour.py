"""The ratio of shadow to light, of scenes that were lit by a known one."""

import pytest
import torch

from blending.image.colour import to_srgb
from blending.shadow.colour import DEEPEST, FALLBACK, SHALLOWEST, shadow_colour

EVERYWHERE = torch.ones(1, 1, 192, 256)


def scene(ratio, seed=0):
    """Patches of random colours, part of which is shaded: sRGB (1, 3, 192, 256)."""
    generator = torch.Generator().manual_seed(seed)
    albedo = 0.25 + 0.5 * torch.rand(1, 3, 12, 16, generator=generator, dtype=torch.float64)
    albedo = torch.nn.functional.interpolate(albedo, scale_factor=16)
    shaded = torch.zeros(1, 1, 192, 256, dtype=torch.float64)
    shaded[..., 60:150, 40:200] = 1
    light = 1 - shaded * (1 - torch.tensor(ratio, dtype=torch.float64).view(1, 3, 1, 1))
    return to_srgb(albedo * light)


@pytest.mark.parametrize("ratio", [(0.25, 0.3, 0.4), (0.3, 0.3, 0.3), (0.36, 0.3, 0.25)])
def test_a_scene_s_own_ratio_is_found(ratio):
    found, confidence = shadow_colour(scene(ratio), EVERYWHERE)
    assert confidence > 0.5
    wanted, plain = torch.tensor(ratio).double(), torch.tensor(FALLBACK).double()
    off, off_plain = ((one / one.mean() - wanted / wanted.mean()).norm() for one in (found, plain))
    assert off < 0.12
    assert off < off_plain or off_plain < 0.12
    assert found.mean().item() == pytest.approx(wanted.mean().item(), rel=0.12)


def test_the_same_scene_in_a_bluer_shade_has_a_bluer_ratio():
    blue, red = (shadow_colour(scene(r), EVERYWHERE)[0] for r in ((0.2, 0.3, 0.4), (0.4, 0.3, 0.2)))
    assert blue[2] / blue[0] > 1.5 * red[2] / red[0]


@pytest.mark.parametrize("level", [0.0, 0.001, 0.5, 1.0])
def test_a_plain_picture_has_none_to_learn_from(level):
    found, confidence = shadow_colour(torch.full((1, 3, 192, 256), level), EVERYWHERE)
    torch.testing.assert_close(found, torch.tensor(FALLBACK, dtype=torch.float64))
    assert confidence == 0


def test_what_is_not_visible_teaches_nothing():
    visible = torch.zeros(1, 1, 192, 256)
    visible[..., :40, :] = 1  # all lit
    picture = scene((0.2, 0.3, 0.4))
    garbage = torch.where(visible > 0, picture, torch.rand(picture.shape).double())
    found = shadow_colour(garbage, visible)
    assert torch.equal(found[0], shadow_colour(picture, visible)[0])
    assert shadow_colour(picture, 0 * visible)[1] == 0


@pytest.mark.parametrize("ratio", [(0.05, 0.05, 0.05), (0.68, 0.68, 0.68)])
def test_no_shadow_is_black_or_hardly_seen(ratio):
    level = shadow_colour(scene(ratio), EVERYWHERE)[0].mean().item()
    assert DEEPEST - 1e-9 <= level <= SHALLOWEST + 1e-9


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)])
def test_the_smallest_pictures_are_looked_at(size):
    found, _ = shadow_colour(torch.rand(1, 3, *size), torch.ones(1, 1, *size))
    assert torch.isfinite(found).all()

"""The whole shadow: what it promises of every object, size, place, dtype and batch."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from blending import ShadowSettings, contact_shadow
from blending.shadow.contact_shadow import DRAWN_SIZE

KINDS = ("ground", "drop")


def person(height=120, width=160, top=20, left=50, dtype=torch.float32):
    """A body on two legs, (1, 1, height, width)."""
    mask = torch.zeros(1, 1, height, width, dtype=dtype)
    mask[..., top : top + 40, left : left + 30] = 1
    mask[..., top + 40 : top + 70, left + 2 : left + 10] = 1
    mask[..., top + 40 : top + 70, left + 20 : left + 28] = 1
    return mask


@pytest.fixture
def grey():
    return torch.full((1, 3, 120, 160), 0.6)


@pytest.mark.parametrize("kind", KINDS)
def test_strength_0_is_the_target_to_the_bit(kind, noise):
    target = noise(1, 4, 120, 160)
    found = contact_shadow(target, person(), ShadowSettings(kind=kind, strength=0))
    assert torch.equal(found.image, target)
    assert found.shadow.max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_beyond_the_shadow_is_the_target_to_the_bit_and_alpha_everywhere(kind, noise):
    target = noise(1, 4, 120, 160)
    found = contact_shadow(target, person(), ShadowSettings(kind=kind))
    free = found.shadow == 0
    assert 0.2 < free.float().mean() < 1
    assert torch.equal(found.image[:, 3:], target[:, 3:])
    same = found.image[:, :3] == target[:, :3]
    assert same[free.expand_as(same)].all()
    assert (found.image <= target + 1e-6).all()  # a shadow never brightens


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["strength", "contact"])
def test_more_is_darker(kind, name, grey):
    low, high = (
        contact_shadow(grey, person(), ShadowSettings(kind=kind, **{name: value})).image
        for value in (0.3, 0.9)
    )
    assert (high <= low + 1e-6).all() and (high < low - 0.02).any()


def test_the_darkest_is_at_the_feet(grey):
    mask = person()
    image = contact_shadow(grey, mask).image[:, :1]
    seen = torch.where(mask > 0, 1.0, image)
    row, column = divmod(seen.argmin().item(), 160)
    assert 86 <= row <= 93 and 48 <= column <= 82


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", [-60.0, 30.0, 200.0])
def test_a_mirrored_object_in_mirrored_light_has_the_mirrored_shadow(kind, direction, grey):
    settings = ShadowSettings(kind=kind, direction=direction)
    own = contact_shadow(grey, person(), settings).shadow
    other = contact_shadow(grey, person().flip(-1), replace(settings, direction=-direction)).shadow
    assert (own.flip(-1) - other).abs().mean() < 2e-3
    assert (own.flip(-1) - other).abs().max() < 0.08  # pixels that fall between two places


@pytest.mark.parametrize("kind", KINDS)
def test_a_moved_object_has_the_moved_shadow(kind):
    target = torch.full((1, 3, 260, 320), 0.6)
    settings = ShadowSettings(kind=kind, length=30)
    own = contact_shadow(target, person(260, 320, 60, 100), settings).shadow
    other = contact_shadow(target, person(260, 320, 71, 93), settings).shadow
    assert (own.roll((11, -7), (2, 3)) - other).abs().max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [2, 4])
def test_a_larger_picture_has_the_larger_shadow(kind, factor):
    """At 4 the object is larger than what shadows are drawn at."""
    assert 3 * (30 * 70) ** 0.5 < DRAWN_SIZE < 4 * 3 * (30 * 70) ** 0.5
    mask = F.interpolate(person(), scale_factor=3)
    large = F.interpolate(mask, scale_factor=factor)
    own, found = (
        contact_shadow(torch.full_like(one, 0.6).expand(-1, 3, -1, -1), one, ShadowSettings(kind))
        for one in (mask, large)
    )
    difference = (own.shadow - F.avg_pool2d(found.shadow, factor)).abs()
    assert difference.mean() < 0.004
    assert difference.max() < 0.15  # of 0.6: half a drawn row where the contact ends


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dtype", "most"), [(torch.float64, 1e-4), (torch.float16, 2e-3), (torch.bfloat16, 8e-3)]
)
def test_every_dtype_comes_back_with_the_same_shadow(kind, dtype, most, grey):
    settings = ShadowSettings(kind=kind)
    wanted = contact_shadow(grey, person(), settings)
    found = contact_shadow(grey.to(dtype), person(dtype=dtype), settings)
    assert found.image.dtype == found.shadow.dtype == dtype
    assert (found.image.double() - wanted.image.double()).abs().max() < most


def test_a_batch_is_its_pictures(noise):
    targets = noise(2, 3, 120, 160)
    masks = torch.cat((person(), person(left=80)))
    both = contact_shadow(targets, masks)
    for row in range(2):
        alone = contact_shadow(targets[row : row + 1], masks[row : row + 1])
        assert torch.equal(both.image[row : row + 1], alone.image)
        assert torch.equal(both.shadow[row : row + 1], alone.shadow)
    one = contact_shadow(targets[:1], masks)
    assert torch.equal(one.image[1:], contact_shadow(targets[:1], masks[1:]).image)


def test_an_empty_picture_in_a_batch_stays_as_it_is(noise):
    targets = noise(2, 3, 120, 160)
    found = contact_shadow(targets, torch.cat((person(), torch.zeros(1, 1, 120, 160))))
    assert torch.equal(found.image[1], targets[1])
    assert found.figures[1] == {} and found.figures[0]["confidence"] >= 0


def test_what_is_given_is_not_changed_and_twice_is_the_same(noise):
    target, mask = noise(1, 3, 120, 160), person()
    before = target.clone()
    first, second = contact_shadow(target, mask), contact_shadow(target, mask)
    assert torch.equal(target, before)
    assert torch.equal(first.image, second.image)


def test_what_the_frame_cuts_off_below_has_no_ground(grey):
    mask = person(top=60)  # ten rows of its legs are beyond the frame
    found = contact_shadow(grey, mask)
    assert torch.equal(found.image, grey) and found.shadow.max() == 0
    assert len(found.notes) == 1 and "cuts the object off" in found.notes[0]
    for settings in (ShadowSettings(kind="drop"), ShadowSettings(lift=30, direction=170)):
        found = contact_shadow(grey, mask, settings)
        assert found.shadow.max() > 0.1 and not found.notes


def test_what_floats_touches_nothing():
    target, mask = torch.full((1, 3, 200, 160), 0.6), person(200)
    found = contact_shadow(target, mask, ShadowSettings(lift=60, direction=0, length=10))
    assert found.shadow[..., 60:100, :].max() == 0  # beside and right below its feet
    assert found.shadow[..., 120:170, :].max() > 0.15
    same = contact_shadow(target, mask, ShadowSettings(lift=60, direction=0, length=10, contact=0))
    assert torch.equal(same.image, found.image)


def test_a_shadow_may_leave_the_frame(grey):
    """What falls inside is the same as on a wider target."""
    wide = torch.full((1, 3, 120, 260), 0.6)
    settings = ShadowSettings(length=200)
    inside = contact_shadow(grey, person(left=110), settings).shadow
    whole = contact_shadow(wide, person(120, 260, left=110), settings).shadow
    assert whole[..., 160:].max() > 0.1
    assert (whole[..., :160] - inside).abs().max() < 1e-5


@pytest.mark.parametrize("length", [0, 300])
@pytest.mark.parametrize("direction", [0, 90, 137, 180])
@pytest.mark.parametrize("kind", KINDS)
def test_every_light_gives_a_finite_shadow(kind, direction, length, grey):
    settings = ShadowSettings(kind, direction, length, softness=100, strength=1, contact=1)
    found = contact_shadow(grey, person(), settings)
    assert torch.isfinite(found.image).all()
    assert found.shadow.min() >= 0 and found.shadow.max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1)])
def test_the_smallest_objects_have_shadows(shape, grey):
    mask = torch.zeros(1, 1, 120, 160)
    mask[..., 50 : 50 + shape[0], 60 : 60 + shape[1]] = 1
    for kind in KINDS:
        assert contact_shadow(grey, mask, ShadowSettings(kind=kind)).shadow.max() > 0


def test_the_shadow_plane_stands_for_the_shadow_on_grey(grey):
    """1 − shadow times a grey target is the shadowed one, but for its colour and the encoding."""
    found = contact_shadow(grey, person())
    made = grey.mean(1, keepdim=True) * (1 - found.shadow)
    assert (made - found.image.mean(1, keepdim=True)).abs().max() < 0.04


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": torch.full((1, 3, 8, 8), float("nan"))}, "target must be finite"),
        ({"target": torch.zeros(1, 2, 8, 8)}, "target must be"),
        ({"mask": torch.zeros(1, 1, 8, 8)}, "mask must be above 0"),
        ({"mask": torch.full((1, 1, 8, 8), float("nan"))}, "mask must be finite"),
        ({"mask": torch.ones(1, 1, 8, 9)}, "mask must have the size of target"),
        ({"mask": torch.ones(3, 1, 8, 8), "target": torch.zeros(2, 3, 8, 8)}, "batch sizes"),
    ],
)
def test_mistakes_are_named(changes, words):
    given = {"target": torch.zeros(1, 3, 8, 8), "mask": torch.ones(1, 1, 8, 8)} | changes
    with pytest.raises(ValueError, match=words):
        contact_shadow(**given)


def test_words_say_what_was_cast(noise):
    targets = torch.cat((noise(1, 3, 120, 160), torch.full((1, 3, 120, 160), 0.6)))
    one, none, both = (
        contact_shadow(targets[:rows], person(), ShadowSettings(strength=strength)).words
        for rows, strength in ((1, 0.5), (1, 0), (2, 1))
    )
    assert one.startswith("shadow: the target's own leave ") and "to" not in one.split("leave")[1]
    assert none == "no shadow: the target as it came"
    assert both.startswith("2 shadows: ") and "confidence 0.00 to 0." in both


def test_settings_are_settings():
    with pytest.raises(TypeError, match="settings must be ShadowSettings"):
        contact_shadow(torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8), {"kind": "drop"})  # type: ignore


def test_it_is_told_before_each_picture_and_may_end():
    seen = []

    def tell(done, pictures):
        seen.append((done, pictures))
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contact_shadow(torch.zeros(3, 3, 8, 8), torch.ones(1, 1, 8, 8), None, tell)
    assert seen == [(0, 3), (1, 3)]

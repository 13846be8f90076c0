"""All figures of whole pictures: any place, size, dtype and batch; and what they cost."""

import math

import pytest
import torch
import torch.nn.functional as F

from blending.quality.appearance import appearance

KEYS = {
    "see_through_rim",
    "see_through_inside",
    "contour_kept",
    "tone_kept",
    "foreign_colours",
    "highlights",
    "strokes",
}


@pytest.fixture
def pictures(scene):
    """A ghost of 0.3, its paste, target and mask, float32."""
    paste, target, mask = scene
    return tuple(x.float() for x in (0.7 * paste + 0.3 * target, paste, target, mask))


def close(figures, rel=1e-3):
    return pytest.approx(figures, rel=rel, abs=1e-4, nan_ok=True)


def test_a_plain_paste_is_opaque_with_all_of_its_contour_and_tone(pictures):
    _, paste, target, mask = pictures
    (figures,) = appearance(paste, paste, target, mask)
    assert set(figures) == KEYS
    expected = {"see_through_rim": 0, "see_through_inside": 0, "contour_kept": 1, "tone_kept": 1}
    assert {key: figures[key] for key in expected} == pytest.approx(expected, abs=1e-4)


def test_a_ghost_is_told_by_every_figure_of_opacity(pictures):
    _, paste, target, mask = pictures
    (before,), (after,) = (appearance(x, paste, target, mask) for x in (paste, pictures[0]))
    assert after["see_through_rim"] == pytest.approx(0.3, abs=0.05)
    assert after["see_through_inside"] == pytest.approx(0.3, abs=0.05)
    assert after["contour_kept"] < 0.85
    assert after["tone_kept"] < 0.95
    assert after["foreign_colours"] < before["foreign_colours"]


def test_each_row_of_a_batch_is_its_single_run(pictures, noise):
    result, paste, target, mask = pictures
    other = noise(1, 3, 140, 150)
    masks = torch.cat((mask, 0.4 * mask, mask.roll(20, 3)))
    rows = appearance(torch.cat((result, result, other)), paste, target, masks)
    assert rows[0] == appearance(result, paste, target, mask)[0]
    assert rows[1] == {}
    assert rows[2] == appearance(other, paste, target, mask.roll(20, 3))[0]


def test_a_large_canvas_changes_only_what_the_target_has_there(pictures):
    """Mirrored, the target has no new colours; what is around the object stays the same."""
    (figures,) = appearance(*pictures)
    wide = [F.pad(picture, (130, 120, 0, 110), mode="reflect") for picture in pictures[:3]]
    (found,) = appearance(*wide, F.pad(pictures[3], (130, 120, 0, 110)))
    near = KEYS - {"foreign_colours", "highlights", "strokes"}
    assert {k: found[k] for k in near} == close({k: figures[k] for k in near})
    assert found["foreign_colours"] == pytest.approx(figures["foreign_colours"], rel=0.25)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(0, 60), slice(0, 50)),
        (slice(90, 140), slice(100, 150)),
        (slice(0, 140), slice(30, 31)),
        (slice(0, 139), slice(0, 150)),
        (slice(0, 140), slice(0, 150)),
        (slice(139, 140), slice(149, 150)),
    ],
)
def test_masks_at_the_frame_have_figures_or_none(rows, columns, pictures):
    result, _, target, mask = pictures
    mask = torch.zeros_like(mask)
    mask[..., rows, columns] = 1
    (figures,) = appearance(result, target, target, mask)
    assert set(figures) == KEYS
    assert all(math.isnan(value) or abs(value) < 200 for value in figures.values())


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3), (12, 9)])
def test_small_pictures_have_figures_or_none(size, noise):
    picture, target = noise(1, 3, *size), noise(1, 3, *size, seed=1)
    for mask in (torch.ones(1, 1, *size), noise(1, 1, *size, seed=2).round()):
        for figures in appearance(picture, picture, target, mask):
            assert all(math.isnan(value) or abs(value) < 200 for value in figures.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_is_measured_in_float32(dtype, pictures):
    half = [picture.to(dtype) for picture in pictures]
    assert appearance(*half) == appearance(*(picture.float() for picture in half))


def test_strips_of_a_large_object_stand_for_all_of_it(pictures, monkeypatch):
    (expected,) = appearance(*pictures)
    monkeypatch.setattr("blending.quality.object_view.STRIP_PIXELS", 139 * 15)  # 4 of 7 strips
    (found,) = appearance(*pictures)
    assert found != expected
    for key in ("see_through_rim", "see_through_inside", "contour_kept", "tone_kept"):
        assert found[key] == pytest.approx(expected[key], abs=0.05)


def test_float64_is_as_float32(pictures):
    assert appearance(*(picture.double() for picture in pictures)) == [
        close(appearance(*pictures)[0], rel=1e-2)
    ]


def test_alpha_is_not_looked_at(pictures, noise):
    result, paste, target, mask = pictures
    alpha = noise(1, 1, 140, 150)
    with_alpha = (torch.cat((picture, alpha), 1) for picture in (result, paste, target))
    assert appearance(*with_alpha, mask) == appearance(*pictures)


def test_inputs_are_left_as_they_are(pictures):
    before = [picture.clone() for picture in pictures]
    appearance(pictures[0].requires_grad_(), *pictures[1:])
    assert all(torch.equal(x, old) for x, old in zip(pictures, before, strict=True))


def test_colours_are_computed_around_the_object_alone(pictures, monkeypatch):
    """In a target of 1000 x 1000, no more than the object's surroundings and the samples."""
    pixels = []

    def watched(image):
        pixels.append(image.shape[2] * image.shape[3])
        return to_lab(image)

    from blending.quality import belonging, object_view

    to_lab = object_view.to_lab
    for module in (belonging, object_view):
        monkeypatch.setattr(module, "to_lab", watched)
    wide = [F.pad(picture, (400, 450, 430, 430)) for picture in pictures]
    assert appearance(*wide)[0]["see_through_rim"] > 0.2
    around = (91 + 2 * 104) ** 2
    assert max(pixels[:3]) <= around
    assert max(pixels[3:]) <= 25 * 1.1 * 6000
    assert len(pixels) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: torch.zeros(1, 3, 140, 151)}, "result must have the size of mask, 150 x 140 pixels"),
        ({1: torch.zeros(1, 2, 140, 150)}, r"paste must be \(B, 3 or 4, H, W\)"),
        ({2: torch.full((1, 3, 140, 150), 255.0)}, r"target must be in \[0, 1\]"),
        ({3: torch.full((1, 1, 140, 150), math.nan)}, "mask must be finite"),
        ({0: torch.zeros(3, 3, 140, 150), 1: torch.zeros(2, 3, 140, 150)}, "batch sizes must be"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(change, message, pictures):
    arguments = [change.get(place, picture) for place, picture in enumerate(pictures)]
    with pytest.raises(ValueError, match=message):
        appearance(*arguments)


def test_whole_numbers_are_refused(pictures):
    levels = torch.zeros(1, 3, 140, 150, dtype=torch.uint8)
    with pytest.raises(TypeError, match="result must be a float tensor"):
        appearance(levels, *pictures[1:])

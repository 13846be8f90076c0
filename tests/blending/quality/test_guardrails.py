"""Guard rails against scikit-image's CIELAB, colours made for the purpose, and whole pictures."""

import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage import color

from blending.image.colour import to_lab
from blending.image.filters import laplacian
from blending.placement.place import place
from blending.quality import belonging, guardrails, object_view
from blending.quality.appearance import appearance
from blending.quality.guardrails import guard_rails, seam_ratio
from blending.quality.metrics import background_error, gradient_error, seam_error, seam_share

KEYS = {"colour_difference", "hue_flip_share", "seam_ratio", "background_difference"}
LOOKS = {  # what an eye sees, each with its own tests
    "see_through_rim",
    "see_through_inside",
    "contour_kept",
    "tone_kept",
    "foreign_colours",
    "highlights",
}


def polar(lightness, chroma, degrees):
    """The sRGB colour of a CIELAB lightness, chroma and hue, float64."""
    hue = math.radians(degrees)
    return color.lab2rgb((lightness, chroma * math.cos(hue), chroma * math.sin(hue)))


def row_of(*colours):
    """A picture one pixel high, (1, 3, 1, n), float64."""
    return torch.tensor(np.array(colours)).T[None, :, None]


def colour_difference(blend, paste, mask):
    return guardrails.colour_difference(to_lab(blend), to_lab(paste), mask)


def hue_flip_share(blend, paste, mask):
    return guardrails.hue_flip_share(to_lab(blend), to_lab(paste), mask)


def ones(picture):
    return torch.ones_like(picture[:, :1])


def turned(before, after, chroma=25, other_chroma=25):
    """The share for one pixel whose hue goes from one angle to the other."""
    blend, paste = row_of(polar(60, other_chroma, after)), row_of(polar(60, chroma, before))
    return hue_flip_share(blend, paste, ones(paste))


def above_inside(picture, guidance, mask):
    inside = gradient_error(picture, guidance, mask)  # NaN where all of the mask is ring
    return max(0, seam_error(picture, guidance, mask) - np.nan_to_num(inside))


def ratio(found, before):
    if before == 0:
        return None if found else 1
    return found / before


def plain(figures):
    """The figures that are not of the object's looks."""
    return {key: figures[key] for key in KEYS}


def whole_picture(blend, placed, sample=0):
    """The figures computed on the full target, colours by scikit-image, in float64."""
    source, mask, known, target = (
        tensor[min(sample, len(tensor) - 1)][None].double()
        for tensor in (placed.source, placed.mask, placed.source_valid, placed.target)
    )
    height, width = target.shape[2:]
    right = width - placed.column - mask.shape[3]
    below = height - placed.row - mask.shape[2]
    padding = (placed.column, right, placed.row, below)
    source, mask, known = (F.pad(tensor, padding) for tensor in (source, mask, known))
    blend, target = blend[sample : sample + 1].double(), target[:, :3]
    inside, paste = mask >= 0.5, mask * source + (1 - mask) * target
    guidance = torch.where(mask > 0, laplacian(source, known), laplacian(target))
    labs = [color.rgb2lab(picture[0].numpy(), channel_axis=0) for picture in (blend, paste)]
    difference = color.deltaE_ciede2000(*labs, channel_axis=0)
    hues = [np.arctan2(lab[2], lab[1]) for lab in labs]
    turn = np.degrees(np.abs(np.angle(np.exp(1j * (hues[0] - hues[1])))))
    coloured = inside[0, 0].numpy() & (np.hypot(*labs[0][1:]) > 10) & (np.hypot(*labs[1][1:]) > 10)
    return {
        "colour_difference": difference[inside[0, 0].numpy()].mean(),
        "hue_flip_share": (turn[coloured] > 60).mean(),
        "seam_ratio": ratio(*(above_inside(p, guidance, mask) for p in (blend, paste))),
        "background_difference": background_error(blend, target, mask),
    }


@pytest.fixture
def soft_disc(disc):
    """A disc of radius 8 whose rim falls from 1 to 0 over 6 pixels, (1, 1, 20, 22)."""
    return F.avg_pool2d(disc(20, 22, 8), 7, 1, 3)


@pytest.fixture
def case(photo, soft_disc, noise):
    """A blend of noise and its placed source: 20 x 22 with a soft mask on 60 x 70 pixels."""
    placed = place(photo(20, 22), photo(60, 70, 250, 20), soft_disc, 17, 29)
    return noise(1, 3, 60, 70), placed


# --- colour difference


def test_greys_under_the_mask_differ_by_their_lightness():
    # At a mean L* of 50 a grey's ΔE is ΔL: 10 on half of the pixels.
    light, dark = polar(55, 0, 0), polar(45, 0, 0)
    blend, paste = row_of(light, dark, light, dark), row_of(dark, dark, dark, dark)
    assert colour_difference(blend, paste, ones(paste)) == pytest.approx(5, abs=1e-3)


def test_colours_count_from_a_mask_of_one_half():
    light, dark = polar(55, 0, 0), polar(45, 0, 0)
    blend, paste = row_of(light, dark, light), row_of(dark, dark, dark)
    mask = torch.tensor([0.5, 1, 0.49]).view(1, 1, 1, 3)
    assert colour_difference(blend, paste, mask) == pytest.approx(5, abs=1e-3)
    assert colour_difference(blend, paste, 1 - mask) == pytest.approx(10, abs=1e-3)


def test_the_mean_is_over_all_pictures_of_the_batch(noise):
    blend, paste = noise(2, 3, 6, 7), noise(2, 3, 6, 7, seed=1)
    mask = (noise(2, 1, 6, 7, seed=2) > 0.4).float()
    labs = [color.rgb2lab(picture.double().numpy(), channel_axis=1) for picture in (blend, paste)]
    expected = color.deltaE_ciede2000(*labs, channel_axis=1)[mask[:, 0].numpy() > 0].mean()
    assert colour_difference(blend, paste, mask) == pytest.approx(expected, rel=1e-5)


def test_no_pixel_has_no_colour_difference(noise):
    assert math.isnan(
        colour_difference(noise(1, 3, 4, 4), noise(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    )


# --- hue flips


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        (40, 40, 0),
        (40, 99, 0),
        (40, 101, 1),
        (101, 40, 1),
        (40, 130, 1),
        (40, 220, 1),
        (350, 10, 0),  # over zero hue: 20 degrees, not 340
        (10, 350, 0),
        (331, 29.5, 0),
        (329, 30.5, 1),
        (150, 209, 0),  # over 180, where the arctangent jumps
        (150, 211, 1),
    ],
)
def test_a_hue_flips_over_sixty_degrees_either_way(before, after, share):
    assert turned(before, after) == share


def test_half_of_the_pixels_turned_by_ninety_degrees_are_a_half():
    colours = [polar(60, 20, hue) for hue in (0, 80, 160, 240)]
    others = [polar(60, 20, hue) for hue in (0, 170, 160, 330)]
    paste = row_of(*colours)
    assert hue_flip_share(row_of(*others), paste, ones(paste)) == 0.5


def test_neutral_pixels_are_not_counted():
    grey, red, green = polar(60, 0, 0), polar(60, 25, 30), polar(60, 25, 150)
    paste, blend = row_of(red, red, grey, red, grey), row_of(green, red, green, grey, grey)
    assert hue_flip_share(blend, paste, ones(paste)) == 0.5
    assert hue_flip_share(blend[..., 2:], paste[..., 2:], ones(paste)[..., 2:]) == 0


@pytest.mark.parametrize(
    ("chroma", "other", "share"), [(9.8, 25, 0), (25, 9.8, 0), (10.2, 10.2, 1)]
)
def test_both_pixels_must_have_a_chroma_over_ten(chroma, other, share):
    assert turned(30, 130, chroma, other) == share


def test_flips_count_from_a_mask_of_one_half():
    red, green = polar(60, 25, 30), polar(60, 25, 150)
    paste, blend = row_of(red, red, red, red), row_of(red, green, green, red)
    assert hue_flip_share(blend, paste, torch.tensor([0.5, 0.5, 0.4, 1]).view(1, 1, 1, 4)) == 1 / 3
    assert hue_flip_share(blend, paste, torch.zeros(1, 1, 1, 4)) == 0


# --- seam ratio


@pytest.fixture
def square():
    """A mask of 10 x 10 in 20 x 20, a flat paste of 0.8 on 0.2, and a flat guidance."""
    mask = torch.zeros(1, 1, 20, 20, dtype=torch.float64)
    mask[..., 5:15, 5:15] = 1
    return mask, 0.2 + 0.6 * mask.expand(-1, 3, -1, -1), torch.zeros(1, 3, 20, 20).double()


def test_half_of_the_step_is_a_quarter_of_the_seam(square):
    mask, paste, guidance = square
    blend = 0.2 + 0.3 * mask.expand(-1, 3, -1, -1)
    assert seam_ratio(blend, paste, guidance, mask) == pytest.approx(0.25)
    assert seam_ratio(paste, blend, guidance, mask) == pytest.approx(4)
    assert seam_ratio(paste, paste, guidance, mask) == 1


def test_texture_all_over_the_object_is_no_seam_and_hides_one(square, noise):
    """Noise on the whole mask, as strokes are, adds nothing to the step, in which it is lost."""
    mask, paste, guidance = square
    rough = noise(1, 3, 20, 20).double() - 0.5
    step = 0.2 + 0.6 * mask.expand_as(paste)
    even = seam_ratio(step + 0.05 * rough, paste, guidance, mask)
    assert even == pytest.approx(1, abs=0.1)
    faint = 0.5 + 0.02 * mask.expand_as(paste)
    assert seam_share(faint, guidance, mask) == 1  # nothing but the step
    assert seam_share(faint + rough, laplacian(rough), mask) < 0.05
    assert seam_share(torch.full_like(paste, 0.5), guidance, mask) == 0


def test_where_the_paste_has_no_seam_any_seam_is_infinitely_more(square):
    mask, stepped, guidance = square
    flat = torch.full_like(stepped, 0.5)
    assert seam_ratio(flat, flat, guidance, mask) == 1
    assert seam_ratio(stepped, flat, guidance, mask) == math.inf
    assert seam_ratio(flat, stepped, guidance, mask) == 0


@pytest.mark.parametrize("value", [0, 1])
def test_no_ring_has_no_ratio(value, square):
    _, stepped, guidance = square
    mask = torch.full((1, 1, 20, 20), float(value))
    assert math.isnan(seam_ratio(stepped, stepped, guidance, mask))


def test_a_seam_in_half_is_measured_in_float32(square, noise):
    mask, paste, guidance = square
    pictures = [noise(1, 3, 20, 20).half(), paste.half(), guidance.half()]
    wide = [picture.float() for picture in pictures]
    assert seam_ratio(*pictures, mask.half()) == seam_ratio(*wide, mask.float())


# --- all of them


def test_the_figures_are_those_of_the_whole_picture(case):
    (figures,) = guard_rails(*case)
    assert set(figures) == KEYS | LOOKS | {"seam_share"}
    expected = whole_picture(*case)
    assert plain(figures) == pytest.approx(expected, rel=1e-4)
    assert 0 < expected["hue_flip_share"] < 1


@pytest.mark.parametrize(
    ("row", "column"), [(0, 0), (-6, -9), (40, 48), (49, -5), (-4, 60), (3, 5), (8, 16)]
)
def test_the_figures_hold_at_the_frame(row, column, photo, soft_disc, noise):
    placed = place(photo(20, 22), photo(60, 70, 250, 20), soft_disc, row, column)
    blend = noise(1, 3, 60, 70)
    found = plain(guard_rails(blend, placed)[0])
    assert found == pytest.approx(whole_picture(blend, placed), rel=1e-4)


def test_the_figures_hold_for_a_mask_that_fills_its_source_and_for_an_alpha(photo, noise):
    blend, target = noise(1, 3, 60, 70), photo(60, 70, 250, 20)
    filled = place(photo(20, 22), target, torch.ones(1, 1, 20, 22), 20, 20)
    found = plain(guard_rails(blend, filled)[0])
    assert found == pytest.approx(whole_picture(blend, filled), rel=1e-4)
    alpha = torch.cat((photo(20, 22), noise(1, 1, 20, 22, seed=3).round()), 1)
    holes = place(alpha, target, torch.ones(1, 1, 20, 22), 20, 20)
    found = plain(guard_rails(blend, holes)[0])
    assert found == pytest.approx(whole_picture(blend, holes), rel=1e-4)


def test_the_plain_paste_left_as_it_is_is_beyond_reproach(case):
    _, placed = case
    (figures,) = guard_rails(placed.paste, placed)
    assert plain(figures) == {
        "colour_difference": 0,
        "hue_flip_share": 0,
        "seam_ratio": 1,
        "background_difference": 0,
    }


def test_the_seam_is_that_of_what_was_given(photo, disc):
    target, source = photo(48, 48), photo(48, 48, 250, 20)
    given, cleaned = (place(source, target, disc(48, 48, radius)) for radius in (12, 9))
    (figures,) = guard_rails(cleaned.paste, cleaned, given=given)
    wanted, other = (guard_rails(cleaned.paste, one)[0] for one in (given, cleaned))
    assert figures == other | {name: wanted[name] for name in ("seam_ratio", "seam_share")}
    assert other["seam_ratio"] == 1 != wanted["seam_ratio"]


def test_a_source_that_is_the_target_has_no_seam_to_grow(photo, disc):
    target, mask = photo(40, 48), disc(40, 48, 9)
    placed = place(target, target, mask)
    assert guard_rails(target, placed)[0]["seam_ratio"] == 1
    (figures,) = guard_rails(0.5 * target, placed)  # darker everywhere: there is no seam
    assert figures["seam_ratio"] == 1
    (figures,) = guard_rails(target - 0.2 * placed.full_mask, placed)
    assert figures["seam_ratio"] is None
    json.dumps(figures, allow_nan=False)


def test_the_background_is_looked_at_everywhere(case):
    _, placed = case
    blend = placed.paste
    blend[..., 59, 0] += 3 / 255
    (figures,) = guard_rails(blend, placed)
    assert figures["background_difference"] == pytest.approx(3, rel=1e-4)
    assert figures["colour_difference"] == 0
    assert figures["seam_ratio"] == 1


def test_what_is_outside_a_soft_mask_is_background_and_its_thin_part_is_not(case, soft_disc):
    _, placed = case
    blend = placed.paste
    thin = F.pad((soft_disc > 0) & (soft_disc < 0.5), (29, 19, 17, 23))
    (figures,) = guard_rails(torch.where(thin, blend - 9 / 255, blend), placed)
    assert figures["background_difference"] == 0
    below = F.pad(soft_disc == 0, (29, 19, 17, 23), value=True)
    assert below.any()
    blend = torch.where(below, blend - 2 / 255, blend)
    (figures,) = guard_rails(blend, placed)
    assert figures["background_difference"] == pytest.approx(2, rel=1e-4)
    assert figures["colour_difference"] == 0
    assert figures["seam_ratio"] > 1


def test_alpha_is_background_where_both_have_it(case, photo, soft_disc):
    blend, placed = case
    (plain,) = guard_rails(placed.paste, placed)
    clear = torch.full((1, 1, 60, 70), 0.5)
    assert guard_rails(torch.cat((placed.paste, clear), 1), placed) == [plain]
    target = torch.cat((placed.target, clear), 1)
    with_alpha = place(photo(20, 22), target, soft_disc, 17, 29)
    assert guard_rails(placed.paste, with_alpha) == [plain]
    other = torch.cat((placed.paste, clear - 5 / 255), 1)
    (found,) = guard_rails(other, with_alpha)
    assert found["background_difference"] == pytest.approx(5, rel=1e-4)
    assert {**found, "background_difference": 0} == plain
    assert guard_rails(blend, with_alpha) == guard_rails(blend, placed)


def test_a_batch_has_one_dict_for_each_picture(photo, soft_disc, noise):
    masks = torch.cat((soft_disc, torch.zeros_like(soft_disc), soft_disc.roll(5, 3)))
    sources = torch.cat((photo(20, 22), photo(20, 22, 100, 100), photo(20, 22, 300, 100)))
    target, blends = photo(60, 70, 250, 20), noise(3, 3, 60, 70)
    placed = place(sources, target, masks, 5, 41)
    rows = guard_rails(blends, placed)
    assert len(rows) == 3
    assert rows[1] == {}
    for sample in (0, 2):
        one = slice(sample, sample + 1)
        single = place(sources[one], target, masks[one], 5, 41)
        assert rows[sample] == guard_rails(blends[one], single)[0]
    assert rows[0] != rows[2]
    pasted = guard_rails(placed.paste, placed)
    assert [row.get("background_difference") for row in pasted] == [0, None, 0]


def test_many_blends_of_one_placement_and_one_of_many(case, noise):
    blend, placed = case
    other = noise(1, 3, 60, 70, seed=9)
    rows = guard_rails(torch.cat((blend, other)), placed)
    assert rows == [*guard_rails(blend, placed), *guard_rails(other, placed)]
    targets = torch.cat((placed.target, placed.target.flip(3)))
    twice = place(placed.source, targets, placed.mask, 17, 29)
    assert guard_rails(blend, twice)[0] == rows[0]
    assert guard_rails(blend, twice)[1]["background_difference"] != rows[0]["background_difference"]


def test_an_objects_looks_are_those_of_the_whole_picture(photo, disc):
    """The object's surroundings, and the colours of all of the target."""
    placed = place(photo(100, 110), photo(300, 340, 120, 20), disc(100, 110, 44), 170, 20)
    blend = 0.7 * placed.paste + 0.3 * placed.target
    (found,) = guard_rails(blend, placed)
    (expected,) = appearance(blend, placed.paste, placed.target, placed.full_mask)
    assert {key: found[key] for key in LOOKS} == pytest.approx({k: expected[k] for k in LOOKS})
    assert found["see_through_rim"] == pytest.approx(0.3, abs=0.05)
    assert found["see_through_inside"] == pytest.approx(0.3, abs=0.05)


def test_a_small_object_has_no_looks(photo, disc):
    placed = place(photo(20, 22), photo(60, 70, 250, 20), disc(20, 22, 3), 17, 29)
    (figures,) = guard_rails(placed.paste, placed)
    assert {figures[key] for key in LOOKS} == {None}


def test_a_mask_without_a_ring_gives_none_and_valid_json(photo, noise):
    placed = place(photo(20, 20), photo(20, 20, 250, 20), torch.ones(1, 1, 20, 20))
    (figures,) = guard_rails(noise(1, 3, 20, 20), placed)
    assert figures["seam_ratio"] is None
    assert figures["background_difference"] == 0
    json.dumps(figures, allow_nan=False)  # NaN is no JSON; strict readers refuse it


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_is_measured_in_float32(dtype, case):
    blend, placed = case
    pictures = (blend, placed.source, placed.target, placed.mask)
    blend, source, target, mask = (picture.to(dtype) for picture in pictures)
    half = place(source, target, mask, 17, 29)
    wide = place(source.float(), target.float(), mask.float(), 17, 29)
    assert guard_rails(blend, half) == guard_rails(blend.float(), wide)


def test_float64_stays_float64(case):
    _, placed = case
    pictures = (placed.source, placed.target, placed.mask)
    source, target, mask = (picture.double() for picture in pictures)
    wide = place(source, target, mask, 17, 29)
    blend = wide.paste
    blend[..., 0, 0] += 1e-12
    expected = pytest.approx(255e-12, rel=1e-3)
    assert guard_rails(blend, wide)[0]["background_difference"] == expected


def test_inputs_are_left_as_they_are(case):
    blend, placed = case
    before = [tensor.clone() for tensor in (blend, placed.source, placed.target, placed.mask)]
    guard_rails(blend.requires_grad_(), placed)
    after = (blend, placed.source, placed.target, placed.mask)
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_colours_are_computed_around_the_object_alone(photo, soft_disc, monkeypatch):
    sizes = []

    def watched(image):
        sizes.append(tuple(image.shape[2:]))
        return to_lab(image)

    placed = place(photo(20, 22), photo(500, 600, 250, 20), soft_disc, 217, 229)
    for module in (object_view, belonging):
        monkeypatch.setattr(module, "to_lab", watched)
    guard_rails(photo(500, 600, 250, 20), placed)
    # The object of 18 x 18 with 104 pixels on either side, the offset rounded down to 8 pixels; and
    # 25 pixels around each colour of a sample.
    around = [size for size in sizes if size[1] != 25]
    assert len(around) == 3  # blend, paste and target, once each
    assert all(max(size) <= 18 + 2 * (object_view.REACH + 8) for size in around)


@pytest.mark.parametrize(
    ("blend", "message"),
    [
        (torch.zeros(1, 3, 60, 71), "blend must have the size of target, 70 x 60 pixels"),
        (torch.zeros(1, 2, 60, 70), r"blend must be \(B, 3 or 4, H, W\)"),
        (torch.full((1, 3, 60, 70), 255.0), r"blend must be in \[0, 1\]"),
        (torch.full((1, 3, 60, 70), math.nan), "blend must be finite"),
    ],
)
def test_a_picture_that_does_not_fit_is_refused(blend, message, case):
    with pytest.raises(ValueError, match=message):
        guard_rails(blend, case[1])


def test_whole_numbers_and_unlike_batches_are_refused(case, photo):
    _, placed = case
    with pytest.raises(TypeError, match="blend must be a float tensor"):
        guard_rails(torch.zeros(1, 3, 60, 70, dtype=torch.uint8), placed)
    twice = place(placed.source, placed.target.repeat(2, 1, 1, 1), placed.mask, 17, 29)
    with pytest.raises(ValueError, match="batch sizes must be N with N or 1 with N"):
        guard_rails(torch.zeros(3, 3, 60, 70), twice)

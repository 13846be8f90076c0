"""Repainted crops put back: the seam, the place, the scale; every other pixel its own bits."""

import doctest

import pytest
import torch
import torch.nn.functional as F
from skimage import data

import blending.repair
from blending.image.filters import gaussian_blur
from blending.placement.box import Box
from blending.repair.crop import Crops, crop_for_repair
from blending.repair.region import CropSettings
from blending.repair.stitch import _is_scaled, needed_memory, stitch
from blending.stages.batch import Evaluation

OBJECT = Box(60, 90, 40, 50)
LEVEL = 1 / 255


@pytest.fixture(scope="module")
def photograph() -> torch.Tensor:
    """Part of a portrait, (1, 3, 180, 240), where nothing is near 0 or 1."""
    picture = torch.from_numpy(data.astronaut()[40:220, 120:360].copy())
    return 0.1 + 0.8 * picture.movedim(-1, 0)[None].float() / 255


def cut(picture: torch.Tensor, *boxes: Box, **settings) -> Crops:
    mask = torch.zeros(1, 1, *picture.shape[2:])
    for box in boxes or (OBJECT,):
        mask[(..., *box.slices)] = 1
    return crop_for_repair(picture, mask, CropSettings(**settings))


def ramp(crops: torch.Tensor) -> torch.Tensor:
    rows = torch.linspace(-0.08, 0.08, crops.shape[2])[:, None]
    return rows + torch.linspace(0.05, -0.05, crops.shape[3])


def test_the_example_in_the_package_s_help_runs():
    done = doctest.testmod(blending.repair)
    assert done.attempted > 5
    assert done.failed == 0


DRIFTS = {
    "offset": lambda crops: crops + 0.04,
    "exposure": lambda crops: 0.9 * crops + 0.01,
    "gradient": lambda crops: crops + ramp(crops),
}


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("feather", [0, 8])
def test_what_a_sampler_drifted_comes_back_as_it_was(photograph, drift, feather):
    crops = cut(photograph, feather=feather)
    stitched = stitch(DRIFTS[drift](crops.image), crops.place)
    before = (DRIFTS[drift](crops.image) - crops.image).abs().mean()
    assert (stitched.image - photograph).abs().amax() < 1.5 * LEVEL < before / 5


def test_a_softer_crop_gains_no_contrast(photograph):
    """Its fine texture has a smaller spread than the picture's, which is no other exposure."""
    crops = cut(photograph)
    soft = gaussian_blur(crops.image, 1.5, 6)
    stitched = stitch(0.95 * soft + 0.02, crops.place)
    (region,) = stitched.report["regions"]
    # Compared as they are, blurred and sharp, gains are up to 12 % too high.
    assert region["match"]["gain"] == pytest.approx([1 / 0.95] * 3, rel=0.04)


def test_other_pixels_keep_their_bits_and_the_mask_says_which(photograph):
    picture = torch.cat((photograph, torch.rand(1, 1, 180, 240)), 1)
    crops = cut(picture)
    stitched = stitch(1 - crops.image, crops.place)
    changed = (stitched.image != picture).any(1, keepdim=True)
    assert not (changed & (stitched.mask == 0)).any()
    assert torch.equal(stitched.image[:, 3], picture[:, 3])
    # The mask of 40 x 50 grown by a disc of 8: 8 more on every side, rounded corners.
    assert stitched.mask[0, 0, 80].sum() == 66
    assert stitched.mask[0, 0, :, 115].sum() == 56


def test_new_content_is_the_crops_and_has_no_seam(photograph):
    crops = cut(photograph)
    rows, columns = (torch.arange(float(side)) for side in crops.image.shape[2:])
    waves = 0.1 * torch.sin(rows / 2)[:, None] * torch.sin(columns / 2)
    repaint = crops.image + waves * crops.mask  # as a latent with a noise mask is sampled
    stitched = stitch(repaint + 0.04, crops.place)
    box = crops.place.regions[0].box
    inside = stitched.image[(..., *box.slices)]
    deep = torch.zeros_like(crops.mask, dtype=torch.bool)
    deep[..., 72 - box.top : 88 - box.top, 106 - box.left : 124 - box.left] = True
    assert (inside - repaint)[deep.expand_as(inside)].abs().mean() < LEVEL
    assert stitched.report["regions"][0]["seam_ratio"] < 0.5


def test_a_scaled_crop_comes_back_at_its_size(photograph):
    crops = cut(photograph, width=512, height=512)
    assert crops.image.shape[2:] == (512, 512)
    stitched = stitch(crops.image + 0.04, crops.place)
    assert (stitched.image - photograph).abs().mean() < LEVEL
    halved = torch.nn.functional.avg_pool2d(crops.image, 2)  # as a sampler may hand it on
    assert (stitch(halved, crops.place).image - photograph).abs().mean() < LEVEL


def test_padding_is_cut_off_again(photograph):
    small = photograph[..., :45, :]
    crops = cut(small, Box(0, 60, 45, 30), grow=0)
    assert crops.place.regions[0].box.top < 0
    stitched = stitch(crops.image + 0.04, crops.place)
    assert stitched.image.shape == small.shape
    assert (stitched.image - small).abs().amax() < 1.5 * LEVEL


def test_regions_of_one_picture_and_pictures_of_a_batch(photograph):
    boxes = OBJECT, Box(130, 20, 30, 30)
    crops = cut(photograph, *boxes, split=True, context_pixels=8)
    assert len(crops.image) == 2
    stitched = stitch(crops.image + torch.tensor([0.04, -0.05])[:, None, None, None], crops.place)
    assert stitched.image.shape == photograph.shape
    assert (stitched.image - photograph).abs().amax() < 1.5 * LEVEL
    for box in boxes:
        assert (stitched.mask[(..., *box.slices)] == 1).all()

    batch = torch.cat((photograph, photograph.flip(3)))
    crops = cut(batch)
    both = stitch(crops.image + 0.04, crops.place)
    assert (both.image - batch).abs().amax() < 1.5 * LEVEL


def test_a_picture_without_a_mask_is_returned_as_it_is(photograph):
    batch = torch.cat((photograph, photograph.flip(3)))
    masks = torch.zeros(2, 1, 180, 240)
    masks[(1, ..., *OBJECT.slices)] = 1
    crops = crop_for_repair(batch, masks)
    stitched = stitch(1 - crops.image, crops.place)
    assert torch.equal(stitched.image[0], batch[0])
    assert not torch.equal(stitched.image[1], batch[1])
    assert stitched.mask[0].sum() == 0


def test_several_repaints_of_each_crop_are_several_pictures(photograph):
    crops = cut(photograph, OBJECT, Box(130, 20, 30, 30), split=True, context_pixels=8)
    variants = torch.cat((crops.image, 1 - crops.image))
    stitched = stitch(variants, crops.place)
    assert stitched.image.shape == (2, 3, 180, 240)
    alone = stitch(1 - crops.image, crops.place)
    assert torch.equal(stitched.image[1:], alone.image)
    assert [one["picture"] for one in stitched.report["regions"]] == [0, 0, 1, 1]


def test_a_photographs_finish_gives_a_soft_crop_the_places_grain(photograph):
    generator = torch.Generator().manual_seed(5)
    grainy = photograph + 0.03 * torch.randn(photograph.shape, generator=generator)
    clean = cut(photograph).image
    crops = cut(grainy)

    def roughness(finish: str) -> float:
        found = stitch(clean, crops.place, finish).image
        part = found[(..., *Box(70, 100, 20, 30).slices)]
        return (part[..., 1:] - part[..., :-1]).std().item()

    wanted = (grainy[..., 70:90, 101:130] - grainy[..., 70:90, 100:129]).std().item()
    assert roughness("none") < 0.9 * roughness("photograph") < wanted


@pytest.mark.weights
def test_a_paintings_finish_refines_and_counts_every_stage(photograph):
    crops = cut(photograph)
    seen: list[Evaluation] = []
    other = crops.image.flip(3)  # the same crop would leave nothing to refine
    stitched = stitch(other, crops.place, "painting", on_evaluation=seen.append)
    (region,) = stitched.report["regions"]
    assert [stage["stage"] for stage in region["stages"]] == ["poisson", "refine"]
    shares = [event.done / (event.samples * event.budget) for event in seen]
    assert shares == sorted(shares)
    (refined,) = region["stages"][1]["pictures"]
    assert 1 < seen[-1].number == refined["evaluations"]
    assert 0 < shares[-1] <= 1
    assert {(event.sample, event.samples) for event in seen} == {(0, 1)}  # one crop, two stages
    assert "refined in" in stitched.words
    outside = (stitched.mask == 0).expand_as(photograph)
    assert torch.equal(stitched.image[outside], photograph[outside])


def test_progress_counts_regions_and_may_cancel(photograph):
    crops = cut(photograph, OBJECT, Box(130, 20, 30, 30), split=True, context_pixels=8)
    seen: list[int] = []

    def tell(event: Evaluation) -> None:
        seen.append(event.sample)
        if event.sample == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stitch(crops.image, crops.place, on_evaluation=tell)
    assert set(seen) == {0, 1}


def test_less_bleed_keeps_more_of_the_crops_own_colours(photograph):
    crops = cut(photograph)
    strange = crops.image.roll(60, 3).flip(2) * 0.5  # all of it another scene, in other colours
    box = crops.place.regions[0].box

    def distance(bleed: float) -> float:
        found = stitch(strange, crops.place, bleed=bleed).image[(..., *box.slices)]
        return ((found - strange).abs() * crops.mask).sum().item()

    full, half, none = (distance(bleed) for bleed in (1.0, 0.5, 0.0))
    assert none < half < full
    assert none < full / 3


def test_less_bleed_still_takes_the_samplers_drift_away(photograph):
    crops = cut(photograph)
    stitched = stitch(0.9 * crops.image + 0.03, crops.place, bleed=0.2)
    assert (stitched.image - photograph).abs().amax() < 1.5 * LEVEL


def test_memory_grows_with_the_finish(photograph):
    crops = cut(photograph)
    plain, painted = (needed_memory(crops.image, crops.place, f) for f in ("none", "painting"))
    assert 0 < plain < painted


def resized(crops, rows, columns):
    """With the sides multiplied by these."""
    size = [
        round(side * factor) for side, factor in zip(crops.shape[2:], (rows, columns), strict=True)
    ]
    return F.interpolate(crops, size=size, mode="bilinear")


def test_whole_cells_of_an_enlarged_latent_are_its_proportions():
    cut_out, found = (456, 608), (680, 912)  # 1.5 times: 684 rows are 85.5 cells
    assert _is_scaled(cut_out, found)
    assert not _is_scaled(cut_out, (448, 608))  # a row of cells is missing
    assert not _is_scaled((56, 64), (80, 96))
    assert not _is_scaled((504, 768), (300, 451))  # another picture, of nearly this shape


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c[..., :-8], "must have the size that was cut out"),
        (lambda c: c[..., :-4], "VAE Encode cuts sides to multiples of 8"),
        (lambda c: resized(c, 0.8, 1), "whole crop, enlarged or shrunk"),
        (lambda c: resized(c, 1.5, 1.45), "whole crop, enlarged or shrunk"),
        (lambda c: c.mT, "whole crop, enlarged or shrunk"),
        (lambda c: c[:0], "crop must be"),
        (lambda c: c * 255, "divide 8-bit values"),
        (lambda c: c.repeat(3, 1, 1, 1), "2 pictures, one for each region"),
    ],
)
def test_a_crop_that_does_not_fit_is_named(photograph, change, words):
    crops = cut(photograph, OBJECT, Box(130, 20, 30, 30), split=True, context_pixels=8, multiple=4)
    given = crops.image[:1] if words.startswith("2") else crops.image
    with pytest.raises(ValueError, match=words):
        stitch(change(given), crops.place)


def test_what_is_no_place_or_no_finish_is_named(photograph):
    crops = cut(photograph)
    with pytest.raises(TypeError, match="place must be CropPlace"):
        stitch(crops.image, (3, 4))
    with pytest.raises(ValueError, match="finish must be one of none, photograph, painting"):
        stitch(crops.image, crops.place, "oil")
    with pytest.raises(ValueError, match="bleed must be in"):
        stitch(crops.image, crops.place, bleed=2)

"""The refine stage: what region and strength leave alone, whose style counts, what is refused."""

import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from blending.image.mask import adjust_mask
from blending.network import vgg16
from blending.network.vgg16 import STYLE_LAYERS
from blending.placement.place import place
from blending.settings import Compute, RefineSettings
from blending.stages import deep_solver, memory
from blending.stages.refine import refine_stage, region_mask

LEVEL = 1 / 255
REFINE = RefineSettings(max_evaluations=5, margin=16, style_form="gram")


def test_refining_starts_from_the_blend_however_soft_the_mask(scenery, network, on_target):
    source, target, mask, row, column = scenery
    blend = place(source, target, mask, row, column).paste
    starts, settings = [], replace(REFINE, contours=False)  # whose share follows the alpha
    for opacity in (1.0, 0.6):
        full = opacity * torch.from_numpy(on_target(mask, target, row, column)).float()[None, None]
        figures = refine_stage(blend, target, full, settings, network).report["pictures"][0]
        starts.append(figures["terms_start"])
    assert starts[1] == pytest.approx(starts[0], rel=1e-5)
    assert starts[0]["style"] > 0


def test_refining_the_picture_may_change_every_pixel(scenery, stage, on_target):
    source, target, mask, row, column = scenery
    image = stage("picture", source, target, mask, row, column).image
    outside = torch.from_numpy(~on_target(mask, target, row, column))
    assert (image[..., outside] != target[..., outside]).float().mean() > 0.5


def refined(scenery, network, **changes):
    """The paste refined, its target and mask."""
    placed = place(*scenery)
    given = (placed.paste, placed.target, placed.full_mask)
    return refine_stage(*given, replace(REFINE, **changes), network), *given


@pytest.mark.parametrize("region", ["object", "band", "picture"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_without_strength_the_input_comes_back_bit_for_bit(region, soft, dtype, photo, disc, noise):
    image, target = photo(32, 32).to(dtype), photo(32, 32, 250, 20).to(dtype)
    mask = disc(32, 32, 10) * (0.5 + 0.5 * noise(1, 1, 32, 32) if soft else 1)
    seen = []
    settings = RefineSettings(region=region, band=3, strength=0)
    result = refine_stage(image, target, mask.to(dtype), settings, on_evaluation=seen.append)
    assert torch.equal(result.image, image)
    assert seen == []
    assert result.report["pictures"][0]["evaluations"] == 0


def test_without_strength_overshoot_comes_back_too(photo, disc):
    image = 1.5 * photo(32, 32) - 0.2  # resampled pictures leave [0, 1]
    settings = RefineSettings(strength=0)
    result = refine_stage(image, image.clamp(0, 1), disc(32, 32, 10), settings)
    assert torch.equal(result.image, image)


def test_without_strength_no_weights_are_needed(scenery, monkeypatch, tmp_path):
    monkeypatch.setattr(vgg16, "BUNDLED", tmp_path / "none.safetensors")
    result, paste, *_ = refined(scenery, None, strength=0.0)
    assert torch.equal(result.image, paste)


def test_half_the_strength_is_half_way(scenery, network):
    (whole, paste, *_), (half, *_) = (refined(scenery, network, strength=s) for s in (1.0, 0.5))
    free = (whole.image > 0) & (whole.image < 1)  # where nothing was clipped
    expected = (paste + whole.image) / 2
    assert (half.image - expected)[free].abs().max() <= 1e-6
    assert (whole.image - paste).abs().max() > 5 * LEVEL
    assert half.report["pictures"][0]["trace"] == whole.report["pictures"][0]["trace"]


def test_live_pictures_show_the_strength(scenery, network):
    placed, pictures = place(*scenery), []
    result = refine_stage(
        placed.paste,
        placed.target,
        placed.full_mask,
        replace(REFINE, strength=0.25),
        network,
        on_evaluation=lambda now: pictures.append((now.terms, now.picture())),
    )
    best = min(pictures[1:], key=lambda seen: sum(seen[0].values()))[1]
    assert (best - result.image).abs().max() <= 1e-6


@pytest.mark.parametrize("band", [1, 4])
def test_the_band_may_change_and_nothing_beyond(band, photo, disc, network):
    image, target, mask = photo(48, 48), photo(48, 48, 250, 20), disc(48, 48, 10)
    settings = replace(REFINE, region="band", band=band)
    result = refine_stage(image, target, mask, settings, network)
    away = ndimage.distance_transform_edt(mask[0, 0].numpy() == 0)
    allowed = torch.from_numpy(away <= band)
    assert torch.equal(result.mask[0, 0] > 0, allowed)
    changed = (result.image != image).any(1)[0]
    assert not changed[~allowed].any()
    ring = allowed & (mask[0, 0] == 0)
    assert changed[ring].float().mean() > 0.9
    assert result.report["pictures"][0]["pixels"] == allowed.sum()


@pytest.mark.parametrize("band", [1, 24])
def test_growing_in_the_objects_box_is_growing_in_the_picture(band, noise):
    mask = noise(2, 1, 50, 60, seed=3) * torch.linspace(0, 1, 60)
    mask[..., :30, :] = 0
    settings = RefineSettings(region="band", band=band)
    everywhere = adjust_mask(mask, grow=band)
    assert torch.equal(region_mask(mask, settings) >= 0.5, everywhere >= 0.5)


@pytest.mark.parametrize("region", ["object", "band", "picture"])
@pytest.mark.parametrize("strength", [0, 1])
def test_every_picture_is_checked_once_only(region, strength, photo, disc, network, monkeypatch):
    # A check reads every pixel; formerly a target passed three of them on its way through a blend.
    image, target, mask = photo(24, 24), photo(24, 24, 250, 20), disc(24, 24, 8)
    style, checked = photo(16, 16, 200, 100), []

    def watch(module, name):
        check = getattr(module, name)

        def watched(argument, tensor):
            checked.append((argument, tensor.data_ptr()))
            return check(argument, tensor)

        monkeypatch.setattr(module, name, watched)

    for module in [module for name, module in sys.modules.items() if name.startswith("blending.")]:
        for name in ("check_image", "check_mask"):
            if hasattr(module, name):
                watch(module, name)
    settings = RefineSettings(region, band=3, strength=strength, max_evaluations=1, margin=16)
    refine_stage(image, target, mask, settings, network, style=style)
    # A band's mask is looked at once more, in its box, before it is grown.
    assert sum(argument == "mask" for argument, _ in checked) == 1 + (region == "band")
    pictures = [(argument, at) for argument, at in checked if argument != "mask"]
    given = {"image": image, "target": target, "style": style}
    assert sorted(pictures) == sorted((name, each.data_ptr()) for name, each in given.items())


def test_an_object_region_is_the_mask_itself_and_a_picture_region_is_all_of_it(noise):
    mask = noise(2, 1, 5, 6)
    assert torch.equal(region_mask(mask, RefineSettings(region="object")), mask)
    whole = region_mask(torch.zeros_like(mask), RefineSettings(region="picture"))
    assert whole.tolist() == torch.ones(2, 1, 5, 6).tolist()


def test_a_mask_that_takes_nothing_is_not_grown():
    mask = torch.full((2, 1, 5, 6), 0.49)
    assert torch.equal(region_mask(mask, RefineSettings(region="band", band=3)), mask)


def test_each_mask_of_a_batch_has_its_own_band():
    masks = torch.zeros(2, 1, 30, 40)
    masks[0, :, 5, 6] = masks[1, :, 20, 30] = 1
    before = masks.clone()
    grown = region_mask(masks, RefineSettings(region="band", band=4)) >= 0.5
    for n in range(2):
        away = ndimage.distance_transform_edt(masks[n, 0].numpy() == 0)
        assert torch.equal(grown[n, 0], torch.from_numpy(away <= 4))
    assert torch.equal(masks, before)


def test_missing_bundled_weights_are_named(scenery, monkeypatch, tmp_path):
    missing = tmp_path / "none.safetensors"
    monkeypatch.setattr(vgg16, "BUNDLED", missing)
    with pytest.raises(FileNotFoundError, match=re.escape(str(missing))):
        refined(scenery, None)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"image": torch.zeros(1, 2, 8, 8)}, ValueError, r"image must be \(B, 3 or 4, H, W\)"),
        ({"image": torch.zeros(1, 3, 8, 9)}, ValueError, "target must have the size of image"),
        ({"target": torch.zeros(1, 3, 9, 8)}, ValueError, "target must have the size of image"),
        ({"target": torch.full((1, 3, 8, 8), 255.0)}, ValueError, r"target must be in \[0, 1\]"),
        ({"target": torch.full((1, 3, 8, 8), torch.nan)}, ValueError, "target must be finite"),
        ({"target": torch.zeros(1, 3, 8, 8).byte()}, TypeError, "target must be a float tensor"),
        ({"target": torch.zeros(1, 5, 8, 8)}, ValueError, r"target must be \(B, 3 or 4, H, W\)"),
        ({"mask": torch.ones(1, 1, 8, 9)}, ValueError, "mask must have the size of image"),
        ({"mask": torch.ones(1, 3, 8, 8)}, ValueError, r"mask must be \(B, 1, H, W\)"),
        ({"mask": torch.full((1, 1, 8, 8), 2.0)}, ValueError, r"mask must be in \[0, 1\]"),
        ({"mask": torch.full((1, 1, 8, 8), 0.003)}, ValueError, "mask must be above 0"),
        ({"mask": torch.ones(2, 1, 8, 8), "image": torch.zeros(3, 3, 8, 8)}, ValueError, "batch"),
    ],
)
def test_the_refine_stage_refuses(change, error, message, network):
    given = {
        "image": torch.zeros(1, 3, 8, 8),
        "target": torch.zeros(1, 3, 8, 8),
        "mask": torch.ones(1, 1, 8, 8),
    }
    with pytest.raises(error, match=message):
        refine_stage(**(given | change), settings=REFINE, network=network)


def test_the_refine_stage_names_a_target_that_is_not_a_batch_of_pictures():
    with pytest.raises(ValueError, match=r"target must be \(B, 3 or 4, H, W\)"):
        refine_stage(torch.zeros(1, 3, 8, 8), torch.zeros(8, 8), torch.ones(1, 1, 8, 8), REFINE)


@pytest.mark.weights
def test_refining_brings_the_style_nearer_and_keeps_the_edges(scenery, bundled, style_error):
    placed = place(*scenery)
    weights = replace(RefineSettings().weights, content=1.2, style=4.0, chroma=300.0)
    settings = RefineSettings(margin=16, style_form="gram", weights=weights)
    result = refine_stage(placed.paste, placed.target, placed.full_mask, settings, bundled)
    before, after = (
        style_error(image, placed.target, bundled) for image in (placed.paste, result.image)
    )
    assert after < 0.7 * before
    inside = placed.full_mask[0, 0].numpy() > 0
    edges = [
        np.stack([ndimage.laplace(plane) for plane in image[0].numpy()])[:, inside].ravel()
        for image in (placed.paste, result.image)
    ]
    assert np.corrcoef(*edges)[0, 1] > 0.8


@pytest.fixture
def given(photo, disc):
    """An image, its target and its mask, 32 x 40, in float64."""
    image, target = photo(32, 40, 60, 200), photo(32, 40, 250, 20)
    mask = disc(32, 40, 10)
    return tuple(t.double() for t in (torch.where(mask > 0, image, target), target, mask))


@pytest.fixture
def asked(monkeypatch):
    """The Gram matrices that each problem wants."""
    seen = []
    joint_objective = deep_solver.joint_objective

    def watched(problems, network, **options):
        seen.extend(problem.style for problem in problems)
        return joint_objective(problems, network, **options)

    monkeypatch.setattr(deep_solver, "joint_objective", watched)
    return seen


def grams(network, picture):
    """By NumPy, of the picture continued by its edge to multiples of 8."""
    rows, columns = (-size % 8 for size in picture.shape[2:])
    padded = np.pad(picture.numpy(), ((0, 0), (0, 0), (0, rows), (0, columns)), mode="edge")
    found = {}
    for name, tap in network(torch.from_numpy(padded), STYLE_LAYERS).items():
        vectors = tap[0].flatten(1).numpy()
        found[name] = vectors @ vectors.T / vectors.size
    return found


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(24, 48), (21, 35), (5, 70), (64, 8)])
def test_the_styles_wanted_are_the_pictures_own(size, channels, given, double, asked, photo, noise):
    style = photo(*size, 100, 100).double()
    expected = grams(double, style)
    if channels == 4:  # an alpha does not count
        style = torch.cat((style, noise(1, 1, *size).double()), 1)
    refine_stage(*given, replace(REFINE, max_evaluations=1), double, style=style)
    (wanted,) = asked
    assert set(wanted) == set(STYLE_LAYERS)
    for name, gram in wanted.items():
        np.testing.assert_allclose(gram[0].numpy(), expected[name], rtol=1e-9, atol=1e-12)


def test_in_tiles_they_are_the_same(given, double, asked, photo, monkeypatch):

    monkeypatch.setattr(memory, "TILES", (64,))
    monkeypatch.setattr(memory, "UNSHARED", 0)
    style = photo(16, 260, 300, 40).double()
    once = replace(REFINE, max_evaluations=1)
    refine_stage(*given, once, double, style=style)
    monkeypatch.setattr(deep_solver, "picture_grams", watched := Watched(deep_solver.picture_grams))
    refine_stage(*given, once, double, compute=Compute(memory=1), style=style)
    assert watched.tiles == [64]
    for name, gram in asked[0].items():
        torch.testing.assert_close(asked[1][name], gram, rtol=1e-9, atol=1e-12)


class Watched:
    """A function of Gram matrices that remembers its tiles."""

    def __init__(self, call):
        self.call, self.tiles = call, []

    def __call__(self, network, image, tile):
        self.tiles.append(tile)
        return self.call(network, image, tile)


def test_many_styles_of_one_image_give_a_picture_each(given, double, photo):
    styles = torch.cat([photo(24, 24, 80 * n, 90 * n) for n in range(3)]).double()
    result = refine_stage(*given, REFINE, double, style=styles)
    assert result.image.shape == (3, 3, 32, 40)
    assert result.mask.shape[0] in (1, 3)
    for n in range(3):
        alone = refine_stage(*given, REFINE, double, style=styles[n : n + 1])
        assert (result.image[n] - alone.image[0]).abs().max() < 1e-6 * LEVEL
    outside = given[2][0, 0] == 0
    assert torch.equal(result.image[..., outside], given[0].expand(3, -1, -1, -1)[..., outside])
    pairs = ((0, 1), (0, 2), (1, 2))
    assert all((result.image[a] - result.image[b]).abs().max() > LEVEL for a, b in pairs)


def test_one_style_serves_many_images(given, double, photo):
    image, target, mask = given
    images = torch.cat((image, image.flip(3)))
    style = photo(24, 24, 80, 90).double()
    result = refine_stage(images, target, mask, REFINE, double, style=style)
    for n in range(2):
        alone = refine_stage(images[n : n + 1], target, mask, REFINE, double, style=style)
        assert (result.image[n] - alone.image[0]).abs().max() < 1e-6 * LEVEL


def test_the_target_as_style_pulls_the_same_way_and_another_picture_does_not(given, double, noise):
    _, target, mask = given
    inside = (mask > 0).expand_as(target)

    def change(style):
        result = refine_stage(*given, REFINE, double, style=style)
        return (result.image - given[0])[inside]

    own, as_style, other = change(None), change(target), change(noise(1, 3, 32, 40).double())
    # The target's own counts its visible part a quarter: not the same, but the same way.
    assert (own - as_style).norm() < 0.5 * own.norm()
    assert (other - as_style).norm() > (own - as_style).norm()
    assert (other - as_style).abs().mean() > LEVEL


def test_the_style_comes_nearer_to_the_picture_that_is_wanted(given, double, noise):
    style = noise(1, 3, 40, 40).double()
    wanted = grams(double, style)

    def distance(image):
        found = grams(double, image)
        return sum(((found[n] - g) ** 2).mean() / (g**2).mean() for n, g in wanted.items())

    plain, styled = (
        refine_stage(*given, REFINE, double, style=picture).image for picture in (None, style)
    )
    assert distance(styled) < distance(plain)


def test_a_style_that_is_not_wanted_with_no_strength_needs_no_network(given, photo):
    styles = photo(16, 16).double().repeat(2, 1, 1, 1)
    result = refine_stage(*given, RefineSettings(strength=0), style=styles)
    assert torch.equal(result.image, given[0].repeat(2, 1, 1, 1))


@pytest.mark.parametrize(
    ("style", "error", "words"),
    [
        (torch.zeros(1, 2, 8, 8), ValueError, "style must be (B, 3 or 4, H, W)"),
        (torch.zeros(3, 8, 8), ValueError, "style must be (B, 3 or 4, H, W)"),
        (torch.zeros(1, 3, 0, 8), ValueError, "style must be (B, 3 or 4, H, W)"),
        (torch.full((1, 3, 8, 8), 255.0), ValueError, "style must be in [0, 1]"),
        (torch.full((1, 3, 8, 8), torch.nan), ValueError, "style must be finite"),
        (torch.zeros(1, 3, 8, 8).byte(), TypeError, "style must be a float tensor"),
        ("dots.png", TypeError, "style must be a torch.Tensor, got str"),
        (torch.zeros(3, 3, 8, 8), ValueError, "image 2, target 1, mask 1, style 3"),
    ],
)
def test_a_style_that_cannot_be_read_is_named(style, error, words, given, network):
    image, target, mask = given
    with pytest.raises(error, match=re.escape(words)):
        refine_stage(image.repeat(2, 1, 1, 1), target, mask, REFINE, network, style=style)


def test_the_layout_of_the_mask_does_not_show_in_a_narrow_picture(noise, disc, network):
    image, target = noise(1, 3, 3, 16, seed=1), noise(1, 3, 3, 16, seed=2)
    settings = RefineSettings(strength=0.3, max_evaluations=1, margin=16, grain=0.3)
    plain, columns = (
        refine_stage(image, target, mask, settings, network).image
        for mask in (disc(3, 16, 6), disc(3, 16, 6).mT.contiguous().mT)
    )
    assert torch.equal(plain, columns)

"""Cut-outs: alpha and mask put together, and resampled as Pillow does it plane by plane."""

import math
import re

import numpy as np
import pytest
import torch
from PIL import Image

from blending.image.filters import stencil_region
from blending.placement.alpha import check_extent, cut_out, rescale, resize_to
from blending.placement.place import place


def random(*shape, seed=0, low=0.0, high=1.0):
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(shape, generator=generator)


def resized_by_pillow(plane, height, width):
    """Bicubic with antialiasing, in float."""
    resized = Image.fromarray(plane.numpy()).resize((width, height), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized))


def stacked_by_pillow(planes, height, width):
    """Every plane of (N, C, h, w)."""
    found = [resized_by_pillow(plane, height, width) for plane in planes.flatten(0, 1)]
    return torch.stack(found).unflatten(0, planes.shape[:2])


def test_a_source_without_alpha_is_opaque_and_its_mask_stays():
    source, mask = random(2, 3, 4, 5), random(1, 1, 4, 5, seed=1)
    colour, alpha, found, notes = cut_out(source, mask)
    assert torch.equal(colour, source)
    assert alpha.tolist() == torch.ones(1, 1, 4, 5).tolist()
    assert torch.equal(found, mask)
    assert notes == ()


def test_alpha_without_a_mask_is_the_mask():
    source = random(2, 4, 4, 5)
    colour, alpha, mask, notes = cut_out(source, None)
    assert torch.equal(colour, source[:, :3])
    assert torch.equal(alpha, source[:, 3:])
    assert torch.equal(mask, source[:, 3:])
    assert notes == ("the source's alpha is the mask",)


def test_alpha_multiplies_every_mask_of_a_batch():
    source = torch.full((1, 4, 1, 3), 0.25)
    source[0, 3, 0] = torch.tensor([0.0, 0.5, 1.0])
    masks = torch.tensor([[[[1.0, 0.5, 0.25]]], [[[0.5, 1.0, 0.75]]]])
    colour, alpha, found, notes = cut_out(source, masks)
    assert found.tolist() == [[[[0, 0.25, 0.25]]], [[[0, 0.5, 0.75]]]]
    assert alpha.tolist() == [[[[0, 0.5, 1]]]]
    assert (colour == 0.25).all()
    assert notes == ("the source's alpha multiplies the mask",)


@pytest.mark.parametrize(
    ("source", "mask", "message"),
    [
        (torch.ones(1, 3, 4, 5), None, "mask must be given for a source without alpha, got none"),
        (torch.ones(1, 3, 4, 5), torch.full((1, 1, 4, 5), 1.5), "mask must be in [0, 1]"),
        (torch.ones(1, 4, 4, 5), torch.full((1, 1, 4, 5), -0.5), "mask must be in [0, 1]"),
        (torch.ones(1, 3, 4, 5), torch.ones(1, 1, 5, 4), "mask must have the size of source"),
        (torch.full((1, 4, 4, 5), 1.5), None, "source's alpha must be in [0, 1], got 1.5 to 1.5"),
        (torch.ones(2, 4, 4, 5), torch.ones(3, 1, 4, 5), "got source 2, mask 3"),
    ],
)
def test_what_is_no_cut_out_is_refused(source, mask, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cut_out(source, mask)


@pytest.mark.parametrize(
    ("scale", "size"),
    # 5 x 7 by 1.3: 6.5 and 9.1; halves round to even: 2.5 to 2, 3.5 to 4, 6.5 to 6.
    [(2, (10, 14)), (0.5, (2, 4)), (1.3, (6, 9)), (0.01, (1, 1))],
)
def test_sides_are_rounded_and_never_vanish(scale, size):
    planes = rescale(random(1, 3, 5, 7), random(1, 1, 5, 7), random(1, 1, 5, 7), scale)
    assert [plane.shape[2:] for plane in planes] == [size] * 3


@pytest.mark.parametrize("size", [(10, 15), (6, 33), (41, 20), (40, 60)])
def test_an_opaque_cut_out_is_resampled_plane_by_plane(size):
    colour, mask = random(2, 3, 20, 30), random(2, 1, 20, 30, seed=1).round()
    found, valid, soft = resize_to(colour, torch.ones(1, 1, 20, 30), mask, *size)
    torch.testing.assert_close(found, stacked_by_pillow(colour, *size), atol=1e-5, rtol=0)
    assert (valid == 1).all()
    # The kernel overshoots beside an edge; a mask does not.
    wanted = stacked_by_pillow(mask, *size)
    assert wanted.min() < -0.01
    torch.testing.assert_close(soft, wanted.clamp(0, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(10, 15), (41, 20), (40, 60)])
def test_colours_are_weighted_by_alpha_and_kept_in_their_range(size):
    colour, alpha = random(1, 3, 20, 30, low=0.1, high=0.7), random(1, 1, 20, 30, seed=1) ** 4
    found, valid, _ = resize_to(colour, alpha, alpha, *size)
    weight = stacked_by_pillow(alpha, *size)
    weighted = stacked_by_pillow(colour * alpha, *size) / weight.clamp_min(1 / 512)
    wanted = weighted.clamp(colour.min(), colour.max())
    seen = (weight > 0.02).expand_as(wanted)  # below, the rounding of a quotient is large
    torch.testing.assert_close(found[seen], wanted[seen], atol=1e-4, rtol=0)
    assert colour.min() <= found.min() <= found.max() <= colour.max()
    clear = (weight - 1 / 512).abs() > 1e-5  # another implementation may round to the other side
    assert torch.equal(valid[clear], (weight > 1 / 512).float()[clear])
    assert set(valid.unique().tolist()) <= {0, 1}


def test_each_picture_of_a_batch_is_resampled_as_by_itself():
    # An opaque one, rough ones, and ranges so different that one's could not serve another.
    colour = torch.cat([random(1, 3, 12, 14, seed=n, high=high) for n, high in enumerate((1, 0.2))])
    colour = torch.cat((colour, 0.6 + 0.4 * colour[1:]))
    alpha = torch.cat((torch.ones(1, 1, 12, 14), random(2, 1, 12, 14, seed=5) ** 4))
    together = rescale(colour, alpha, alpha, 1.7)
    for n in range(3):
        one = slice(n, n + 1)
        alone = rescale(colour[one], alpha[one], alpha[one], 1.7)
        assert all(torch.equal(whole[one], own) for whole, own in zip(together, alone, strict=True))
    assert together[0][0].min() < 0  # not kept in a range: nothing is divided there


@pytest.mark.parametrize("shared", ["colour", "alpha"])
def test_one_colour_serves_many_alphas_and_the_other_way_round(shared):
    colour, alpha = random(2, 3, 8, 9), random(2, 1, 8, 9, seed=1)
    colour, alpha = (colour[:1], alpha) if shared == "colour" else (colour, alpha[:1])
    found = rescale(colour, alpha, alpha, 0.6)[0]
    for n in range(2):
        own = colour[n % len(colour)][None], alpha[n % len(alpha)][None]
        assert torch.equal(found[n : n + 1], rescale(*own, own[1], 0.6)[0])


@pytest.mark.parametrize(
    ("dtype", "computed"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_resampling_is_at_least_in_float32(dtype, computed):
    colour, alpha = random(1, 3, 6, 7).to(dtype), random(1, 1, 6, 7, seed=1).to(dtype)
    assert {plane.dtype for plane in rescale(colour, alpha, alpha, 1.5)} == {computed}


@pytest.mark.parametrize("size", [(32768, 1), (1, 32768), (10_000, 10_000), (3051, 32768)])
def test_sides_up_to_the_limits_pass(size):
    check_extent(*size, "scale", "7")


@pytest.mark.parametrize("size", [(32769, 1), (1, 32769), (10_000, 10_001), (3052, 32768)])
def test_sides_beyond_the_limits_are_refused_by_the_arguments_name(size):
    message = (
        "fit must keep the source within 32768 pixels a side and 100 million in all, got 7 apples"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        check_extent(*size, "fit", "7 apples")


def test_a_scale_beyond_the_limits_is_refused_with_what_it_was_asked_of():
    plane = torch.zeros(1, 1, 2, 40)
    with pytest.raises(ValueError, match=r"scale must keep .* got 820 for 40 x 2 pixels"):
        rescale(plane.expand(-1, 3, -1, -1), plane, plane, 820.0)
    assert math.prod(rescale(plane, plane, plane, 10.0)[0].shape[2:]) == 20 * 400


@pytest.mark.parametrize("scale", [0.5, 0.4, 2, 3])
def test_a_bright_transparent_border_does_not_bleed_when_scaled(scale):
    source = torch.ones(1, 4, 24, 24)
    source[:, 3] = 0
    source[..., 8:16, 8:16] = torch.tensor([0.2, 0.3, 0.4, 1.0])[:, None, None]
    placed = place(source, random(1, 3, 80, 80), scale=scale)
    valid = placed.source_valid.expand(-1, 3, -1, -1) > 0
    wanted = torch.tensor([0.2, 0.3, 0.4])[:, None, None].expand_as(placed.source)
    assert valid.any()
    torch.testing.assert_close(placed.source[valid], wanted[valid])
    assert not ((placed.mask > 0) & (placed.source_valid == 0)).any()


@pytest.mark.parametrize("scale", [0.5, 2, 3])
def test_the_source_is_valid_wherever_its_scaled_alpha_can_be_seen(scale):
    alpha = torch.zeros(1, 1, 24, 24)
    alpha[..., 7:17, 5:16] = 1
    source = torch.cat((random(1, 3, 24, 24), alpha), 1)
    placed = place(source, random(1, 3, 80, 80), scale=scale)
    resized = resized_by_pillow(alpha[0, 0], *placed.source_valid.shape[2:])
    assert (placed.source_valid[0, 0][resized > 0.005] == 1).all()
    assert (placed.source_valid[0, 0][resized < 0.001] == 0).all()


def test_scaled_colours_that_reach_the_guidance_stay_near_their_range_under_a_rough_alpha():
    # Bicubic weights may be negative: a small sum of alphas must not blow the colour up. Twice the
    # range is what the check of the arguments allows for resampling.
    alpha = random(20, 1, 24, 24)
    source = torch.cat((random(20, 3, 24, 24, seed=1).round(), alpha), 1)
    placed = place(source, random(1, 3, 80, 80), scale=1.3)
    seen = (stencil_region(placed.mask > 0) & (placed.source_valid > 0)).expand_as(placed.source)
    low, high = placed.source[seen].aminmax()
    assert (low.item(), high.item()) == (pytest.approx(0, abs=1), pytest.approx(1, abs=1))


def test_scaling_a_flat_source_keeps_its_colour_and_mask():
    placed = place(
        torch.full((1, 3, 5, 7), 0.3), random(1, 3, 20, 20), torch.ones(1, 1, 5, 7), scale=1.9
    )
    torch.testing.assert_close(placed.source, torch.full_like(placed.source, 0.3))
    torch.testing.assert_close(placed.mask, torch.ones_like(placed.mask))

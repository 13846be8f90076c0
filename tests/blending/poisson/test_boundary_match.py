"""The colour match at the mask's boundary, on textures whose colours a known rule changed."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from blending.image.filters import gaussian_blur
from blending.placement.box import full_box
from blending.placement.place import place
from blending.placement.window import Window
from blending.poisson.boundary_match import (
    MOST_SAMPLES,
    BoundaryMatch,
    _collect,
    match_boundary,
    matched_source,
)

GAIN = torch.tensor([0.8, 1.0, 1.3]).view(1, 3, 1, 1)
OFFSET = torch.tensor([0.1, -0.05, 0.02]).view(1, 3, 1, 1)
SIDE = 64
# A noise of one level beside a shared spread of ten or more takes 1/100 of the gain's logarithm.
SHRUNK = 4e-3


@pytest.fixture
def texture(noise):
    """texture(seed, spread): noise blurred so that neighbours resemble each other, around 0.5."""

    def make(seed=0, spread=0.1):
        blurred = gaussian_blur(noise(1, 3, SIDE, SIDE, seed=seed), 2.0, 6)
        blurred = blurred - blurred.mean((2, 3), keepdim=True)
        return 0.5 + spread * blurred / blurred.std((2, 3), keepdim=True)

    return make


@pytest.fixture
def region(disc):
    return disc(SIDE, SIDE, 20)


def window(source, target, mask, valid=None):
    valid = torch.ones_like(mask) if valid is None else valid
    return Window(source, mask, valid, target, full_box(mask.shape))


def undone(target):
    """The source that GAIN and OFFSET turn into the target."""
    return (target - OFFSET) / GAIN


def close(ours, theirs, tolerance):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


def test_known_gain_and_offset_are_recovered_where_both_are_seen(texture, region):
    target = texture()
    match = match_boundary(window(undone(target), target, region))
    close(match.gain, GAIN, SHRUNK)
    close(match.offset, OFFSET, SHRUNK / 2)  # around a mean of half the range
    assert match.confidence == 1


def test_the_target_under_the_mask_does_not_count(texture, region):
    target = texture()
    for valid in (torch.ones_like(region), region):
        whole, blanked = (
            match_boundary(window(undone(target), below, region, valid))
            for below in (target, torch.where(region > 0, 0.5, target))
        )
        assert torch.equal(whole.gain, blanked.gain)
        assert whole.confidence == blanked.confidence


def test_pairs_across_the_edge_do_not_count_where_both_are_seen(noise, region):
    target = noise(1, 3, SIDE, SIDE)  # neighbours have nothing in common
    match = match_boundary(window(undone(target), target, region))
    close(match.gain, GAIN, SHRUNK)
    assert match.confidence == 1


def test_pixels_up_to_3_outside_count(texture):
    target = texture()
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 20:40, 20:40] = 1
    matches = []
    for column in (43, 42):  # the fourth and the third to the right
        source = undone(target)
        source[..., column] = 0
        matches.append(match_boundary(window(source, target, mask)).gain)
    whole = match_boundary(window(undone(target), target, mask)).gain
    assert torch.equal(matches[0], whole)
    assert not torch.equal(matches[1], whole)


def test_across_the_edge_the_gain_is_not_drawn_towards_0(texture, region):
    errors, trust = [], []
    for seed in range(8):
        target = texture(seed)
        match = match_boundary(window(undone(target) * region, target, region, valid=region))
        errors.append((match.gain / GAIN).log())
        trust.append(match.confidence)
    # Neighbours correlate by exp(−1/16) = 0.94: least squares would fall short by 0.06 everywhere.
    assert abs(torch.cat(errors).mean()) < 0.02
    assert torch.cat(errors).abs().max() < 0.15
    assert min(trust) > 0.9


def test_invalid_source_pixels_are_not_read(texture, region):
    target = texture()
    ours = window(undone(target) * region, target, region, valid=region)
    theirs = replace(ours, source=torch.where(region > 0, ours.source, 7.0))
    assert torch.equal(match_boundary(ours).gain, match_boundary(theirs).gain)
    assert match_boundary(ours).confidence == match_boundary(theirs).confidence


def test_a_flat_boundary_has_gain_1(region):
    target, source = torch.full((1, 3, SIDE, SIDE), 0.7), torch.full((1, 3, SIDE, SIDE), 0.4)
    match = match_boundary(window(source, target, region))
    close(match.gain, torch.ones(1, 3, 1, 1), 1e-5)
    close(match.offset, torch.full((1, 3, 1, 1), 0.3), 1e-5)
    assert match.confidence == 0


def test_the_gain_goes_to_1_smoothly_with_the_contrast(texture, region):
    gains = []
    for spread in (0.1, 0.03, 0.01, 0.007, 0.005, 0.003, 0.002, 0.0):
        target = texture(spread=spread)
        gains.append(match_boundary(window(undone(target), target, region)).gain[0, 2].item())
    steps = [a - b for a, b in pairwise(gains)]
    assert gains[0] == pytest.approx(1.3, abs=SHRUNK)
    assert gains[-1] == pytest.approx(1, abs=1e-5)
    assert all(0 < step < 0.15 for step in steps)


@pytest.mark.parametrize("valid_beyond", [True, False])
def test_unrelated_pictures_are_not_trusted(texture, region, valid_beyond):
    valid = torch.ones_like(region) if valid_beyond else region
    for seed in range(8):
        match = match_boundary(window(texture(seed), texture(seed + 100), region, valid))
        assert match.confidence < 0.1


@pytest.mark.parametrize(("share", "least", "most"), [(0.45, 0, 0), (0.68, 0.1, 0.9), (0.9, 1, 1)])
def test_the_confidence_rises_with_the_correlation(noise, region, share, least, most):
    # Noise without neighbourhood: some 1200 samples, so the correlation is the share within 0.08.
    common, other = noise(1, 3, SIDE, SIDE, seed=1), noise(1, 3, SIDE, SIDE, seed=2)
    target = share * common + (1 - share**2) ** 0.5 * other
    assert least <= match_boundary(window(common, target, region)).confidence <= most


def test_contrast_below_a_level_is_no_evidence(texture, region):
    target = texture(spread=0.001)
    assert match_boundary(window(target, target, region)).confidence == 0


def test_a_channel_without_correlation_keeps_its_gain(texture, region):
    target = texture()
    for seed in range(1, 6):  # some correlate a little, some negatively
        source = undone(target)
        source[:, 2] = 0.5 + 0.6 * (texture(seed)[:, 2] - 0.5)
        match = match_boundary(window(source, target, region))
        close(match.gain[:, :2], GAIN[:, :2], SHRUNK)
        assert match.gain[0, 2].item() == pytest.approx(1, abs=1e-5)


def test_the_negative_is_not_trusted(texture, region):
    target = texture()
    match = match_boundary(window(0.8 - 0.5 * target, target, region))
    assert match.confidence == 0
    close(match.gain, torch.ones(1, 3, 1, 1), 1e-6)


def test_a_gradient_along_the_boundary_leaves_the_gain_alone(texture, region):
    target = texture(spread=0.05)
    slope = torch.linspace(-0.3, 0.3, SIDE)
    source = undone(target) + slope[:, None] - 0.5 * slope[None]
    match = match_boundary(window(source, target, region))
    close(match.gain, GAIN, 0.01)
    assert match.confidence == 1


def test_one_shared_slope_is_no_evidence(texture, region):
    slope = torch.linspace(-0.3, 0.3, SIDE)[None, None, :, None]
    ours, theirs = texture(1, spread=0.02) + slope, texture(2, spread=0.02) + slope
    assert match_boundary(window(ours, theirs, region)).confidence < 0.1


def test_an_object_across_the_boundary_does_not_turn_the_fit(texture, region):
    target = texture()
    source = undone(target)
    source[..., 24:34, :] = 0.95  # about a sixth of the boundary
    match = match_boundary(window(source, target, region))
    close(match.gain, GAIN, 0.05)
    close(match.offset, OFFSET, 0.03)


def test_the_gain_keeps_its_limits(texture, region):
    target = texture()
    assert match_boundary(window(0.1 * target, target, region)).gain.amax() == 2
    assert match_boundary(window(10 * target, target, region)).gain.amin() == 0.5


def test_channels_are_fitted_apart(texture, region):
    target = texture()
    source = undone(target)
    changed = source.clone()
    changed[:, 0] = 0.5 * changed[:, 0] + 0.2
    before, after = (match_boundary(window(s, target, region)) for s in (source, changed))
    assert torch.equal(before.gain[:, 1:], after.gain[:, 1:])
    assert torch.equal(before.offset[:, 1:], after.offset[:, 1:])
    assert after.gain[0, 0].item() == pytest.approx(1.6, abs=5e-3)


def test_pictures_of_a_batch_are_independent(texture, region):
    targets = torch.cat((texture(1), texture(2)))
    sources = torch.cat((undone(texture(1)), texture(3)))
    both = place(sources.clamp(0, 1), targets.clamp(0, 1), region)
    for sample in range(2):
        alone = place(sources[[sample]].clamp(0, 1), targets[[sample]].clamp(0, 1), region)
        ours, theirs = (match_boundary(p.window(i, 4)) for p, i in ((both, sample), (alone, 0)))
        assert torch.equal(ours.gain, theirs.gain)
        assert ours.confidence == theirs.confidence == (1, 0)[sample]


@pytest.mark.parametrize(
    "part", [(slice(None), slice(30)), (slice(10, 40), slice(None)), (slice(20), slice(44, None))]
)
@pytest.mark.parametrize("valid_beyond", [True, False])
def test_a_mask_may_touch_the_frame(texture, part, valid_beyond):
    target = texture()
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[(..., *part)] = 1
    valid = torch.ones_like(mask) if valid_beyond else mask
    match = match_boundary(window(undone(target), target, mask, valid))
    close(match.gain, GAIN, SHRUNK if valid_beyond else 0.2)
    assert match.confidence > 0.9


def test_without_a_boundary_nothing_is_changed(texture, region):
    mask = torch.ones_like(region)
    match = match_boundary(window(texture(1), texture(2), mask))
    assert torch.equal(match.gain, torch.ones(1, 3, 1, 1))
    assert torch.equal(match.offset, torch.zeros(1, 3, 1, 1))
    assert match.confidence == 0


@pytest.mark.parametrize(("hidden", "is_fitted"), [(3, True), (4, False)])
def test_below_sixteen_samples_nothing_is_read(noise, hidden, is_fitted):
    # 4 x 5 pixels, one of them the mask: all of the other 19 lie within 3 of it. Where the source
    # has no pixels, and none of the mask beside them, they do not count.
    mask = torch.zeros(1, 1, 4, 5)
    mask[..., 0, 1] = 1
    valid = torch.ones(1, 1, 4, 5)
    valid[..., -1, :hidden] = 0
    target = noise(1, 3, 4, 5)
    match = match_boundary(window(undone(target), target, mask, valid))
    assert (match.confidence == 1) == is_fitted
    if is_fitted:
        close(match.gain, GAIN, 0.01)
    else:
        assert torch.equal(match.gain, torch.ones(1, 3, 1, 1))
        assert torch.equal(match.offset, torch.zeros(1, 3, 1, 1))


def test_the_same_in_and_out_of_inference_mode_and_inputs_stay(texture, region):
    target = texture()
    ours = window(undone(target).requires_grad_(), target, region)
    copies = ours.source.clone(), target.clone()
    first = match_boundary(ours)
    with torch.inference_mode():
        second = match_boundary(ours)
    assert torch.equal(first.gain, second.gain)
    assert torch.equal(first.offset, second.offset)
    assert first.confidence == second.confidence
    assert not first.gain.requires_grad
    assert torch.equal(ours.source, copies[0])
    assert torch.equal(ours.target, copies[1])


def test_float64_stays(texture, region):
    target = texture().double()
    match = match_boundary(window(undone(target), target, region.double()))
    assert match.gain.dtype == match.offset.dtype == torch.float64
    assert isinstance(match.confidence, float)


def test_a_sieve_has_more_samples_than_are_taken(noise):
    mask = torch.zeros(1, 1, 512, 512)
    mask[..., ::2, ::2] = 1
    target = noise(1, 3, 512, 512)
    match = match_boundary(window(undone(target), target, mask))
    close(match.gain, GAIN, SHRUNK)
    assert _collect(window(target, target, mask)).source.shape[1] <= MOST_SAMPLES


def test_the_match_is_applied_as_far_as_it_is_trusted(texture):
    source = texture()
    whole, half, none = (
        matched_source(source, BoundaryMatch(GAIN, OFFSET, trust)) for trust in (1.0, 0.5, 0.0)
    )
    close(whole, GAIN * source + OFFSET, 1e-6)
    close(half, (source + GAIN * source + OFFSET) / 2, 1e-6)
    assert torch.equal(none, source)


def test_the_matched_source_is_not_clipped():
    white = torch.ones(1, 3, SIDE, SIDE)
    match = BoundaryMatch(2 * torch.ones(1, 3, 1, 1), torch.zeros(1, 3, 1, 1), 1.0)
    assert matched_source(white, match).amax() == 2

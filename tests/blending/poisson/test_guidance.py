"""The guidance field: imported, mixed and monochrome gradients, by hand."""

import numpy as np
import pytest
import torch

from blending.image.filters import laplacian
from blending.poisson.guidance import guidance_field, without_contours
from blending.settings import GRADIENTS

SHAPES = [(1, 3, 1, 1), (1, 3, 1, 6), (2, 3, 5, 7), (3, 3, 8, 8)]


def plane(rows, dtype=torch.float64):
    return torch.tensor(rows, dtype=dtype)[None, None]


def grey(rows):
    """Three equal channels."""
    return plane(rows).expand(-1, 3, -1, -1)


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def mixed(source, target, valid=None, support=None):
    """The mixed guidance, everywhere unless told, of pictures wholly valid unless told."""
    valid = torch.ones_like(source[:, :1]) if valid is None else valid
    support = torch.ones_like(valid, dtype=torch.bool) if support is None else support
    return guidance_field(source, valid, target, support, "mixed")


def mixed_edge_by_edge(source, valid, target):
    """The definition, pixel by pixel: what a pixel owns goes to it and, negated, to its partner."""
    channels, height, width = source.shape
    wanted = np.zeros((channels, height, width))
    for row in range(height):
        for column in range(width):
            partners = [(r, c) for r, c in ((row, column + 1), (row + 1, column))]
            partners = [(r, c) for r, c in partners if r < height and c < width]
            ours, theirs = [], []
            for r, c in partners:
                both = valid[row, column] * valid[r, c]
                ours.append(both * (source[:, row, column] - source[:, r, c]))
                theirs.append(target[:, row, column] - target[:, r, c])
            strong = theirs if np.sum(np.square(theirs)) > np.sum(np.square(ours)) else ours
            for (r, c), difference in zip(partners, strong, strict=True):
                wanted[:, row, column] += difference
                wanted[:, r, c] -= difference
    return wanted


PICTURE = [[1.0, 2.0, 4.0], [8.0, 16.0, 32.0], [64.0, 128.0, 256.0]]


def test_guidance_is_the_sources_on_the_support_and_the_targets_around():
    source, target = plane(PICTURE), plane([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    support = plane([[0, 0, 0], [0, 1, 1], [0, 0, 0]]) > 0
    valid = torch.ones_like(source)
    wanted = [[2, -1, 0], [-1, -106, -180], [0, 0, 0]]
    assert torch.equal(guidance_field(source, valid, target, support), plane(wanted))


@pytest.mark.parametrize("gradients", ["import", "monochrome"])
def test_guidance_has_no_edge_where_the_source_ends(gradients):
    # The source is a flat 0.8 on the middle two columns and nothing (0) beyond.
    valid = plane([[0.0, 1.0, 1.0, 0.0]] * 3)
    source, target = (0.8 * valid).expand(-1, 3, -1, -1), torch.full((1, 3, 3, 4), 0.3).double()
    guidance = guidance_field(source, valid, target, valid > 0, gradients)
    assert torch.equal(guidance, torch.zeros_like(source))


@pytest.mark.parametrize("gradients", GRADIENTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_guidance_has_the_shape_and_type_of_the_picture(shape, dtype, gradients):
    image, valid = random(*shape).to(dtype), torch.ones(shape[0], 1, *shape[2:], dtype=dtype)
    guidance = guidance_field(image, valid, image, valid > 0, gradients)
    assert guidance.shape == shape
    assert guidance.dtype == dtype


@pytest.mark.parametrize("gradients", GRADIENTS)
def test_outside_the_support_it_is_the_targets_bit_for_bit(gradients):
    source, target = random(2, 3, 6, 5), random(2, 3, 6, 5, seed=1)
    valid, support = torch.ones(2, 1, 6, 5).double(), random(2, 1, 6, 5, seed=2) > 0.5
    guidance = guidance_field(source, valid, target, support, gradients)
    outside = (~support).expand_as(guidance)
    assert torch.equal(guidance[outside], laplacian(target)[outside])


@pytest.mark.parametrize("options", [(), ("import",)])
def test_the_source_is_imported_bit_for_bit_and_by_default(options):
    source, target = random(2, 3, 6, 5).float(), random(2, 3, 6, 5, seed=1).float()
    valid = (random(2, 1, 6, 5, seed=2) > 0.3).float()
    guidance = guidance_field(source, valid, target, valid >= 0, *options)
    assert torch.equal(guidance, laplacian(source, valid))


def test_a_targets_edge_survives_under_a_flat_source():
    source, target = grey([[0.5] * 4] * 2), grey([[0.0, 0.0, 1.0, 1.0]] * 2)
    assert torch.equal(mixed(source, target), grey([[0.0, -1.0, 1.0, 0.0]] * 2))


def test_a_stronger_edge_of_the_source_is_imported():
    # At one pixel both have an edge to the right; 0.6 beats 0.5, and 0.5 beats 0.4.
    target = grey([[0.0, 0.5, 0.5]])
    assert torch.equal(mixed(grey([[0.0, 0.6, 0.6]]), target), grey([[-0.6, 0.6, 0.0]]))
    assert torch.equal(mixed(grey([[0.0, 0.4, 0.4]]), target), grey([[-0.5, 0.5, 0.0]]))


def test_edges_of_both_pictures_stay_at_their_own_places():
    source, target = grey([[0.0, 0.3, 0.3, 0.3]]), grey([[0.2, 0.2, 0.2, 0.9]])
    torch.testing.assert_close(mixed(source, target), grey([[-0.3, 0.3, -0.7, 0.7]]))


def test_equally_strong_gradients_are_the_sources():
    source, target = grey([[0.0, 0.5]]), grey([[0.5, 0.0]])
    assert torch.equal(mixed(source, target), grey([[-0.5, 0.5]]))


def test_the_channels_are_chosen_together():
    # The target's red step, 0.9, is the largest of all; the source's 0.6 in each channel is longer:
    # 3·0.36 = 1.08 > 0.81. At a target's red step of 1.1 (1.21) green and blue are the target's 0.
    source = grey([[0.0, 0.6]])
    for step, wanted in ((0.9, [0.6, 0.6, 0.6]), (1.1, [1.1, 0.0, 0.0])):
        target = torch.zeros(1, 3, 1, 2, dtype=torch.float64)
        target[0, 0, 0, 1] = step
        assert mixed(source, target)[0, :, 0, 1].tolist() == pytest.approx(wanted)


def test_the_stronger_vector_is_taken_whole_not_the_stronger_component():
    # At the first pixel the source's vector is (0.3, 0.4), 0.5 long, the target's (0.45, 0).
    # By components the right edge would be the target's 0.45; by vectors both are the source's.
    source = grey([[0.0, 0.3], [0.4, 0.4]])
    target = grey([[0.0, 0.45], [0.0, 0.45]])
    # Source's at (0,0); (0,1): down 0.1 against 0; (1,0): right 0 against the target's 0.45.
    wanted = [[-0.3 - 0.4, 0.3 - 0.1], [0.4 - 0.45, 0.1 + 0.45]]
    torch.testing.assert_close(mixed(source, target), grey(wanted))


def test_a_longer_target_vector_brings_its_weaker_component_along():
    # (0.6, 0) beats (0.3, 0.4): the source's edge downwards is given up with the other.
    source, target = grey([[0.0, 0.3], [0.4, 0.4]]), grey([[0.0, 0.6], [0.0, 0.6]])
    wanted = [[-0.6, 0.6 - 0.1], [-0.6, 0.1 + 0.6]]
    torch.testing.assert_close(mixed(source, target), grey(wanted))


def test_an_edge_that_the_source_does_not_have_is_the_targets_if_it_has_one():
    # The source steps by 0.9 into what is not valid: no edge there. The target steps by 0.1.
    valid = plane([[1.0, 1.0, 0.0, 0.0]])
    source = grey([[0.9, 0.9, 0.0, 0.0]])
    flat, stepped = grey([[0.5] * 4]), grey([[0.5, 0.5, 0.6, 0.6]])
    assert torch.equal(mixed(source, flat, valid), torch.zeros_like(source))
    torch.testing.assert_close(mixed(source, stepped, valid), grey([[0.0, -0.1, 0.1, 0.0]]))


def test_values_that_are_not_valid_do_not_matter():
    valid = (random(2, 1, 5, 6, seed=3) > 0.4).double()
    source, target = random(2, 3, 5, 6), random(2, 3, 5, 6, seed=1)
    other = torch.where(valid > 0, source, random(2, 3, 5, 6, seed=2))
    assert torch.equal(mixed(source, target, valid), mixed(other, target, valid))


@pytest.mark.parametrize("shape", SHAPES)
def test_mixed_guidance_is_the_sum_over_edges(shape):
    source, target = random(*shape), random(*shape, seed=1)
    valid = (random(shape[0], 1, *shape[2:], seed=2) > 0.2).double()
    arguments = zip(source.numpy(), valid[:, 0].numpy(), target.numpy(), strict=True)
    wanted = np.array([mixed_edge_by_edge(*sample) for sample in arguments])
    np.testing.assert_allclose(mixed(source, target, valid).numpy(), wanted, atol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_mixed_with_a_flat_partner_is_the_others_laplacian(shape):
    image, flat = random(*shape), torch.full(shape, 0.25, dtype=torch.float64)
    torch.testing.assert_close(mixed(image, flat), laplacian(image))
    torch.testing.assert_close(mixed(flat, image), laplacian(image))


def test_mixed_guidance_sums_to_zero_over_the_frame():
    # Every edge counts once from either side, so that a solution exists on the whole frame.
    total = mixed(random(2, 3, 9, 7), random(2, 3, 9, 7, seed=1)).sum((2, 3))
    torch.testing.assert_close(total, torch.zeros(2, 3, dtype=torch.float64), atol=1e-13, rtol=0)


def test_monochrome_guidance_is_that_of_the_luminance_in_each_channel():
    # 0.299 red + 0.587 green + 0.114 blue (BT.601): a step from red to green is one of 0.288.
    source = torch.zeros(1, 3, 1, 2, dtype=torch.float64)
    source[0, 0, 0, 0] = source[0, 1, 0, 1] = 1
    valid = torch.ones(1, 1, 1, 2, dtype=torch.float64)
    guidance = guidance_field(source, valid, random(1, 3, 1, 2), valid > 0, "monochrome")
    torch.testing.assert_close(guidance, grey([[-0.288, 0.288]]))


def test_monochrome_guidance_has_equal_channels_and_respects_what_is_valid():
    source, target = random(2, 3, 5, 6), random(2, 3, 5, 6, seed=1)
    valid = (random(2, 1, 5, 6, seed=2) > 0.4).double()
    guidance = guidance_field(source, valid, target, valid >= 0, "monochrome")
    assert torch.equal(guidance, guidance[:, :1].expand_as(guidance))
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)[:, None, None]
    luminance = (weights * source).sum(1, keepdim=True)
    torch.testing.assert_close(guidance[:, :1], laplacian(luminance, valid))


def test_a_grey_source_is_imported_by_monochrome():
    source, valid = grey(PICTURE) / 256, plane([[1.0] * 3] * 3)
    guidance = guidance_field(source, valid, random(1, 3, 3, 3), valid > 0, "monochrome")
    torch.testing.assert_close(guidance, laplacian(source))


@pytest.mark.parametrize("gradients", GRADIENTS)
def test_the_inputs_are_not_modified(gradients):
    valid = torch.ones(1, 1, 4, 5, dtype=torch.float64)
    tensors = [random(1, 3, 4, 5), valid, random(1, 3, 4, 5, seed=1), valid > 0]
    before = [tensor.clone() for tensor in tensors]
    guidance_field(*tensors, gradients)
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def test_other_gradients_are_refused():
    image, valid = random(1, 3, 2, 2), torch.ones(1, 1, 2, 2).double()
    words = "gradients must be one of import, mixed, monochrome, got 'stronger'"
    with pytest.raises(ValueError, match=words):
        guidance_field(image, valid, image, valid > 0, "stronger")


def cut_edge_by_edge(source, valid, inside, contrast):
    """The source's Laplacian, (C, H, W), with the steps to neighbours outside clamped."""
    channels, height, width = source.shape
    wanted = np.zeros((channels, height, width))
    for row, column in np.ndindex(height, width):
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= r < height and 0 <= c < width and valid[row, column] and valid[r, c]:
                step = source[:, row, column] - source[:, r, c]
                if inside[row, column] and not inside[r, c]:
                    step = step.clip(-contrast, contrast)
                wanted[:, row, column] += step
    return wanted


@pytest.mark.parametrize("contrast", [0.0, 0.25, 0.6, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_only_steps_out_of_the_mask_are_cut_to_the_contrast(shape, contrast):
    source = random(*shape)
    valid = (random(shape[0], 1, *shape[2:], seed=1) > 0.2).double()
    support = random(shape[0], 1, *shape[2:], seed=2) > 0.4
    guidance = guidance_field(source, valid, random(*shape, seed=3), support)
    found = without_contours(guidance, source, valid, 0 * source, support, contrast)
    samples = zip(source.numpy(), valid[:, 0].numpy(), support[:, 0].numpy(), strict=True)
    wanted = torch.from_numpy(np.array([cut_edge_by_edge(*one, contrast) for one in samples]))
    torch.testing.assert_close(found, torch.where(support, wanted, guidance))
    assert torch.equal(found[(~support).expand_as(found)], guidance[(~support).expand_as(found)])


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_big_step_is_cut_on_either_side_of_either_way(transposed, flipped, sign):
    # A step of 0.75 from outside into the mask becomes one of 0.25; the one of 0.5 inside stays.
    source = 0.5 + sign * (plane([[0.0, 0.0, 0.75, 0.75, 0.25]]) - 0.5)
    support, wanted = plane([[0, 0, 1, 1, 1]]) > 0, sign * plane([[0, -0.75, 0.25, 0.5, -0.5]])
    if flipped:
        source, support, wanted = (x.flip(3) for x in (source, support, wanted))
    if transposed:
        source, support, wanted = (x.mT for x in (source, support, wanted))
    guidance = laplacian(source)
    valid = torch.ones_like(source)
    assert torch.equal(without_contours(guidance, source, valid, 0 * source, support, 0.25), wanted)


def test_small_steps_leave_the_guidance_bit_for_bit():
    source = 0.25 * random(2, 3, 9, 8).float()
    support, valid = random(2, 1, 9, 8, seed=1) > 0.5, torch.ones(2, 1, 9, 8)
    guidance = random(2, 3, 9, 8, seed=2).float()
    assert torch.equal(
        without_contours(guidance, source, valid, 0 * source, support, 0.25), guidance
    )


def test_steps_to_neighbours_that_are_not_valid_are_none():
    # The source ends with the mask and is 0 beyond: no step there was in the guidance.
    support = torch.zeros(1, 1, 6, 7, dtype=torch.bool)
    support[..., 2:5, 2:6] = True
    valid, source = support.double(), torch.where(support, 0.9 + 0 * random(1, 3, 6, 7), 0)
    guidance = guidance_field(source, valid, random(1, 3, 6, 7, seed=1), support)
    assert torch.equal(
        without_contours(guidance, source, valid, 0 * source, support, 0.25), guidance
    )


def test_channels_are_cut_each_by_itself():
    source = torch.zeros(1, 3, 1, 2, dtype=torch.float64)
    source[0, :, 0, 1] = torch.tensor([0.1, 0.5, 1.0])
    support = plane([[0, 1]]) > 0
    valid = torch.ones(1, 1, 1, 2).double()
    found = without_contours(laplacian(source), source, valid, 0 * source, support, 0.25)
    assert found[0, :, 0, 1].tolist() == pytest.approx([0.1, 0.25, 0.25])


def test_cutting_contours_modifies_no_input():
    given = [random(1, 3, 5, 6, seed=seed) for seed in (0, 1)]
    given += [torch.ones(1, 1, 5, 6).double(), random(1, 3, 5, 6, seed=3)]
    given += [random(1, 1, 5, 6, seed=2) > 0.5]
    before = [tensor.clone() for tensor in given]
    without_contours(*given, 0.1)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))


def test_a_step_that_the_target_has_too_is_no_contour():
    # The mask's edge lies on an edge of both: nothing is asked for twice.
    source = plane([[0.0, 0.0, 0.75, 0.75]])
    support, valid = plane([[0, 0, 1, 1]]) > 0, torch.ones_like(source)
    guidance = laplacian(source)
    for target, wanted in ((source, 0.75), (0.2 * source, 0.15 + 0.25), (-source, 0.25)):
        found = without_contours(guidance, source, valid, target, support, 0.25)
        assert found[0, 0, 0].tolist() == pytest.approx([0, -0.75, wanted, 0])


def test_a_step_of_what_the_target_hides_changes_nothing():
    # Blanked under the mask, the target has a step of its own there: the source has none to cut.
    source = 0.5 + 0.2 * random(1, 3, 6, 7)
    target, support = torch.zeros_like(source), random(1, 1, 6, 7, seed=1) > 0.5
    target[..., 3:] = 1
    guidance = laplacian(source)
    found = without_contours(
        guidance, source, torch.ones_like(source[:, :1]), target, support, 0.25
    )
    assert torch.equal(found, guidance)

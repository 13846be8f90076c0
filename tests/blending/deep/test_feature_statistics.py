"""Sums over feature vectors: by hand, by parts, by differences."""

import pytest
import torch

from blending.deep.feature_statistics import FeatureReference, outer_sum
from blending.placement.box import Box, crop


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_outer_sum_by_hand():
    # Two pixels, (1, 3) and (2, −1): their outer products added up.
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    assert outer_sum(features).tolist() == [[[5.0, 1.0], [1.0, 10.0]]]
    first = torch.tensor([[[[1.0, 0.0]]]])
    assert outer_sum(features, first).tolist() == [[[1.0, 3.0], [3.0, 9.0]]]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_outer_sums_of_parts_add_up(layout):
    features = random(2, 3, 4, 5).contiguous(memory_format=layout)
    parts = outer_sum(features[..., :2, :]) + outer_sum(features[..., 2:, :])
    torch.testing.assert_close(outer_sum(features), parts)


@pytest.mark.parametrize("rows", [1, 2])
def test_the_pixels_that_count_are_each_pictures_own_or_those_of_all(rows):
    features = random(2, 3, 4, 5)
    where = (random(rows, 1, 4, 5, seed=1) > 0.5).double()
    expected = torch.zeros(2, 3, 3, dtype=torch.float64)
    for picture in range(2):
        counted = where[picture % rows, 0]
        assert 0 < counted.sum() < 20
        for row, column in counted.nonzero().tolist():
            vector = features[picture, :, row, column]
            expected[picture] += torch.outer(vector, vector)
    torch.testing.assert_close(outer_sum(features, where), expected)


def test_the_slope_of_the_outer_sum_is_that_of_differences():
    assert torch.autograd.gradcheck(outer_sum, random(2, 3, 4, 2).requires_grad_())
    where = (random(1, 1, 4, 2, seed=1) > 0.5).double()
    features = random(2, 3, 4, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: outer_sum(x, where), features)


def test_the_slope_of_the_outer_sum_is_given_once():
    # A second derivative would be wrong by what the shortened slope leaves out: it is refused.
    features = random(1, 2, 3, 3).requires_grad_()
    (slope,) = torch.autograd.grad(outer_sum(features).square().sum(), features, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_the_content_distance_and_its_scale_by_hand():
    # The weight 2 counts (3 − 1)² = 4 and, for the scale, 1² = 1; the weight 0 counts nothing.
    reference = FeatureReference(
        torch.tensor([[[[1.0, 5.0]]]]).double(), torch.tensor([[[[2.0, 0.0]]]]).double()
    )
    assert reference.distance(torch.tensor([[[[3.0, 9.0]]]]).double()).tolist() == [8.0]
    assert reference.scale.tolist() == [2.0]


def test_parts_of_the_content_distance_add_up_to_it_and_its_scale_is_that_of_nothing():
    expected, weight, features = (
        random(2, 3, 4, 6),
        random(2, 1, 4, 6, seed=1),
        random(2, 3, 4, 6, seed=2),
    )
    content = FeatureReference(expected, weight)
    boxes = [Box(0, 0, 4, 2), Box(0, 2, 1, 4), Box(1, 2, 3, 4)]
    parts = sum(content.part(box).distance(crop(features, box)) for box in boxes)
    torch.testing.assert_close(content.distance(features), parts)
    torch.testing.assert_close(content.scale, (weight * expected**2).sum((1, 2, 3)))

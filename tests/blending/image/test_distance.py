"""Distances against scipy's Euclidean transform."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from blending.image.distance import distance_inside


def expected(where, limit):
    distances = distance_transform_edt(where[0, 0].numpy())
    return np.where(distances > limit, np.inf, distances)


@pytest.mark.parametrize("limit", [1, 5, 80, 127])
@pytest.mark.parametrize(("height", "width"), [(1, 200), (200, 1), (90, 170), (300, 280)])
@pytest.mark.parametrize("unmarked", [0.0004, 0.02, 0.7])
def test_distances_are_scipys_up_to_the_limit(height, width, unmarked, limit):
    seed = torch.Generator().manual_seed(7)
    where = torch.rand(1, 1, height, width, generator=seed) > unmarked
    where[0, 0, height // 3, width // 3] = False
    found = distance_inside(where, limit)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[0, 0].numpy(), expected(where, limit), rtol=1e-6)


def test_a_distance_of_the_limit_is_known_one_of_a_little_more_is_not():
    where = torch.ones(1, 1, 40, 40, dtype=torch.bool)
    where[0, 0, 0, 0] = False
    found = distance_inside(where, 25)[0, 0]
    assert found[15, 20] == found[7, 24] == found[25, 0] == 25  # 15² + 20² = 7² + 24² = 25²
    assert found[16, 20] == found[0, 26] == torch.inf


def test_where_all_is_marked_nothing_is_near_and_where_none_is_all_is_0():
    every = torch.ones(1, 1, 5, 7, dtype=torch.bool)
    assert (distance_inside(every, 127) == torch.inf).all()
    assert (distance_inside(~every, 127) == 0).all()


@pytest.mark.parametrize("limit", [0, -3, 128])
def test_another_limit_is_refused(limit):
    with pytest.raises(ValueError, match=f"limit must be 1 to 127 pixels, got {limit}"):
        distance_inside(torch.ones(1, 1, 3, 3, dtype=torch.bool), limit)

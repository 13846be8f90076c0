"""Percentiles against NumPy's."""

import numpy as np
import pytest
import torch

from blending.image.percentile import percentile


def test_four_values_by_hand():
    values = torch.tensor([4.0, 1.0, 3.0, 2.0])
    assert [percentile(values, share) for share in (0, 0.5, 0.9, 1)] == pytest.approx(
        [1, 2.5, 3.7, 4]
    )


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
@pytest.mark.parametrize("share", [0, 0.1, 0.4, 0.5, 0.9, 1])
def test_they_are_numpys(count, share, noise):
    values = noise(count)
    expected = np.percentile(values.double().numpy(), 100 * share)
    assert percentile(values, share) == pytest.approx(expected, rel=1e-6)


def test_more_values_than_quantile_takes():
    values = torch.zeros(2**24 + 1)
    values[: 2**22] = 1
    assert percentile(values, 0.5) == 0
    assert percentile(values, 0.8) == 1

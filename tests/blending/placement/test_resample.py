"""Resampled planes: the layout in memory does not show, ranges and dtypes stay."""

import pytest
import torch

from blending.placement.resample import resampled, resize

COLOURS = torch.tensor([0.125, 0.5, 0.75])[None, :, None, None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("size", "wanted"),
    [((9, 1), (4, 1)), ((1, 9), (1, 4)), ((9, 7), (4, 3)), ((1, 1), (3, 2)), ((9, 1), (12, 2))],
)
def test_planes_that_lie_channels_last_keep_their_colours(size, wanted, dtype, noise):
    flat = COLOURS.to(dtype).expand(2, -1, *size).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        resize(flat, wanted), COLOURS.to(dtype).expand(2, -1, *wanted), atol=1e-6, rtol=0
    )
    plain = noise(2, 3, *size).to(dtype)
    there = plain.contiguous(memory_format=torch.channels_last)
    assert torch.equal(resize(there, wanted), resize(plain, wanted))


def test_the_range_and_the_dtype_stay_and_the_same_size_keeps_its_bits(noise):
    edge = (noise(1, 1, 12, 12) > 0.5).half()
    small = resampled(edge, (7, 9))
    assert (small.dtype, tuple(small.shape)) == (torch.float16, (1, 1, 7, 9))
    assert small.min() >= 0
    assert small.max() <= 1
    assert resize(edge.float(), (7, 9)).min() < 0  # which the range has cut off
    assert resampled(edge, (12, 12)) is edge

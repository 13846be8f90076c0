"""Levels as floats and back."""

import numpy as np
import pytest
import torch

from blending.placement.levels import WHITE, as_kept, as_values, is_levels, pixels_at

DTYPES = {torch.uint8: np.uint8, torch.uint16: np.uint16}


def every_level(dtype):
    """(1, 1, 16 or 256, 16 or 256), each level once."""
    white = WHITE[dtype]
    side = round((white + 1) ** 0.5)
    return torch.from_numpy(np.arange(white + 1).astype(DTYPES[dtype]).reshape(1, 1, side, side))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_level_is_the_nearest_float_of_its_share_of_white_and_comes_back(dtype):
    levels = every_level(dtype)
    values = as_values(levels)
    exact = np.arange(WHITE[dtype] + 1, dtype=np.float64) / WHITE[dtype]
    assert np.array_equal(values.flatten().numpy(), exact.astype(np.float32))
    assert torch.equal(as_kept(values, levels), levels)


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_between_levels_go_to_the_nearest_and_beyond_white_are_clipped(dtype):
    white = WHITE[dtype]
    values = torch.tensor([-0.5, 10.4 / white, 10.6 / white, 1.5]).view(1, 1, 1, 4)
    found = as_kept(values, every_level(dtype))
    assert found.dtype == dtype
    assert found.flatten().tolist() == [0, 10, 11, white]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_floats_are_not_touched(dtype):
    picture = torch.tensor([[[[-0.25, 0.5, 1.25]]]], dtype=dtype)
    assert as_values(picture) is picture
    assert torch.equal(as_kept(picture, picture), picture)
    assert not is_levels(picture)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_part_of_interleaved_levels_is_laid_out_in_planes(dtype):
    rows = np.arange(4 * 5 * 3).reshape(4, 5, 3).astype(DTYPES[dtype])
    picture = torch.from_numpy(rows).permute(2, 0, 1)[None]
    values = as_values(picture[..., 1:3, 2:4])
    assert is_levels(picture)
    assert values.is_contiguous()
    expected = rows[1:3, 2:4].transpose(2, 0, 1)[None].astype(np.float32)
    assert np.array_equal(values.numpy(), expected / np.float32(WHITE[dtype]))


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float32])
def test_single_pixels_are_those_of_the_whole_picture(dtype, noise):
    picture = as_kept(noise(1, 3, 6, 7), torch.zeros(0, dtype=dtype))
    rows, columns = torch.tensor([[0, 5], [3, 3]]), torch.tensor([[6, 0], [2, 2]])
    found = pixels_at(picture, rows, columns)
    assert torch.equal(found, as_values(picture)[:, :, rows, columns])

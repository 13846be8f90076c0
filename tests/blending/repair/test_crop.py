"""Crops: the picture's own pixels, one size, padded only where there is no picture."""

import pytest
import torch
from skimage import data

from blending.placement.box import Box, crop
from blending.placement.resample import resampled
from blending.repair.crop import crop_for_repair
from blending.repair.region import CropSettings

NARROW = CropSettings(context=0.0, context_pixels=4, grow=0)


def noise(batch: int, channels: int, height: int = 60, width: int = 80) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(batch, channels, height, width, generator=generator)


def masked(*boxes: Box, height: int = 60, width: int = 80) -> torch.Tensor:
    mask = torch.zeros(1, 1, height, width)
    for box in boxes:
        mask[(..., *box.slices)] = 1
    return mask


@pytest.mark.parametrize("channels", [3, 4])
def test_a_crop_has_the_pictures_bits(channels):
    picture = noise(1, channels)
    crops = crop_for_repair(picture, masked(Box(20, 30, 16, 8)), NARROW)
    (region,) = crops.place.regions
    assert region.box == Box(16, 26, 24, 16)
    assert torch.equal(crops.image, crop(picture[:, :3], region.box))
    assert torch.equal(crops.mask, crop(masked(Box(20, 30, 16, 8)), region.box))
    assert crops.place.picture is picture
    assert crops.place.words == "1 crop of 16 x 24 pixels, cut at column 26, row 16"
    assert crops.place.notes == ()


def test_a_batch_and_its_masks():
    pictures, first, second = noise(2, 3), masked(Box(4, 4, 8, 8)), masked(Box(40, 50, 8, 8))
    one = crop_for_repair(pictures, first, NARROW)
    assert [region.sample for region in one.place.regions] == [0, 1]
    each = crop_for_repair(pictures, torch.cat((first, second)), NARROW)
    assert torch.equal(each.image[1], pictures[1, :, 36:52, 46:62])
    several = crop_for_repair(pictures[:1], torch.cat((first, second)), NARROW)
    assert [region.sample for region in several.place.regions] == [0, 0]
    split = crop_for_repair(pictures[:1], first + second, CropSettings(0.0, 4, grow=0, split=True))
    assert torch.equal(split.image, several.image)
    empty = crop_for_repair(pictures, torch.cat((first, 0 * first)), NARROW)
    assert len(empty.image) == 1
    assert empty.place.notes == ("mask 1 of the batch (from 0) takes nothing: no crop for it",)


def test_a_small_picture_is_padded_with_its_edge_and_that_is_said():
    picture = noise(1, 3, 13, 80)
    crops = crop_for_repair(picture, masked(Box(0, 0, 13, 20), height=13), NARROW)
    assert crops.image.shape[2:] == (16, 32)
    assert torch.equal(crops.image[..., 1:14, :], picture[..., :32])
    assert torch.equal(crops.image[..., 0, :], picture[..., 0, :32])
    assert torch.equal(crops.image[..., 14:, :], picture[..., -1:, :32].expand(-1, -1, 2, -1))
    assert not crops.mask[..., (0, 14, 15), :].any()
    assert "smaller than the part of 32 x 16" in crops.place.notes[0]


def test_a_named_size_enlarges_and_what_is_shrunk_is_said():
    picture = torch.from_numpy(data.astronaut()).movedim(-1, 0)[None].float() / 255
    mask = masked(Box(100, 200, 64, 64), height=512, width=512)
    large = crop_for_repair(picture, mask, CropSettings(0.0, 0, width=256, height=256, grow=0))
    assert large.image.shape == (1, 3, 256, 256)
    assert large.place.words.startswith("1 crop of 256 x 256 pixels, scaled by 4.00, ")
    back = resampled(large.image, (64, 64))
    assert (back - picture[..., 100:164, 200:264]).abs().mean() < 2 / 255
    small = crop_for_repair(picture, mask, CropSettings(0.0, 0, width=32, grow=0))
    assert small.image.shape == (1, 3, 32, 32)
    assert "shrunk to 0.50 of its size" in small.place.notes[0]


def test_a_mask_that_leaves_nothing_is_said():
    (note,) = crop_for_repair(
        noise(1, 3), masked(Box(0, 0, 60, 80)), CropSettings(multiple=1)
    ).place.notes
    assert note.startswith("mask covers the whole picture")
    almost = crop_for_repair(
        noise(1, 3), masked(Box(0, 0, 60, 79)), CropSettings(multiple=1, grow=0)
    )
    assert almost.place.notes == ()


def test_half_precision_stays():
    crops = crop_for_repair(noise(1, 3).half(), masked(Box(4, 4, 8, 8)), CropSettings(width=64))
    assert (crops.image.dtype, crops.mask.dtype) == (torch.float16, torch.float16)


@pytest.mark.parametrize(
    ("picture", "mask", "words"),
    [
        (noise(1, 2), masked(Box(4, 4, 8, 8)), "image must be"),
        (noise(1, 3) * 255, masked(Box(4, 4, 8, 8)), "image must be in"),
        (noise(1, 3), masked(Box(4, 4, 8, 8), height=61), "mask must have the size of image"),
        (noise(2, 3), masked(Box(4, 4, 8, 8)).expand(3, -1, -1, -1), "batch sizes"),
        (noise(1, 3), masked(), r"mask must be above 0 somewhere \(1 = repair\), got at most 0"),
    ],
)
def test_what_cannot_be_cut_is_named(picture, mask, words):
    with pytest.raises(ValueError, match=words):
        crop_for_repair(picture, mask)

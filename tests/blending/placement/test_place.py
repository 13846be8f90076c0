"""Source and mask on the target: places, sizes, alpha, batches, and the errors."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
from PIL import Image

from blending.placement.box import Box
from blending.placement.place import place


def random(*shape, seed=0, low=0.0, high=1.0):
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(shape, generator=generator)


def ones(*shape):
    return torch.ones(1, 1, *shape)


def pasted_by_loop(source, mask, target, row, column):
    """Copy and paste pixel by pixel, in float64; what lies outside the target is lost."""
    image = target.double().numpy().copy()
    for i, j in itertools.product(*map(range, mask.shape[2:])):
        r, c, weight = row + i, column + j, mask[0, 0, i, j].item()
        if 0 <= r < image.shape[2] and 0 <= c < image.shape[3] and weight >= 1 / 256:
            colour = source[0, :3, i, j].double().numpy()
            image[0, :3, r, c] = weight * colour + (1 - weight) * image[0, :3, r, c]
    return torch.from_numpy(image)


@pytest.mark.parametrize("channels", [3, 4])
def test_every_place_with_an_overlap_is_pasted_as_by_a_loop(channels):
    source, target = random(1, 3, 3, 4), random(1, channels, 5, 6, seed=1)
    mask = random(1, 1, 3, 4, seed=2, low=0.5)
    for row, column in itertools.product(range(-2, 5), range(-3, 6)):
        pasted = place(source, target, mask, row, column).paste
        wanted = pasted_by_loop(source, mask, target, row, column).float()
        torch.testing.assert_close(pasted, wanted)


def test_a_source_larger_than_the_target_shows_its_middle():
    source, target = random(1, 3, 9, 11), random(1, 3, 4, 5, seed=1)
    placed = place(source, target, ones(9, 11), row=-3, column=-2)
    assert torch.equal(placed.source, source[..., 3:7, 2:7])
    assert (placed.row, placed.column) == (0, 0)
    assert torch.equal(placed.paste, source[..., 3:7, 2:7])


def test_only_the_visible_part_is_kept_with_its_place():
    source = random(1, 3, 4, 6)
    placed = place(source, random(1, 3, 8, 8), ones(4, 6), row=-1, column=5)
    assert torch.equal(placed.source, source[..., 1:, :3])
    assert placed.mask.shape == placed.source_valid.shape == (1, 1, 3, 3)
    assert (placed.row, placed.column) == (0, 5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_every_level_of_eight_bits_counts_in_every_float(dtype):
    mask = (torch.arange(256, dtype=torch.float64) / 255).to(dtype).view(1, 1, 1, 256)
    placed = place(random(1, 3, 1, 256), random(1, 3, 1, 256), mask)
    assert torch.equal(placed.mask, mask)
    assert ((placed.mask > 0) == (mask > 0)).all() and (mask > 0).sum() == 255


def test_mask_values_below_a_level_of_eight_bits_are_dropped():
    below = math.nextafter(1 / 256, 0.0)
    mask = torch.tensor([[[[0.0, below, 0.5, 0.75, 1.0]]]], dtype=torch.float64)
    source, target = random(1, 3, 1, 5), random(1, 3, 1, 5, seed=1)
    placed = place(source, target, mask)
    assert placed.mask.flatten().tolist() == [0, 0, 0.5, 0.75, 1]
    assert torch.equal(placed.paste[..., :2], target[..., :2])
    torch.testing.assert_close(placed.paste[..., 2:3], (source + target)[..., 2:3] / 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_outside_the_mask_the_paste_is_the_target_bit_for_bit(dtype):
    mask = (random(1, 1, 20, 20) - 0.3).clamp_min(0)
    target = random(1, 4, 30, 30, seed=1).to(dtype)
    target[0, :3, ::3, ::3] = -0.0  # a sign is lost by adding 0
    pasted = place(random(1, 3, 20, 20, seed=2).to(dtype), target, mask, 5, -4).paste
    inside = torch.zeros(30, 30, dtype=torch.bool)
    inside[5:25, :16] = mask[0, 0, :, 4:] >= 1 / 256
    kind = {2: torch.int16, 4: torch.int32, 8: torch.int64}[target.element_size()]
    assert pasted.dtype == dtype
    assert torch.equal(pasted.view(kind)[..., ~inside], target.view(kind)[..., ~inside])
    assert torch.equal(pasted[:, 3], target[:, 3])  # alpha is carried through


def test_a_whole_mask_pastes_the_source_bit_for_bit():
    source = random(1, 3, 4, 5) ** 3  # with all the bits of a float32
    pasted = place(source, random(1, 3, 6, 7, seed=1), ones(4, 5), 1, 2).paste
    assert torch.equal(
        pasted[..., 1:5, 2:7].contiguous().view(torch.int32), source.view(torch.int32)
    )


def test_the_full_mask_lies_on_the_target_in_its_type():
    mask = torch.tensor([[[[1.0, 0.25], [0.5, 1.0]]]])
    placed = place(random(1, 3, 2, 2), random(1, 3, 3, 4).half(), mask, 1, -1)
    assert placed.full_mask.dtype == torch.float16
    assert placed.full_mask.tolist() == [[[[0, 0, 0, 0], [0.25, 0, 0, 0], [1, 0, 0, 0]]]]


def test_alpha_is_the_mask_when_there_is_none():
    alpha = torch.tensor([[[[0.0, 0.25, 0.5, 1.0]]]])
    colour = random(1, 3, 1, 4)
    placed = place(torch.cat((colour, alpha), 1), random(1, 3, 1, 4, seed=1))
    assert placed.mask.flatten().tolist() == [0, 0.25, 0.5, 1]
    assert placed.source_valid.flatten().tolist() == [0, 1, 1, 1]
    assert torch.equal(placed.source, colour)
    assert placed.notes == ("the source's alpha is the mask",)


def test_alpha_multiplies_the_mask():
    alpha = torch.tensor([[[[0.75, 0.75, 1.0, 0.0]]]])
    mask = torch.tensor([[[[0.75, 0.5, 0.0, 1.0]]]])
    source = torch.cat((random(1, 3, 1, 4), alpha), 1)
    placed = place(source, random(1, 3, 1, 4, seed=1), mask)
    assert placed.mask.flatten().tolist() == [0.5625, 0.375, 0, 0]
    assert placed.source_valid.flatten().tolist() == [1, 1, 1, 0]
    assert placed.notes == ("the source's alpha multiplies the mask",)


def test_a_source_without_alpha_is_valid_everywhere_and_leaves_no_note():
    mask = torch.tensor([[[[0.0, 1.0]]]])
    placed = place(random(1, 3, 1, 2), random(1, 3, 1, 2), mask)
    assert placed.source_valid.tolist() == [[[[1, 1]]]]
    assert placed.notes == ()


@pytest.mark.parametrize(
    ("scale", "size"), [(2, (10, 14)), (0.5, (2, 4)), (1.3, (6, 9)), (0.01, (1, 1))]
)
def test_scale_gives_the_rounded_size(scale, size):
    # 5 x 7 by 1.3: 6.5 and 9.1; halves round to even: 2.5 → 2, 3.5 → 4, 6.5 → 6.
    placed = place(random(1, 3, 5, 7), random(1, 3, 20, 20), ones(5, 7), scale=scale)
    assert placed.source.shape == (1, 3, *size)
    assert placed.mask.shape == placed.source_valid.shape == (1, 1, *size)


def resized_by_pillow(plane, height, width):
    """Bicubic with antialiasing, in float."""
    resized = Image.fromarray(plane.numpy()).resize((width, height), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized))


@pytest.mark.parametrize("scale", [0.5, 0.3, 2, 1.7])
def test_scaled_colours_and_masks_are_pillows_bicubic(scale):
    source, mask = random(1, 3, 20, 30), random(1, 1, 20, 30, seed=1, low=0.3)
    placed = place(source, random(1, 3, 60, 60), mask, scale=scale)
    size = placed.source.shape[2:]
    wanted = torch.stack([resized_by_pillow(channel, *size) for channel in source[0]])
    torch.testing.assert_close(placed.source[0], wanted, atol=1e-5, rtol=0)
    soft = resized_by_pillow(mask[0, 0], *size).clamp(0, 1)
    clear = (soft - 1 / 256).abs() > 1e-5  # the other implementation may round across the threshold
    wanted = torch.where(soft >= 1 / 256, soft, 0)
    torch.testing.assert_close(placed.mask[0, 0][clear], wanted[clear], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("sources", "masks", "targets"), [(3, 3, 3), (1, 1, 3), (3, 1, 1), (1, 3, 1), (3, 1, 3)]
)
@pytest.mark.parametrize("channels", [3, 4])
def test_a_batch_is_pasted_as_its_pictures_one_by_one(sources, masks, targets, channels):
    source = random(sources, channels, 4, 5, low=0.75)
    mask = random(masks, 1, 4, 5, seed=1)
    target = random(targets, 3, 6, 7, seed=2)
    placed = place(source, target, mask, 1, 2)
    assert placed.batch == 3
    assert placed.paste.shape == (3, 3, 6, 7)
    for i in range(3):
        one = [t[i % t.shape[0]][None] for t in (source, target, mask)]
        assert torch.equal(placed.paste[i][None], place(*one, 1, 2).paste)


def test_a_picture_of_a_batch_may_be_empty():
    mask = torch.stack((torch.zeros(1, 2, 2), torch.ones(1, 2, 2)))
    target = random(1, 3, 4, 4)
    placed = place(random(1, 3, 2, 2), target, mask)
    assert [placed.is_empty(0), placed.is_empty(1)] == [True, False]
    assert torch.equal(placed.paste[:1], target)


@pytest.mark.parametrize("scale", [1, 2])
def test_half_precision_is_pasted_in_half_precision(scale):
    source, target = random(1, 4, 4, 4, low=0.75), random(1, 3, 9, 9, seed=1)
    pasted = place(source.half(), target.half(), scale=scale).paste
    assert pasted.dtype == torch.float16
    wanted = place(source.half().float(), target.half().float(), scale=scale).paste
    if scale == 1:  # computed in float32 and rounded once
        assert torch.equal(pasted, wanted.half())
    torch.testing.assert_close(pasted, wanted.half())


def test_types_may_differ_and_the_targets_is_kept():
    source, target = random(1, 3, 2, 2).half(), random(1, 3, 3, 3, seed=1).double()
    placed = place(source, target, ones(2, 2).to(torch.bfloat16))
    assert placed.paste.dtype == torch.float64
    assert torch.equal(placed.paste[..., :2, :2], source.double())


@pytest.mark.parametrize("scale", [1, 1.5])
def test_the_inputs_are_not_modified(scale):
    tensors = [random(1, 4, 4, 5), random(2, 4, 6, 7, seed=1), random(1, 1, 4, 5, seed=2, low=0.4)]
    before = [tensor.clone() for tensor in tensors]
    placed = place(*tensors, 1, 1, scale)
    placed.paste.zero_()
    placed.window(1, 16).target.zero_()
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def test_the_window_is_the_masks_box_with_a_margin():
    # The mask's box is rows 41-43 and columns 52-55: with 16, from 25 and 36 to 60 and 72.
    mask = torch.zeros(1, 1, 10, 10)
    mask[..., 1:4, 2:6] = 0.75
    source, target = random(1, 3, 10, 10), random(1, 4, 90, 100, seed=1)
    window = place(source, target, mask, 40, 50).window(0, 16)
    assert window.box == Box(25, 36, 35, 36)
    assert torch.equal(window.target, target[:, :3, 25:60, 36:72])
    for name, tensor in (
        ("source", source),
        ("mask", mask),
        ("source_valid", torch.ones_like(mask)),
    ):
        wanted = torch.zeros(1, tensor.shape[1], 35, 36)
        wanted[..., 15:25, 14:24] = tensor
        assert torch.equal(getattr(window, name), wanted), name


def test_the_window_of_a_source_larger_than_its_window_is_cut():
    mask = torch.zeros(1, 1, 60, 60)
    mask[..., 30, 33] = 1
    source = random(1, 3, 60, 60)
    window = place(source, random(1, 3, 50, 50, seed=1), mask, -5, -6).window(0, 4)
    assert window.box == Box(21, 23, 9, 9)  # around (25, 27)
    assert torch.equal(window.source, source[..., 26:35, 29:38])


@pytest.mark.parametrize("row", [-3, 0, 5, 33, 44])
@pytest.mark.parametrize("column", [-3, 0, 13, 37])
def test_every_window_has_its_margin_inside_the_frame(row, column):
    placed = place(random(1, 3, 6, 7), random(1, 3, 47, 41), ones(6, 7), row, column)
    window = placed.window(0, 16)
    top, left, (height, width) = window.box.top, window.box.left, window.box.size
    assert (top, left) == (max(max(row, 0) - 16, 0), max(max(column, 0) - 16, 0))
    assert top + height == min(row + 6 + 16, 47)
    assert left + width == min(column + 7 + 16, 41)
    shapes = {t.shape[2:] for t in (window.source, window.mask, window.source_valid, window.target)}
    assert shapes == {(height, width)}
    whole = torch.zeros(1, 1, 47, 41)
    whole[..., max(row, 0) : row + 6, max(column, 0) : column + 7] = 1
    assert torch.equal(placed.full_mask, whole)
    assert torch.equal(window.mask, whole[..., top : top + height, left : left + width])


@pytest.mark.parametrize(
    ("dtype", "computed"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_a_window_is_computed_in_float32_or_the_targets_float64(dtype, computed):
    window = place(random(1, 3, 4, 4), random(1, 3, 8, 8).to(dtype), ones(4, 4)).window(0, 16)
    assert {t.dtype for t in (window.source, window.mask, window.source_valid, window.target)} == {
        computed
    }


def test_a_window_lies_in_memory_the_same_way_wherever_its_pictures_come_from():
    """Sums over another layout are rounded otherwise, those of a batch than those of one."""
    pictures = random(2, 3, 6, 7), random(2, 3, 8, 9, seed=1), random(2, 1, 6, 7, seed=2)
    nodes = (tensor.contiguous(memory_format=torch.channels_last) for tensor in pictures)
    for source, target, mask in (pictures, nodes):
        window = place(source, target, mask).window(1, 16)
        for plane in (window.source, window.mask, window.source_valid, window.target):
            assert plane.is_contiguous()


def test_each_sample_has_its_own_window():
    masks = torch.zeros(2, 1, 30, 30)
    masks[0, 0, 2, 2] = masks[1, 0, 28, 27] = 1
    placed = place(random(1, 3, 30, 30), random(2, 3, 30, 30, seed=1), masks)
    first, second = placed.window(0, 0), placed.window(1, 0)
    assert (first.box, second.box) == (Box(2, 2, 1, 1), Box(28, 27, 1, 1))
    assert torch.equal(second.target, placed.target[1:, :, 28:29, 27:28])
    assert first.support.sum() == second.support.sum() == 1


def test_the_former_name_of_where_the_source_has_pixels_still_works():
    source = random(1, 4, 3, 4).round()
    placed = place(source, random(1, 3, 5, 6), ones(3, 4))
    assert placed.known is placed.source_valid
    assert torch.equal(placed.known, (source[:, 3:] > 0).float())


def test_the_box_is_the_visible_parts_and_the_objects_that_of_each_mask():
    masks = torch.zeros(2, 1, 6, 7)
    masks[0, :, 3:5, 1:4] = 0.6
    masks[1, :, 4, 5] = masks[1, :, 2, 2] = 1
    placed = place(random(1, 3, 6, 7), random(1, 3, 20, 30), masks, -2, 8)
    assert placed.box == Box(0, 8, 4, 7)
    assert placed.object_box(0) == Box(1, 9, 2, 3)
    assert placed.object_box(1) == Box(0, 10, 3, 4)


def test_without_a_margin_the_window_is_the_whole_target():
    source, target = random(1, 3, 3, 4), random(1, 3, 20, 30, seed=1)
    window = place(source, target, ones(3, 4), 5, 6).window(0, None)
    assert window.box == Box(0, 0, 20, 30)
    assert torch.equal(window.target, target)
    assert torch.equal(window.source[..., 5:8, 6:10], source)
    assert window.support.sum() == 12


SOURCE, TARGET, MASK = random(1, 3, 4, 5), random(1, 3, 8, 9), ones(4, 5)


def changed(**arguments):
    return {"source": SOURCE, "target": TARGET, "mask": MASK} | arguments


ERRORS = {
    "no mask, no alpha": (
        {"mask": None},
        "mask must be given for a source without alpha, got none",
    ),
    "mask size": (
        {"mask": ones(5, 4)},
        "mask must have the size of source, 5 x 4 pixels, got 4 x 5 pixels",
    ),
    "mask channels": ({"mask": SOURCE}, "mask must be (B, 1, H, W) and not empty"),
    "mask range": ({"mask": MASK * 1.5}, "mask must be in [0, 1], got 1.5 to 1.5"),
    "mask nan": ({"mask": MASK * math.nan}, "mask must be finite, got NaN or infinity"),
    "mask below a level": ({"mask": MASK / 300}, "mask must be above 0 somewhere"),
    "mask all zero": (
        {"mask": MASK * 0},
        "got at most 0; is it empty, inverted, or another channel?",
    ),
    "one channel": ({"source": MASK}, "source must be (B, 3 or 4, H, W) and not empty"),
    "five channels": (
        {"target": torch.zeros(1, 5, 8, 9)},
        "target must be (B, 3 or 4, H, W) and not empty, got (1, 5, 8, 9)",
    ),
    "no pixels": (
        {"source": torch.zeros(1, 3, 0, 5)},
        "source must be (B, 3 or 4, H, W) and not empty, got (1, 3, 0, 5)",
    ),
    "no pictures": ({"target": TARGET[:0]}, "target must be (B, 3 or 4, H, W) and not empty"),
    "source nan": ({"source": SOURCE * math.nan}, "source must be finite, got NaN or infinity"),
    "target inf": ({"target": TARGET / 0}, "target must be finite, got NaN or infinity"),
    "0 to 255": ({"source": (SOURCE * 255).round()}, "(divide 8-bit values by 255)"),
    "alpha range": (
        {"source": torch.full((1, 4, 4, 5), 1.25)},
        "source's alpha must be in [0, 1], got 1.25 to 1.25",
    ),
    "alpha empty": (
        {"source": torch.zeros(1, 4, 4, 5), "mask": None},
        "mask must be above 0 somewhere",
    ),
    "batches": (
        {"source": SOURCE.expand(2, -1, -1, -1), "target": TARGET.expand(3, -1, -1, -1)},
        "batch sizes must be N with N or 1 with N, got source 2, mask 1, target 3",
    ),
    "batches of alpha and mask": (
        {"source": torch.ones(2, 4, 4, 5), "mask": MASK.expand(3, -1, -1, -1)},
        "batch sizes must be N with N or 1 with N, got source 2, mask 3",
    ),
    "row": ({"row": 40_000}, "row must be in [-32768, 32768], got 40000"),
    "column": ({"column": -40_000}, "column must be in [-32768, 32768], got -40000"),
    "scale zero": ({"scale": 0}, "scale must be in [0.001, 1000], got 0"),
    "scale negative": ({"scale": -1.0}, "scale must be in [0.001, 1000], got -1.0"),
    "scale nan": ({"scale": math.nan}, "scale must be in [0.001, 1000], got nan"),
    "scale too large": (
        {"source": torch.zeros(1, 3, 1, 40), "mask": ones(1, 40), "scale": 1e3},
        "scale must keep the source within 32768 pixels a side and 100 million in all, "
        "got 1000 for 40 x 1 pixels",
    ),
    "below the target": (
        {"row": 8},
        "source of 5 x 4 pixels must overlap the target of 9 x 8 pixels, "
        "got its corner at column 0, row 8",
    ),
    "above the target": ({"row": -4}, "must overlap the target of 9 x 8 pixels"),
    "left of the target": ({"column": -5}, "got its corner at column -5, row 0"),
    "right of the target": ({"column": 30}, "got its corner at column 30, row 0"),
    "mask off the target": (
        {"mask": torch.nn.functional.pad(ones(4, 1), (4, 0)), "row": 1, "column": 5},
        "mask must be above 0 inside the target of 9 x 8 pixels, got nothing there with the "
        "source's corner at column 5, row 1, scale 1",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_wrong_argument_is_refused_with_what_was_expected_and_got(name):
    arguments, message = ERRORS[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        place(**changed(**arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": torch.zeros(1, 3, 4, 5, dtype=torch.uint8)}, "source must be a float tensor"),
        ({"target": torch.zeros(1, 3, 8, 9, dtype=torch.int32)}, "target must be a float tensor"),
        ({"mask": torch.ones(1, 1, 4, 5, dtype=torch.bool)}, "mask must be a float tensor"),
        ({"target": np.zeros((1, 3, 8, 9))}, "target must be a torch.Tensor, got ndarray"),
        ({"row": 1.0}, "row must be a whole number, got 1.0"),
        ({"column": True}, "column must be a whole number, got True"),
        ({"scale": "2"}, "scale must be a number, got '2'"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused(arguments, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        place(**changed(**arguments))


def test_the_last_row_and_column_of_an_overhanging_source_still_count():
    placed = place(SOURCE, TARGET, MASK, row=-3, column=-4)
    assert placed.mask.shape == (1, 1, 1, 1)
    assert torch.equal(placed.paste[..., 0, 0], SOURCE[..., 3, 4])

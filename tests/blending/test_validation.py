"""Which tensors pass as pictures, masks and batches, and what the errors say."""

import math
import re

import numpy as np
import pytest
import torch

from blending.validation import (
    check_image,
    check_mask,
    check_same_size,
    check_target,
    common_batch,
    pixel_size,
)

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def filled(value, shape=(1, 3, 2, 2)):
    tensor = torch.full(shape, 0.5)
    tensor[0, 0, 0, 0] = value
    return tensor


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 4, 3, 5)])
def test_rgb_and_rgba_of_every_float_type_are_images(shape, dtype):
    check_image("source", torch.ones(shape, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_both_ends_of_the_range_are_a_mask(value, dtype):
    check_mask("mask", torch.full((2, 1, 3, 5), value, dtype=dtype))


@pytest.mark.parametrize("value", [-1.0, 2.0])
def test_an_image_may_overshoot_to_minus_one_and_two(value):
    check_image("source", filled(value))


@pytest.mark.parametrize(("value", "got"), [(-1.01, "-1.01 to 0.5"), (2.01, "0.5 to 2.01")])
def test_an_image_may_not_overshoot_further(value, got):
    with pytest.raises(ValueError, match=rf"target must be in \[0, 1\], got {got} \(divide"):
        check_image("target", filled(value))


def test_a_picture_of_0_to_255_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"source .*got 0 to 255 \(divide 8-bit values by 255\)"):
        check_image("source", torch.tensor([0.0, 9.0, 255.0]).reshape(1, 3, 1, 1))


@pytest.mark.parametrize(("value", "got"), [(-1e-3, "-0.001 to 0.5"), (1.25, "0.5 to 1.25")])
def test_a_mask_may_not_overshoot(value, got):
    with pytest.raises(ValueError, match=rf"^mask must be in \[0, 1\], got {got}$"):
        check_mask("mask", filled(value, (1, 1, 2, 2)))


SHAPES = [(3, 4, 5), (1, 1, 3, 4, 5), (1, 2, 4, 5), (1, 5, 4, 5), (0, 3, 4, 5), (1, 3, 0, 5)]


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1, 4, 5), (1, 3, 4, 0)])
def test_an_image_of_another_shape_is_refused(shape):
    words = f"source must be (B, 3 or 4, H, W) and not empty, got {shape}"
    with pytest.raises(ValueError, match=re.escape(words)):
        check_image("source", torch.zeros(shape))


@pytest.mark.parametrize("shape", [*SHAPES, (1, 3, 4, 5), (1, 1, 4, 0)])
def test_a_mask_of_another_shape_is_refused(shape):
    words = f"alpha must be (B, 1, H, W) and not empty, got {shape}"
    with pytest.raises(ValueError, match=re.escape(words)):
        check_mask("alpha", torch.zeros(shape))


@pytest.mark.parametrize("check", [check_image, check_mask])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused(check, value):
    channels = 3 if check is check_image else 1
    with pytest.raises(ValueError, match=r"^this must be finite, got NaN or infinity$"):
        check("this", filled(value, (1, channels, 2, 2)))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
@pytest.mark.parametrize(("check", "channels"), [(check_image, 3), (check_mask, 1)])
def test_integers_are_refused(check, channels, dtype):
    with pytest.raises(TypeError, match=rf"this must be a float tensor in \[0, 1\], got {dtype}"):
        check("this", torch.ones(1, channels, 2, 2, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float16, torch.float64])
def test_a_target_may_be_levels_or_floats(dtype):
    check_target(torch.ones(2, 4, 2, 3).to(dtype))


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        (torch.zeros(1, 1, 4, 5).byte(), ValueError, "(B, 3 or 4, H, W) and not empty, got (1, 1,"),
        (torch.zeros(1, 3, 0, 5).byte(), ValueError, "(B, 3 or 4, H, W) and not empty, got (1, 3,"),
        (torch.zeros(1, 3, 4, 5).int(), TypeError, "a float tensor in [0, 1], got torch.int32"),
        (torch.full((1, 3, 4, 5), 9.0), ValueError, "in [0, 1], got 9 to 9"),
        (np.zeros((1, 3, 4, 5), np.uint8), TypeError, "a torch.Tensor, got ndarray"),
    ],
    ids=["one channel", "empty", "int32", "0 to 255", "array"],
)
def test_a_target_of_another_kind_is_refused(target, error, words):
    with pytest.raises(error, match=re.escape(f"target must be {words}")):
        check_target(target)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize(("check", "channels"), [(check_image, 3), (check_mask, 1)])
def test_floats_that_torch_does_not_compute_with_are_refused(check, channels, dtype):
    words = f"this must be one of float16, bfloat16, float32, float64, got {dtype}"
    with pytest.raises(TypeError, match=words):
        check("this", torch.ones(1, channels, 2, 2).to(dtype))


@pytest.mark.parametrize("check", [check_image, check_mask])
def test_an_array_is_not_a_tensor(check):
    with pytest.raises(TypeError, match=r"this must be a torch\.Tensor, got ndarray"):
        check("this", np.zeros((1, 3, 2, 2), np.float32))


def test_sizes_are_compared_without_batch_and_channels():
    check_same_size("mask", torch.zeros(1, 1, 4, 6), "source", torch.zeros(2, 3, 4, 6))


def test_other_sizes_are_refused_in_width_by_height():
    words = "mask must have the size of source, 6 x 4 pixels, got 4 x 6 pixels"
    with pytest.raises(ValueError, match=f"^{words}$"):
        check_same_size("mask", torch.zeros(1, 1, 6, 4), "source", torch.zeros(1, 3, 4, 6))


@pytest.mark.parametrize(
    ("a", "b", "batch"), [(1, 1, 1), (1, 3, 3), (3, 1, 3), (3, 3, 3), (2, 2, 2)]
)
def test_a_batch_is_n_with_n_or_1_with_n(a, b, batch):
    assert common_batch(source=torch.zeros(a, 3, 1, 1), target=torch.zeros(b, 3, 1, 1)) == batch


@pytest.mark.parametrize("sizes", [(2, 3, 1), (3, 1, 2), (4, 2, 4)])
def test_other_batches_are_refused_with_all_sizes(sizes):
    names = ("source", "mask", "target")
    came = ", ".join(f"{name} {size}" for name, size in zip(names, sizes, strict=True))
    tensors = {n: torch.zeros(s, 1, 1, 1) for n, s in zip(names, sizes, strict=True)}
    with pytest.raises(ValueError, match=f"batch sizes must be N with N or 1 with N, got {came}"):
        common_batch(**tensors)


def test_pixel_size_says_width_first():
    assert pixel_size(torch.zeros(1, 3, 480, 640)) == "640 x 480 pixels"

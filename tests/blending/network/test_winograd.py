"""Winograd's convolution against sums in float64, and where it is used."""

import pytest
import torch
import torch.nn.functional as F

from blending.network.winograd import convolve, pays, transformed_kernel

SIZES = [(4, 4), (12, 8), (13, 9), (1, 1), (37, 50)]


@pytest.fixture
def given(noise):
    def make(height, width, inputs=5, outputs=3, batch=2):
        padded = noise(batch, inputs, height + 2, width + 2) - 0.5
        return padded, noise(outputs, inputs, 3, 3, seed=1) - 0.5, noise(1, outputs, seed=2)[0]

    return make


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_it_is_the_cross_correlation_with_the_kernel(height, width, given):
    padded, weight, bias = given(height, width)
    found = convolve(padded, transformed_kernel(weight), bias)
    expected = F.conv2d(padded.double(), weight.double(), bias.double())
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_in_float64_it_is_exact(height, width, given):
    padded, weight, bias = (x.double() for x in given(height, width))
    found = convolve(padded, transformed_kernel(weight), bias)
    expected = F.conv2d(padded, weight, bias)
    torch.testing.assert_close(found, expected, atol=1e-13, rtol=1e-12)
    torch.testing.assert_close(
        convolve(padded, transformed_kernel(weight)), expected - bias[:, None, None]
    )


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 6)])
def test_the_map_is_new_and_in_channels_last_layout(height, width, given):
    padded, weight, _ = given(height, width)
    found = convolve(padded, transformed_kernel(weight))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert not found._is_view()  # so that what follows may change it in place


def test_the_last_bits_do_not_depend_on_threads(given):
    padded, weight, bias = given(40, 36, 160, 128, batch=1)
    kernel, before = transformed_kernel(weight), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3, 4):
            torch.set_num_threads(threads)
            found.append(convolve(padded, kernel, bias))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, found[0]) for one in found)


@pytest.mark.parametrize(
    ("outputs", "inputs", "height", "width", "dtype", "expected"),
    [
        (128, 128, 32, 32, torch.float32, True),
        (256, 512, 29, 31, torch.float32, True),
        (127, 128, 32, 32, torch.float32, False),
        (512, 512, 32, 32, torch.float32, False),  # its kernel would take 38 MB
        (128, 128, 28, 32, torch.float32, False),
        (128, 128, 32, 32, torch.float64, False),
        (128, 128, 32, 32, torch.bfloat16, False),
    ],
)
def test_it_pays_with_many_channels_in_float32_on_a_processor(
    outputs, inputs, height, width, dtype, expected
):
    weight = torch.empty(outputs, inputs, 3, 3, dtype=dtype)
    assert pays(weight, height, width) is expected
    assert not pays(weight.to("meta"), height, width)

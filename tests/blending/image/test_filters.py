"""The 5-point Laplacian, its edges, the blur and the stencil's region."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from blending.image.filters import (
    blur,
    gaussian_blur,
    gaussian_kernel,
    laplacian,
    neighbour_sum,
    smoothstep,
    stencil_region,
)

SHAPES = [(1, 3, 1, 1), (1, 1, 1, 6), (2, 3, 5, 7), (3, 4, 8, 8)]


def plane(rows, dtype=torch.float64):
    return torch.tensor(rows, dtype=dtype)[None, None]


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


PICTURE = [[1.0, 2.0, 4.0], [8.0, 16.0, 32.0], [64.0, 128.0, 256.0]]


def test_neighbour_sum_adds_the_four_neighbours_inside_the_frame():
    wanted = [[10, 21, 34], [81, 170, 276], [136, 336, 160]]
    assert torch.equal(neighbour_sum(plane(PICTURE)), plane(wanted))


@pytest.mark.parametrize("shape", SHAPES)
def test_neighbour_sum_treats_samples_and_channels_alike(shape):
    image = random(*shape)
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])[None, None]
    wanted = ndimage.convolve(image.numpy(), cross, mode="constant")
    torch.testing.assert_close(neighbour_sum(image), torch.from_numpy(wanted))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", [neighbour_sum, laplacian])
def test_filters_keep_the_type(function, dtype):
    assert function(random(1, 3, 4, 5).to(dtype)).dtype == dtype


def test_the_laplacian_of_a_point_is_the_stencil():
    point = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    point[..., 2, 2] = 1
    wanted = torch.zeros_like(point)
    wanted[..., 1:4, 1:4] = plane([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])
    assert torch.equal(laplacian(point), wanted)


def test_neighbours_outside_the_frame_drop_out_of_the_laplacian():
    # Corner: 2·1 − (2 + 8); edge: 3·2 − (1 + 4 + 16); middle: 4·16 − (2 + 8 + 32 + 128); ...
    wanted = [[-8, -15, -26], [-57, -106, -180], [-8, 48, 352]]
    assert torch.equal(laplacian(plane(PICTURE)), plane(wanted))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_laplacian_is_minus_scipys_with_repeated_edges(shape):
    image = random(*shape)
    wanted = [[-ndimage.laplace(c, mode="nearest") for c in sample] for sample in image.numpy()]
    torch.testing.assert_close(laplacian(image), torch.from_numpy(np.array(wanted)))


def test_a_constant_picture_has_no_laplacian():
    assert torch.equal(laplacian(torch.full((2, 3, 5, 7), 0.75)), torch.zeros(2, 3, 5, 7))


VALID = [[0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_invalid_neighbours_drop_out_and_invalid_pixels_are_zero():
    # (0,1): 2·2 − (4 + 16); (0,2): 4 − 2; (1,0): 8 − 16; (1,1): 2·16 − (2 + 8); (2,2): alone.
    wanted = [[0, -16, 2], [-8, 22, 0], [0, 0, 0]]
    assert torch.equal(laplacian(plane(PICTURE), plane(VALID)), plane(wanted))


def test_values_that_are_not_valid_do_not_matter():
    valid = plane(VALID)
    image, other = random(2, 3, 3, 3), random(2, 3, 3, 3, seed=1)
    mixed = torch.where(valid > 0, image, other)
    assert torch.equal(laplacian(mixed, valid), laplacian(image, valid))


def test_each_sample_has_its_own_valid_pixels():
    image = random(2, 3, 3, 3)
    valid = torch.cat((plane(VALID), torch.ones(1, 1, 3, 3, dtype=torch.float64)))
    both = laplacian(image, valid)
    torch.testing.assert_close(both[:1], laplacian(image[:1], valid[:1]))
    torch.testing.assert_close(both[1:], laplacian(image[1:]))


@pytest.mark.parametrize(
    ("support", "wanted"),
    [
        ([[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[0, 1, 0], [1, 1, 1], [0, 1, 0]]),
        ([[1, 0, 0], [0, 0, 0], [0, 0, 0]], [[1, 1, 0], [1, 0, 0], [0, 0, 0]]),
        ([[0, 0, 0], [0, 0, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 0], [1, 1, 1]]),
        ([[0, 0, 0]], [[0, 0, 0]]),
        ([[1, 1], [1, 1]], [[1, 1], [1, 1]]),
    ],
)
def test_the_stencil_region_adds_the_four_neighbours(support, wanted):
    assert torch.equal(stencil_region(plane(support) > 0), plane(wanted) > 0)


def test_a_blur_is_the_cut_off_gaussian_of_the_image_continued_by_its_edge():
    image = torch.arange(12, dtype=torch.float64).view(1, 1, 3, 4).sin()
    kernel = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    expected = image[0, 0].numpy()
    for axis in (0, 1):
        expected = ndimage.correlate1d(expected, kernel, axis, mode="nearest")
    blurred = gaussian_blur(image, sigma=1.5, reach=2)[0, 0]
    assert np.abs(blurred.numpy() - expected).max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_kernel_is_the_gaussian_at_whole_pixels_summing_to_1(dtype):
    kernel = gaussian_kernel(2.0, 3, torch.zeros(1, dtype=dtype))
    assert kernel.shape == (1, 7)
    assert kernel.dtype == dtype
    # exp(−d²/8) relative to the middle, and their sum.
    ratios = [np.exp(-(d**2) / 8) for d in range(-3, 4)]
    wanted = torch.tensor(ratios, dtype=dtype)[None] / sum(ratios)
    torch.testing.assert_close(kernel, wanted)


def test_a_blur_goes_along_both_axes_with_the_edge_repeated():
    # [1 2 1] / 4 along the last row: 1, 2, 4. A quarter of that reaches the row above it, and three
    # quarters stay, the row being repeated beyond the frame.
    image = plane([[0.0, 0, 0], [0, 0, 0], [1, 1, 5]])
    kernel = torch.tensor([[0.25, 0.5, 0.25]], dtype=torch.float64)
    wanted = [[0, 0, 0], [0.25, 0.5, 1], [0.75, 1.5, 3]]
    torch.testing.assert_close(blur(image, kernel), plane(wanted))


def test_a_blur_by_a_kernel_of_one_is_the_image_and_samples_and_channels_do_not_mix():
    image = random(2, 3, 5, 4)
    assert torch.equal(blur(image, torch.ones(1, 1, dtype=torch.float64)), image)
    kernel = gaussian_kernel(1.0, 2, image)
    single = blur(image[1:, 2:], kernel)
    torch.testing.assert_close(blur(image, kernel)[1:, 2:], single)


def test_smoothstep_by_hand():
    values = torch.tensor([0.0, 1.0, 1.5, 2.0, 3.0])[None, None, None]
    expected = torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0])[None, None, None]
    torch.testing.assert_close(smoothstep(values, 1.0, 2.0), expected)

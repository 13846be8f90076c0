"""Each loss by hand, against loops and NumPy, and its gradient in float64."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from blending.deep.losses import (
    chroma_loss,
    content_loss,
    gradient_loss,
    gram_matrix,
    histogram_loss,
    luminance_loss,
    matched_to_histogram,
    style_loss,
    tv_loss,
)
from blending.image.filters import gaussian_kernel


def kernel(texture):
    return gaussian_kernel(texture, int(np.ceil(3 * texture)), torch.zeros(1).double())


def plane(rows):
    return torch.tensor(rows, dtype=torch.float64)[None, None]


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def region(height=5, width=6):
    inside = torch.zeros(1, 1, height, width, dtype=torch.bool)
    inside[..., 1:4, 2:5] = True
    inside[..., 0, 0] = True
    return inside


def test_gradient_loss_by_hand():
    # The point's Laplacian is 4 in the middle and −1 around; the region keeps the middle row.
    # Residuals to a guidance of 1: −2, 3, −2. L = (4 + 9 + 4) / (1 channel · area 2).
    composite = plane([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    inside = plane([[0, 0, 0], [1, 1, 1], [0, 0, 0]]) > 0
    loss = gradient_loss(composite, torch.ones_like(composite), inside, area=2)
    assert loss.item() == pytest.approx(17 / 2)


def test_gradient_loss_is_a_mean_over_channels():
    composite = plane([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    inside, guidance = composite > 0, torch.zeros_like(composite)
    three = gradient_loss(composite.expand(-1, 3, -1, -1), guidance, inside, area=1)
    assert three.item() == pytest.approx(16)


def test_gradient_loss_counts_the_region_only():
    inside, guidance = region(), random(1, 3, 5, 6)
    composite = random(1, 3, 5, 6, seed=1)
    changed = torch.where(inside, guidance, guidance + 100)
    assert torch.equal(
        gradient_loss(composite, guidance, inside, 7), gradient_loss(composite, changed, inside, 7)
    )


def test_content_loss_by_hand():
    # Σ w d² = (1·1 + 0.5·4) + (1·9 + 0.5·0) = 12.
    features = torch.tensor([[[[1.0, 2.0, 7.0]], [[3.0, 0.0, 7.0]]]])
    weight = torch.tensor([[[[1.0, 0.5, 0.0]]]])
    loss = content_loss(features, torch.zeros_like(features), weight)
    assert loss.item() == pytest.approx(12)


def test_content_losses_of_parts_add_up():
    features, wanted, weight = random(1, 4, 3, 5), random(1, 4, 3, 5, seed=1), random(1, 1, 3, 5)
    parts = [slice(0, 2), slice(2, 5)]
    total = sum(content_loss(features[..., p], wanted[..., p], weight[..., p]) for p in parts)
    torch.testing.assert_close(total, content_loss(features, wanted, weight))


def test_a_grey_difference_is_luminance_alone():
    # A grey d is √3·d long: Σ w·3d² = 3·(0.25·4 + 1·9) = 30, over 3 · area 5.
    composite = torch.tensor([[[[2.0, 3.0, 9.0]]]]).expand(1, 3, 1, 3)
    weight, black = torch.tensor([[[[0.25, 1.0, 0.0]]]]), torch.zeros(1, 3, 1, 3)
    assert luminance_loss(composite, black, weight, None, area=5).item() == pytest.approx(2)
    assert chroma_loss(composite, black, weight, area=5).item() == pytest.approx(0, abs=1e-12)


def test_a_difference_without_a_sum_is_chroma_alone():
    # (3, −1, −2) is 14 in its square: 0.5 · 14 over 3 · area 2.
    composite = torch.tensor([3.0, -1.0, -2.0]).view(1, 3, 1, 1)
    weight, black = torch.full((1, 1, 1, 1), 0.5), torch.zeros(1, 3, 1, 1)
    assert luminance_loss(composite, black, weight, None, area=2).item() == pytest.approx(
        0, abs=1e-12
    )
    assert chroma_loss(composite, black, weight, area=2).item() == pytest.approx(7 / 6)


def test_luminance_and_chroma_are_parts_of_the_squared_difference():
    # Lightness is the mean of a pixel's channels: its share is three times the mean's square.
    x, wanted, weight = (random(1, 3, 5, 6, seed=s) for s in (0, 1, 2))
    weight, difference = weight[:, :1], (x - wanted).numpy()
    light = 3 * (weight[:, 0].numpy() * difference.mean(1) ** 2).sum() / (3 * 7)
    whole = (weight.numpy() * difference**2).sum() / (3 * 7)
    assert luminance_loss(x, wanted, weight, None, 7).item() == pytest.approx(light)
    assert chroma_loss(x, wanted, weight, 7).item() == pytest.approx(whole - light)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 4, 5), (2, 5, 3, 7)])
def test_gram_matrix_is_the_loop_over_pixels(shape):
    features = random(*shape)
    batch, channels, height, width = shape
    wanted = torch.zeros(batch, channels, channels, dtype=torch.float64)
    for b in range(batch):
        for row in range(height):
            for column in range(width):
                vector = features[b, :, row, column]
                wanted[b] += torch.outer(vector, vector) / (channels * height * width)
    torch.testing.assert_close(gram_matrix(features), wanted)


def test_gram_matrix_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    assert torch.equal(gram_matrix(features), torch.tensor([[[5.0, 1.0], [1.0, 10.0]]]) / 4)


@pytest.mark.parametrize("texture", [0.5, 1.0, 3.0])
def test_lightness_is_compared_as_a_gaussian_sees_it(texture):
    x, wanted, weight = (random(1, 3, 20, 26, seed=s) for s in (0, 1, 2))
    weight, difference = weight[:, :1], (x - wanted)[0].numpy().mean(0)
    rough = np.sqrt(3 * weight[0, 0].numpy()) * difference
    # the kernel ends where three deviations do, on a whole pixel
    radius = int(np.ceil(3 * texture))
    seen = ndimage.gaussian_filter(rough, texture, mode="nearest", radius=radius)
    expected = (seen**2).sum() / (3 * 7)
    found = luminance_loss(x, wanted, weight, kernel(texture), 7).item()
    assert found == pytest.approx(expected, rel=1e-6)


def test_strokes_finer_than_the_texture_are_nearly_free_and_tones_are_not():
    strokes = torch.zeros(1, 3, 40, 40, dtype=torch.float64)
    strokes[..., ::2] = 0.2
    wanted, weight = torch.full_like(strokes, 0.1), torch.ones(1, 1, 40, 40, dtype=torch.float64)
    costs = [
        [luminance_loss(x, wanted, weight, k, 1600).item() for k in (None, kernel(3))]
        for x in (strokes, wanted + 0.1)
    ]
    assert costs[0][0] == pytest.approx(0.01)
    # half a stroke more at the frame, which goes on as it ends, leaves a little
    assert costs[0][1] < 0.03 * costs[0][0]
    assert costs[1] == pytest.approx([0.01, 0.01])


def test_a_gram_matrix_of_some_pixels_is_that_of_a_picture_of_them_alone():
    features, where = random(1, 4, 5, 6), region()
    some = features.numpy()[..., where[0, 0].numpy()]
    expected = torch.from_numpy(some @ some.transpose(0, 2, 1) / some[0].size)
    torch.testing.assert_close(gram_matrix(features, where), expected)
    torch.testing.assert_close(gram_matrix(features, where | True), gram_matrix(features))


def test_the_gram_matrix_of_one_pixel_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    where = torch.tensor([[[[False, True]]]])
    assert torch.equal(gram_matrix(features, where), torch.tensor([[[4.0, -2.0], [-2.0, 1.0]]]) / 2)


def test_style_loss_by_hand():
    # Gram [[5, 1], [1, 10]] / 4 against 0: (25 + 1 + 1 + 100) / 16, mean over 4 entries.
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    assert style_loss(gram_matrix(features), torch.zeros(1, 2, 2)).item() == pytest.approx(127 / 64)


def test_style_loss_does_not_see_where_features_are():
    features = random(1, 4, 3, 5)
    moved = features.flip(2, 3)
    assert style_loss(gram_matrix(moved), gram_matrix(features)).item() == pytest.approx(
        0, abs=1e-30
    )


def test_matched_features_take_the_wanted_values_in_their_own_order():
    features = plane([[5.0, -1.0], [2.0, 3.0]])
    wanted = torch.tensor([[[10.0, 20.0, 30.0, 40.0]]], dtype=torch.float64)
    assert torch.equal(matched_to_histogram(features, wanted), plane([[40, 10], [20, 30]]))


def test_ties_take_the_wanted_values_in_reading_order():
    features = plane([[7.0, 0.0, 7.0], [7.0, 0.0, 9.0]])
    wanted = torch.arange(6, dtype=torch.float64)[None, None]
    assert torch.equal(matched_to_histogram(features, wanted), plane([[2, 0, 3], [4, 1, 5]]))


def matched_by_numpy(features, wanted):
    """Sort, resample the wanted values at the centres of the ranks, and put them back."""
    flat = features.reshape(*features.shape[:2], -1)
    count, length = flat.shape[2], wanted.shape[2]
    ranks = (np.arange(count) + 0.5) * length / count - 0.5
    matched = np.empty_like(flat)
    for index in np.ndindex(flat.shape[:2]):
        order = np.argsort(flat[index], kind="stable")
        matched[index][order] = np.interp(ranks, np.arange(length), wanted[index])
    return matched.reshape(features.shape)


@pytest.mark.parametrize("length", [1, 2, 5, 14, 15, 16, 40])
def test_matching_is_sorting_whatever_the_lengths(length):
    features = random(2, 3, 3, 5).mul(4).round()  # with many ties
    wanted = random(2, 3, length, seed=1).sort(2).values
    oracle = matched_by_numpy(features.numpy(), wanted.numpy())
    torch.testing.assert_close(matched_to_histogram(features, wanted), torch.from_numpy(oracle))


def test_the_matched_features_carry_no_gradient():
    features = random(1, 2, 3, 4).requires_grad_()
    assert not matched_to_histogram(features, random(1, 2, 12).sort(2).values).requires_grad


def test_histogram_loss_by_hand():
    # [5, 1] becomes [4, 2]: (1 + 1) / 2.
    features = plane([[5.0, 1.0]])
    wanted = torch.tensor([[[2.0, 4.0]]], dtype=torch.float64)
    assert histogram_loss(features, wanted).item() == 1


def test_histogram_loss_is_zero_on_the_features_own_values():
    features = random(1, 3, 4, 5)
    assert histogram_loss(features, features.flatten(2).sort(2).values).item() == 0


def test_tv_loss_by_hand():
    # Down: |8 − 1| = 7, |16 − 2| = 14, |32 − 4| = 28; along: 1, 2 in row one, 8, 16 in row two.
    # The region is the top left pixel: only 7 and 1 have an end there. Area 4.
    composite = plane([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    inside = plane([[1, 0, 0], [0, 0, 0]]) > 0
    assert tv_loss(composite, inside, area=4).item() == 8 / 4
    assert tv_loss(composite, torch.ones_like(inside), area=1).item() == 76


def test_tv_loss_counts_differences_with_either_end_in_the_region():
    composite = plane([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    inside = plane([[0, 0, 0], [0, 1, 0]]) > 0
    assert tv_loss(composite, inside, area=1).item() == 14 + 8 + 16


def test_tv_loss_is_a_mean_over_channels():
    composite = plane([[0.0, 1.0]])
    inside = torch.ones(1, 1, 1, 2, dtype=torch.bool)
    assert tv_loss(composite.expand(-1, 3, -1, -1), inside, area=1).item() == 1


LOSSES = {
    "gradient": lambda x: gradient_loss(x, random(1, 3, 5, 6, seed=1), region(), 10.0),
    "content": lambda x: content_loss(x, random(1, 3, 5, 6, seed=1), random(1, 1, 5, 6, seed=2)),
    "luminance": lambda x: luminance_loss(x, random(1, 3, 5, 6, seed=1), region() + 0.5, None, 10),
    "tones": lambda x: luminance_loss(
        x, random(1, 3, 5, 6, seed=1), region() + 0.5, kernel(1.5), 10
    ),
    "chroma": lambda x: chroma_loss(x, random(1, 3, 5, 6, seed=1), region() + 0.5, 10),
    "gram": gram_matrix,
    "gram of some": lambda x: gram_matrix(x, region()),
    "style": lambda x: style_loss(gram_matrix(x), random(1, 3, 3, seed=1)),
    "histogram": lambda x: histogram_loss(x, random(1, 3, 17, seed=1).sort(2).values),
    "tv": lambda x: tv_loss(x, region(), 10.0),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_finite_differences(name):
    x = random(1, 3, 5, 6).requires_grad_()
    assert torch.autograd.gradcheck(LOSSES[name], x)


@pytest.mark.parametrize("name", [name for name in LOSSES if "gram" not in name.split()])
def test_a_loss_is_above_zero_for_each_picture_as_if_it_were_alone(name):
    pictures = random(2, 3, 5, 6)
    losses = LOSSES[name](pictures)
    assert losses.shape == (2,)
    assert (losses > 0).all()
    for picture, loss in zip(pictures, losses, strict=True):
        torch.testing.assert_close(LOSSES[name](picture[None])[0], loss)


def test_losses_are_zero_where_everything_is_as_wanted():
    x, weight = random(1, 3, 5, 6), random(1, 1, 5, 6, seed=2)
    flat = torch.full_like(x, 0.5)
    assert content_loss(x, x, weight).item() == 0
    assert luminance_loss(x, x, weight, None, 10).item() == 0
    assert chroma_loss(x, x, weight, 10).item() == 0
    assert gradient_loss(flat, torch.zeros_like(x), region(), 10).item() == 0
    assert tv_loss(flat, region(), 10).item() == 0

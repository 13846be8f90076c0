"""What the feature terms compare with: Gram matrices and weights by NumPy, on a random network."""

import numpy as np
import pytest
import torch

from blending.deep.feature_targets import VISIBLE_SHARE, feature_targets, pad_to_stride
from blending.deep.objective import Views
from blending.placement.window import Window

STRIDES = {"relu1_2": 1, "relu2_2": 2, "relu3_3": 4, "relu4_3": 8}
LAYERS = tuple(STRIDES)
STYLE_FLOOR, STRANGE = 0.02, 2.0  # as documented in the module


@pytest.fixture
def double(network):
    return network.double()


def make_window(target, mask):
    return Window(torch.zeros_like(target), mask, torch.ones_like(mask), target, (0, 0, 0, 0))


def picture(noise, height=24, width=32, seed=0):
    return noise(1, 3, height, width, seed=seed).double()


def block(height=24, width=32):
    """A mask away from the network's grid of 8, (1, 1, H, W)."""
    mask = torch.zeros(1, 1, height, width, dtype=torch.float64)
    mask[..., 5:14, 10:19] = 1
    return mask


def gram(columns):
    """Of feature vectors, (C, n)."""
    return columns @ columns.T / columns.size


def close(ours, theirs):
    np.testing.assert_allclose(ours[0].numpy(), theirs, rtol=1e-9, atol=1e-12)


def test_the_picture_is_continued_by_its_edge_to_multiples_of_8(noise):
    image = noise(1, 3, 13, 8)
    found = pad_to_stride(image)
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), (0, 3), (0, 0)), mode="edge")
    assert np.array_equal(found.numpy(), expected)
    assert torch.equal(pad_to_stride(found), found)


def share_of_the_visible(kept, whole):
    """A quarter where the styles differ, fading where that is below 2 % of the target's own."""
    distance = ((gram(kept[0].flatten(1).numpy()) - whole) ** 2).mean()
    return 0.25 * distance / (distance + 0.02 * (whole**2).mean())


def test_the_grams_are_partly_the_visible_pixels_and_else_the_windows(noise, double):
    target, mask = picture(noise), block()
    kept = 1 - target
    wanted = feature_targets([make_window(target, mask)], kept, double, keep_maps=False)
    taps, kept_taps = double(target, LAYERS), double(kept, LAYERS)
    assert VISIBLE_SHARE == 0.25
    for name, side in STRIDES.items():
        hidden = np.zeros((24 // side, 32 // side), bool)
        for row, column in np.argwhere(mask[0, 0].numpy() > 0):
            hidden[row // side, column // side] = True
        vectors = taps[name][0].numpy()
        visible, whole = gram(vectors[:, ~hidden]), gram(vectors.reshape(len(vectors), -1))
        share = share_of_the_visible(kept_taps[name], whole)
        assert 0 < share < 0.25
        close(wanted.grams[name], share * visible + (1 - share) * whole)
        assert not np.allclose(visible, whole, rtol=1e-3)


@pytest.mark.parametrize("value", [1.0, 0.5])
def test_none_visible_is_the_whole_window(value, noise, double):
    target = picture(noise)
    mask = torch.full((1, 1, 24, 32), value, dtype=torch.float64)
    wanted = feature_targets([make_window(target, mask)], target, double, keep_maps=False)
    for name, taps in double(target, LAYERS).items():
        close(wanted.grams[name], gram(taps[0].flatten(1).numpy()))


def test_a_window_beside_the_grid_has_no_more_visible_pixels(noise, double):
    target = picture(noise, 21, 27)
    mask = torch.ones(1, 1, 21, 27, dtype=torch.float64)
    wanted = feature_targets([make_window(target, mask)], target, double, keep_maps=False)
    for name, taps in double(pad_to_stride(target), LAYERS).items():
        close(wanted.grams[name], gram(taps[0].flatten(1).numpy()))


def test_what_has_the_style_already_is_to_keep_it(noise, double):
    target = picture(noise)
    wanted = feature_targets([make_window(target, block())], target, double, keep_maps=False)
    for name, taps in double(target, LAYERS).items():
        close(wanted.grams[name], gram(taps[0].flatten(1).numpy()))


def test_each_layer_falls_back_by_itself(noise, double):
    # One visible column: no pixel of the deeper layers is free of the object.
    target, mask = picture(noise, 8, 16), torch.ones(1, 1, 8, 16, dtype=torch.float64)
    mask[..., 7] = 0
    kept = 1 - target
    wanted = feature_targets([make_window(target, mask)], kept, double, keep_maps=False)
    taps = double(target, LAYERS)
    shallow = taps["relu1_2"][0].numpy()
    whole = gram(shallow.reshape(len(shallow), -1))
    share = share_of_the_visible(double(kept, LAYERS)["relu1_2"], whole)
    close(wanted.grams["relu1_2"], share * gram(shallow[:, :, 7]) + (1 - share) * whole)
    for name in LAYERS[1:]:
        close(wanted.grams[name], gram(taps[name][0].flatten(1).numpy()))


def views(wanted, picture):
    return Views(picture, wanted.features(picture))


def style_shares(wanted, taps):
    """What each layer adds to the style term, and how far off it is beside the target's own."""
    shares, strangeness = {}, {}
    for name, gram_wanted in wanted.grams.items():
        ours, theirs = gram(taps[name][0].flatten(1).numpy()), gram_wanted[0].numpy()
        distance, own = ((ours - theirs) ** 2).mean(), (theirs**2).mean()
        shares[name] = wanted.style_weights[name].item() * distance
        strangeness[name] = distance / own
    return shares, strangeness


@pytest.mark.parametrize(("brightness", "strange"), [(1.5, False), (6, True)])
def test_every_layer_counts_a_quarter_at_the_start_unless_it_is_strange(
    brightness, strange, noise, double
):
    target = picture(noise)
    kept = brightness * picture(noise, seed=1)
    kept = torch.where(block() > 0, kept, target)
    wanted = feature_targets([make_window(target, block())], kept, double, keep_maps=False)
    shares, strangeness = style_shares(wanted, double(kept, LAYERS))
    assert set(shares) == set(LAYERS)
    assert any(value > STRANGE for value in strangeness.values()) == strange
    for name, share in shares.items():
        far = strangeness[name]
        expected = 0.25 * far / (far + STYLE_FLOOR) / (1 + (far / STRANGE) ** 2)
        assert share == pytest.approx(expected, rel=1e-9)
    loss = wanted.style_loss(views(wanted, kept)).item()
    assert loss == pytest.approx(sum(shares.values()), rel=1e-9)


def test_styles_that_are_equal_from_the_start_count_nothing(noise, double):
    target = picture(noise)
    mask = torch.ones(1, 1, 24, 32, dtype=torch.float64)
    wanted = feature_targets([make_window(target, mask)], target, double, keep_maps=False)
    assert wanted.style_loss(views(wanted, target)).item() == pytest.approx(0, abs=1e-20)
    for name, weight in wanted.style_weights.items():  # the floor is all of the scale
        size = (wanted.grams[name].numpy() ** 2).mean()
        assert weight.item() == pytest.approx(1 / (4 * STYLE_FLOOR * size), rel=1e-9)


def test_content_is_that_of_what_is_kept_where_the_mask_is(noise, double):
    target, mask = picture(noise), block()
    kept = torch.where(mask > 0, picture(noise, seed=1), target)
    other = torch.where(mask > 0, picture(noise, seed=2), target)
    wanted = feature_targets([make_window(target, mask)], kept, double, keep_maps=False)
    ours, theirs = (double(x, ("relu2_2",))["relu2_2"][0].numpy() for x in (kept, other))
    shares = mask[0, 0].view(12, 2, 16, 2).mean((1, 3)).numpy()
    assert wanted.content_loss(views(wanted, kept)).item() == 0
    expected = (shares * (ours - theirs) ** 2).sum() / (shares * ours**2).sum()
    found = wanted.content_loss(views(wanted, other)).item()
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_targets_features_are_kept_for_the_histogram_only(noise, double):
    target = picture(noise)
    kept = torch.where(block() > 0, picture(noise, seed=1), target)
    window = make_window(target, block())
    assert feature_targets([window], kept, double, keep_maps=False).backdrop.styled == {}
    wanted = feature_targets([window], kept, double, keep_maps=True)
    assert wanted.histogram_loss(views(wanted, target)).item() == pytest.approx(0, abs=1e-20)
    assert wanted.histogram_loss(views(wanted, kept)).item() > 1e-4


def test_nothing_wanted_records_gradients(noise, double):
    kept = picture(noise).requires_grad_()
    wanted = feature_targets([make_window(kept, block())], kept, double, keep_maps=True)
    tensors = [
        *wanted.grams.values(),
        *wanted.style_weights.values(),
        *wanted.backdrop.styled.values(),
    ]
    tensors += [wanted.content.wanted, wanted.content_scale]
    assert not any(tensor.requires_grad for tensor in tensors)

"""What the feature terms compare with: Gram matrices and weights by NumPy, on a random network."""

import numpy as np
import pytest
import torch

from blending.objective import Views
from blending.wanted import VISIBLE_SHARE, on_grid, wanted_features
from blending.window import Scene

STRIDES = {"relu1_2": 1, "relu2_2": 2, "relu3_3": 4, "relu4_3": 8}
LAYERS = tuple(STRIDES)
STYLE_FLOOR = 0.02  # as documented in the module


@pytest.fixture
def double(network):
    return network.double()


def make_scene(target, mask):
    return Scene(torch.zeros_like(target), mask, torch.ones_like(mask), target, (0, 0, 0, 0))


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
    found = on_grid(image)
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), (0, 3), (0, 0)), mode="edge")
    assert np.array_equal(found.numpy(), expected)
    assert torch.equal(on_grid(found), found)


def share_of_the_visible(kept, whole):
    """A quarter where the styles differ, fading where that is below 2 % of the target's own."""
    distance = ((gram(kept[0].flatten(1).numpy()) - whole) ** 2).mean()
    return 0.25 * distance / (distance + 0.02 * (whole**2).mean())


def test_the_grams_are_partly_the_visible_pixels_and_else_the_windows(noise, double):
    target, mask = picture(noise), block()
    kept = 1 - target
    wanted = wanted_features(make_scene(target, mask), kept, double, keep_styled=False)
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


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_all_visible_or_none_is_the_whole_window(value, noise, double):
    # Nothing under the mask does not happen in a stage; what is wanted then is the same.
    target = picture(noise)
    mask = torch.full((1, 1, 24, 32), value, dtype=torch.float64)
    wanted = wanted_features(make_scene(target, mask), target, double, keep_styled=False)
    for name, taps in double(target, LAYERS).items():
        close(wanted.grams[name], gram(taps[0].flatten(1).numpy()))


def test_a_window_beside_the_grid_has_no_more_visible_pixels(noise, double):
    target = picture(noise, 21, 27)
    mask = torch.ones(1, 1, 21, 27, dtype=torch.float64)
    wanted = wanted_features(make_scene(target, mask), target, double, keep_styled=False)
    for name, taps in double(on_grid(target), LAYERS).items():
        close(wanted.grams[name], gram(taps[0].flatten(1).numpy()))


def test_what_has_the_style_already_is_to_keep_it(noise, double):
    target = picture(noise)
    wanted = wanted_features(make_scene(target, block()), target, double, keep_styled=False)
    for name, taps in double(target, LAYERS).items():
        close(wanted.grams[name], gram(taps[0].flatten(1).numpy()))


def test_each_layer_falls_back_by_itself(noise, double):
    # One visible column: no pixel of the deeper layers is free of the object.
    target, mask = picture(noise, 8, 16), torch.ones(1, 1, 8, 16, dtype=torch.float64)
    mask[..., 7] = 0
    kept = 1 - target
    wanted = wanted_features(make_scene(target, mask), kept, double, keep_styled=False)
    taps = double(target, LAYERS)
    shallow = taps["relu1_2"][0].numpy()
    whole = gram(shallow.reshape(len(shallow), -1))
    share = share_of_the_visible(double(kept, LAYERS)["relu1_2"], whole)
    close(wanted.grams["relu1_2"], share * gram(shallow[:, :, 7]) + (1 - share) * whole)
    for name in LAYERS[1:]:
        close(wanted.grams[name], gram(taps[name][0].flatten(1).numpy()))


def style_shares(wanted, taps):
    """What each layer adds to the style term."""
    found = {}
    for name, gram_wanted in wanted.grams.items():
        ours = gram(taps[name][0].flatten(1).numpy())
        distance = ((ours - gram_wanted[0].numpy()) ** 2).mean()
        found[name] = wanted.style_weights[name].item() * distance
    return found


def test_every_layer_counts_a_quarter_at_the_start(noise, double):
    # A dim target and a bright start: their difference is far above the floor, 2 % of the target's.
    target, kept = 0.1 * picture(noise), 6 * picture(noise, seed=1)
    wanted = wanted_features(make_scene(target, block()), kept, double, keep_styled=False)
    taps = double(kept, LAYERS)
    shares = style_shares(wanted, taps)
    assert set(shares) == set(LAYERS)
    for name, share in shares.items():
        distance = share / wanted.style_weights[name].item()
        floor = STYLE_FLOOR * (wanted.grams[name].numpy() ** 2).mean()
        assert floor < 0.01 * distance
        assert share == pytest.approx(0.25 / (1 + floor / distance), rel=1e-9)
        assert share == pytest.approx(0.25, rel=0.01)
    assert wanted.style_loss(Views(kept, taps)).item() == pytest.approx(sum(shares.values()))


def test_styles_that_are_equal_from_the_start_count_nothing(noise, double):
    target = picture(noise)
    mask = torch.ones(1, 1, 24, 32, dtype=torch.float64)
    wanted = wanted_features(make_scene(target, mask), target, double, keep_styled=False)
    assert wanted.style_loss(Views(target, double(target, LAYERS))).item() == 0
    for name, weight in wanted.style_weights.items():  # the floor is all of the scale
        size = (wanted.grams[name].numpy() ** 2).mean()
        assert weight.item() == pytest.approx(1 / (4 * STYLE_FLOOR * size), rel=1e-9)


def test_content_is_that_of_what_is_kept_where_the_mask_is(noise, double):
    kept, mask = picture(noise, seed=1), block()
    wanted = wanted_features(make_scene(picture(noise), mask), kept, double, keep_styled=False)
    taps = double(kept, ("relu2_2",))
    assert torch.equal(wanted.content, taps["relu2_2"])
    shares = mask[0, 0].view(12, 2, 16, 2).mean((1, 3)).numpy()
    assert np.array_equal(wanted.content_weight[0, 0].numpy(), shares)
    assert wanted.content_loss(Views(kept, taps)).item() == 0
    nothing = {"relu2_2": torch.zeros_like(taps["relu2_2"])}
    assert wanted.content_loss(Views(kept, nothing)).item() == pytest.approx(1)


def test_the_targets_features_are_kept_for_the_histogram_only(noise, double):
    target = picture(noise)
    scene, views = make_scene(target, block()), Views(target, double(target, LAYERS))
    assert wanted_features(scene, target, double, keep_styled=False).styled == {}
    wanted = wanted_features(scene, target, double, keep_styled=True)
    assert wanted.histogram_loss(views).item() == 0
    nothing = {name: torch.zeros_like(taps) for name, taps in views.features.items()}
    assert wanted.histogram_loss(Views(target, nothing)).item() == pytest.approx(1)


def test_nothing_wanted_records_gradients(noise, double):
    kept = picture(noise).requires_grad_()
    wanted = wanted_features(make_scene(kept, block()), kept, double, keep_styled=True)
    tensors = [*wanted.grams.values(), *wanted.style_weights.values(), *wanted.styled.values()]
    tensors += [wanted.content, wanted.content_scale]
    assert not any(tensor.requires_grad for tensor in tensors)

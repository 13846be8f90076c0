"""What the feature terms compare with: Gram matrices and weights by NumPy, on a random network."""

import numpy as np
import pytest
import torch

from blending.deep.context import fixed_context, pad_to_stride
from blending.deep.feature_targets import VISIBLE_SHARE, feature_targets
from blending.placement.box import Box
from blending.placement.window import Window
from tests.narrow import WIDTHS

STRIDES = {"relu1_2": 1, "relu2_2": 2, "relu3_3": 4, "relu4_3": 8}
LAYERS = tuple(STRIDES)
STYLE_FLOOR, STRANGE = 0.02, 2.0  # as documented in the module


@pytest.fixture
def double(network):
    return network.double()


def make_window(target, mask):
    return Window(
        torch.zeros_like(target), mask, torch.ones_like(mask), target, Box(0, 0, *mask.shape[2:])
    )


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


def share_of_the_visible(reference, whole):
    """A quarter where the styles differ, fading where that is below 2 % of the target's own."""
    distance = ((gram(reference[0].flatten(1).numpy()) - whole) ** 2).mean()
    return 0.25 * distance / (distance + 0.02 * (whole**2).mean())


def test_the_grams_are_partly_the_visible_pixels_and_else_the_windows(noise, double):
    target, mask = picture(noise), block()
    reference = 1 - target
    targets = feature_targets([make_window(target, mask)], reference, double)
    activations, start = double(target, LAYERS), double(reference, LAYERS)
    assert VISIBLE_SHARE == 0.25
    for name, side in STRIDES.items():
        hidden = np.zeros((24 // side, 32 // side), bool)
        for row, column in np.argwhere(mask[0, 0].numpy() > 0):
            hidden[row // side, column // side] = True
        vectors = activations[name][0].numpy()
        visible, whole = gram(vectors[:, ~hidden]), gram(vectors.reshape(len(vectors), -1))
        share = share_of_the_visible(start[name], whole)
        assert 0 < share < 0.25
        close(targets.grams[name], share * visible + (1 - share) * whole)
        assert not np.allclose(visible, whole, rtol=1e-3)


@pytest.mark.parametrize("value", [1.0, 0.5])
def test_none_visible_is_the_whole_window(value, noise, double):
    target = picture(noise)
    mask = torch.full((1, 1, 24, 32), value, dtype=torch.float64)
    targets = feature_targets([make_window(target, mask)], target, double)
    for name, activations in double(target, LAYERS).items():
        close(targets.grams[name], gram(activations[0].flatten(1).numpy()))


def test_a_window_beside_the_grid_has_no_more_visible_pixels(noise, double):
    target = picture(noise, 21, 27)
    mask = torch.ones(1, 1, 21, 27, dtype=torch.float64)
    targets = feature_targets([make_window(target, mask)], target, double)
    for name, activations in double(pad_to_stride(target), LAYERS).items():
        close(targets.grams[name], gram(activations[0].flatten(1).numpy()))


def test_what_has_the_style_already_is_to_keep_it(noise, double):
    target = picture(noise)
    targets = feature_targets([make_window(target, block())], target, double)
    for name, activations in double(target, LAYERS).items():
        close(targets.grams[name], gram(activations[0].flatten(1).numpy()))


def test_each_layer_falls_back_by_itself(noise, double):
    # One visible column: no pixel of the deeper layers is free of the object.
    target, mask = picture(noise, 8, 16), torch.ones(1, 1, 8, 16, dtype=torch.float64)
    mask[..., 7] = 0
    reference = 1 - target
    targets = feature_targets([make_window(target, mask)], reference, double)
    activations = double(target, LAYERS)
    shallow = activations["relu1_2"][0].numpy()
    whole = gram(shallow.reshape(len(shallow), -1))
    share = share_of_the_visible(double(reference, LAYERS)["relu1_2"], whole)
    close(targets.grams["relu1_2"], share * gram(shallow[:, :, 7]) + (1 - share) * whole)
    for name in LAYERS[1:]:
        close(targets.grams[name], gram(activations[name][0].flatten(1).numpy()))


def style_shares(targets, activations):
    """What each layer adds to the style term, and how far off it is beside the target's own."""
    shares, strangeness = {}, {}
    for name, gram_target in targets.grams.items():
        ours, theirs = gram(activations[name][0].flatten(1).numpy()), gram_target[0].numpy()
        distance, own = ((ours - theirs) ** 2).mean(), (theirs**2).mean()
        shares[name] = targets.style_weights[name].item() * distance
        strangeness[name] = distance / own
    return shares, strangeness


@pytest.mark.parametrize(("brightness", "strange"), [(1.5, False), (6, True)])
def test_every_layer_counts_a_quarter_at_the_start_unless_it_is_strange(
    brightness, strange, noise, double
):
    target = picture(noise)
    reference = brightness * picture(noise, seed=1)
    reference = torch.where(block() > 0, reference, target)
    targets = feature_targets([make_window(target, block())], reference, double)
    shares, strangeness = style_shares(targets, double(reference, LAYERS))
    assert set(shares) == set(LAYERS)
    assert any(value > STRANGE for value in strangeness.values()) == strange
    for name, share in shares.items():
        far = strangeness[name]
        expected = 0.25 * far / (far + STYLE_FLOOR) / (1 + (far / STRANGE) ** 2)
        assert share == pytest.approx(expected, rel=1e-9)
    loss = targets.style_loss(targets.statistics(reference)).item()
    assert loss == pytest.approx(sum(shares.values()), rel=1e-9)


def test_styles_that_are_equal_from_the_start_count_nothing(noise, double):
    target = picture(noise)
    mask = torch.ones(1, 1, 24, 32, dtype=torch.float64)
    targets = feature_targets([make_window(target, mask)], target, double)
    assert targets.style_loss(targets.statistics(target)).item() == pytest.approx(0, abs=1e-20)
    for name, weight in targets.style_weights.items():  # the floor is all of the scale
        size = (targets.grams[name].numpy() ** 2).mean()
        assert weight.item() == pytest.approx(1 / (4 * STYLE_FLOOR * size), rel=1e-9)


def test_content_is_that_of_the_reference_where_the_mask_is(noise, double):
    target, mask = picture(noise), block()
    reference = torch.where(mask > 0, picture(noise, seed=1), target)
    other = torch.where(mask > 0, picture(noise, seed=2), target)
    targets = feature_targets([make_window(target, mask)], reference, double)
    ours, theirs = (double(x, ("relu2_2",))["relu2_2"][0].numpy() for x in (reference, other))
    shares = mask[0, 0].view(12, 2, 16, 2).mean((1, 3)).numpy()
    assert targets.content_loss(targets.statistics(reference)).item() == 0
    expected = (shares * (ours - theirs) ** 2).sum() / (shares * ours**2).sum()
    found = targets.content_loss(targets.statistics(other)).item()
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_targets_activations_are_stored_for_the_histogram_only(noise, double):
    target = picture(noise)
    reference = torch.where(block() > 0, picture(noise, seed=1), target)
    window = make_window(target, block())
    assert feature_targets([window], reference, double).context.target_maps == {}
    targets = feature_targets([window], reference, double, keep_maps=True)
    assert targets.histogram_loss(targets.statistics(target)).item() == pytest.approx(0, abs=1e-20)
    assert targets.histogram_loss(targets.statistics(reference)).item() > 1e-4


def test_no_target_records_gradients(noise, double):
    reference = picture(noise).requires_grad_()
    targets = feature_targets([make_window(reference, block())], reference, double, keep_maps=True)
    tensors = [
        *targets.grams.values(),
        *targets.style_weights.values(),
        *targets.context.target_maps.values(),
    ]
    tensors += [targets.references.content.features, targets.content_scale]
    assert not any(tensor.requires_grad for tensor in tensors)


@pytest.mark.parametrize("tile", [None, 64])
def test_a_context_that_is_given_is_taken_and_nothing_beyond_the_object_is_run(
    tile, noise, double, monkeypatch
):
    target = picture(noise, 24, 168)
    mask = block(24, 168)
    window, reference = make_window(target, mask), torch.where(mask > 0, 1 - target, target)
    context = fixed_context([window], reference, double, False, tile)
    expected = feature_targets([window], reference, double, tile=tile)
    widths, normalised = [], type(double).normalised

    def counted(network, image):
        widths.append(image.shape[3])
        return normalised(network, image)

    monkeypatch.setattr(type(double), "normalised", counted)
    targets = feature_targets([window], reference, double, tile=tile, context=context)
    assert targets.context is context
    assert widths
    assert max(widths) < 168
    for name in LAYERS:
        torch.testing.assert_close(targets.grams[name], expected.grams[name])
    torch.testing.assert_close(targets.content_scale, expected.content_scale)


@pytest.mark.parametrize("rows", [1, 2])
def test_grams_that_are_given_are_matched_instead_of_the_targets(rows, noise, double):
    windows = [make_window(picture(noise), block())] * 2
    reference = torch.cat([picture(noise), picture(noise)])
    reference = torch.where(
        block() > 0, torch.cat([picture(noise, seed=s) for s in (1, 2)]), reference
    )
    style = {name: noise(rows, size, size, seed=5).double() for name, size in WIDTHS.items()}
    targets = feature_targets(windows, reference, double, style=style)
    found = targets.style_loss(targets.statistics(reference))
    for row in range(2):
        expected = 0.0
        for name, activations in double(reference[row : row + 1], LAYERS).items():
            goal = style[name][row % rows].numpy()
            distance = ((gram(activations[0].flatten(1).numpy()) - goal) ** 2).mean()
            own = (goal**2).mean()
            far = 1 + (distance / (STRANGE * own)) ** 2
            expected += distance / (4 * far * (distance + STYLE_FLOOR * own))
        assert found[row].item() == pytest.approx(expected, rel=1e-9)


def test_the_histogram_loss_is_relative_to_the_targets_activations(noise, double):
    target = picture(noise)
    reference = torch.where(block() > 0, picture(noise, seed=1), target)
    targets = feature_targets([make_window(target, block())], reference, double, keep_maps=True)
    found = targets.histogram_loss(targets.statistics(reference)).item()
    distances, sizes = [], []
    theirs, ours = double(target, LAYERS), double(reference, LAYERS)
    for name in LAYERS:
        a, b = (np.sort(x[name][0].flatten(1).numpy(), 1) for x in (ours, theirs))
        distances.append(((a - b) ** 2).mean())
        sizes.append((b**2).mean())
    assert found == pytest.approx(np.mean(distances) / np.mean(sizes), rel=1e-9)

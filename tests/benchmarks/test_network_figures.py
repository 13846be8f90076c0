"""The figures on the network's activations against their definitions in NumPy."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parent))  # as where the benchmark runs as a script

from network_figures import content_error, stroke_distances, style_error

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


def holed_disc(height=26, width=31):
    """A disc with a hole, a bar on the frame's edge, a lone pixel; (1, 1, H, W)."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - 13, columns - 14)
    mask = (distance < 10) & (distance > 1.5)
    mask[20:, :3] = True
    mask[2, 27] = True
    return torch.from_numpy(mask).float()[None, None]


def test_content_is_the_squared_difference_of_relu2_2_of_the_cut_outs(bundled, photo):
    blend, source = photo(26, 31), photo(26, 31, 200, 60)
    mask = holed_disc()

    def relu2_2(picture):
        x = 255 * picture * mask - torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)
        tensors = bundled.state_dict()
        for index in (0, 2, None, 5, 7):
            if index is None:
                x = F.max_pool2d(x, 2)
                continue
            weight, bias = (tensors[f"features.{index}.{kind}"] for kind in ("weight", "bias"))
            x = F.relu(F.conv2d(x, weight, bias, padding=1))
        return x.numpy().astype(np.float64)

    expected = ((relu2_2(blend) - relu2_2(source)) ** 2).mean()
    assert content_error(blend, source, mask, bundled) == pytest.approx(expected, rel=1e-4)


def test_content_ignores_what_lies_outside_the_mask(network, noise):
    source, mask = noise(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    mask[..., 4:12, 4:12], mask[..., 0, 0] = 0.5, 0.49
    blend = torch.where(mask >= 0.5, source, noise(1, 3, 16, 16, seed=1))
    assert content_error(blend, source, mask, network) == 0


def test_style_is_the_mean_over_layers_of_squared_gram_differences(network, noise):
    blend, target = noise(1, 3, 24, 24), noise(1, 3, 32, 40, seed=1)

    def gram(picture, name):
        activations = network(picture, (name,))[name][0].double().numpy()
        return np.einsum("chw,dhw->cd", activations, activations) / activations.size

    losses = [((gram(blend, name) - gram(target, name)) ** 2).mean() for name in LAYERS]
    assert style_error(blend, target, network) == pytest.approx(np.mean(losses), rel=1e-4)
    held_out = style_error(blend, target, network, ("relu3_3",))
    assert held_out == pytest.approx(losses[2], rel=1e-4)


def test_the_style_of_a_picture_to_itself_is_zero(network, noise):
    assert style_error(noise(1, 3, 16, 16), noise(1, 3, 16, 16), network) == 0


def test_stroke_distances_are_those_of_the_nearest_cells(network, noise):
    blend, target = noise(1, 3, 48, 64), noise(1, 3, 48, 64, seed=1)
    mask = torch.zeros(1, 1, 48, 64)
    mask[..., 12:32, 20:44] = 1

    def cells(picture):
        return network(picture, ("relu3_1",))["relu3_1"][0].flatten(1).T.double().numpy()

    share = F.avg_pool2d(mask, 4).flatten().numpy()
    own, seen = cells(blend)[share > 0.5], cells(target)[share == 0]
    middle = seen.mean(0)
    own, seen = ((x - middle) / np.linalg.norm(x - middle, axis=1)[:, None] for x in (own, seen))
    cosines = own @ seen.T
    expected = 1 - cosines.max(1).mean(), 1 - cosines.max(0).mean()
    assert stroke_distances(blend, target, mask, network) == pytest.approx(expected, abs=1e-4)


def test_the_target_s_own_hand_is_near_and_noise_is_not(bundled, photo, noise):
    target = photo(96, 128)
    mask = torch.zeros(1, 1, 96, 128)
    mask[..., 32:72, 16:56] = 1
    moved, noisy = target.clone(), target.clone()
    moved[..., 32:72, 16:56] = target[..., 24:64, 72:112]
    noisy[..., 32:72, 16:56] = noise(1, 3, 40, 40)
    near, far = (stroke_distances(x, target, mask, bundled)[0] for x in (moved, noisy))
    assert near < 0.5 * far


def test_without_an_object_or_a_place_there_is_no_stroke_distance(network, noise):
    picture = noise(1, 3, 16, 16)
    for mask in (torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)):
        assert all(np.isnan(stroke_distances(picture, picture, mask, network)))

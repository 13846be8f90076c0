"""VGG16's convolution: torch's, whichever way it is computed."""

import pytest
import torch
import torch.nn.functional as F

from blending.network import winograd
from blending.network.convolution import Convolution


@pytest.fixture(params=["direct", "winograd"])
def layer(request, monkeypatch, noise):
    monkeypatch.setattr(winograd, "pays", lambda *_: request.param == "winograd")
    made = Convolution(3, 5).requires_grad_(False)
    made.weight.copy_(noise(5, 3, 3, 3) - 0.5)
    made.bias.copy_(noise(1, 5, seed=1)[0])
    return made.double()


def test_a_map_is_padded_by_zeros(layer, noise):
    x = noise(2, 3, 9, 11, seed=2).double()
    expected = F.conv2d(x, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.valid(F.pad(x, (1,) * 4)), expected)


def test_its_derivative_is_torchs(layer, noise):
    x, slope = noise(2, 3, 9, 11, seed=2).double(), noise(2, 5, 9, 11, seed=3).double()
    leaf, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    layer(leaf).backward(slope)
    F.conv2d(other, layer.weight, layer.bias, padding=1).backward(slope)
    torch.testing.assert_close(leaf.grad, other.grad)
    torch.testing.assert_close(layer.input_slope(slope), other.grad)


def test_what_follows_may_change_the_map_in_place(layer, noise):
    x = noise(1, 3, 8, 8, seed=2).double().requires_grad_()
    F.relu(layer(x), inplace=True).sum().backward()
    assert x.grad.abs().max() > 0


def test_changed_weights_are_seen_once_the_old_ones_are_forgotten(layer, noise):
    x = noise(1, 3, 8, 8, seed=2).double()
    before = layer(x)
    layer.weight.mul_(2)
    layer.bias.mul_(2)
    layer.forget()
    torch.testing.assert_close(layer(x), 2 * before)

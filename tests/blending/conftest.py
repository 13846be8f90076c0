"""What test modules of several folders share: a measure of style by NumPy alone."""

import numpy as np
import pytest
import torch

from blending.network.vgg16 import STYLE_LAYERS


@pytest.fixture(scope="session")
def style_error():
    """style_error(picture, target, network): mean squared Gram difference, of layers' means."""

    def gram(activations):
        vectors = activations[0].flatten(1).double().numpy()
        return vectors @ vectors.T / vectors.size

    def error(picture, target, network):
        with torch.no_grad():
            found, wanted = network(picture, STYLE_LAYERS), network(target, STYLE_LAYERS)
        squares = [np.mean((gram(found[n]) - gram(wanted[n])) ** 2) for n in STYLE_LAYERS]
        return float(np.mean(squares))

    return error

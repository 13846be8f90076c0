"""What test modules of several folders share: a measure of style by NumPy alone, quick workers."""

import multiprocessing

import numpy as np
import pytest
import torch

from blending.network.vgg16 import STYLE_LAYERS


@pytest.fixture(scope="session")
def forkserver():
    """A start of processes from one that has loaded torch; seconds less for each of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["blending.cluster.work"])
    return context


@pytest.fixture
def quick_workers(forkserver, monkeypatch):
    """A batch's workers start at once. Tests of the command line start them as they come."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: forkserver)


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

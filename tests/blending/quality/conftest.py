"""What the tests of an object's looks share: colours by scikit-image, and pasted discs."""

import numpy as np
import pytest
import torch
from skimage import color

from blending.quality.object_view import object_view


@pytest.fixture(scope="session")
def of_lab():
    """of_lab(planes): (3, H, W) CIELAB array to an sRGB picture, (1, 3, H, W), float64."""

    def make(planes):
        rgb = color.lab2rgb(np.moveaxis(np.asarray(planes, float), 0, -1))
        return torch.from_numpy(np.moveaxis(rgb, -1, 0).copy())[None]

    return make


@pytest.fixture(scope="session")
def flat(of_lab):
    """flat(height, width, L, a, b): a picture of one CIELAB colour, (1, 3, H, W), float64."""

    def make(height, width, *lab):
        return of_lab(np.broadcast_to(np.reshape(lab, (3, 1, 1)), (3, height, width)))

    return make


@pytest.fixture(scope="session")
def scene(photo, disc):
    """A photograph's disc of radius 45 on another part of it: paste, target, mask; 140 x 150."""
    target, mask = photo(140, 150, 250, 20).double(), disc(140, 150, 45).double()
    return mask * photo(140, 150).double() + (1 - mask) * target, target, mask


@pytest.fixture
def view_of(scene):
    """view_of(result): the view of a result on the scene."""

    def make(result):
        paste, target, mask = scene
        return object_view(result, paste, target, mask)

    return make


@pytest.fixture
def in_strips(monkeypatch):
    """in_strips(figure, view): the figure computed in strips of one to a few rows."""

    def compute(figure, view):
        monkeypatch.setattr("blending.quality.object_view.STRIP_PIXELS", 900)
        monkeypatch.setattr("blending.quality.object_view.MOST_STRIPS", 1000)
        return figure(view)

    return compute

"""Local contrast in bands, against SciPy."""

import numpy as np
import torch
from scipy import ndimage

from blending.image.texture import SIGMAS, local_contrast


def test_the_bands_are_scipy_s(noise):
    lightness = 100 * noise(1, 1, 70, 90).double()
    finer = plain = lightness[0, 0].numpy()
    for sigma, found in zip(SIGMAS, local_contrast(lightness), strict=True):
        coarser = ndimage.gaussian_filter(plain, sigma, mode="nearest")
        near = ndimage.gaussian_filter((finer - coarser) ** 2, 2 * sigma + 2, mode="nearest")
        np.testing.assert_allclose(found[0, 0].numpy(), np.sqrt(near), rtol=2e-3)
        finer = coarser


def test_a_flat_picture_has_none_and_each_row_is_its_own(noise):
    flat, rough = torch.full((1, 1, 40, 40), 50.0), 100 * noise(1, 1, 40, 40)
    together = local_contrast(torch.cat((flat, rough)))
    for both, alone in zip(together, local_contrast(rough), strict=True):
        assert both[0].max() < 1e-3
        torch.testing.assert_close(both[1:], alone)

"""Local contrast in bands: how rough a picture is at each pixel."""

from torch import Tensor

from .filters import gaussian_blur

SIGMAS = (1, 2, 4)  # pixels: fine, middle and coarse strokes


def local_contrast(lightness: Tensor) -> list[Tensor]:
    """The root mean square of each band near each pixel, fine to coarse.

    A band is what a Gaussian takes away of the picture that the one before has left; near is a
    Gaussian of twice its sigma and two pixels.

    Args:
        lightness: (B, C, H, W), float32 or float64, in any unit.

    Returns:
        For each of `SIGMAS` (B, C, H, W), >= 0, in that unit.
    """
    bands, finer = [], lightness
    for sigma in SIGMAS:
        coarser = gaussian_blur(lightness, sigma, 4 * sigma)
        near = 2 * sigma + 2
        bands.append(gaussian_blur((finer - coarser).square(), near, 4 * near).sqrt())
        finer = coarser
    return bands

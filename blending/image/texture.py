"""Local contrast in bands: how rough a picture is at each pixel."""

from torch import Tensor

from .filters import gaussian_blur

SIGMAS = (1, 2, 4)  # pixels: fine, middle and coarse strokes


def octaves(lightness: Tensor) -> list[Tensor]:
    """The picture in bands: what each Gaussian takes away of what the one before has left.

    Args:
        lightness: (B, C, H, W), float32 or float64, in any unit.

    Returns:
        For each of `SIGMAS` (B, C, H, W), fine to coarse, in that unit.
    """
    bands, finer = [], lightness
    for sigma in SIGMAS:
        coarser = gaussian_blur(lightness, sigma, 4 * sigma)
        bands.append(finer - coarser)
        finer = coarser
    return bands


def local_contrast(lightness: Tensor) -> list[Tensor]:
    """The root mean square of each band near each pixel, fine to coarse.

    Near is a Gaussian of twice the band's sigma and two pixels.

    Args:
        lightness: (B, C, H, W), float32 or float64, in any unit.

    Returns:
        For each of `SIGMAS` (B, C, H, W), >= 0, in that unit.
    """
    return contrast_of(octaves(lightness))


def contrast_of(bands: list[Tensor]) -> list[Tensor]:
    """The local contrast of a picture whose bands are known, see `local_contrast`.

    Args:
        bands: from `octaves`, (B, C, H, W) each.

    Returns:
        For each (B, C, H, W), >= 0.
    """
    near = [2 * sigma + 2 for sigma in SIGMAS]
    pairs = zip(bands, near, strict=True)
    return [gaussian_blur(band.square(), sigma, 4 * sigma).sqrt() for band, sigma in pairs]

"""The 5-point Laplacian, with the edges of frame and source, and the blur."""

import torch
import torch.nn.functional as F
from kornia.filters import filter2d_separable, get_gaussian_kernel1d
from torch import Tensor


def neighbour_sum(image: Tensor) -> Tensor:
    """Sum of the four neighbours; those outside the frame count as 0.

    Args:
        image: (B, C, H, W), float.

    Returns:
        (B, C, H, W).
    """
    padded = F.pad(image, (1, 1, 1, 1))
    rows = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    return rows + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]


def laplacian(image: Tensor, valid: Tensor | None = None) -> Tensor:
    """Sum of image_p − image_q over the valid neighbours q of p.

    Inside a picture this is the stencil [0 −1 0; −1 4 −1; 0 −1 0].

    A neighbour outside the frame or not valid drops out, as if it had the pixel's own value; so the
    field has no edge where a picture ends. (kornia's `laplacian` is another kernel and another
    sign.)

    Args:
        image: (B, C, H, W), float.
        valid: (B, 1, H, W), 0 or 1; where the picture has values. None: everywhere.

    Returns:
        (B, C, H, W), in image units per pixel²; 0 where not valid.
    """
    if valid is None:
        valid = torch.ones_like(image[:1, :1])
    return valid * (neighbour_sum(valid) * image - neighbour_sum(valid * image))


def gaussian_kernel(sigma: float, reach: int, like: Tensor) -> Tensor:
    """(1, 2 · reach + 1), summing to 1, where `like` is.

    Args:
        sigma: standard deviation in pixels, > 0.
        reach: pixels at which the kernel is cut off, >= 1.
        like: float32 or float64.
    """
    return get_gaussian_kernel1d(2 * reach + 1, sigma, device=like.device, dtype=like.dtype)


def blur(image: Tensor, kernel: Tensor) -> Tensor:
    """Blur along both axes an image that goes on beyond its frame as at its edge.

    Args:
        image: (B, C, H, W), float.
        kernel: (1, K), K odd, of the image's dtype and device.

    Returns:
        (B, C, H, W).
    """
    reach = kernel.shape[1] // 2
    padded = F.pad(image, (reach,) * 4, mode="replicate")
    return filter2d_separable(padded, kernel, kernel, padding="valid")


def gaussian_blur(image: Tensor, sigma: float, reach: int) -> Tensor:
    """Blur an image by a Gaussian.

    Args:
        image: (B, C, H, W), float32 or float64; it goes on beyond its frame as at its edge.
        sigma: as in `gaussian_kernel`.
        reach: likewise.

    Returns:
        (B, C, H, W).
    """
    return blur(image, gaussian_kernel(sigma, reach, image))


def stencil_region(support: Tensor) -> Tensor:
    """The support and the ring of pixels outside whose stencil touches it, (B, 1, H, W), bool."""
    return support | (neighbour_sum(support.float()) > 0)

"""The 5-point Laplacian, with the edges of frame and source, and the blur."""

import torch
import torch.nn.functional as F
from kornia.filters import gaussian_blur2d
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


def laplacian(image: Tensor, known: Tensor | None = None) -> Tensor:
    """Sum of image_p − image_q over the known neighbours q of p.

    Inside a picture this is the stencil [0 −1 0; −1 4 −1; 0 −1 0].

    A neighbour outside the frame or not known drops out, as if it had the pixel's own value; so the
    field has no edge where a picture ends. (kornia's `laplacian` is another kernel and another
    sign.)

    Args:
        image: (B, C, H, W), float.
        known: (B, 1, H, W), 0 or 1; where the picture has values. None: everywhere.

    Returns:
        (B, C, H, W), in image units per pixel²; 0 where not known.
    """
    if known is None:
        known = torch.ones_like(image[:1, :1])
    return known * (neighbour_sum(known) * image - neighbour_sum(known * image))


def gaussian_blur(image: Tensor, sigma: float, reach: int) -> Tensor:
    """Blur an image that goes on beyond its frame as at its edge.

    Args:
        image: (B, C, H, W), float32 or float64.
        sigma: standard deviation in pixels, > 0.
        reach: pixels at which the kernel is cut off, >= 1.

    Returns:
        (B, C, H, W).
    """
    padded = F.pad(image, (reach,) * 4, mode="replicate")
    blurred = gaussian_blur2d(padded, 2 * reach + 1, (sigma, sigma), border_type="constant")
    return blurred[..., reach:-reach, reach:-reach]


def stencil_region(support: Tensor) -> Tensor:
    """The support and the ring of pixels outside whose stencil touches it, (B, 1, H, W), bool."""
    return support | (neighbour_sum(support.float()) > 0)

"""The 5-point Laplacian, free edges at the frame and the source's border; blur; a smooth step."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

BAND = 2**18  # numbers in a band of rows: few enough to stay in the cache


def neighbour_sum(image: Tensor) -> Tensor:
    """The sum of a pixel's four neighbours; those outside the frame count as 0.

    Args:
        image: (B, C, H, W), float.

    Returns:
        (B, C, H, W).
    """
    padded = F.pad(image, (1, 1, 1, 1))
    rows = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    return rows + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]


def laplacian(image: Tensor, valid: Tensor | None = None) -> Tensor:
    """The 5-point Laplacian: the sum of image_p − image_q over the valid neighbours q of p.

    Inside a picture this is the stencil [0 −1 0; −1 4 −1; 0 −1 0].

    A neighbour outside the frame or not valid drops out, as if it had the pixel's own value, so the
    field has no step where a picture ends. (kornia's `laplacian` has another kernel and the other
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
    """A Gaussian kernel in one dimension, (1, 2 · reach + 1).

    Args:
        sigma: standard deviation in pixels, > 0.
        reach: pixels at which the kernel is cut off, >= 1.
        like: a tensor of the dtype (float32 or float64) and device wanted.

    Returns:
        (1, 2 · reach + 1), summing to 1.
    """
    places = torch.arange(-reach, reach + 1, device=like.device).to(like.dtype)
    weights = torch.exp(-places.square() / (2 * sigma**2))
    return (weights / weights.sum())[None]


def blur(image: Tensor, kernel: Tensor) -> Tensor:
    """Convolve an image along both axes, its edge pixels repeated beyond the frame.

    Args:
        image: (B, C, H, W), float.
        kernel: (1, K), K odd, symmetric, of the image's dtype and device.

    Returns:
        (B, C, H, W).
    """
    reach, channels = kernel.shape[1] // 2, image.shape[1]
    padded = F.pad(image, (reach,) * 4, mode="replicate")
    is_differentiated = torch.is_grad_enabled() and image.requires_grad
    if image.device.type == "cpu" and not is_differentiated:
        return _blurred_in_bands(padded, kernel)
    every = kernel.expand(channels, 1, 1, -1)
    return F.conv2d(F.conv2d(padded, every, groups=channels), every.mT, groups=channels)


def _blurred_in_bands(padded: Tensor, kernel: Tensor) -> Tensor:
    """The same by `convolved`, in rows that stay in the cache: much faster."""
    weights, reach = kernel[0].tolist(), kernel.shape[1] // 2
    height, width = padded.shape[2] - 2 * reach, padded.shape[3] - 2 * reach
    found = padded.new_empty(*padded.shape[:2], height, width)
    step = max(8, BAND * padded.shape[2] // padded.numel())

    for top in range(0, height, step):
        rows = min(step, height - top)
        along = convolved(padded.narrow(2, top, rows + 2 * reach), weights, 3)
        found[:, :, top : top + rows] = convolved(along, weights, 2)
    return found


def convolved(padded: Tensor, weights: Sequence[float], dim: int) -> Tensor:
    """Convolve along one axis, by sums of shifted planes: on a processor faster than `conv2d`.

    Two neighbours share a product.

    Args:
        padded: (B, C, H, W), float, by K // 2 on either side of the axis.
        weights: K, odd, a symmetric kernel.
        dim: the axis.

    Returns:
        (B, C, H, W), its padding gone.
    """
    reach = len(weights) // 2
    length = padded.shape[dim] - 2 * reach
    total = padded.narrow(dim, reach, length) * weights[reach]
    pair = torch.empty_like(total)
    for near in range(reach):
        far = padded.narrow(dim, 2 * reach - near, length)
        torch.add(padded.narrow(dim, near, length), far, out=pair)
        total.add_(pair, alpha=weights[near])
    return total


def gaussian_blur(image: Tensor, sigma: float, reach: int) -> Tensor:
    """Blur an image by a Gaussian, its edge pixels repeated beyond the frame.

    Args:
        image: (B, C, H, W), float32 or float64.
        sigma: standard deviation in pixels, > 0.
        reach: pixels at which the kernel is cut off, >= 1.

    Returns:
        (B, C, H, W).
    """
    return blur(image, gaussian_kernel(sigma, reach, image))


def stencil_region(support: Tensor) -> Tensor:
    """The support, (B, 1, H, W), bool, and the ring around it whose 5-point stencil touches it."""
    return support | (neighbour_sum(support.float()) > 0)


def smoothstep(values: Tensor, low: float, high: float) -> Tensor:
    """0 up to `low`, 1 from `high` on, 3t² − 2t³ between them.

    Args:
        values: (B, ...), or one number.
        low: where the rise begins.
        high: where it ends, above `low`.

    Returns:
        (B, ...), the same shape, in [0, 1].
    """
    t = ((values - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)

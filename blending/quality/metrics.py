"""Error measures of a blend, in levels (0..255), as the published pictures were scored."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.filters import laplacian

LEVELS = 255.0
SEAM_RADIUS = 2  # pixels on either side of the mask's edge


def seam_ring(mask: Tensor) -> Tensor:
    """The pixels within 2 of the mask's edge on either side, without the frame's outermost pixels.

    Args:
        mask: (B, 1, H, W), in [0, 1]; 0.5 is the edge.

    Returns:
        (B, 1, H, W), bool.
    """
    inside = (mask >= 0.5).float()
    both = torch.cat((inside, 1 - inside))
    for shape in ((2 * SEAM_RADIUS + 1, 1), (1, 2 * SEAM_RADIUS + 1)):
        both = F.max_pool2d(both, shape, 1, [side // 2 for side in shape])
    return both.bool().unflatten(0, (2, -1)).all(0) & _off_the_frame(mask)


def seam_error(blend: Tensor, guidance: Tensor, mask: Tensor) -> float:
    """Mean squared Laplacian residual on the seam ring.

    Args:
        blend: (B, 3, H, W), in [0, 1].
        guidance: (B, 3, H, W), from `guidance_field`, in image units per pixel².
        mask: (B, 1, H, W), in [0, 1]; 0.5 is the edge.

    Returns:
        Levels² (0..255 scale); NaN where the ring is empty.
    """
    return _mean(_residual(blend, guidance), seam_ring(mask))


def gradient_error(blend: Tensor, guidance: Tensor, mask: Tensor) -> float:
    """Mean squared Laplacian residual inside the mask, without seam ring and frame's edge.

    Args:
        blend: (B, 3, H, W), in [0, 1].
        guidance: (B, 3, H, W), from `guidance_field`, in image units per pixel².
        mask: (B, 1, H, W), in [0, 1], 1 = source; 0.5 is the edge.

    Returns:
        Levels² (0..255 scale); NaN where there is no such pixel.
    """
    return _mean(_residual(blend, guidance), _inside(mask, seam_ring(mask)))


def seam_peak(blend: Tensor, guidance: Tensor, mask: Tensor) -> float:
    """By how much the residual on the seam ring exceeds that inside the mask: a seam is a peak.

    Strokes change the Laplacian all over an object, on the ring, too, and are no seam.

    Args:
        blend: (B, 3, H, W), in [0, 1].
        guidance: (B, 3, H, W), from `guidance_field`, in image units per pixel².
        mask: (B, 1, H, W), in [0, 1]; 0.5 is the edge.

    Returns:
        `seam_error` less `gradient_error`, at least 0, in levels² (0..255 scale); NaN where the
        ring is empty.
    """
    ring, squared = seam_ring(mask), _residual(blend, guidance)
    inside = _mean(squared, _inside(mask, ring))
    peak = _mean(squared, ring) - (0.0 if math.isnan(inside) else inside)
    return peak if math.isnan(peak) else max(0.0, peak)


def seam_share(blend: Tensor, guidance: Tensor, mask: Tensor) -> float:
    """The peak's amplitude against that of the blend's own texture on the seam ring.

    Args:
        blend: (B, 3, H, W), in [0, 1].
        guidance: (B, 3, H, W), from `guidance_field`, in image units per pixel².
        mask: (B, 1, H, W), in [0, 1]; 0.5 is the edge.

    Returns:
        Root of `seam_peak` over the mean squared Laplacian, >= 0; 0 without a peak, or where the
        blend is flat all along the ring: it shows no seam; NaN where the ring is empty.
    """
    peak = seam_peak(blend, guidance, mask)
    texture = seam_error(blend, torch.zeros_like(guidance), mask)
    if texture == 0:
        return 0.0
    return math.sqrt(peak / texture) if peak else peak


def background_error(blend: Tensor, target: Tensor, mask: Tensor) -> float:
    """Largest difference to the target outside the mask.

    Args:
        blend: (B, C, H, W), in [0, 1].
        target: (B, C, H, W), in [0, 1].
        mask: (B, 1, H, W), in [0, 1], 1 = source; outside it is 0.

    Returns:
        Levels (0..255 scale); 0 where nothing is outside.
    """
    difference = torch.where(mask > 0, 0, (blend - target).abs())
    return LEVELS * difference.max().item()


def _residual(blend: Tensor, guidance: Tensor) -> Tensor:
    """The squared residual of the Laplacian, the mean of the channels, (B, 1, H, W), levels²."""
    return (LEVELS * (laplacian(blend) - guidance)).square().mean(1, keepdim=True)


def _mean(squared: Tensor, where: Tensor) -> float:
    return squared[where].mean().item()


def _inside(mask: Tensor, ring: Tensor) -> Tensor:
    return (mask >= 0.5) & ~ring & _off_the_frame(mask)


def _off_the_frame(mask: Tensor) -> Tensor:
    inner = torch.zeros_like(mask, dtype=torch.bool)
    inner[..., 1:-1, 1:-1] = True
    return inner

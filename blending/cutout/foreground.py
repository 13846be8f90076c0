"""An object's own colours, without the old background's share in its edge pixels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..validation import check_image, check_mask, check_same_size, common_batch

PULL = 0.1  # weight of the coarser grid's value beside one known pixel
KNOWN = 0.99  # share of a pure pixel
LEAST_SHARE = 0.05  # a pixel with less of the object tells nothing of its colour
FAINT = 0.3  # share from which on a pixel has a colour of its own
NEAR = 24  # pixels within which the old background must be known


@torch.no_grad()
def foreground(source: Tensor, alpha: Tensor, source_valid: Tensor | None = None) -> Tensor:
    """The colours of the object: where alpha is 1 the source's, elsewhere unmixed and continued.

    With F̂ and B̂ the colours of the nearest pure pixels, I the source and a the object's share in
    a pixel: U = (I − (1 − a) B̂) / a, F = √a U + (1 − √a) F̂: the less of the object, the less is U
    worth. Fainter pixels take F from such neighbours. Where no background is known nearby,
    U = I, and a stands for √a.

    Args:
        source: (N or 1, 3, h, w), float.
        alpha: (N or 1, 1, h, w), in [0, 1], the object's share in each pixel's colour; 0 marks the
            old background, of which B̂ is learnt.
        source_valid: (N or 1, 1, h, w), > 0 where the source has pixels; None: everywhere.

    Returns:
        (N, 3, h, w), in the source's dtype; the source's own bits where alpha is 1 and everywhere
        if alpha is nowhere above 0.99.

    Raises:
        ValueError: wrong shapes, ranges, sizes or batches.
        TypeError: not float tensors.

    Source: what alpha matting calls foreground estimation (Germer et al. 2020). Differs: pure
    colours are continued by push and pull (Gortler et al. 1996) and need no iterations.
    """
    check_image("source", source)
    check_mask("alpha", alpha)
    check_same_size("alpha", alpha, "source", source)
    valid = torch.ones_like(alpha[:1]) if source_valid is None else source_valid
    check_mask("source_valid", valid)
    check_same_size("source_valid", valid, "source", source)
    batch = common_batch(source=source, alpha=alpha, source_valid=valid)
    dtype = torch.promote_types(source.dtype, torch.float32)
    image = source[:, :3].to(dtype).expand(batch, -1, -1, -1)
    share = alpha.to(dtype).expand(batch, -1, -1, -1)
    there = (valid > 0).to(dtype)
    own = ((share >= KNOWN) * there).to(dtype)
    old = ((share <= 0) * there).to(dtype)
    near_own, near_old = continued(image, own), continued(image, old)
    known = _near(old)
    unmixed = (image - (1 - share) * near_old) / share.clamp_min(LEAST_SHARE)
    unmixed = torch.where(known > 0, unmixed, image)
    unmixed = torch.where(share < LEAST_SHARE, near_own, unmixed)
    told = torch.where(known > 0, share.sqrt(), share)
    colours = (told * unmixed + (1 - told) * near_own).clamp(0, 1)
    nearer = continued(colours, share.square() * there)
    colours = torch.where(share < FAINT, nearer + share / FAINT * (colours - nearer), colours)
    taught = own.flatten(1).any(1).view(-1, 1, 1, 1)
    colours = torch.where((share < 1) & taught, colours, image)
    return colours.to(source.dtype)


def _near(plane: Tensor) -> Tensor:
    """Whether about NEAR pixels around a pixel one is marked, in blocks."""
    blocks = F.max_pool2d(plane, NEAR // 3, ceil_mode=True)
    around = F.max_pool2d(blocks, 7, 1, 3)
    height, width = plane.shape[2:]
    return F.interpolate(around, scale_factor=float(NEAR // 3))[..., :height, :width]


def continued(image: Tensor, weight: Tensor) -> Tensor:
    """Continue a picture's known colours smoothly to where none are known.

    Each grid has half the size of the one before and means over its known pixels; on the way back
    each unknown pixel takes the coarser grid's value.

    Args:
        image: (N, C, h, w), float32 or float64.
        weight: (N, 1, h, w), >= 0; 0: unknown.

    Returns:
        (N, C, h, w); zeros if nothing is known.
    """
    totals, weights = [image * weight], [weight]
    while max(weights[-1].shape[2:]) > 1:
        totals.append(_halved(totals[-1]))
        weights.append(_halved(weights[-1]))
    result = totals[-1] / weights[-1].clamp_min(1e-12)
    for total, known in zip(totals[-2::-1], weights[-2::-1], strict=True):
        size = known.shape[2:]
        coarse = F.interpolate(result, scale_factor=2, mode="bilinear", align_corners=False)
        result = (total + PULL * coarse[..., : size[0], : size[1]]) / (known + PULL)
    return result


def _halved(plane: Tensor) -> Tensor:
    """Sums of 2 x 2 pixels divided by 4; beyond an odd end there is nothing."""
    height, width = plane.shape[2:]
    plane = F.pad(plane, (0, width % 2, 0, height % 2)) if width % 2 or height % 2 else plane
    rows = plane[..., ::2, :] + plane[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4

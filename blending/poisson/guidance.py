"""The guidance field: the Laplacian that the blend is to have, by one of three rules."""

import torch
from torch import Tensor

from ..checks import check_choice
from ..image.filters import laplacian
from ..settings import GRADIENTS, LUMA


def guidance_field(
    source: Tensor, source_valid: Tensor, target: Tensor, support: Tensor, gradients: str = "import"
) -> Tensor:
    """The guidance: on the support the source's Laplacian by one of three rules, else the target's.

    Args:
        source: (B, 3, H, W), in [0, 1], the source laid out on the target's frame.
        source_valid: (B, 1, H, W), 0 or 1; where the source has pixels.
        target: (B, 3, H, W), in [0, 1].
        support: (B, 1, H, W), bool; the pixels that are solved.
        gradients: the rule on the support: "import", the source's gradients; "mixed", at every
            pixel the stronger gradient of source and target, for objects with holes or glass;
            "monochrome", those of the source's luminance (ITU-R BT.601, as masks are read) in each
            channel.

    Returns:
        (B, 3, H, W), in image units per pixel².

    Raises:
        ValueError: `gradients` is none of these.

    Source: Zhang et al. 2020, the Poisson gradient loss. Differs: no edges at the source's own
    border. Mixed: Pérez, Gangnet, Blake 2003, eq. 12.
    """
    check_choice("gradients", gradients, GRADIENTS)
    if gradients == "mixed":
        wanted = _mixed_laplacian(source, source_valid, target)
    elif gradients == "monochrome":
        luminance = (source * source.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
        wanted = laplacian(luminance, source_valid)
    else:
        wanted = laplacian(source, source_valid)
    return torch.where(support, wanted, laplacian(target))


def without_contours(
    guidance: Tensor,
    source: Tensor,
    source_valid: Tensor,
    target: Tensor,
    support: Tensor,
    contrast: float,
) -> Tensor:
    """The guidance with the source's steps across the mask's edge limited.

    Where an object was cut out tightly, its contour lies on the mask's edge, and the guidance asks
    for the step from the source's own background to the object once more on the target. Together
    with the ring outside, which is to stay smooth, this paints a glow inside the contour.

    Args:
        guidance: (B, C, H, W), with the source's Laplacian on the support.
        source: (B, C, H, W), in [0, 1].
        source_valid: (B, 1, H, W), 0 or 1; where the source has pixels.
        target: (B, C, H, W), in [0, 1].
        support: (B, 1, H, W), bool.
        contrast: by how much the source's step between two neighbours may exceed the range from 0
            to the target's step between them, on either side, >= 0, in image units.

    Returns:
        (B, C, H, W), in image units per pixel².

    Source: none in the paper.
    """
    excess = torch.zeros_like(guidance)
    for dim in (2, 3):
        edges = source.shape[dim] - 1
        here, there = (support.narrow(dim, first, edges) for first in (0, 1))
        both = source_valid.narrow(dim, 0, edges) * source_valid.narrow(dim, 1, edges)
        step, own = both * source.diff(dim=dim), both * target.diff(dim=dim)
        kept = step.clamp(own.clamp_max(0) - contrast, own.clamp_min(0) + contrast)
        beyond = step - kept
        excess.narrow(dim, 0, edges).sub_(torch.where(here & ~there, beyond, 0))
        excess.narrow(dim, 1, edges).add_(torch.where(there & ~here, beyond, 0))
    return guidance - excess


def _mixed_laplacian(source: Tensor, source_valid: Tensor, target: Tensor) -> Tensor:
    """The Laplacian of source and target mixed: at each pixel the stronger picture's differences.

    A pixel owns its edges to the right and below, and takes both from the picture whose gradient is
    longer there; from the source where they are equal. The length is that of all channels together,
    so that no pixel mixes the channels of two pictures, which would fringe edges with colours of
    neither. An edge to a pixel outside the frame, or where the source has no pixel, counts as 0 in
    the source's gradient.

    Source: Pérez, Gangnet, Blake 2003, eq. 12. Differs: one choice for all channels.
    """
    ours = _forward_differences(source, source_valid)
    theirs = _forward_differences(target, torch.ones_like(source_valid))
    is_target = _squared_length(theirs) > _squared_length(ours)
    right, down = (torch.where(is_target, t, s) for s, t in zip(ours, theirs, strict=True))
    # The last column's and row's differences are 0, so nothing wraps around in the roll.
    return right - right.roll(1, 3) + down - down.roll(1, 2)


def _forward_differences(image: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """image_p − image_q for q to the right and below; 0 where p or q is not valid or outside.

    The sign is the Laplacian's, opposite to that of a derivative.
    """

    def along(dim: int) -> Tensor:
        difference = -image.diff(dim=dim, append=image.narrow(dim, -1, 1))
        return valid * valid.roll(-1, dim) * difference

    return along(3), along(2)


def _squared_length(gradient: tuple[Tensor, Tensor]) -> Tensor:
    right, down = gradient
    return (right.square() + down.square()).sum(1, keepdim=True)

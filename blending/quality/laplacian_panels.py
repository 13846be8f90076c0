"""Laplacians as pictures: the guidance of a blend, its own Laplacian, and where they differ."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_choice
from ..image.filters import laplacian, stencil_region
from ..placement.box import Box, bounding_box, crop
from ..placement.place import Placed
from ..placement.window import pick, window_box
from ..poisson.guidance import guidance_field
from ..report import json_ready
from ..settings import GRADIENTS
from ..validation import check_image, check_same_size, common_batch
from .metrics import background_error, gradient_error, seam_error, seam_peak, seam_share
from .seam_profile import SeamProfile, seam_profile

PANELS = ("source", "target", "guidance", "result", "residual")
FULL_SCALE_QUANTILE = 0.98
MARGIN = 24  # pixels shown around the masks
QUANTILE_SAMPLES = 1_000_000  # torch.quantile takes 16 million values at most


@dataclass(frozen=True)
class LaplacianPanels:
    """Five pictures of the masks' surroundings, (N, 3, h, w) in [0, 1], and their figures.

    Attributes:
        source: the source's Laplacian at its place on the target; mid grey is 0, brighter is a
            pixel above its neighbours.
        target: the target's Laplacian, in the same grey scale.
        guidance: the Laplacian that the blend is to have, in the same grey scale.
        result: the Laplacian that it has, in the same grey scale.
        residual: |result − guidance| on the mask, and where the result has changed on the ring
            around it: black is 0, then red, yellow, white at full scale.
        report: JSON-ready; for each picture the full scale in levels, and seam, gradient and
            background error, `seam_peak` and `seam_share` of the result beside those of copy and
            paste; None where a mask has no such pixels.
        profiles: for each picture, that residual by distance from the mask's edge, beyond the ring,
            too.
    """

    source: Tensor
    target: Tensor
    guidance: Tensor
    result: Tensor
    residual: Tensor
    report: dict
    profiles: list[SeamProfile]

    @property
    def by_name(self) -> dict[str, Tensor]:
        """The five panels by name, (N, 3, h, w) each, in the order of `PANELS`."""
        return {name: getattr(self, name) for name in PANELS}


def laplacian_panels(image: Tensor, placed: Placed, gradients: str = "import") -> LaplacianPanels:
    """Show the Laplacians of a blend, of its pictures and of its guidance.

    All panels of a picture share one scale: the 98th percentile of the guidance's magnitude there.

    Args:
        image: (N, 3 or 4, H, W), in [0, 1], the blend to look at, the target's size.
        placed: its source, mask and target, from `place`.
        gradients: "import", "mixed" or "monochrome", as in the blend's settings.

    Returns:
        Panels of the box around all masks with 24 pixels of margin, and their figures.

    Raises:
        ValueError: shapes, sizes or batches; gradients of another name.
        TypeError: not a float tensor.
    """
    check_choice("gradients", gradients, GRADIENTS)
    check_image("image", image)
    check_same_size("image", image, "target", placed.target)
    batch = common_batch(image=image, source=placed.source, mask=placed.mask, target=placed.target)
    box = bounding_box(placed.full_mask.amax(0, keepdim=True) > 0)
    box = window_box(box, MARGIN, placed.target.shape)
    rows = [_panels(pick(image, sample), placed, sample, box, gradients) for sample in range(batch)]
    panels, figures, profiles = zip(*rows, strict=True)
    columns = [torch.cat(column) for column in zip(*panels, strict=True)]
    report = {"pictures": list(figures)}
    return LaplacianPanels(*columns, report=report, profiles=list(profiles))


def _panels(
    image: Tensor, placed: Placed, sample: int, box: Box, gradients: str
) -> tuple[list[Tensor], dict, SeamProfile]:
    if placed.is_empty(sample):
        grey = torch.full_like(crop(image[:, :3], box), 0.5)
        panels = [grey, grey, grey, grey, torch.zeros_like(grey)]
        return panels, {"empty": True}, SeamProfile([], [], [])
    window = placed.window(sample, margin=None)
    result = image[:, :3].to(window.target)
    guidance = guidance_field(
        window.source, window.source_valid, window.target, window.support, gradients
    )
    scale = _full_scale(crop(guidance, box))
    found = laplacian(result)
    # Pixels of the target as they were have nothing to match: beside a changed neighbour their
    # Laplacian changes too, and an exact blend would show a bright line there.
    asked = window.support | (result != window.target).any(1, keepdim=True)
    off = torch.where(asked, found - guidance, 0)
    residual = torch.where(stencil_region(window.support), off.abs(), 0)
    fields = (
        laplacian(window.source, window.source_valid),
        laplacian(window.target),
        guidance,
        found,
    )
    panels = [(0.5 + field / (2 * scale)).clamp(0, 1) for field in fields]
    figures: dict = {"full_scale_levels": 255 * scale}
    for name, picture in (("result", result), ("paste", window.paste)):
        figures[name] = json_ready(
            {
                "seam": seam_error(picture, guidance, window.mask),
                "seam_peak": seam_peak(picture, guidance, window.mask),
                "seam_share": seam_share(picture, guidance, window.mask),
                "gradient": gradient_error(picture, guidance, window.mask),
                "background": background_error(picture, window.target, window.mask),
            }
        )
    panels.append(_heat(residual / scale))
    pasted = torch.where(window.support, laplacian(window.paste) - guidance, 0)
    profile = seam_profile(crop(off, box), crop(pasted, box), crop(window.support, box))
    return [crop(panel, box).to(image.dtype) for panel in panels], figures, profile


def _full_scale(guidance: Tensor) -> float:
    sizes = guidance.abs().flatten()
    sizes = sizes[:: sizes.numel() // QUANTILE_SAMPLES + 1].float()
    return max(torch.quantile(sizes, FULL_SCALE_QUANTILE).item(), 1 / 255)


def _heat(values: Tensor) -> Tensor:
    """Black, red, yellow, white over 0, 1/3, 2/3, 1 of the mean over the channels."""
    level = 3 * values.mean(1, keepdim=True)
    return torch.cat([(level - start).clamp(0, 1) for start in (0.0, 1.0, 2.0)], 1)

"""Guard rails: measures of what can go wrong: colours, a seam, a spill, a see-through object."""

import math

import torch
from torch import Tensor

from ..image.colour import delta_e_2000, turned_hues
from ..placement.box import crop, full_box
from ..placement.place import Placed
from ..placement.window import pick
from ..poisson.guidance import guidance_field
from ..report import json_ready
from ..validation import check_image, check_same_size, common_batch
from .appearance import figures_of
from .belonging import foreign_colours
from .metrics import SEAM_RADIUS, background_error, seam_peak, seam_share
from .object_view import REACH, object_view

STRIP = 256  # rows that are compared at once
MARGIN = SEAM_RADIUS + 1  # pixels: the seam ring outside the mask, and its stencil


@torch.no_grad()
def colour_difference(lab: Tensor, paste_lab: Tensor, mask: Tensor) -> float:
    """Mean CIEDE2000 difference to the plain paste under the mask.

    Args:
        lab: (B, 3, H, W), float, the blend in CIELAB, as from `to_lab`.
        paste_lab: (B, 3, H, W), float, the plain paste in CIELAB.
        mask: (B, 1, H, W), in [0, 1]; pixels from 0.5 on are averaged.

    Returns:
        ΔE₀₀, >= 0; NaN where the mask is empty.

    Raises:
        ValueError: not three channels, or sizes of the pictures differ.
    """
    return delta_e_2000(_under(lab, mask), _under(paste_lab, mask)).mean().item()


@torch.no_grad()
def hue_flip_share(lab: Tensor, paste_lab: Tensor, mask: Tensor) -> float:
    """Share of the coloured pixels under the mask whose hue turns by more than 60°.

    Coloured is a CIELAB chroma over 10 in both pictures; the hue is the angle of (a*, b*).

    Args:
        lab: (B, 3, H, W), float, the blend in CIELAB, as from `to_lab`.
        paste_lab: (B, 3, H, W), float, the plain paste in CIELAB.
        mask: (B, 1, H, W), in [0, 1]; pixels from 0.5 on are counted.

    Returns:
        0 to 1; 0 where no pixel is coloured.
    """
    coloured, turned = turned_hues(_under(lab, mask), _under(paste_lab, mask))
    return (coloured & turned).sum().item() / max(coloured.sum().item(), 1)


@torch.no_grad()
def seam_ratio(blend: Tensor, paste: Tensor, guidance: Tensor, mask: Tensor) -> float:
    """The seam of the blend divided by that of the plain paste, see `seam_peak`.

    Args:
        blend: (B, 3, H, W), float, in [0, 1].
        paste: (B, 3, H, W), float, in [0, 1].
        guidance: (B, 3, H, W), from `guidance_field`, in image units per pixel².
        mask: (B, 1, H, W), in [0, 1]; 0.5 is the edge.

    Returns:
        Ratio, >= 0; below 1 the blend hides the seam. Where the paste has none: 1 if the blend has
        none either, else infinity. NaN where the mask has no seam ring.
    """
    dtype = torch.promote_types(blend.dtype, torch.float32)
    paste, guidance = paste.to(dtype), guidance.to(dtype)
    found, before = (seam_peak(picture, guidance, mask) for picture in (blend.to(dtype), paste))
    if before == 0:
        return 1.0 if found == 0 else math.inf
    return found / before


@torch.no_grad()
def guard_rails(
    blend: Tensor, placed: Placed, gradients: str = "import", given: Placed | None = None
) -> list[dict[str, float | None]]:
    """Measures of each picture; `verdicts` says which of them are as in a good blend.

    Args:
        blend: (N, 3 or 4, H, W), float, in [0, 1], the target's size; computed on its device.
        placed: its source, mask and target, from `place` or `vicinity`; N or 1 of each. Where the
            target is a part of a picture, 104 px or more around the object suffice.
        gradients: those of the blend's settings, see `guidance_field`.
        given: what the plain paste is made of that the seam is compared with, such as source and
            mask before they were cleaned; None: `placed`.

    Returns:
        N dicts, JSON-ready, empty where the mask is: `colour_difference` (ΔE₀₀ to the plain paste),
        `hue_flip_share` (0 to 1), those of `seam_figures`, `background_difference`, the largest
        difference to the target outside the mask in all of it, in levels (alpha is compared
        where both have it); and, None where there is too little to measure, `see_through_rim` and
        `see_through_inside` (0 opaque to 1), `contour_kept` and `tone_kept` (1 is the plain
        paste's), `foreign_colours` and `highlights` (ΔE to the target's), see the functions of
        these names.

    Raises:
        ValueError: shapes, ranges, sizes or batches.
        TypeError: not a float tensor.
    """
    check_image("blend", blend)
    check_same_size("blend", blend, "target", placed.target)
    batch = common_batch(blend=blend, source=placed.source, mask=placed.mask, target=placed.target)
    return [
        {}
        if placed.is_empty(sample)
        else _figures(pick(blend, sample), placed, sample)
        | seam_figures(pick(blend, sample), given or placed, sample, gradients)
        for sample in range(batch)
    ]


@torch.no_grad()
def seam_figures(
    blend: Tensor, given: Placed, sample: int = 0, gradients: str = "import"
) -> dict[str, float | None]:
    """How much of a seam one picture has, beside the plain paste of what was placed.

    Args:
        blend: (1, 3 or 4, H, W), float, in [0, 1], the target's size; computed on its device.
        given: source, mask and target of the paste.
        sample: which picture of a batch `blend` is, from 0.
        gradients: those of the blend's settings, see `guidance_field`.

    Returns:
        `seam_ratio` (None, too, where only the blend has a seam) and `seam_share`, of the blend,
        see the functions of these names; None without a seam ring or where the mask is empty.
    """
    if given.is_empty(sample):
        return {"seam_ratio": None, "seam_share": None}
    window = given.window(sample, margin=MARGIN, device=blend.device)
    guidance = guidance_field(
        window.source, window.source_valid, window.target, window.support, gradients
    )
    result = crop(blend[:, :3], window.box)
    ratio = seam_ratio(result, window.paste, guidance, window.mask)
    share = seam_share(result.to(guidance), guidance, window.mask)
    return json_ready({"seam_ratio": ratio, "seam_share": share})


def _figures(blend: Tensor, placed: Placed, sample: int) -> dict[str, float | None]:
    """What an eye sees, of the plain paste's surroundings alone but for the target's colours."""
    window = placed.window(sample, margin=REACH, device=blend.device)
    whole = pick(placed.picture, sample)[:, :3]
    frame = full_box(whole.shape).relative_to(placed.part).relative_to(window.box)
    result = crop(blend[:, :3], window.box)
    view = object_view(result, window.paste, window.target, window.mask, frame)
    mask = pick(placed.full_mask, sample)
    return json_ready(
        {
            "colour_difference": colour_difference(view.result, view.paste, window.mask),
            "hue_flip_share": hue_flip_share(view.result, view.paste, window.mask),
            "background_difference": _background_difference(blend, placed, sample),
            **figures_of(view),
            "foreign_colours": foreign_colours(blend[:, :3], whole, mask, placed.part),
        }
    )


def _under(lab: Tensor, mask: Tensor) -> Tensor:
    """The pixels under a mask, (1, 3, N, 1)."""
    return lab.movedim(1, 3)[mask[:, 0] >= 0.5].T[None, :, :, None]


def _background_difference(blend: Tensor, placed: Placed, sample: int) -> float:
    target, mask = pick(placed.target, sample), pick(placed.full_mask, sample)
    channels = min(blend.shape[1], target.shape[1])
    dtype = torch.promote_types(target.dtype, torch.float32)
    largest = 0.0
    for top in range(0, target.shape[2], STRIP):
        rows = slice(top, top + STRIP)
        strip, wanted = (
            picture[:, :channels, rows].to(blend.device, dtype) for picture in (blend, target)
        )
        largest = max(largest, background_error(strip, wanted, mask[:, :, rows].to(blend.device)))
    return largest

"""What Place Object's view in the page draws: the target, the cut-out and where it may lie."""

import json
from dataclasses import asdict

import torch
import torch.nn.functional as F
from comfy_api.latest import ui
from torch import Tensor

from ..blending.placement.alpha import cut_out
from ..blending.placement.box import bounding_box, crop
from ..blending.placement.layout import Layout
from .adapters import planes_to_image

KEY = "dib_placing"  # of the node's outputs in the page; web/placing_pictures.js reads it
VIEW_SIDE = 768  # pixels: a view of 350 at a zoom of 2 is drawn sharply
OPAQUE_ENOUGH = 1 / 512  # below half an 8-bit level a mask shows no colour


def placing_view(
    source: Tensor, target: Tensor, mask: Tensor | None, layout: Layout, trim: bool
) -> dict:
    """The first pictures of a batch, reduced, for the page.

    A text, not pictures: neither the page nor its list of jobs is to show them by itself.

    Args:
        source: (N, 3 or 4, h, w), in [0, 1].
        target: (N, 3 or 4, H, W).
        mask: (N, 1, h, w), in [0, 1], 1 = take the source; or None.
        layout: that the node ran with; the page needs it where a widget is linked.
        trim: whether fit and anchor mean the object.

    Returns:
        A node's `ui`: names of the two files in ComfyUI's temporary folder, all sizes as height and
        width in pixels, the object's box as top, left, height and width.
    """
    colour, _, mask, _ = cut_out(source, mask)
    part = bounding_box((mask > 0).any(0, keepdim=True))
    colour, taken = _sampled(crop(colour[:1], part)), _sampled(crop(mask[:1], part))
    alpha = _reduced(taken)
    colour = _reduced(colour * taken) / alpha.clamp_min(OPAQUE_ENOUGH)
    told = {
        "target": [*target.shape[2:]],
        "source": [*source.shape[2:]],
        "part": [part.top, part.left, part.height, part.width],
        "layout": asdict(layout) | {"trim": trim},
        "files": {
            "target": _saved(_reduced(_sampled(target[:1, :3]))),
            "object": _saved(torch.cat([colour, alpha], 1)),
        },
    }
    return {KEY: [json.dumps(told)]}


def _sampled(picture: Tensor) -> Tensor:
    """Every so many rows and columns of a large picture: two samples a pixel are smooth enough."""
    step = max(1, max(picture.shape[2:]) // VIEW_SIDE // 2)
    return picture[..., ::step, ::step].float()


def _reduced(picture: Tensor) -> Tensor:
    """A picture (1, C, h, w) of at most 768 pixels a side."""
    factor = VIEW_SIDE / max(picture.shape[2:])
    if factor >= 1:
        return picture
    size = [max(1, round(side * factor)) for side in picture.shape[2:]]
    return F.interpolate(picture, size, mode="area")


def _saved(picture: Tensor) -> dict:
    """A picture's file in the temporary folder: its name, subfolder and type."""
    [saved] = ui.PreviewImage(planes_to_image(picture.clamp(0, 1)).float()).values
    return {**saved}

"""Stitch without Seam: a repainted crop put back where Crop for Repair cut it."""

import json
from typing import TYPE_CHECKING

from comfy_api.latest import io
from torch import Tensor

from ..blending.placement.box import Box
from ..blending.report import machine_report
from ..blending.settings import FINISHES
from . import fields
from .adapters import compute_with, planes_to_image, planes_to_mask, show_text
from .feedback import Feedback, Run
from .network import borrowed_network
from .planes import cut_alpha, image_planes

if TYPE_CHECKING:
    from ..blending.repair.crop import CropPlace


class StitchWithoutSeam(io.ComfyNode):
    """Everything but the repainted crop comes over the place wire."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "StitchWithoutSeam",
            "Stitch without Seam",
            shows_text=True,
            description="Puts a repainted crop back where Crop for Repair cut it, at its size, "
            "with the picture's colours at the mask's edge and no seam. Outside the mask the "
            "picture stays bit for bit.",
            search_aliases=[
                "inpaint",
                "inpaint stitch",
                "stitch",
                "crop and stitch",
                "paste back",
                "uncrop",
                "outpaint",
                "outpaint seam",
                "seam",
                "seam repair",
                "color match",
                "seamless clone",
            ],
            inputs=[
                fields.picture(
                    "crop",
                    "The repainted crops in their order; their own size in pixels, or enlarged or "
                    "shrunk as a whole. Several of each: several pictures.",
                ),
                fields.PlaceLink.Input("place", tooltip="Crop for Repair's place."),
                fields.choice(
                    "finish",
                    FINISHES,
                    "none",
                    "none: the seam alone, at once. photograph: the place's grain and softness "
                    "where the crop has less. painting: the place's strokes, 20 evaluations a "
                    "crop.",
                ),
                fields.number(
                    "bleed",
                    1.0,
                    (0.0, 1.0, 0.05),
                    "How far the picture's colours seep into the crop, 0 to 1. 1: without limit, "
                    "for a repaint of the same scene; towards 0 the crop keeps its own.",
                ),
            ],
            outputs=[
                fields.picture_output("repaired", "The picture with the crop in it; its size."),
                fields.mask_output(
                    "changed", "What was repaired (1 = changed), the picture's size."
                ),
                fields.report_output(
                    "What was done, as JSON: place, scale, stages, seconds and seam of each crop, "
                    "notes."
                ),
            ],
        )

    @classmethod
    def execute(cls, crop: Tensor, place: object, finish: str, bleed: float) -> io.NodeOutput:
        """Put back."""
        from ..blending.repair.crop import CropPlace
        from ..blending.repair.stitch import check_crops, needed_memory, stitch
        from ..blending.stages.device import resolve_device

        show_text(cls)
        if not isinstance(place, CropPlace):
            raise ValueError(
                f"place must be what Crop for Repair hands out, got {type(place).__name__}: link "
                "its place"
            )
        planes, said = cut_alpha(image_planes("crop", crop), "crop")
        check_crops(planes, place)
        room = needed_memory(planes, place, finish)
        with borrowed_network(room, finish == "painting") as network, Run(cls) as run:
            compute, feedback = compute_with(None), Feedback(_largest_part(place), run, "crop")
            stitched = stitch(planes, place, finish, bleed, network, compute, feedback)
        feedback.finish()
        machine = machine_report(resolve_device(compute, place.picture.device))
        report = {**stitched.report, "warnings": list(said), **machine}
        show_text(cls, *said, stitched.words, *place.notes)
        return io.NodeOutput(
            planes_to_image(stitched.image),
            planes_to_mask(stitched.mask),
            json.dumps(report, indent=2),
        )


def _largest_part(place: "CropPlace") -> Box:
    """A box that holds any region with what is worked on around it, for the live picture."""
    from ..blending.repair.stitch import AROUND

    height, width = zip(*(region.box.grown(AROUND).size for region in place.regions), strict=True)
    return Box(0, 0, max(height), max(width))

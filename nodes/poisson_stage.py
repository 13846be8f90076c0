"""Poisson Stage: a source blended into a target without a seam."""

import json

from comfy_api.latest import io
from torch import Tensor

from ..blending.settings import METHODS, BlendSettings, PoissonSettings
from .adapters import (
    CATEGORY,
    Feedback,
    compute_device,
    image_to_planes,
    mask_to_planes,
    place_inputs,
    planes_to_image,
    planes_to_mask,
)


class PoissonStage(io.ComfyNode):
    """The first stage; its mask output is what the refine stage wants."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return io.Schema(
            node_id="DIB_PoissonStage",
            display_name="Poisson Stage (Blending)",
            category=CATEGORY,
            description="Blends the masked part of a source into a target: no seam, the target's "
            "texture, the source's content. Outside the mask the target stays bit for bit.",
            inputs=[
                io.Image.Input("target", tooltip="Picture to blend into; any size."),
                io.Image.Input("source", tooltip="Picture to cut from; its alpha counts, too."),
                io.Mask.Input(
                    "mask", tooltip="What to take of the source (1 = take); the source's size."
                ),
                *place_inputs(),
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default="deep",
                    tooltip="deep: texture and style, too, seconds to minutes. exact: the Poisson "
                    "equation alone, at once.",
                ),
                io.Int.Input(
                    "max_evaluations",
                    default=PoissonSettings().max_evaluations,
                    min=1,
                    max=1000,
                    tooltip="Most steps of the deep method for a picture, 1 to 1000.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="blend", tooltip="The target with the source in it."),
                io.Mask.Output(display_name="placed mask", tooltip="The mask on the target."),
                io.Image.Output(display_name="paste", tooltip="Plain copy and paste, to compare."),
                io.String.Output(display_name="report", tooltip="What was done, as JSON."),
            ],
        )

    @classmethod
    def execute(
        cls,
        target: Tensor,
        source: Tensor,
        mask: Tensor,
        column: int,
        row: int,
        scale: float,
        method: str,
        max_evaluations: int,
    ) -> io.NodeOutput:
        """Blend."""
        from ..blending import blend

        poisson = PoissonSettings(method=method, max_evaluations=max_evaluations)
        feedback = Feedback()
        result = blend(
            image_to_planes("source", source),
            image_to_planes("target", target),
            mask_to_planes("mask", mask),
            row=row,
            column=column,
            scale=scale,
            settings=BlendSettings(poisson, refine=None, device=str(compute_device())),
            on_evaluation=feedback,
        )
        feedback.finish()
        return io.NodeOutput(
            planes_to_image(result.image),
            planes_to_mask(result.mask),
            planes_to_image(result.paste),
            json.dumps(result.report, indent=2),
        )

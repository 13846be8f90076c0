"""Style Refine Stage: a blend pulled further towards its target's style."""

import json

from comfy_api.latest import io
from torch import Tensor

from ..blending.machine import Compute
from ..blending.presets import REFINING, refine_preset
from ..blending.settings import REGIONS
from .adapters import (
    CATEGORY,
    Feedback,
    compute_device,
    image_to_planes,
    mask_to_planes,
    planes_to_image,
    steps_input,
)


class StyleRefineStage(io.ComfyNode):
    """The second stage."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return io.Schema(
            node_id="DIB_StyleRefineStage",
            display_name="Style Refine Stage (Blending)",
            category=CATEGORY,
            description="Gives a blended object the target's texture and style; its content holds.",
            inputs=[
                io.Image.Input("blend", tooltip="The Poisson Stage's blend, or any composite."),
                io.Image.Input("target", tooltip="Picture whose style is wanted; the same size."),
                io.Mask.Input("mask", tooltip="The placed mask: what may change (1 = object)."),
                io.Combo.Input(
                    "preset",
                    options=list(REFINING),
                    default="painting",
                    tooltip="painting: the default. paper: the published objective. fast: few "
                    "steps.",
                ),
                io.Combo.Input(
                    "region",
                    options=list(REGIONS),
                    default="object",
                    tooltip="object: only pixels under the mask change. band: these and 24 pixels "
                    "around them. picture: all of them.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the change that is applied, 0 to 1; 0 returns the blend.",
                ),
                steps_input(),
            ],
            outputs=[
                io.Image.Output(display_name="refined", tooltip="The blend in the target's style."),
                io.String.Output(display_name="report", tooltip="What was done, as JSON."),
            ],
        )

    @classmethod
    def execute(
        cls,
        blend: Tensor,
        target: Tensor,
        mask: Tensor,
        preset: str,
        region: str,
        strength: float,
        max_evaluations: int,
    ) -> io.NodeOutput:
        """Refine."""
        from ..blending import refine_stage

        feedback = Feedback()
        result = refine_stage(
            image_to_planes("blend", blend),
            image_to_planes("target", target),
            mask_to_planes("mask", mask),
            refine_preset(preset, region, strength, max_evaluations),
            compute=Compute(str(compute_device())),
            on_evaluation=feedback,
        )
        feedback.finish()
        return io.NodeOutput(planes_to_image(result.image), json.dumps(result.report, indent=2))

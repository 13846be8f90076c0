"""Poisson Stage: a source blended into a target without a seam."""

import json

from comfy_api.latest import io
from torch import Tensor

from ..blending.machine import Compute
from ..blending.presets import PRESETS, poisson_preset
from ..blending.settings import GRADIENTS, BlendSettings
from .adapters import (
    CATEGORY,
    Feedback,
    compute_device,
    image_to_planes,
    mask_to_planes,
    place_inputs,
    planes_to_image,
    planes_to_mask,
    steps_input,
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
                    "preset",
                    options=list(PRESETS),
                    default="painting",
                    tooltip="painting: texture and style, too. photograph: less style; a patch of "
                    "the same scene is matched. seam repair: the Poisson equation alone, at once. "
                    "paper: the published objective. fast: few steps.",
                ),
                io.Combo.Input(
                    "gradients",
                    options=list(GRADIENTS),
                    default="import",
                    tooltip="import: the source's. mixed: the stronger of both at each pixel, for "
                    "glass and holes. monochrome: the source's without its colours.",
                ),
                io.Float.Input(
                    "bleed",
                    default=0.0,
                    min=-1.0,
                    max=1.0,
                    step=0.05,
                    tooltip="0 is the preset's own; towards 1 the target's colours seep in, "
                    "towards -1 the source keeps its colours.",
                ),
                steps_input(),
            ],
            outputs=[
                io.Image.Output(display_name="blend", tooltip="The target with the source in it."),
                io.Mask.Output(display_name="placed mask", tooltip="The mask on the target."),
                io.Image.Output(display_name="paste", tooltip="Plain copy and paste, to compare."),
                io.String.Output(display_name="report", tooltip="What was done, as JSON."),
            ],
        )

    @classmethod
    def execute(  # noqa: PLR0913 - one argument an input
        cls,
        target: Tensor,
        source: Tensor,
        mask: Tensor,
        column: int,
        row: int,
        scale: float,
        preset: str,
        gradients: str,
        bleed: float,
        max_evaluations: int,
    ) -> io.NodeOutput:
        """Blend."""
        from ..blending import blend

        poisson = poisson_preset(preset, gradients, bleed, max_evaluations)
        feedback = Feedback()
        result = blend(
            image_to_planes("source", source),
            image_to_planes("target", target),
            mask_to_planes("mask", mask),
            row=row,
            column=column,
            scale=scale,
            settings=BlendSettings(poisson, refine=None, compute=Compute(str(compute_device()))),
            on_evaluation=feedback,
        )
        feedback.finish()
        return io.NodeOutput(
            planes_to_image(result.image),
            planes_to_mask(result.mask),
            planes_to_image(result.paste),
            json.dumps(result.report, indent=2),
        )

"""Laplacian Preview: what the Poisson stage was asked to match, and where it did not."""

import json

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..blending.settings import GRADIENTS
from .adapters import CATEGORY, image_to_planes, mask_to_planes, place_inputs, planes_to_image


class LaplacianPreview(io.ComfyNode):
    """Shows five panels a picture and their figures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return io.Schema(
            node_id="DIB_LaplacianPreview",
            display_name="Laplacian Preview (Blending)",
            category=CATEGORY,
            description="Shows, around the mask, the Laplacians of source, target, guidance and "
            "result (grey is 0), and the residual (black is 0, then red, yellow, white).",
            is_output_node=True,
            inputs=[
                io.Image.Input("result", tooltip="The blend to look at; the target's size."),
                io.Image.Input("target", tooltip="The target of that blend."),
                io.Image.Input("source", tooltip="The source of that blend."),
                io.Mask.Input("mask", tooltip="The source's mask (1 = take); its size."),
                *place_inputs(),
                io.Combo.Input(
                    "gradients",
                    options=list(GRADIENTS),
                    default="import",
                    optional=True,
                    tooltip="Those that the Poisson Stage was told to take.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="panels",
                    tooltip="Five pictures each: source, target, guidance, result, residual.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Seam and gradient error in squared levels, background difference in "
                    "levels, full scale of the panels, as JSON.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        result: Tensor,
        target: Tensor,
        source: Tensor,
        mask: Tensor,
        column: int,
        row: int,
        scale: float,
        gradients: str = "import",
    ) -> io.NodeOutput:
        """Show."""
        from ..blending.placement import place
        from ..blending.preview import laplacian_panels

        placed = place(
            image_to_planes("source", source),
            image_to_planes("target", target),
            mask_to_planes("mask", mask),
            row,
            column,
            scale,
        )
        shown = laplacian_panels(image_to_planes("result", result), placed, gradients)
        sheet = (shown.source, shown.target, shown.guidance, shown.result, shown.residual)
        panels = planes_to_image(torch.stack(sheet, 1).flatten(0, 1))
        return io.NodeOutput(
            panels, json.dumps(shown.report, indent=2), ui=ui.PreviewImage(panels, cls=cls)
        )

"""Loss Curves: how the terms of a stage fell, evaluation by evaluation."""

from comfy_api.latest import io, ui

from . import fields
from .adapters import planes_to_image


class LossCurves(io.ComfyNode):
    """Draws a stage's report."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "LossCurves",
            "Loss Curves",
            description="Draws the weighted terms of a stage over its evaluations, on a "
            "logarithmic scale: what fell, what did not, and why the stage stopped. One plot for "
            "each picture of a batch of up to 8; one for all of a longer one, with medians and "
            "ranges.",
            search_aliases=["plot", "graph", "convergence", "chart", "report", "evaluations"],
            is_output_node=True,
            inputs=[
                io.String.Input(
                    "report",
                    force_input=True,
                    tooltip="The report output of a Poisson Stage or a Style Refine Stage (JSON).",
                ),
            ],
            outputs=[
                fields.picture_output(
                    "curves",
                    "Plots of 960 x 600 pixels: weighted terms (no unit) by evaluation. "
                    "One for each picture; of more than 8 pictures one, with each term's median, "
                    "and its lowest and highest as thin lines.",
                ),
            ],
        )

    @classmethod
    def execute(cls, report: str) -> io.NodeOutput:
        """Draw."""
        from ..blending.plots.loss_curves import loss_curves

        curves = planes_to_image(loss_curves(report))
        return io.NodeOutput(curves, ui=ui.PreviewImage(curves, cls=cls))

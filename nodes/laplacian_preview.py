"""Laplacian Preview: what the Poisson stage was asked to match, and where it did not."""

import json

from comfy_api.latest import io, ui
from torch import Tensor

from ..blending.settings import GRADIENTS
from . import fields
from .adapters import planes_to_image, show_text
from .feedback import Run
from .planes import image_planes
from .summary import seam_of_panels
from .traps import checked_cut_out

MOST_SHOWN = 4  # pictures on the node; each is six files for the page


class LaplacianPreview(io.ComfyNode):
    """Shows five panels a picture and their figures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "LaplacianPreview",
            "Laplacian Preview",
            shows_text=True,
            description="Shows, around the mask, the Laplacians of source, target, guidance and "
            "result (grey is 0), the residual (black is 0, then red, yellow, white), and its "
            "profile across the mask's edge: a seam is a peak at 0. The node "
            "shows the first 4 pictures of a batch, the outputs have all.",
            search_aliases=["diagnose", "seam", "residual", "heat map", "gradient", "debug"],
            is_output_node=True,
            inputs=[
                fields.picture("result", "The blend to look at; the target's size."),
                fields.picture("target", "The target of that blend."),
                fields.picture("source", "The source of that blend."),
                fields.mask("mask", "The mask of that blend (1 = take); the source's size."),
                *fields.place_inputs(),
                fields.choice(
                    "gradients",
                    GRADIENTS,
                    "import",
                    "The same as in the Poisson Stage of that blend: import, mixed or monochrome.",
                    optional=True,
                ),
            ],
            outputs=[
                fields.picture_output(
                    "panels",
                    "Five pictures each: source, target, guidance, result, residual, "
                    "with their names and scales in levels (0 to 255).",
                ),
                fields.report_output(
                    "Seam and gradient error in squared levels, background difference in "
                    "levels, full scale of the panels, as JSON."
                ),
                fields.picture_output(
                    "profile",
                    "One plot each: mean size of the residual in levels (0 to 255) by "
                    "distance from the mask's edge in pixels (outside negative), beside plain "
                    "paste. A seam is a peak at 0.",
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
        from ..blending.placement.place import place
        from ..blending.plots.panel_captions import panel_sheets, profile_plots
        from ..blending.quality.laplacian_panels import laplacian_panels

        show_text(cls)
        looked_at = image_planes("result", result)
        cut = checked_cut_out(source, target, mask, result=result)
        with Run(cls):
            placed = place(cut.source, cut.target, cut.mask, row, column, scale)
            shown = laplacian_panels(looked_at, placed, gradients)
            panels = planes_to_image(panel_sheets(shown.by_name, shown.report["pictures"]))
            profile = planes_to_image(profile_plots(shown.profiles))
        words = [*seam_of_panels(shown.report), *cut.warnings]
        if len(profile) > MOST_SHOWN:
            words.insert(1, f"shows the first {MOST_SHOWN} of {len(profile)} pictures")
        show_text(cls, *words)
        preview = ui.PreviewImage(panels[: MOST_SHOWN * len(shown.by_name)], cls=cls)
        preview.values += ui.PreviewImage(profile[:MOST_SHOWN], cls=cls).values
        return io.NodeOutput(panels, json.dumps(shown.report, indent=2), profile, ui=preview)

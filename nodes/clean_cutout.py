"""Clean Cut-out: rests of the old background taken from a rough mask and its edge's colours."""

import json

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..blending.report import machine_report, picture_size
from . import fields
from .adapters import planes_to_image, planes_to_mask, show_text
from .feedback import PictureProgress, Run
from .summary import words_of_cutout
from .traps import checked_source

MOST_SHOWN = 4  # pictures on the node; each is a file for the page


class CleanCutout(io.ComfyNode):
    """What comes out stands for source and mask in every other node."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "CleanCutout",
            "Clean Cut-out",
            shows_text=True,
            description="Takes rests of the source's background away from a rough mask, in a band "
            "along its edge, and their tint from the object's edge colours. Link cleaned source "
            "and alpha where source and mask were. The node shows what was taken away.",
            search_aliases=[
                "matte",
                "matting",
                "cutout",
                "defringe",
                "decontaminate",
                "fringe",
                "halo",
                "remove background",
                "refine mask",
            ],
            inputs=[
                fields.picture(
                    "source", "Picture with the object and what lies around it; its alpha counts."
                ),
                fields.mask(
                    "mask",
                    "Rough mask of the object (1 = take); the source's size. What it leaves out "
                    "teaches the old background.",
                ),
                fields.whole(
                    "width",
                    12,
                    (0, 128),
                    "Pixels from the mask's edge inwards, holes' edges too, in which rests of the "
                    "background may lie, 0 to 128; 0: off.",
                ),
            ],
            outputs=[
                fields.picture_output(
                    "cleaned source", "The source with the object's own colours at its edge."
                ),
                fields.mask_output(
                    "alpha", "What is left of the mask (1 = take), never more; the source's size."
                ),
                fields.picture_output(
                    "removed",
                    "What was taken away, painted in magenta; the rest of the source is dimmed.",
                ),
                fields.report_output(
                    "What was done, as JSON: removed pixels and their share of the mask, "
                    "confidence 0 to 1, warnings."
                ),
            ],
        )

    @classmethod
    def execute(cls, source: Tensor, mask: Tensor, width: int) -> io.NodeOutput:
        """Clean."""
        from ..blending.cutout.clean import clean_cutout
        from ..blending.placement.alpha import cut_out
        from ..blending.placement.place import check_taken
        from ..blending.plots.mask_overlay import show_removed

        show_text(cls)
        picture, planes, warnings = checked_source(source, mask)
        colour, alpha, taken, notes = cut_out(picture, planes)
        check_taken(taken)
        valid = (alpha > 0).to(alpha)
        with Run(cls) as run:
            progress = PictureProgress(run)
            cut = clean_cutout(colour, taken, width, valid, progress.through())
            progress.finish()
        has_alpha = picture.shape[1] == 4  # the mask has it now: what is left says where pixels are
        cleaned = (
            torch.cat((cut.source, valid.expand_as(cut.alpha)), 1) if has_alpha else cut.source
        )
        removed = planes_to_image(show_removed(colour, cut.alpha, cut.removed))
        report = {
            "source": picture_size(picture),
            **cut.figures,
            "notes": list(notes),
            "warnings": list(warnings),
            **machine_report(colour.device, run.memory),
        }
        words = words_of_cutout(cut.figures)
        show_text(cls, *warnings, words, *notes)
        return io.NodeOutput(
            planes_to_image(cleaned),
            planes_to_mask(cut.alpha),
            removed,
            json.dumps(report, indent=2),
            ui=ui.PreviewImage(removed[:MOST_SHOWN], cls=cls),
        )

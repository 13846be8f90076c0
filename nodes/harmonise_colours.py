"""Harmonise Colours: a source's colours moved towards those of its place, before it is blended."""

import json

import torch
from comfy_api.latest import io
from torch import Tensor

from ..blending.report import machine_report, picture_size
from . import fields
from .adapters import planes_to_image, planes_to_mask, show_text
from .feedback import PictureProgress, Run
from .network import borrowed_network
from .summary import words_of_harmony
from .traps import checked_cut_out, checked_reference


class HarmoniseColours(io.ComfyNode):
    """The source is the picture that is edited: it comes first in and out, and keeps its size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "HarmoniseColours",
            "Harmonise Colours",
            shows_text=True,
            description="Moves a source's lightness, colours and highlights towards those of its "
            "place on the target; a colour that the target has nowhere goes to its nearest. The "
            "source keeps its size: blend it afterwards at the same column, row and scale.",
            search_aliases=[
                "harmonize",
                "color match",
                "colour match",
                "colour transfer",
                "relight",
                "white balance",
                "palette",
                "composite",
            ],
            inputs=[
                fields.picture("source", "Picture whose colours are moved; its alpha counts, too."),
                fields.mask("mask", "What is taken of the source (1 = take); the source's size."),
                fields.picture(
                    "target",
                    "Picture that it will be blended into; up to 80 pixels around the object "
                    "count, those under it never.",
                ),
                *fields.place_inputs(),
                fields.number(
                    "strength",
                    0.5,
                    (0.0, 1.0, 0.05),
                    "How far colours are moved, 0 to 1; 0 returns the source. At 0.5 greys go half "
                    "of the way in colour and a third in lightness.",
                ),
                fields.picture(
                    "reference",
                    "Picture whose colours are wanted instead of the target's; any size in "
                    "pixels, one for all or one for each.",
                    optional=True,
                ),
                fields.mask(
                    "area",
                    "Where to look for the wanted colours (1 = look) instead of around the "
                    "object; the reference's size, without one the target's.",
                    optional=True,
                ),
                fields.switch(
                    "sequence",
                    False,
                    "The batch is frames of one film: all are moved by the same colours, so that "
                    "they do not flicker. Off: every picture by its own.",
                    optional=True,
                ),
            ],
            outputs=[
                fields.picture_output(
                    "harmonised source", "The source with its colours moved, all of it; its size."
                ),
                fields.mask_output("mask", "The mask as it came, to be linked on."),
                fields.report_output(
                    "What was done, as JSON: distance to the wanted colours before and after "
                    "(OKLab), share of hues flipped, warnings."
                ),
            ],
        )

    @classmethod
    def execute(  # noqa: PLR0913 - one argument an input
        cls,
        source: Tensor,
        mask: Tensor,
        target: Tensor,
        column: int,
        row: int,
        scale: float,
        strength: float,
        reference: Tensor | None = None,
        area: Tensor | None = None,
        sequence: bool = False,
    ) -> io.NodeOutput:
        """Harmonise."""
        from ..blending import place
        from ..blending.harmonise.placed import estimated_memory, harmonise_batch, placed_colours
        from ..blending.placement.alpha import cut_out

        show_text(cls)
        cut = checked_cut_out(source, target, mask)
        shown, looked_at, said = checked_reference(cut, reference, area)
        placed = place(cut.source, cut.target, cut.mask, row, column, scale)
        colour, alpha, taken, _ = cut_out(cut.source, cut.mask)
        room = estimated_memory(colour, cut.target)
        with borrowed_network(room, strength > 0) as network, Run(cls) as run:
            progress = PictureProgress(run, 2)
            device = colour.device if network is None else network.mean.device
            colours = placed_colours(
                placed, network, shown, looked_at, sequence, progress.through(0)
            )
            moved, figures = harmonise_batch(
                colour, taken, colours, strength, device, progress.through(1)
            )
        progress.finish()
        if cut.source.shape[1] == 4:
            moved = torch.cat((moved, alpha.expand_as(moved[:, :1])), 1)
        warnings = [*cut.warnings, *said]
        report = {
            "source": picture_size(cut.source),
            "target": picture_size(cut.target),
            "place": {"row": row, "column": column, "scale": scale},
            "strength": strength,
            "sequence": sequence,
            "pictures": figures,
            "notes": list(placed.notes),
            "warnings": warnings,
            **machine_report(device, run.memory),
        }
        whose = "area" if area is not None else "place" if reference is None else "reference"
        show_text(cls, *warnings, words_of_harmony(figures, strength, whose), *placed.notes)
        return io.NodeOutput(
            planes_to_image(moved), planes_to_mask(cut.mask), json.dumps(report, indent=2)
        )

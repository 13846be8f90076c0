"""Poisson Stage: a source blended into a target without a seam."""

import json

from comfy_api.latest import io
from torch import Tensor

from ..blending.presets import (
    PRESETS,
    changed_poisson,
    cleaned_and_harmonised,
    poisson_preset,
)
from ..blending.report import picture_size
from ..blending.settings import GRADIENTS, BlendSettings
from ..blending.stages.memory import estimated_memory
from . import fields
from .adapters import compute_with, planes_to_image, planes_to_mask, show_text
from .feedback import Feedback, Run, shown_box
from .network import borrowed_network
from .reports import as_held, stage_report
from .summary import LINKED, summary
from .traps import checked_cut_out
from .upstream import done_twice, nodes_behind


class PoissonStage(io.ComfyNode):
    """The first stage; its mask output is what the refine stage wants."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "PoissonStage",
            "Poisson Stage",
            shows_text=True,
            reads_graph=True,
            description="Blends the masked part of a source into a target: rests of its old "
            "background removed, the place's colours, no seam, the object itself and opaque. "
            "Outside the mask the target stays bit for bit.",
            search_aliases=[
                "deep image blending",
                "poisson blending",
                "seamless clone",
                "paste without seam",
                "composite",
                "insert object",
                "gradient domain",
                "inpaint",
                "stitch",
                "outpaint seam",
                "seam repair",
            ],
            inputs=[
                fields.picture("target", "Picture to blend into; any size in pixels."),
                fields.picture("source", "Picture to cut from; its alpha counts, too."),
                fields.mask("mask", "What to take of the source (1 = take); the source's size."),
                *fields.place_inputs(),
                fields.choice(
                    "preset",
                    PRESETS,
                    "painting",
                    "painting: cleaned, its colours moved half-way to the place's. photograph: a "
                    "quarter; a patch of the same scene is matched. seam repair: the Poisson "
                    "equation alone, at once. paper: the published objective, with style. fast: at "
                    "most 6 evaluations.",
                ),
                fields.choice(
                    "gradients",
                    GRADIENTS,
                    "import",
                    "import: the source's. mixed: the stronger of both at each pixel, for "
                    "glass and holes. monochrome: the source's without its colours.",
                ),
                fields.number(
                    "bleed",
                    0.0,
                    (-1.0, 1.0, 0.05),
                    "Share, -1 to 1. 0 is the preset's own; towards 1 the target's colours "
                    "seep in, towards -1 the source keeps its colours.",
                ),
                fields.steps_input(),
                fields.sequence_input(),
                fields.settings_input("gradients, bleed, max_evaluations, clean and harmonise"),
                fields.clean_input(),
                fields.harmonise_input(),
            ],
            outputs=[
                fields.picture_output("blend", "The target with the source in it; its size."),
                fields.mask_output(
                    "placed mask", "The mask at its place on the target (1 = source), its size."
                ),
                fields.picture_output("paste", "Plain copy and paste, to compare; same size."),
                fields.report_output(
                    "What was done, as JSON: settings, place, evaluations, seconds, stop "
                    "reasons, guard rails in levels and shares, warnings."
                ),
                fields.picture_output(
                    "placed source",
                    "The source as it was held, cleaned and harmonised, on the target wherever the "
                    "placed mask is not 0; for the source of the Style Refine Stage.",
                ),
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
        sequence: bool = False,
        settings: BlendSettings | None = None,
        clean: int = -1,
        harmonise: float = -1.0,
    ) -> io.NodeOutput:
        """Blend."""
        from ..blending import place, poisson_stage

        show_text(cls)
        cut = checked_cut_out(source, target, mask)
        own = settings.poisson if settings else poisson_preset(preset)
        wanted = changed_poisson(own, gradients, bleed, max_evaluations, sequence)
        wanted = cleaned_and_harmonised(wanted, clean, harmonise)
        behind = nodes_behind(cls.hidden.prompt, cls.hidden.unique_id, "source")
        said = done_twice(behind, wanted.resolved_clean, wanted.resolved_harmonise)
        placed = place(cut.source, cut.target, cut.mask, row, column, scale)
        is_deep = wanted.method == "deep"
        room = estimated_memory(placed, wanted)
        with borrowed_network(room, is_deep) as network, Run(cls) as run:
            compute, feedback = compute_with(settings), Feedback(shown_box(placed), run)
            result = poisson_stage(placed, wanted, network, compute, feedback)
            feedback.finish()
            report = stage_report(
                result,
                result.placed,
                compute,
                gradients,
                as_held(result) if is_deep else None,
                memory=run.memory,
                source=picture_size(cut.source),
                target=picture_size(cut.target),
                place={"row": row, "column": column, "scale": scale},
                settings_from=LINKED.format(preset=preset) if settings else None,
                warnings=[*cut.warnings, *said],
            )
        show_text(cls, *summary(report, "the plain paste's"))
        return io.NodeOutput(
            planes_to_image(result.image),
            planes_to_mask(result.mask),
            planes_to_image(placed.paste),
            json.dumps(report, indent=2),
            planes_to_image(result.source),
        )

"""Style Refine Stage: a blend pulled further towards its target's style."""

import json

from comfy_api.latest import io
from torch import Tensor

from ..blending.checks import check_choice
from ..blending.placement.place import SOLVED_FROM
from ..blending.presets import PRESETS, changed_refine
from ..blending.report import picture_size
from ..blending.settings import REGIONS, BlendSettings, RefineSettings
from ..blending.stages.memory import estimated_memory
from . import fields
from .adapters import compute_with, planes_to_image, show_text
from .feedback import Feedback, Run, shown_box
from .network import borrowed_network
from .planes import image_planes
from .reports import stage_report
from .summary import LINKED, NO_STAGE, summary
from .traps import checked_blend


class StyleRefineStage(io.ComfyNode):
    """The second stage."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "StyleRefineStage",
            "Style Refine Stage",
            shows_text=True,
            description="Gives a blended object the target's strokes, or those of another picture, "
            "as strongly as that has a texture and the object bears it; its content holds.",
            search_aliases=[
                "deep image blending",
                "style transfer",
                "harmonise",
                "harmonize",
                "match style",
                "painterly",
                "texture",
            ],
            inputs=[
                fields.picture("blend", "The Poisson Stage's blend, or any composite; any size."),
                fields.picture(
                    "target", "Picture whose style is wanted; the blend's size in pixels."
                ),
                fields.mask(
                    "mask", "The placed mask: what may change (1 = object); the blend's size."
                ),
                fields.choice(
                    "preset",
                    PRESETS,
                    "painting",
                    "painting: at most 20 evaluations. paper: the published objective, to "
                    "compare with. fast: at most 8 evaluations. photograph, seam repair: without "
                    "this stage, the blend comes back as it was.",
                ),
                fields.choice(
                    "region",
                    REGIONS,
                    "object",
                    "object: only pixels under the mask change. band: these and 24 pixels "
                    "around them (Blend Settings: band). picture: all of them.",
                ),
                fields.number(
                    "strength",
                    1.0,
                    (0.0, 1.0, 0.05),
                    "Share of the change that is applied, 0 to 1; 0 returns the blend.",
                ),
                fields.steps_input(),
                fields.sequence_input(),
                fields.picture(
                    "style",
                    "Picture whose style is wanted instead of the target's; any size in "
                    "pixels, one for all or one for each.",
                    optional=True,
                ),
                fields.settings_input("region, strength and max_evaluations"),
                fields.picture(
                    "source",
                    "The Poisson Stage's placed source: its colours and details are held; "
                    "the blend's size. Without it the blend's are, which has lost some.",
                    optional=True,
                ),
            ],
            outputs=[
                fields.picture_output("refined", "The blend in the wanted style; its size."),
                fields.report_output(
                    "What was done, as JSON: settings, evaluations, seconds, stop reasons, "
                    "guard rails against the blend in levels and shares, warnings."
                ),
            ],
        )

    @classmethod
    def execute(  # noqa: PLR0913 - one argument an input
        cls,
        blend: Tensor,
        target: Tensor,
        mask: Tensor,
        preset: str,
        region: str,
        strength: float,
        max_evaluations: int,
        sequence: bool = False,
        style: Tensor | None = None,
        settings: BlendSettings | None = None,
        source: Tensor | None = None,
    ) -> io.NodeOutput:
        """Refine."""
        from ..blending import place, refine_stage

        show_text(cls)
        image, background, area, warnings = checked_blend(blend, target, mask)
        wished = None if style is None else image_planes("style", style)
        held = None if source is None else image_planes("source", source)
        linked = settings and settings.refine
        check_choice("preset", preset, tuple(PRESETS))  # an older ComfyUI checks no list
        own = linked or PRESETS[preset].refine
        if own is None:
            own, strength = RefineSettings(), 0.0
            warnings += (NO_STAGE.format(preset=preset),)
        wanted = changed_refine(own, region, strength, max_evaluations, sequence)
        is_empty = region == "picture" and not bool((area >= SOLVED_FROM).any())
        placed = place(image[:, :3], background, area.new_ones(area.shape) if is_empty else area)
        pasted = None if held is None or is_empty else place(held[:, :3], background, area)
        room = estimated_memory(placed, wanted, wished)
        with borrowed_network(room, wanted.strength > 0) as network, Run(cls) as run:
            compute, feedback = compute_with(settings), Feedback(shown_box(placed), run)
            result = refine_stage(
                image, background, area, wanted, network, compute, feedback, wished, held
            )
            feedback.finish()
            report = stage_report(
                result,
                placed,
                compute,
                given=pasted,
                memory=run.memory,
                target=picture_size(background),
                settings_from=LINKED.format(preset=preset) if linked else None,
                warnings=list(warnings),
            )
        show_text(cls, *summary(report, "" if pasted is None else "the plain paste's"))
        return io.NodeOutput(planes_to_image(result.image), json.dumps(report, indent=2))

"""Contact Shadow: the shadow that a placed object casts on its target, before it is blended."""

import json

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..blending.report import machine_report, picture_size
from ..blending.settings import LONGEST_SHADOW, SHADOW_KINDS, ShadowSettings
from . import fields
from .adapters import planes_to_image, planes_to_mask, show_text
from .feedback import PictureProgress, Run
from .traps import checked_shadow

MOST_SHOWN = 4  # pictures on the node; each is a file for the page
STAND_IN = 0.5  # the grey of an object whose source is not linked, on the node


class ContactShadow(io.ComfyNode):
    """What comes out stands for the target in the stages."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "ContactShadow",
            "Contact Shadow",
            shows_text=True,
            description="Casts the shadow of a placed object on its target: soft, away from the "
            "light, darkest where the object touches, in the colour of the target's own shadows. "
            "Link what comes out as the target of both stages. The node shows it.",
            search_aliases=[
                "drop shadow",
                "cast shadow",
                "ground shadow",
                "ambient occlusion",
                "grounding",
                "floating object",
                "composite",
            ],
            inputs=[
                fields.picture("target", "Picture to cast the shadow on; any size in pixels."),
                fields.mask(
                    "mask",
                    "The object at its place (1 = object), the target's size: Place Object's "
                    "placed mask.",
                ),
                *_light_inputs(),
                *_strength_inputs(),
                fields.picture(
                    "source",
                    "Place Object's placed source, the target's size in pixels: only for the "
                    "picture on the node, where the object is grey without it.",
                    optional=True,
                ),
            ],
            outputs=[
                fields.picture_output(
                    "shadowed target",
                    "The target with the shadow, its size; for the target of the Poisson Stage "
                    "and of the Style Refine Stage.",
                ),
                fields.mask_output(
                    "shadow",
                    "How dark the shadow is, 0 to 1, the target's size; to composite by hand.",
                ),
                fields.report_output(
                    "What was done, as JSON: settings, the light that is left in the target's "
                    "shadows (red, green, blue, 0 to 1), confidence, warnings."
                ),
            ],
        )

    @classmethod
    def execute(  # noqa: PLR0913 - one argument an input
        cls,
        target: Tensor,
        mask: Tensor,
        kind: str,
        direction: float,
        length: float,
        softness: float,
        strength: float,
        contact: float,
        lift: float,
        source: Tensor | None = None,
    ) -> io.NodeOutput:
        """Cast."""
        from ..blending import contact_shadow

        show_text(cls)
        picture, object_mask, shown, warnings = checked_shadow(target, mask, source)
        light = ShadowSettings(kind, direction, length, softness, strength, contact, lift)
        with Run(cls) as run:
            progress = PictureProgress(run)
            cast = contact_shadow(picture, object_mask, light, progress.through())
            progress.finish()
            preview = planes_to_image(_with_object(cast.image, object_mask, shown)[:MOST_SHOWN])
        report = {
            "target": picture_size(picture),
            "settings": vars(light),
            "pictures": cast.figures,
            "notes": list(cast.notes),
            "warnings": list(warnings),
            **machine_report(picture.device, run.memory),
        }
        show_text(cls, *warnings, *cast.notes, cast.words)
        return io.NodeOutput(
            planes_to_image(cast.image),
            planes_to_mask(cast.shadow),
            json.dumps(report, indent=2),
            ui=ui.PreviewImage(preview, cls=cls),
        )


def _light_inputs() -> list[io.Input]:
    """What the object stands on, and the light."""
    return [
        fields.choice(
            "kind",
            SHADOW_KINDS,
            "ground",
            "ground: the object stands upright, its shadow lies on the ground. drop: it lies flat "
            "on paper or a wall, a tenth of its size thick.",
        ),
        fields.number(
            "direction",
            -60.0,
            (-360.0, 360.0, 1.0),
            "Where the light comes from, in degrees clockwise from the top, -360 to 360. 0: from "
            "behind, 90: right, 180: from the camera, -90: left; drop: 0 is the top, 180 below.",
        ),
        fields.number(
            "length",
            60.0,
            (0.0, LONGEST_SHADOW, 1.0),
            "Length of the shadow in percent of the object's height (drop: of its thickness), 0 "
            "to 300: 100 is light at 45 degrees, 0 leaves the contact alone.",
        ),
        fields.number(
            "softness",
            30.0,
            (0.0, 100.0, 1.0),
            "Width of the shadow's edge in percent of the distance to what casts it, 0 to 100: a "
            "clear sun 1, a window 30, an overcast sky 100.",
        ),
    ]


def _strength_inputs() -> list[io.Input]:
    """How dark it becomes, and whether the object touches."""
    return [
        fields.number(
            "strength",
            0.8,
            (0.0, 1.0, 0.05),
            "Share of the shadow, 0 to 1; 1: as dark as the target's own shadows, 0: the target "
            "bit for bit.",
        ),
        fields.number(
            "contact",
            0.8,
            (0.0, 1.0, 0.05),
            "How much darker it is where the object touches, 0 to 1; nothing touches while lift is "
            "above 0.",
        ),
        fields.number(
            "lift",
            0.0,
            (0.0, LONGEST_SHADOW, 1.0),
            "How far the object floats above its ground, in percent of its height (drop: of its "
            "size), 0 to 300; 0: it touches.",
        ),
    ]


def _with_object(image: Tensor, mask: Tensor, source: Tensor | None) -> Tensor:
    """The shadowed target with the object on it, or with a grey one."""
    from ..blending.placement.box import full_box
    from ..blending.placement.place import pasted

    grey = torch.full_like(image[:1, :3], STAND_IN)
    own = grey if source is None else source[:, :3].clamp(0, 1)
    rows = slice(MOST_SHOWN)
    return pasted(image[rows], own[rows], mask[rows], full_box(image.shape))

"""Place Object: a source put on a target, sized, turned and flipped, mask and all."""

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..blending.placement.layout import ANCHORS, FARTHEST, FITS, FLIPS, UNITS
from . import fields
from .adapters import planes_to_image, planes_to_mask, show_text
from .feedback import Run
from .former_box import refuse_former_box
from .traps import OWN_MASK, checked_cut_out, checked_own_alpha


class PlaceObject(io.ComfyNode):
    """What comes out has the target's size: the stages take it at column 0, row 0."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "PlaceObject",
            "Place Object",
            shows_text=True,
            reads_graph=True,
            description="Puts a source and its mask on a target: where, how large, turned, "
            "flipped; by hand in the view on the node, or by numbers. Everything comes out at the "
            "target's size; feed it to the Poisson Stage at column 0, row 0.",
            search_aliases=["position", "paste", "overlay", "composite", "move", "rotate", "flip"],
            inputs=[
                fields.picture("target", "Picture to put the object on; any size, in pixels."),
                fields.picture("source", "Picture to cut the object from; any size, in pixels."),
                *_place_inputs(),
                *_size_inputs(),
                *_pose_inputs(),
                fields.mask(
                    "mask",
                    "What to take of the source (1 = take); the source's size. Without it "
                    "the source's alpha is the mask.",
                    optional=True,
                ),
                fields.switch(
                    "trim",
                    True,
                    "On: fit and anchor mean the object, the box around what the mask takes. "
                    "Off: they mean the whole source.",
                    optional=True,
                ),
            ],
            outputs=[
                fields.picture_output("paste", "The target with the object pasted on it."),
                fields.picture_output(
                    "placed source",
                    "The source at its place, RGBA, 0 to 1, the target's size; alpha is 1 where "
                    "the source has pixels, 0 elsewhere.",
                ),
                fields.mask_output(
                    "placed mask", "The mask at its place (1 = take), the target's size."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        target: Tensor,
        source: Tensor,
        mask: Tensor | None = None,
        trim: bool = True,
        **layout: Any,
    ) -> io.NodeOutput:
        """Place."""
        from ..blending.placement.layout import Layout
        from ..blending.placement.place_object import place_object
        from .placing_view import placing_view

        show_text(cls)
        refuse_former_box(cls.hidden.prompt, cls.hidden.unique_id)
        wish = Layout(**layout)
        source, target, mask, warnings = _checked(source, target, mask)
        with Run(cls):
            placed = place_object(source, target, mask, wish, trim)
        show_text(cls, *warnings, placed.words)
        return io.NodeOutput(
            planes_to_image(placed.paste),
            planes_to_image(placed.source),
            planes_to_mask(placed.mask),
            ui=placing_view(source, target, mask, wish, trim),
        )


def _place_inputs() -> list[io.Input]:
    """Where the object comes to lie."""
    span = -FARTHEST, FARTHEST, 0.01
    return [
        fields.number(
            "column",
            50.0,
            span,
            "Column of the target on which the anchor lands, from its left edge, in "
            "percent of its width or in pixels (see unit); may be negative.",
        ),
        fields.number(
            "row",
            50.0,
            span,
            "Row of the target on which the anchor lands, from its top edge, in percent "
            "of its height or in pixels (see unit); may be negative.",
        ),
        fields.choice(
            "unit",
            UNITS,
            "percent",
            "Of column, row, fit_width and fit_height: pixels of the target, or percent "
            "of its width and height.",
        ),
        fields.choice(
            "anchor",
            ANCHORS,
            "centre",
            "Point of the object's rectangle, as turned and sized, that lands on column and row.",
        ),
    ]


def _size_inputs() -> list[io.Input]:
    """How large the object becomes."""
    sides = [
        fields.number(
            f"fit_{side}",
            100.0,
            (1.0, float(FARTHEST), 0.01),
            f"{side.title()} to fit the object to, in percent of the target's {side} or in pixels "
            "(see unit); unused while fit is off.",
        )
        for side in ("width", "height")
    ]
    return [
        fields.scale_input(
            "Factor by which the object is enlarged, 0.01 to 16, after fit; 1 keeps its size."
        ),
        fields.choice(
            "fit",
            FITS,
            "off",
            "off: the source's own size. inside: as large as fits into fit_width by "
            "fit_height. cover: as small as covers them. stretch: exactly they, proportions lost.",
        ),
        *sides,
    ]


def _pose_inputs() -> list[io.Input]:
    """How the object is turned and flipped."""
    return [
        fields.number(
            "rotation",
            0.0,
            (-360.0, 360.0, 0.5),
            "Degrees clockwise, -360 to 360. Multiples of 90 move pixels without resampling them.",
        ),
        fields.choice(
            "flip",
            FLIPS,
            "off",
            "Mirrors the object before it is turned: horizontal swaps left and right, "
            "vertical top and bottom.",
        ),
    ]


def _checked(
    source: Tensor, target: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, tuple[str, ...]]:
    """Source, target and mask as planes, and warnings."""
    if mask is None:
        source, target, warnings = checked_own_alpha(source, target)
        return source, target, None, warnings
    cut = checked_cut_out(source, target, mask, remedy=OWN_MASK)
    return cut.source, cut.target, cut.mask, cut.warnings

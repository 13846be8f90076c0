"""Place Object: a source put on a target, sized, turned and flipped, mask and all."""

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..blending.placement.layout import ANCHORS, FARTHEST, FITS, FLIPS, UNITS
from .adapters import form, planes_to_image, planes_to_mask, show_text
from .drag_box import BY_BOX, box_input, drawn_box
from .traps import OWN_MASK, checked_cut_out, checked_own_alpha


class PlaceObject(io.ComfyNode):
    """What comes out has the target's size: the stages take it at column 0, row 0."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return form(
            shows_text=True,
            node_id="DIB_PlaceObject",
            display_name="Place Object (Blending)",
            description="Puts a source and its mask on a target: where, how large, turned, "
            "flipped. Everything comes out at the target's size; feed it to the Poisson Stage at "
            "column 0, row 0.",
            search_aliases=["position", "paste", "overlay", "composite", "move", "rotate", "flip"],
            inputs=[
                io.Image.Input(
                    "target", tooltip="Picture to put the object on; any size, in pixels."
                ),
                io.Image.Input(
                    "source", tooltip="Picture to cut the object from; any size, in pixels."
                ),
                *_place_inputs(),
                *_size_inputs(),
                *_pose_inputs(),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="What to take of the source (1 = take); the source's size. Without it "
                    "the source's alpha is the mask.",
                ),
                *box_input(),
            ],
            outputs=[
                io.Image.Output(
                    display_name="paste", tooltip="The target with the object pasted on it."
                ),
                io.Image.Output(
                    display_name="placed source",
                    tooltip="The source at its place, RGBA, the target's size; alpha is 1 where "
                    "the source has pixels, 0 elsewhere.",
                ),
                io.Mask.Output(
                    display_name="placed mask",
                    tooltip="The mask at its place (1 = take), the target's size.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        target: Tensor,
        source: Tensor,
        mask: Tensor | None = None,
        box: dict[str, float] | None = None,
        **layout: Any,
    ) -> io.NodeOutput:
        """Place."""
        from ..blending.placement.layout import Layout
        from ..blending.placement.place_object import place_object

        show_text(cls)
        wish, drawn = Layout(**layout), drawn_box(box)
        source, target, mask, warnings = _checked(source, target, mask)
        placed = place_object(source, target, mask, wish.in_box(*drawn) if drawn else wish)
        show_text(cls, *warnings, placed.words, *(BY_BOX if drawn else ()))
        return io.NodeOutput(
            planes_to_image(placed.paste),
            planes_to_image(placed.source),
            planes_to_mask(placed.mask),
        )


def _place_inputs() -> list[io.Input]:
    """Where the object comes to lie."""
    place = {"default": 50.0, "min": -FARTHEST, "max": FARTHEST, "step": 0.01}
    return [
        io.Float.Input(
            "column",
            **place,
            tooltip="Column of the target on which the anchor lands, from its left edge, in "
            "percent of its width or in pixels (see unit); may be negative.",
        ),
        io.Float.Input(
            "row",
            **place,
            tooltip="Row of the target on which the anchor lands, from its top edge, in percent "
            "of its height or in pixels (see unit); may be negative.",
        ),
        io.Combo.Input(
            "unit",
            options=list(UNITS),
            default="percent",
            tooltip="Of column, row, fit_width and fit_height: pixels of the target, or percent "
            "of its width and height.",
        ),
        io.Combo.Input(
            "anchor",
            options=list(ANCHORS),
            default="centre",
            tooltip="Point of the object's rectangle, as turned and sized, that lands on column "
            "and row.",
        ),
    ]


def _size_inputs() -> list[io.Input]:
    """How large the object becomes."""
    side = {"default": 100.0, "min": 1.0, "max": float(FARTHEST), "step": 0.01}
    return [
        io.Float.Input(
            "scale",
            default=1.0,
            min=0.01,
            max=16.0,
            step=0.01,
            tooltip="Factor by which the object is enlarged, 0.01 to 16, after fit; 1 keeps its "
            "size.",
        ),
        io.Combo.Input(
            "fit",
            options=list(FITS),
            default="off",
            tooltip="off: the source's own size. inside: as large as fits into fit_width by "
            "fit_height. cover: as small as covers them. stretch: exactly they, proportions lost.",
        ),
        io.Float.Input(
            "fit_width",
            **side,
            tooltip="Width to fit the object to, in percent of the target's width or in pixels "
            "(see unit); unused while fit is off.",
        ),
        io.Float.Input(
            "fit_height",
            **side,
            tooltip="Height to fit the object to, in percent of the target's height or in pixels "
            "(see unit); unused while fit is off.",
        ),
    ]


def _pose_inputs() -> list[io.Input]:
    """How the object is turned and flipped."""
    return [
        io.Float.Input(
            "rotation",
            default=0.0,
            min=-360.0,
            max=360.0,
            step=0.5,
            tooltip="Degrees clockwise, -360 to 360. Multiples of 90 move pixels without "
            "resampling them.",
        ),
        io.Combo.Input(
            "flip",
            options=list(FLIPS),
            default="off",
            tooltip="Mirrors the object before it is turned: horizontal swaps left and right, "
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

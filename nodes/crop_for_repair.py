"""Crop for Repair: the masked parts of a picture cut out with context, for a sampler."""

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..blending.settings import LARGEST_PART
from . import fields
from .adapters import planes_to_image, planes_to_mask, show_text
from .feedback import Run
from .traps import checked_repair

MOST_SHOWN = 4  # crops on the node; each is a file for the page


class CropForRepair(io.ComfyNode):
    """What it cuts out goes to any sampler, its place to Stitch without Seam."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "CropForRepair",
            "Crop for Repair",
            shows_text=True,
            description="Cuts what a mask marks out of a picture, with some of what lies around, "
            "for a sampler to repaint. Link place to Stitch without Seam, which puts the repainted "
            "crop back. The node shows what is repainted.",
            search_aliases=[
                "inpaint",
                "inpaint crop",
                "crop",
                "crop and stitch",
                "outpaint",
                "outpaint seam",
                "detailer",
                "crop by mask",
                "masked area only",
                "seam",
            ],
            inputs=[
                fields.picture("image", "Picture to repair; any size in pixels, or a batch."),
                fields.mask(
                    "mask",
                    "What to repair (1 = repaint), as painted on Load Image; the image's size. "
                    "Several masks for one image are several regions of it.",
                ),
                *_box_inputs(),
                *_mask_inputs(),
                fields.switch(
                    "split",
                    False,
                    "Each connected part of the mask is a region with a crop of its own, all of "
                    "one size. Off: one crop around all of it.",
                ),
            ],
            outputs=[
                fields.picture_output("crop", "What to repaint, one picture for each region."),
                fields.mask_output(
                    "crop mask",
                    "The mask of each crop (1 = repaint), grown and softened; its size.",
                ),
                fields.PlaceLink.Output(
                    display_name="place",
                    tooltip="Where the crops were cut, with the image itself; for Stitch without "
                    "Seam.",
                ),
            ],
        )

    @classmethod
    def execute(cls, image: Tensor, mask: Tensor, **settings: Any) -> io.NodeOutput:
        """Cut out."""
        from ..blending.plots.mask_overlay import show_taken
        from ..blending.repair.crop import crop_for_repair
        from ..blending.repair.region import CropSettings

        show_text(cls)
        wanted = CropSettings(**settings)
        picture, planes, warnings = checked_repair(image, mask)
        _check_painted(planes)
        with Run(cls):
            crops = crop_for_repair(picture, planes, wanted)
            shown = show_taken(crops.image[:MOST_SHOWN], crops.mask[:MOST_SHOWN])
        show_text(cls, *warnings, crops.place.words, *crops.place.notes)
        return io.NodeOutput(
            planes_to_image(crops.image),
            planes_to_mask(crops.mask),
            crops.place,
            ui=ui.PreviewImage(planes_to_image(shown), cls=cls),
        )


def _check_painted(planes: Tensor) -> None:
    from ..blending.placement.place import SOLVED_FROM

    if not bool((planes >= SOLVED_FROM).any()):
        raise ValueError(
            f"mask must be above 0 somewhere (1 = repair), got at most {planes.max().item():.3g}: "
            "paint what is to be repaired; Prepare Mask's invert if it is the wrong way round"
        )


def _box_inputs() -> list[io.Input]:
    """What is cut out, and how large it becomes."""
    sides = [
        fields.whole(
            side,
            0,
            (0, 8192),
            f"{side.title()} of the crops in pixels, for the sampler, 0 to 8192, a multiple of "
            f"multiple; 0: as the {other} says, and the picture's own pixels if both are 0.",
        )
        for side, other in (("width", "height"), ("height", "width"))
    ]
    return [
        fields.number(
            "context",
            0.5,
            (0.0, 8.0, 0.05),
            "What the sampler sees around the mask on every side, as a share of the mask's own "
            "width and height, 0 to 8.",
        ),
        fields.whole(
            "context_pixels",
            32,
            (0, 4096),
            "Pixels of the picture around the mask on every side beside that share, 0 to 4096.",
        ),
        fields.whole(
            "multiple",
            8,
            (1, 256),
            "The crop's sides are multiples of it, in pixels, 1 to 256; 8 is what a latent wants.",
        ),
        *sides,
    ]


def _mask_inputs() -> list[io.Input]:
    """What becomes of the mask."""
    return [
        fields.whole(
            "grow",
            8,
            (-256, 256),
            "Pixels to grow the mask by on every side, so that the seam lies beside what was "
            "repainted; negative shrinks it.",
        ),
        fields.whole(
            "fill_holes",
            0,
            (0, LARGEST_PART),
            "Largest area of a hole of the mask that is filled, in square pixels; 0 fills none.",
        ),
        fields.whole(
            "feather",
            0,
            (0, 256),
            "Width of the mask's soft edge in pixels, centred on the edge, 0 to 256; the seam "
            "needs none.",
        ),
    ]

"""Prepare Mask: Load Mask's tools for a mask from anywhere, turned the right way round."""

import hashlib
from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..blending.checks import check_choice
from . import fields, mask_tools
from .adapters import planes_to_image, planes_to_mask, show_text
from .mask_files import picture_path, read_edited, share_taken
from .planes import image_planes, mask_planes
from .traps import PLACEHOLDER

POLARITIES = ("auto", "as is")
MOST_SHOWN = 4  # pictures on the node; each is a file for the page
GREY = 0.5  # of the picture to paint on where there is none


class PrepareMask(io.ComfyNode):
    """A mask of SAM, a background remover, the mask editor; 1 = take the source.

    The edited file's input must be called `image` (the page's mask editor writes to no other) and
    come last: older pages write over the widget behind it, too.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "PrepareMask",
            "Prepare Mask",
            shows_text=True,
            description="Shapes a mask from anywhere, as Load Mask does a file's: 1 (white) takes "
            "the source. Turns one that is clearly the wrong way round, and says so. Shows what is "
            "taken; after a run Open in MaskEditor edits it. Order of work: polarity, "
            f"{mask_tools.ORDER}; what is painted comes before invert.",
            search_aliases=[
                *("invert mask", "grow mask", "shrink mask", "expand mask", "feather mask"),
                *("threshold mask", "fill holes", "remove specks", "mask polarity", "blur mask"),
                *("edit mask", "mask editor", "inpaint mask", "sam", "matte"),
            ],
            inputs=[
                fields.mask("mask", "Mask to prepare, from any node; a batch, too."),
                fields.choice(
                    "polarity",
                    POLARITIES,
                    "auto",
                    "auto: turns the mask (1 - mask) where it clearly takes the surroundings "
                    "instead of the object, and leaves it in doubt; the node says which. as is: "
                    "never turns it.",
                ),
                *mask_tools.shaping_inputs(),
                *mask_tools.part_inputs(),
                *mask_tools.size_inputs(" The node shows it where the mask takes it."),
                io.String.Input(
                    "image",
                    default="",
                    optional=True,
                    tooltip="File that Open in MaskEditor has written on this node: taken in place "
                    "of the linked mask. Empty: none.",
                ),
            ],
            outputs=[
                fields.mask_output(
                    "mask", "1 takes the source, 0 the target; the mask's size or the reference's."
                ),
                fields.picture_output(
                    "taken",
                    "The reference, or white, where it is taken, dimmed under chequers elsewhere; "
                    "at most 1024 pixels a side.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        mask: Tensor,
        polarity: str,
        resize: str = "off",
        reference: Tensor | None = None,
        image: str = "",
        **shaping: Any,
    ) -> io.NodeOutput:
        """Turn, take what was painted, shape, show."""
        from ..blending.image.mask import adjust_mask, like_reference
        from ..blending.plots.mask_overlay import show_taken

        show_text(cls)
        planes, notes = _checked(mask, may_be_empty=bool(image) or shaping.get("invert", False))
        planes, said = _turned(planes, polarity)
        picture = None if reference is None else image_planes("reference", reference)
        size = None if picture is None else picture.shape[2:]
        planes = like_reference(planes, size, resize, beyond=float(shaping.get("invert", False)))
        if image:
            planes, said = _edited(image, planes), "taken: what was painted in the mask editor"
        result = adjust_mask(planes, **shaping)
        picture = _picture_below(picture, planes)
        taken = planes_to_image(show_taken(picture, result))
        show_text(cls, said, share_taken(result), *notes)
        canvas = [] if len(planes) > 1 else _canvas(cls, picture, planes)
        shown = ui.PreviewImage(taken[:MOST_SHOWN], cls=cls).values
        return io.NodeOutput(planes_to_mask(result), taken, ui=ui.SavedImages([*canvas, *shown]))

    @classmethod
    def validate_inputs(cls, image: str | None = "") -> bool | str:
        """Whether the edited file is there; a linked one is not known yet."""
        try:
            return not image or bool(picture_path("image", image))
        except ValueError as error:
            return f"{error}; empty image to take the linked mask"

    @classmethod
    def fingerprint_inputs(cls, image: str | None = "", **_: object) -> str:
        """The edited file's hash: a changed file runs again."""
        return (
            hashlib.sha256(picture_path("image", image).read_bytes()).hexdigest() if image else ""
        )


def _checked(mask: Tensor | None, may_be_empty: bool) -> tuple[Tensor, tuple[str, ...]]:
    """The mask as planes (B, 1, H, W), float32 in [0, 1], and notes."""
    if not isinstance(mask, Tensor):
        raise ValueError(
            f"mask must be a MASK, got {mask!r:.40}: link a node that makes a mask, such as Load "
            "Mask; one that was given nothing may hand out None"
        )
    planes, notes = mask_planes("mask", mask)
    empty = int((planes.amax((1, 2, 3)) == 0).sum())
    if empty == len(planes) and not may_be_empty:
        size = f"{planes.shape[3]} x {planes.shape[2]}"
        raise ValueError(
            f"mask must be above 0 somewhere, got only zeros, {size} pixels: {_remedy(planes)}; "
            "for all of the picture switch invert on"
        )
    if empty:
        notes += (f"{empty} of {len(planes)} masks are empty",)
    return planes.float(), notes


def _remedy(planes: Tensor) -> str:
    """What to do about a mask of zeros."""
    if planes.shape != PLACEHOLDER:
        return "link a mask that marks something"
    return (
        "Load Image emits those for a picture without alpha: paint on it with Open in MaskEditor, "
        "or link Load Mask"
    )


def _turned(planes: Tensor, polarity: str) -> tuple[Tensor, str]:
    """The masks the right way round, as far as that is clear, and words that say what was done.

    A batch is turned as a whole: a film must not flicker.
    """
    from ..blending.image.polarity import UNSURE, WRONG, find_polarity

    check_choice("polarity", polarity, POLARITIES)  # an older ComfyUI checks no list
    found = find_polarity(planes)
    wrong = sum(one.verdict == WRONG for one in found)
    taken = f"{100 * max(one.taken for one in found):.0f} % of the picture"
    if polarity == "as is":
        return planes, f"polarity as is, though it takes {taken}" if wrong else "polarity as is"
    if wrong == len(found):
        words = f"turned round: took {taken} and its border; polarity as is keeps it"
        return 1 - planes, words
    if wrong:
        return planes, f"not turned: only {wrong} of {len(found)} masks look the wrong way round"
    if any(one.verdict == UNSURE and one.taken > 0 for one in found):
        return planes, "polarity not clear, not turned: invert turns it"
    return planes, "right way round"


def _edited(file: str, planes: Tensor) -> Tensor:
    """What was painted in the mask editor, in place of one mask (1, 1, H, W)."""
    if len(planes) > 1:
        raise ValueError(
            f"image must be empty for a batch: it edits one mask, got {len(planes)}; empty image"
        )
    return read_edited(file, (planes.shape[2], planes.shape[3])).to(planes)


def _picture_below(picture: Tensor | None, planes: Tensor) -> Tensor:
    """What is shown where masks (B, 1, H, W) take it: (1 or B, 3, H, W)."""
    if picture is None:
        return torch.ones_like(planes[:1]).expand(-1, 3, -1, -1)
    if len(picture) not in (1, len(planes)):
        raise ValueError(
            f"reference must be one picture or as many as masks, {len(planes)}, got {len(picture)}"
        )
    return picture[:, :3].to(planes).clamp(0, 1)


def _canvas(node: type[io.ComfyNode], picture: Tensor, planes: Tensor) -> list[ui.SavedResult]:
    """What the mask editor opens: the picture, transparent where the mask is, as it paints.

    Shown first: the editor opens the first picture of a node. Levels are a quarter above whole
    ones, as ComfyUI cuts off what is behind the point.
    """
    shown = picture if bool((picture < 1).any()) else GREY * picture
    levels = (torch.cat((shown, 1 - planes), 1) * 255).round() + 0.25
    canvas = (levels / 255).clamp(0, 1).movedim(1, -1)
    return ui.PreviewImage(canvas.cpu(), cls=node).values

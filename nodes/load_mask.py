"""Load Mask: a channel of a picture file, or what is painted on it, as a mask, shaped."""

import hashlib
import math
import os
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from torch import Tensor

from ..blending.settings import MASK_CHANNELS
from . import fields, mask_tools
from .adapters import planes_to_image, planes_to_mask, show_text
from .mask_files import own_channel, picture_path, read_channel, share_taken
from .planes import image_planes

CHANNELS = ("auto", *MASK_CHANNELS)
SHOWN_BY_BROWSERS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".avif")


class LoadMask(io.ComfyNode):
    """Reads a mask from ComfyUI's input folder; 1 = take the source.

    The file's input must be called `image`: the page's mask editor writes to no other.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "LoadMask",
            "Load Mask",
            shows_text=True,
            reads_graph=True,
            description="Reads a picture file as a mask: 1 (white) takes the source. Paint on it "
            "with Open in MaskEditor: what is painted is taken. Shows the file and what is taken. "
            f"Order of work: channel, {mask_tools.ORDER}.",
            search_aliases=[
                *("alpha", "matte", "cutout", "selection", "feather", "grow mask"),
                *("paint mask", "mask editor", "inpaint mask"),
            ],
            inputs=[
                io.Combo.Input(
                    "image",
                    options=_files(),
                    upload=io.UploadType.image,
                    image_folder=io.FolderType.input,
                    tooltip="Picture file in ComfyUI's input folder.",
                ),
                fields.choice(
                    "channel",
                    CHANNELS,
                    "auto",
                    "What to read. auto: what is painted in the mask editor, else alpha, else "
                    "luminance; the node says which. alpha: opaque = 1. red, green, blue, "
                    "luminance: white = 1.",
                ),
                *mask_tools.shaping_inputs(),
                _upload_button(),
                *mask_tools.part_inputs(),
                *mask_tools.size_inputs(),
            ],
            outputs=[
                fields.mask_output(
                    "mask",
                    "1 takes the source, 0 the target; the file's size or the reference's.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        image: str,
        channel: str,
        resize: str = "off",
        reference: Tensor | None = None,
        upload: str = "",
        **shaping: Any,
    ) -> io.NodeOutput:
        """Read and shape the mask."""
        from ..blending.image.mask import adjust_mask, like_reference
        from ..blending.pictures.read import read_raw
        from ..blending.plots.mask_overlay import show_taken

        show_text(cls)
        _refuse_former_name(cls)
        path = picture_path("image", image)
        pixels = read_raw(path)
        mask, words = read_channel(pixels, own_channel(channel), path)
        size = None if reference is None else image_planes("reference", reference).shape[2:]
        pixels = like_reference(pixels, size, resize)
        mask = like_reference(mask, size, resize, beyond=float(shaping.get("invert", False)))
        mask = adjust_mask(mask, **shaping)
        show_text(cls, words, share_taken(mask))
        taken = ui.PreviewImage(planes_to_image(show_taken(pixels, mask)), cls=cls)
        shown = [*_shown_file(image, path), *taken.values]
        return io.NodeOutput(planes_to_mask(mask), ui=ui.SavedImages(shown))

    @classmethod
    def validate_inputs(cls, image: str | None, channel: str | None) -> bool | str:
        """Whether the file is there and the channel known; linked ones are not known yet."""
        if channel is not None and own_channel(channel) not in CHANNELS:
            return f"channel must be one of {', '.join(CHANNELS)}, got {channel!r}"
        if image is None:
            return True
        try:
            picture_path("image", image)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, image: str | None, **_: object) -> str | float:
        """The file's hash: a changed file runs again, and a linked one, which is not known yet."""
        if image is None:
            return math.nan  # equals nothing, itself neither
        return hashlib.sha256(picture_path("image", image).read_bytes()).hexdigest()


def _upload_button() -> io.Input:
    """The page's button, at the place where workflow files of 0.1.0 have its value.

    Left to itself the page puts it after all widgets, and reads its value in such a file as that of
    the first widget appended since.
    """
    return io.Custom("IMAGEUPLOAD").Input(
        "upload",
        optional=True,
        tooltip="Uploads a picture into ComfyUI's input folder and chooses it.",
        extra_dict={"imageInputName": "image", "image_upload": True, "image_folder": "input"},
    )


def _files() -> list[str]:
    folder = folder_paths.get_input_directory()
    files = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    return sorted(folder_paths.filter_files_content_types(files, ["image"]))


def _shown_file(image: str, path: Path) -> list[ui.SavedResult]:
    """The file itself, first: an older page's mask editor opens what the node shows first."""
    if path.suffix.lower() not in SHOWN_BY_BROWSERS:
        return []
    name, _ = folder_paths.annotated_filepath(image)
    kinds = [kind for kind in io.FolderType if image.endswith(f"[{kind.value}]")]
    where = Path(name)
    subfolder = "" if where.parent == Path() else where.parent.as_posix()
    return [ui.SavedResult(where.name, subfolder, (*kinds, io.FolderType.input)[0])]


def _refuse_former_name(node: type[io.ComfyNode]) -> None:
    """A link to `file`, as 0.1.0 called `image`, would be dropped without a word."""
    prompt = node.hidden.prompt or {}
    if "file" in prompt.get(str(node.hidden.unique_id), {}).get("inputs", {}):
        raise ValueError(
            "file is called image since 0.1.0: link what goes to file to image; in the API's JSON "
            "rename it"
        )

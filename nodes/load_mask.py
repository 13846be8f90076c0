"""Load Mask: a channel of a picture file as a mask, shaped."""

import hashlib
import math
import os
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from torch import Tensor

from ..blending.placement.layout import RESIZES
from ..blending.settings import LARGEST_PART, MASK_CHANNELS
from . import fields
from .adapters import planes_to_image, planes_to_mask
from .planes import image_planes


class LoadMask(io.ComfyNode):
    """Reads a mask from ComfyUI's input folder; 1 = take the source."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "LoadMask",
            "Load Mask",
            description="Reads one channel of a picture as a mask: 1 (white) takes the source. "
            "Shows what is taken. Order of work: channel, resize, invert, threshold, fill holes, "
            "drop specks, grow, feather.",
            search_aliases=["alpha", "matte", "cutout", "selection", "feather", "grow mask"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=_files(),
                    upload=io.UploadType.image,
                    image_folder=io.FolderType.input,
                    tooltip="Picture file in ComfyUI's input folder.",
                ),
                fields.choice(
                    "channel",
                    MASK_CHANNELS,
                    "alpha",
                    "Channel to read: alpha (opaque = 1), red, green, blue or luminance.",
                ),
                fields.switch("invert", False, "Take what the channel leaves out (1 - mask)."),
                fields.number(
                    "threshold",
                    0.0,
                    (0.0, 1.0, 0.01),
                    "Value from which a pixel is wholly taken, 0 to 1; 0 keeps the greys.",
                ),
                fields.whole(
                    "grow",
                    0,
                    (-256, 256),
                    "Pixels to grow the mask by on every side; negative shrinks it.",
                ),
                fields.whole(
                    "feather",
                    0,
                    (0, 256),
                    "Width of the soft edge in pixels, centred on the mask's edge.",
                ),
                _upload_button(),
                *_part_inputs(),
                fields.choice(
                    "resize",
                    RESIZES,
                    "off",
                    "Brings the mask to the reference's size. stretch: proportions lost. "
                    "fit: the whole mask inside, nothing taken around it, inverted or not. fill: "
                    "covers it, the rest cut off. "
                    "off: refuses another size.",
                    optional=True,
                ),
                fields.picture(
                    "reference",
                    "Picture whose size in pixels the mask is to have, such as the source.",
                    optional=True,
                ),
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
        file: str,
        channel: str,
        resize: str = "off",
        reference: Tensor | None = None,
        upload: str = "",
        **shaping: Any,
    ) -> io.NodeOutput:
        """Read and shape the mask."""
        from ..blending.image.mask import adjust_mask, like_reference
        from ..blending.pictures.read import pick_channel, read_raw
        from ..blending.plots.mask_overlay import show_taken

        path = _path(file)
        pixels = read_raw(path)
        mask = pick_channel(pixels, channel, path)
        size = None if reference is None else image_planes("reference", reference).shape[2:]
        pixels = like_reference(pixels, size, resize)
        mask = like_reference(mask, size, resize, beyond=float(shaping.get("invert", False)))
        mask = adjust_mask(mask, **shaping)
        preview = planes_to_image(show_taken(pixels, mask))
        return io.NodeOutput(planes_to_mask(mask), ui=ui.PreviewImage(preview, cls=cls))

    @classmethod
    def validate_inputs(cls, file: str | None) -> bool | str:
        """Whether the file is there, in ComfyUI's folders; a linked one is not known yet."""
        if file is None:
            return True
        try:
            _path(file)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file: str | None, **_: object) -> str | float:
        """The file's hash: a changed file runs again, and a linked one, which is not known yet."""
        if file is None:
            return math.nan  # equals nothing, itself neither
        return hashlib.sha256(_path(file).read_bytes()).hexdigest()


def _upload_button() -> io.Input:
    """The page's button, at the place where workflow files of 0.1.0 have its value.

    Left to itself the page puts it after all widgets, and reads its value in such a file as that of
    the first widget appended since.
    """
    return io.Custom("IMAGEUPLOAD").Input(
        "upload",
        optional=True,
        tooltip="Uploads a picture into ComfyUI's input folder and chooses it.",
        extra_dict={"imageInputName": "file", "image_upload": True, "image_folder": "input"},
    )


def _part_inputs() -> list[io.Input]:
    """What is done to holes and specks."""
    area = 0, LARGEST_PART
    return [
        fields.whole(
            "fill_holes",
            0,
            area,
            "Largest area of a hole that is filled, in square pixels; 0 fills none. What "
            "reaches the picture's edge is no hole.",
            optional=True,
        ),
        fields.whole(
            "drop_specks",
            0,
            area,
            "Parts of a smaller area than this are dropped, in square pixels; 0 drops none.",
            optional=True,
        ),
    ]


def _files() -> list[str]:
    folder = folder_paths.get_input_directory()
    files = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    return sorted(folder_paths.filter_files_content_types(files, ["image"]))


def _path(file: str) -> Path:
    """The file's path; ValueError unless it is one inside ComfyUI's own folders."""
    name, folder = folder_paths.annotated_filepath(file)
    root = Path(folder or folder_paths.get_input_directory()).resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise ValueError(f"file must lie in ComfyUI's {root.name} folder, got {file!r}")
    if not path.is_file():
        raise ValueError(f"file must be in ComfyUI's {root.name} folder, found no {file!r} there")
    return path

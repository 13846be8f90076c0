"""Load Mask: a channel of a picture file as a mask, shaped."""

import hashlib
import os
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..blending.settings import MASK_CHANNELS
from .adapters import CATEGORY, planes_to_mask


class LoadMask(io.ComfyNode):
    """Reads a mask from ComfyUI's input folder; 1 = take the source."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return io.Schema(
            node_id="DIB_LoadMask",
            display_name="Load Mask (Blending)",
            category=CATEGORY,
            description="Reads one channel of a picture as a mask: 1 (white) takes the source.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=_files(),
                    upload=io.UploadType.image,
                    image_folder=io.FolderType.input,
                    tooltip="Picture file in ComfyUI's input folder.",
                ),
                io.Combo.Input(
                    "channel",
                    options=list(MASK_CHANNELS),
                    default="alpha",
                    tooltip="Channel to read: alpha (opaque = 1), red, green, blue or luminance.",
                ),
                io.Boolean.Input(
                    "invert", default=False, tooltip="Take what the channel leaves out (1 - mask)."
                ),
                io.Float.Input(
                    "threshold",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Value from which a pixel is wholly taken, 0 to 1; 0 keeps the greys.",
                ),
                io.Int.Input(
                    "grow",
                    default=0,
                    min=-256,
                    max=256,
                    tooltip="Pixels to grow the mask by on every side; negative shrinks it.",
                ),
                io.Int.Input(
                    "feather",
                    default=0,
                    min=0,
                    max=256,
                    tooltip="Width of the soft edge in pixels, centred on the mask's edge.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="1 takes the source, 0 the target.")
            ],
        )

    @classmethod
    def execute(
        cls, file: str, channel: str, invert: bool, threshold: float, grow: int, feather: int
    ) -> io.NodeOutput:
        """Read and shape the mask."""
        from ..blending.masks import adjust_mask
        from ..blending.pictures import read_mask

        mask = read_mask(_path(file), channel)
        shaped = adjust_mask(mask, invert=invert, threshold=threshold, grow=grow, feather=feather)
        return io.NodeOutput(planes_to_mask(shaped))

    @classmethod
    def validate_inputs(cls, file: str) -> bool | str:
        """Whether the file is there and lies in ComfyUI's folders."""
        try:
            _path(file)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: object) -> str:
        """The file's hash: a changed file runs again."""
        return hashlib.sha256(_path(file).read_bytes()).hexdigest()


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

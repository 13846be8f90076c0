"""Masks in picture files: where they may lie, which channel is read, what was painted."""

from pathlib import Path

import folder_paths
from torch import Tensor

from ..blending.pictures.read import pick_channel, read_raw

# What ComfyUI's mask editor calls its files; in them what is painted is transparent.
EDITED = ("clipspace-painted-masked-", "clipspace-mask-")
# Its paint layer, which older pages write into the widget that follows `image`, whatever it is.
PAINT_LAYER = "clipspace-paint-"


def picture_path(name: str, file: str) -> Path:
    """A picture file's path.

    Args:
        name: of the input, for messages.
        file: its name in ComfyUI's input folder, or with the folder after it, as "a.png [output]".

    Raises:
        ValueError: none inside ComfyUI's own folders.
    """
    file_name, folder = folder_paths.annotated_filepath(file)
    root = Path(folder or folder_paths.get_input_directory()).resolve()
    path = (root / file_name).resolve()
    if not path.is_relative_to(root):
        raise ValueError(f"{name} must lie in ComfyUI's {root.name} folder, got {file!r}")
    if not path.is_file():
        raise ValueError(f"{name} must be in ComfyUI's {root.name} folder, found no {file!r} there")
    return path


def own_channel(channel: str) -> str:
    """The channel that was chosen: "auto" where an older page's mask editor has written over it."""
    return "auto" if Path(channel).name.startswith(PAINT_LAYER) else channel


def read_channel(pixels: Tensor, channel: str, path: Path) -> tuple[Tensor, str]:
    """A channel of a picture as a mask; "auto": what is painted, else alpha, else luminance.

    Args:
        pixels: (1, 3 or 4, H, W), in [0, 1].
        channel: "auto" or one of MASK_CHANNELS.
        path: of the file; its name says whether the mask editor wrote it.

    Returns:
        (1, 1, H, W), in [0, 1], 1 = taken, and words that say what was read.

    Raises:
        ValueError: "alpha" of a picture without alpha; another channel.
    """
    has_alpha = pixels.shape[1] == 4 and bool((pixels[:, 3] < 1).any())
    is_painted = has_alpha and path.name.startswith(EDITED)
    if channel != "auto":
        unread = "; what is painted in the mask editor is read by auto" if is_painted else ""
        return pick_channel(pixels, channel, path), f"read: {channel}{unread}"
    if is_painted:
        return 1 - pixels[:, 3:], "read: what is painted in the mask editor"
    found = "alpha" if has_alpha else "luminance"
    whitest = "opaque" if has_alpha else "white"
    return pick_channel(pixels, found, path), f"read: {found} ({whitest} = taken)"


def read_edited(file: str, size: tuple[int, int]) -> Tensor:
    """A mask that was edited in ComfyUI's mask editor.

    Args:
        file: as for `picture_path`.
        size: height and width that it must have, pixels.

    Returns:
        (1, 1, H, W), in [0, 1]; what is painted is 1.

    Raises:
        ValueError: no such file; none with alpha; another size.
    """
    pixels = read_raw(picture_path("image", file))
    if pixels.shape[1] == 3:
        raise ValueError(
            f"image must be a file of the mask editor, with alpha, got {file!r} without; empty it "
            "and paint anew"
        )
    if tuple(pixels.shape[2:]) != size:
        raise ValueError(
            f"image must have the mask's size, {size[1]} x {size[0]} pixels, got "
            f"{pixels.shape[3]} x {pixels.shape[2]}: another mask was linked since it was painted; "
            "empty image, run, and paint anew"
        )
    return 1 - pixels[:, 3:]


def share_taken(mask: Tensor) -> str:
    """Words for how much masks, (B, 1, H, W), take of their pictures."""
    shares = mask.float().mean((1, 2, 3)) * 100
    low, high = shares.min().item(), shares.max().item()
    if high == 0:
        return "takes nothing: the output is empty"
    if low > 99.995:
        return "takes all of the picture"
    span = f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}"
    return f"takes {span} % of the picture"

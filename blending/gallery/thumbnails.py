"""Thumbnails of a row: the plain paste before the blend, and the result after it."""

import signal
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..cli.job import PICTURES, read_inputs
from ..cluster.files import digest, local_copy
from ..pictures.atomic import whole_file
from ..pictures.read import read_picture
from ..placement.box import Box, crop, full_box
from ..placement.place import Placed, place

NAMES = ("before", "after")
SIDE, QUALITY = 320, 85  # pixels, of JPEG
MARGIN = 0.35  # around the object in a close-up, as a share of its longer side
LEAST_MARGIN = 24  # pixels
LARGEST_CLOSE_UP = 0.5  # share of the picture; a larger one would show nothing new
BACKDROP = (128, 128, 128)  # behind what is transparent: JPEG has no alpha


@dataclass(frozen=True)
class Seen:
    """What thumbnails there are of a row.

    Attributes:
        before: why there is none of the plain paste; empty: there is one.
        after: why there is none of the result; empty: there is one.
        box: of the object in the picture: left, top, width, height, pixels; empty: not known.
        has_close_up: whether there are ones of the object alone, too.
        is_changed: whether the result's file is another than the one that the batch wrote.
    """

    before: str = ""
    after: str = ""
    box: tuple[int, ...] = ()
    has_close_up: bool = False
    is_changed: bool = False


@dataclass(frozen=True)
class Wanted:
    """A row whose thumbnails are to be made.

    Attributes:
        key: the beginning of the thumbnails' names, hexadecimal digits.
        files: source, mask, target and out: paths or addresses; None: none.
        options: where the source is placed, as the row's record says; None: it does not.
        output: digest of the result's file; empty: the row failed.
    """

    key: str
    files: dict[str, str | None]
    options: dict | None
    output: str


def thumbnail_path(folder: Path, key: str, name: str) -> Path:
    """Where a thumbnail lies; never more than a few hundred of 10 000 rows in one folder.

    Args:
        folder: of all thumbnails.
        key: of the row.
        name: "before", "after", "before-close" or "after-close".

    Returns:
        Its path.
    """
    return folder / key[:2] / f"{key}-{name}.jpg"


def begin() -> None:
    """Prepare a process that makes thumbnails: an interrupt is the business of its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def make_thumbnails(wanted: Wanted, folder: Path) -> dict:
    """Make the thumbnails of a row; why one cannot be made, a ValueError too, is told, not raised.

    Args:
        wanted: the row.
        folder: of all thumbnails.

    Returns:
        The attributes of `Seen` by name, ready for JSON.

    Raises:
        OSError: a thumbnail cannot be written.
    """
    box = None
    said: dict[str, Any] = {}
    made: dict[str, Image.Image] = {}
    try:
        placed, icc = _paste(wanted)
        where = placed.object_box(0)
        said["box"] = (where.left, where.top, where.width, where.height)
        box = _close_up(where, placed.target.shape)
        _add(made, "before", placed.paste, icc, box)
    except (OSError, ValueError, TypeError, MemoryError, RuntimeError) as error:
        said["before"] = _words(error)
    is_changed = False
    if not wanted.output:
        said["after"] = "not blended"
    else:
        try:
            is_changed = _add_result(made, wanted, box)
        except (OSError, ValueError, MemoryError, RuntimeError) as error:
            said["after"] = _words(error)
    for name, picture in made.items():
        _write(picture, thumbnail_path(folder, wanted.key, name))
    has_close_up = bool(made) and all(f"{name}-close" in made for name in NAMES if name in made)
    return asdict(Seen(**said, has_close_up=has_close_up, is_changed=is_changed))


def _paste(wanted: Wanted) -> tuple[Placed, bytes | None]:
    """The source at its place, and the profile of the colours."""
    if wanted.options is None:
        raise ValueError("the record does not say where the source was placed")
    with ExitStack() as copies:
        here = {
            name: str(copies.enter_context(local_copy(path))) if path else None
            for name in PICTURES
            for path in [wanted.files.get(name)]
        }
        options = Namespace(**wanted.options | here, out=wanted.files["out"], save_cutout=None)
        inputs = read_inputs(options)
    column, row = options.at
    source, target = inputs.source.pixels, inputs.target.pixels
    placed = place(source, target, inputs.mask, row=row, column=column, scale=options.scale)
    return placed, inputs.target.icc


def _add_result(made: dict[str, Image.Image], wanted: Wanted, box: Box | None) -> bool:
    """The result's thumbnails; whether its file is another than the one that was written."""
    path = wanted.files["out"]
    assert path is not None
    with local_copy(path) as here:
        picture = read_picture(here)
        is_changed = digest(here) != wanted.output
    is_inside = box is not None and box.clipped(picture.pixels.shape) == box
    _add(made, "after", picture.pixels, picture.icc, box if is_inside else None)
    return is_changed


def _close_up(box: Box, shape: tuple[int, ...]) -> Box | None:
    """The object's box and what is around it; None where that is most of the picture."""
    margin = max(LEAST_MARGIN, round(MARGIN * max(box.size)))
    near, frame = box.grown(margin).clipped(shape), full_box(shape)
    is_small = near.height * near.width < LARGEST_CLOSE_UP * frame.height * frame.width
    return near if is_small else None


def _add(
    made: dict[str, Image.Image], name: str, pixels: Tensor, icc: bytes | None, box: Box | None
) -> None:
    """A picture, (1, 3 or 4, H, W) in [0, 1], reduced; and its part inside a box, if there is one.

    The part is cut out before it is reduced: its pixels are the picture's own where they fit.
    """
    made[name] = _reduced(pixels, icc)
    if box is not None:
        made[f"{name}-close"] = _reduced(crop(pixels, box), icc)


def _reduced(pixels: Tensor, icc: bytes | None) -> Image.Image:
    levels = pixels[0].clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    picture = Image.fromarray(levels)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if picture.mode == "RGBA":
        opaque = Image.new("RGB", picture.size, BACKDROP)
        opaque.paste(picture, mask=picture.getchannel("A"))
        picture = opaque
    picture.info = {"icc_profile": icc} if icc else {}
    return picture


def _write(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, overwrite=True) as file:
        icc = picture.info.get("icc_profile")
        picture.save(file, "JPEG", quality=QUALITY, subsampling=0, icc_profile=icc)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

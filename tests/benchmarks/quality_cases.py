"""The cases of the quality benchmark, read from folders."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from blending import BlendSettings, blend, place
from blending.pictures.read import read_mask, read_picture
from blending.pipeline import BlendResult
from blending.placement.place import Placed

PUBLISHED = {"first_pass.png": "published: poisson", "second_pass.png": "published: refine"}


@dataclass(frozen=True)
class Case:
    """Three pictures and a place.

    Attributes:
        name: of the case's folder.
        placed: source and mask on the target, one RGB picture each.
        published: method to the published picture, (1, 3, H, W), in [0, 1], of the target's size.
    """

    name: str
    placed: Placed
    published: dict[str, Tensor] = field(default_factory=dict)


def chosen_cases(
    folders: list[Path], names: list[str] | None, refuse: Callable[[str], NoReturn]
) -> list[Path]:
    """As `find_cases`, for a command line: `refuse` is told what is wrong, no case included."""
    try:
        found = find_cases(folders, names)
    except (OSError, ValueError) as error:
        refuse(str(error))
    if not found:
        refuse("FOLDER must hold a case, found none")
    return found


def find_cases(folders: list[Path], names: list[str] | None = None) -> list[Path]:
    """The case folders in these folders, by name.

    Args:
        folders: that hold case folders.
        names: of the case folders that are wanted; None: all.

    Raises:
        ValueError: a name that is nowhere.
    """
    found = [
        path
        for folder in folders
        for path in sorted(folder.iterdir())
        if (_pictures(path) / "at").is_file()
    ]
    missing = set(names or ()) - {path.name for path in found}
    if missing:
        known = ", ".join(path.name for path in found)
        raise ValueError(f"cases must be among {known}, got {', '.join(sorted(missing))}")
    return [path for path in found if names is None or path.name in names]


def read_case(folder: Path) -> Case:
    """Read source.png, mask.png, target.png or .jpg and `at` of a folder or its `ready` one.

    Args:
        folder: the case; published pictures lie in it, not in `ready`.

    Raises:
        FileNotFoundError: a picture is missing.
        ValueError: a picture that cannot be read, or sizes and a place that do not fit.
    """
    pictures = _pictures(folder)
    column, row = _corner((pictures / "at").read_text(encoding="ascii"))
    targets = [
        path for suffix in ("png", "jpg") if (path := pictures / f"target.{suffix}").exists()
    ]
    if len(targets) != 1:
        raise FileNotFoundError(f"{pictures} must have one of target.png and target.jpg")
    source, target = (
        read_picture(path).pixels[:, :3] for path in (pictures / "source.png", *targets)
    )
    placed = place(source, target, read_mask(pictures / "mask.png"), row=row, column=column)
    published = {
        method: read_picture(folder / file).pixels[:, :3]
        for file, method in PUBLISHED.items()
        if (folder / file).is_file()
    }
    return Case(folder.name, placed, published)


def blended(placed: Placed, settings: BlendSettings) -> BlendResult:
    """The whole blend of what is placed already.

    Args:
        placed: from `place`, in its own scale.
        settings: of the blend.
    """
    return blend(
        placed.source,
        placed.target,
        placed.mask,
        row=placed.row,
        column=placed.column,
        settings=settings,
    )


def _pictures(folder: Path) -> Path:
    ready = folder / "ready"
    return ready if ready.is_dir() else folder


def _corner(text: str) -> tuple[int, int]:
    """Column and row out of "column,row"."""
    parts = text.split(",")
    try:
        column, row = map(int, parts)
    except ValueError as error:
        raise ValueError(f"at must hold column,row as whole numbers, got {text!r}") from error
    return column, row

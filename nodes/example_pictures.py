"""The examples' pictures, put into ComfyUI's input folder: Load Image lists no other place.

Not into a folder in it: both the oldest and the newest ComfyUI list the files of its root alone.
"""

import logging
from pathlib import Path

import folder_paths

PACK = Path(__file__).resolve().parent.parent
INPUTS = PACK / "example_workflows" / "inputs"
PICTURES = (".jpg", ".png", ".webp")
PAINTING = PACK / "blending" / "demo" / "starry_night.jpg"  # the demo's own, not kept twice
PREFIX = "blending_"  # of all names, so that they are found together and hardly anybody's else


def wanted() -> dict[str, Path]:
    """What the examples load: names in the input folder, and the pack's files."""
    files = [path for path in INPUTS.iterdir() if path.suffix in PICTURES]
    return {path.name: path for path in files} | {PREFIX + PAINTING.name: PAINTING}


def copy_missing() -> None:
    """Copy what is not there yet; a file that has the name already is left as it is.

    A folder that can't be written to costs a line in the log, not the pack.
    """
    try:
        folder = Path(folder_paths.get_input_directory())
        for name, path in wanted().items():
            if not (folder / name).exists():
                _copy(path, folder / name)
    except OSError as error:
        logging.warning(
            "Deep Image Blending: the examples' pictures were not copied to ComfyUI's input folder "
            "(%s); copy them by hand from %s, and %s as %s",
            error,
            INPUTS,
            PAINTING,
            PREFIX + PAINTING.name,
        )


def _copy(path: Path, copy: Path) -> None:
    """Write a new file, whole or not at all, and never over another."""
    content = path.read_bytes()
    try:
        file = copy.open("xb")
    except FileExistsError:  # since it was looked for; or a link that leads nowhere
        return
    try:
        with file:
            file.write(content)
    except OSError:
        copy.unlink(missing_ok=True)
        raise

"""Command lines on picture files of every kind, whole and damaged: the picture, or one line."""

import io
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from blending.cli.main import main

from .search import FaultError, Part

SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "GIF": ".gif",
    "PPM": ".ppm",
    "TGA": ".tga",
}
MODES = ("RGB", "RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "I", "F", "YCbCr", "LAB")
ORIENTATION = 0x0112
ODD = (
    *("--at 1000000000,0", "--at 1,2,3", "--at 0.5,1", "--at -3,-2", "--at 15,19"),
    *("--scale nan", "--scale -1", "--scale 1e-9", "--scale 0.5", "--scale 3", "--scale 1e9"),
    *("--bleed 2", "--bleed nan", "--bleed 0", "--clean -1", "--clean 5", "--harmonise 1"),
    *("--evaluations 0", "--evaluations 1", "--memory 0", "--memory 1", "--memory -5"),
    *("--device cuda:9", "--device mkldnn", "--device nonsense", "--device cpu"),
    *("--out out.xyz", "--out missing/out.png", "--out .", "--out out.jpg", "--out out.webp"),
    *("--out out.tif", "--out target.png", "--out out", "--overwrite", "--invert-mask"),
    *("--report out.png", "--report report.json", "--report missing/report.json"),
    *("--save-cutout cut.png", "--save-cutout cut.jpg", "--save-cutout source.png"),
    *("--mask-channel alpha", "--mask-channel red", "--gradients mixed", "--gradients none"),
    *("--weights missing", "--weights source.png", "--preset fast", "--preset seam-repair"),
    *("--method deep", "--region band", "--strength 0.5", "--input-scale standardised"),
    *("--unknown", "--demo", "--arithmetic float32", "--arithmetic bfloat16"),
)

picture = st.fixed_dictionaries(
    {
        "format": st.sampled_from(("PNG", "PNG", *SUFFIXES)),
        "mode": st.sampled_from(MODES),
        "size": st.tuples(st.integers(1, 40), st.integers(1, 40)),
        "orientation": st.sampled_from((None, None, 1, 3, 6, 8, 5, 0, 9)),
        "frames": st.sampled_from((1,) * 9 + (2,)),
        "damage": st.sampled_from((None,) * 12 + ("cut", "cut", "flip", "flip", "kind")),
        # Where it is cut, in thousandths of its bytes, or how many bytes are wrong; of KINDS.
        "amount": st.integers(0, 1000),
        "seed": st.integers(0, 999),
    }
)
cases = st.fixed_dictionaries(
    {
        "source": picture,
        "target": picture,
        "mask": st.one_of(picture, st.just({"format": None})),
        "fits": st.sampled_from((True, True, True, False)),  # the mask has the source's size
        "options": st.lists(st.sampled_from(ODD), max_size=3),
    }
)


def _encoded(words: dict) -> bytes:
    """The file's bytes; a format without the mode has it as RGB."""
    draw = np.random.default_rng(words["seed"])
    height, width = words["size"]
    colours = draw.integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(colours)
    exif = Image.Exif()
    if words["orientation"] is not None:
        exif[ORIENTATION] = words["orientation"]
    more = {}
    if words["frames"] > 1:
        more = {"save_all": True, "append_images": [image.transpose(Image.Transpose.ROTATE_180)]}
    for mode, options in ((words["mode"], more | {"exif": exif.tobytes()}), ("RGB", {})):
        buffer = io.BytesIO()
        with suppress(ValueError, OSError, KeyError, TypeError):
            _in_mode(image, mode).save(buffer, words["format"], **options)
            return buffer.getvalue()
    raise FaultError("files: the case cannot be written")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "LAB":
        return Image.merge("LAB", image.split())
    if mode in ("RGBA", "LA"):
        image.putalpha(image.getchannel(0))
    return image.convert(mode)


def _a_loop(path: Path) -> None:
    path.symlink_to(path.name)


KINDS: tuple[Callable[[Path], object], ...] = (
    lambda path: path.mkdir(),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_text("no picture"),
    lambda path: path.write_bytes(bytes(3000)),
    _a_loop,
    lambda path: None,  # it is missing
)


def _write(path: Path, words: dict) -> None:
    if words["damage"] == "kind":
        KINDS[words["amount"] % len(KINDS)](path)
        return
    content = bytearray(_encoded(words))
    if words["damage"] == "cut":
        del content[len(content) * words["amount"] // 1000 :]
    elif words["damage"] == "flip":
        draw = np.random.default_rng(words["amount"])
        for at in draw.integers(0, len(content), 1 + words["amount"] % 9):
            content[at] ^= int(draw.integers(1, 256))
    path.write_bytes(content)


def _make(case: dict, folder: Path) -> list[str]:
    """Write the pictures; the words of the command line."""
    words = ["--stage", "exact", "--evaluations", "1", "--out", "out.png"]
    for role in ("source", "target", "mask"):
        own = case[role]
        if own["format"] is None:
            continue
        if role == "mask" and case["fits"]:
            own = {**own, "size": case["source"]["size"]}
            own["orientation"] = case["source"]["orientation"]
        # A suffix that is not the format's now and then: the content decides.
        suffix = ".png" if own["seed"] % 5 == 0 else SUFFIXES[own["format"]]
        path = folder / f"{role}{suffix}"
        _write(path, own)
        words += [f"--{role}", path.name]
    return words + [word for option in case["options"] for word in option.split()]


def _run(words: list[str]) -> tuple[object, str, str]:
    """Status, standard output and standard error, that of libraries in C with it."""
    output, errors = io.StringIO(), io.StringIO()
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as own:
        os.dup2(own.fileno(), 2)
        try:
            with redirect_stdout(output), redirect_stderr(errors):
                try:
                    status = main(words)
                except SystemExit as end:
                    status = end.code
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        own.seek(0)
        beside = own.read().decode(errors="replace")
    return status, output.getvalue(), errors.getvalue() + beside


def _content(folder: Path) -> dict[str, bytes | None]:
    return {p.name: p.read_bytes() if p.is_file() else None for p in sorted(folder.iterdir())}


def check(case: dict) -> str:
    """Run the command line in a folder of its own and look at how it ended."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = _make(case, folder)
        before = _content(folder)
        os.chdir(folder)
        try:
            status, output, errors = _run(words)
        finally:
            os.chdir(here)
        after = _content(folder)
    changed = [name for name, content in before.items() if after.get(name) != content]
    written = {name: content for name, content in after.items() if name not in before}
    if changed and "--overwrite" not in words:
        raise FaultError(f"files: {changed[0].split('.')[0]} was changed")
    if status == 2:
        _check_refused(output, errors, written)
        return "refused"
    if status != 0:
        raise FaultError(f"files: exit status {status}")
    if errors:
        raise FaultError(f"files: words beside a good end: {errors.splitlines()[-1]}")
    _check_written(words, after)
    return "written"


def _check_refused(output: str, errors: str, written: dict) -> None:
    is_one_line = errors.startswith("blending: error: ") and errors.count("\n") == 1
    if output or not is_one_line or not errors.endswith("\n"):
        first = errors.splitlines()[0] if errors else "nothing"
        raise FaultError(f"files: refused not in one line: {first[:60]}")
    if written:
        raise FaultError(f"files: {', '.join(sorted(written))} written though refused")


def _check_written(words: list[str], after: dict) -> None:
    """Every promised file is there and opens."""
    last = {one: two for one, two in pairwise(words) if one.startswith("--")}
    for option in ("--out", "--save-cutout"):
        if option in last:
            content = after.get(last[option])
            if not content:
                raise FaultError(f"files: {option} is missing after exit 0")
            with Image.open(io.BytesIO(content)) as image:
                image.load()


FILES = Part("files", cases, check)

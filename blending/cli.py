"""The command line: `python -m blending --source S --target T --mask M --at C,R --out OUT`."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import NoReturn

from .settings import (
    INPUT_SCALES,
    MASK_CHANNELS,
    METHODS,
    BlendSettings,
    PoissonSettings,
    RefineSettings,
)

DEMO = Path(__file__).parent / "demo"
DEMO_PLACE = (529, 39)  # column, row
EXIT_USAGE = 2


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake is told in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"blending: error: {' '.join(message.split())}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None: those of the process.

    Returns:
        The exit status: 0, or 2 after a message of one line on standard error.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(_join_place(arguments))
    try:
        _complete(options)
        _run(options)
    except (ValueError, TypeError, OSError) as error:
        sys.stderr.write(f"blending: error: {' '.join(str(error).split())}\n")
        return EXIT_USAGE
    except KeyboardInterrupt:
        sys.stderr.write("blending: interrupted, nothing written\n")
        return 130
    return 0


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m blending",
        description="Blend a cut-out of a source picture into a target picture.",
    )
    add = parser.add_argument
    add("--source", metavar="FILE", help="the picture to cut from")
    add("--target", metavar="FILE", help="the picture to blend into")
    add("--mask", metavar="FILE", help="white takes the source; its size; default: its alpha")
    add("--at", metavar="COLUMN,ROW", type=_place, default=(0, 0), help="the source's corner, px")
    add("--scale", type=float, default=1.0, help="factor for source and mask (default 1)")
    add("--method", choices=METHODS, help="deep (default), or exact: no network")
    add(
        "--stage",
        choices=("poisson", "refine", "exact"),
        default="refine",
        help="where to stop (default refine); exact means --method exact --stage poisson",
    )
    add("--mask-channel", choices=MASK_CHANNELS, help="channel of the mask (default luminance)")
    add("--invert-mask", action="store_true", help="black takes the source")
    add("--weights", metavar="FILE", help="another VGG16 safetensors file")
    add("--input-scale", choices=INPUT_SCALES, default="caffe", help="what that file expects")
    add("--device", help="where to compute, such as cpu or cuda (default cpu)")
    add("--out", metavar="FILE", help=".png, .jpg, .webp or .tif; the target's bits and profile")
    add("--report", metavar="FILE", help="write what was done as JSON")
    add("--overwrite", action="store_true", help="replace files that are there")
    add("--demo", action="store_true", help="blend the bundled example (default out: demo.png)")
    return parser


def _join_place(arguments: list[str]) -> list[str]:
    """`--at -20,30` as `--at=-20,30`: argparse takes a leading minus for an option."""
    joined, rest = [], iter(arguments)
    for argument in rest:
        joined.append(f"--at={next(rest, '')}" if argument == "--at" else argument)
    return joined


def _place(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"\s*([+-]?\d+)\s*,\s*([+-]?\d+)\s*", text, re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError(
            f"must be COLUMN,ROW in whole pixels, as in 10,20, got {text!r}"
        )
    return int(found[1]), int(found[2])


def _complete(options: argparse.Namespace) -> None:
    """Fill in what --demo and --stage exact stand for; raise where something is missing."""
    if options.demo:
        if options.source or options.target or options.mask:
            raise ValueError("--demo brings its own pictures: leave --source, --target, --mask out")
        options.source = DEMO / "rocket.png"
        options.mask = DEMO / "rocket_mask.png"
        options.target = DEMO / "starry_night.jpg"
        options.at = DEMO_PLACE
        options.out = options.out or "demo.png"
    missing = [name for name in ("source", "target", "out") if not getattr(options, name)]
    if missing:
        raise ValueError(f"--{' and --'.join(missing)} must be given (or --demo)")
    if options.mask is None and (options.invert_mask or options.mask_channel):
        raise ValueError("--invert-mask and --mask-channel must come with --mask, got none")
    if options.stage == "exact":
        if options.method == "deep":
            raise ValueError("--stage exact must go with --method exact, got deep")
        options.method, options.stage = "exact", "poisson"
    _check_report(options)


def _check_report(options: argparse.Namespace) -> None:
    """The report must not take the place of a picture, not even with --overwrite."""
    if options.report is None:
        return
    for name in ("out", "source", "mask", "target"):
        path = getattr(options, name)
        if path and Path(path).resolve() == Path(options.report).resolve():
            raise ValueError(f"--report must be another file than --{name}, got {path} for both")


def _run(options: argparse.Namespace) -> None:
    from .files import check_format, check_output, write_picture, write_text
    from .pictures import read_picture
    from .pipeline import blend
    from .profiles import srgb_profile
    from .progress import Progress

    for path in filter(None, (options.out, options.report)):
        check_output(path, overwrite=options.overwrite)
    target = read_picture(options.target)
    check_format(options.out, target.pixels.shape[1], target.bits)
    source = read_picture(options.source, icc=target.icc or srgb_profile())
    settings = _settings(options)
    column, row = options.at
    with Progress(settings) as progress:
        result = blend(
            source.pixels,
            target.pixels,
            _mask(options),
            row=row,
            column=column,
            scale=options.scale,
            settings=settings,
            on_evaluation=progress,
        )
    report = {"files": _files(options), **result.report}
    write_picture(
        options.out,
        result.image,
        bits=target.bits,
        icc=target.icc,
        overwrite=options.overwrite,
    )
    if options.report:
        text = json.dumps(report, indent=2) + "\n"
        write_text(options.report, text, overwrite=options.overwrite)
    sys.stdout.write(f"{options.out}: {_summary(result.report)}\n")


def _mask(options: argparse.Namespace):
    from .masks import adjust_mask
    from .pictures import read_mask

    if options.mask is None:
        return None
    mask = read_mask(options.mask, options.mask_channel or "luminance")
    return adjust_mask(mask, invert=options.invert_mask)


def _settings(options: argparse.Namespace) -> BlendSettings:
    return BlendSettings(
        poisson=PoissonSettings(method=options.method or "deep"),
        refine=RefineSettings() if options.stage == "refine" else None,
        weights_file=options.weights,
        input_scale=options.input_scale,
        device=options.device,
    )


def _files(options: argparse.Namespace) -> dict[str, str | None]:
    names = ("source", "mask", "target", "out")
    return {name: str(path) if (path := getattr(options, name)) else None for name in names}


def _summary(report: dict) -> str:
    words = []
    for stage in report["stages"]:
        evaluations = sum(picture.get("evaluations", 0) for picture in stage["pictures"])
        counted = f"{evaluations} evaluations, " if evaluations else ""
        words.append(f"{stage['stage']} {counted}{stage['seconds']:.1f} s")
        words += stage["notes"]
    return "; ".join(words)

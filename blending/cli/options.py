"""The command line's options."""

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ..presets import PRESETS, REFINING
from ..settings import (
    BUNDLED_SCALE,
    GRADIENTS,
    INPUT_SCALES,
    MASK_CHANNELS,
    METHODS,
    PRECISIONS,
    REGIONS,
)

DEMO = Path(__file__).parents[1] / "demo"
DEMO_PLACE = (330, 186)  # column, row
EXIT_USAGE = 2


def parse_options(
    arguments: list[str], parser: argparse.ArgumentParser | None = None
) -> argparse.Namespace:
    """Parse, check and complete the options; `--help` prints them and ends the process.

    Args:
        arguments: without the program's name.
        parser: from `option_parser`, for one who parses many times; None: a new one.

    Returns:
        The options by name.

    Raises:
        ValueError: options that are unknown, missing, out of their range or do not go together.
    """
    options = (parser or option_parser()).parse_args(join_place(arguments))
    _complete(options)
    return options


class Parser(argparse.ArgumentParser):
    """argparse that raises its errors, for the caller to tell."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print.

        Args:
            message: what is wrong.

        Raises:
            ValueError: always.
        """
        raise ValueError(message)


def _add_poisson(add: Callable[..., object]) -> None:
    """The options of the Poisson stage."""
    add("--method", choices=METHODS, help="deep, or exact: no network (default the preset's)")
    add("--gradients", choices=GRADIENTS, help="import (default), mixed or monochrome")
    add("--bleed", type=float, metavar="F", help="0 keeps the source's colours .. 1 lets them go")
    add("--clean", type=int, metavar="N", help="pixels in which rests of background go; 0: none")
    add("--harmonise", type=float, metavar="F", help="colours to the place's, 0..1; 0: not")


def option_parser() -> argparse.ArgumentParser:
    """The parser of the options that a blend takes.

    Returns:
        A parser whose errors are raised as `ValueError`.
    """
    parser = Parser(
        prog="python -m blending",
        description="Blend a cut-out of a source picture into a target picture.",
        epilog="Thousands of blends by a list: python -m blending batch --help",
    )
    add_blend_options(parser.add_argument)
    add = parser.add_argument
    add("--out", metavar="FILE", help=".png, .jpg, .webp or .tif; the target's bits and profile")
    add("--save-cutout", metavar="FILE", help="write the cleaned source with its alpha, as placed")
    add("--report", metavar="FILE", help="write what was done as JSON")
    add("--overwrite", action="store_true", help="replace files that are there")
    add("--demo", action="store_true", help="blend the bundled example (default out: demo.png)")
    return parser


def add_blend_options(add: Callable[..., object]) -> None:
    """The options that say what to blend and how, not where to write it.

    Args:
        add: a parser's `add_argument`.
    """
    _add_pictures(add)
    add(
        "--preset",
        type=_preset,
        default="painting",
        metavar="NAME",
        help=f"what for: {_preset_names()} (default painting)",
    )
    _add_poisson(add)
    add("--region", choices=REGIONS, help="what the refine stage may change (default object)")
    add("--strength", type=float, metavar="F", help="of the refine stage, 0..1 (default 1)")
    add("--evaluations", type=int, metavar="N", help="most steps a stage (default the preset's)")
    add(
        "--stage",
        choices=("poisson", "refine", "exact"),
        default="refine",
        help="where to stop (default refine); exact means --method exact --stage poisson",
    )
    add("--weights", metavar="FILE", help="another VGG16 safetensors file")
    add("--input-scale", choices=INPUT_SCALES, default="caffe", help="what that file expects")
    add("--device", help="where to compute, such as cpu or cuda (default cpu)")
    add("--arithmetic", choices=PRECISIONS, default="auto", help="of the network (default auto)")
    add(
        "--memory",
        type=int,
        metavar="MB",
        help="most a blend may take beside its pictures (default 8192)",
    )


def _add_pictures(add: Callable[..., object]) -> None:
    add("--source", metavar="FILE", help="the picture to cut from")
    add("--target", metavar="FILE", help="the picture to blend into")
    add("--mask", metavar="FILE", help="white takes the source; its size; default: its alpha")
    add("--mask-channel", choices=MASK_CHANNELS, help="of the mask (default luminance)")
    add("--invert-mask", action="store_true", help="black takes the source")
    add("--at", metavar="COLUMN,ROW", type=_place, default=(0, 0), help="the source's corner, px")
    add("--scale", type=float, default=1.0, help="factor for source and mask (default 1)")


def join_place(arguments: list[str]) -> list[str]:
    """`--at -20,30` as `--at=-20,30`: argparse takes a leading minus for an option.

    Args:
        arguments: without the program's name.

    Returns:
        The same, joined.
    """
    joined, rest = [], iter(arguments)
    for argument in rest:
        joined.append(f"--at={next(rest, '')}" if argument == "--at" else argument)
    return joined


def _typed(preset: str) -> str:
    """A preset's name as one types it in a shell."""
    return preset.replace(" ", "-")


def _preset_names() -> str:
    return ", ".join(map(_typed, PRESETS))


def _preset(text: str) -> str:
    name = text.replace("-", " ")
    if name not in PRESETS:
        raise argparse.ArgumentTypeError(f"must be one of {_preset_names()}, got {text!r}")
    return name


def _place(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"\s*([+-]?\d+)\s*,\s*([+-]?\d+)\s*", text, re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError(
            f"must be COLUMN,ROW in whole pixels (10,20), got {text!r}"
        )
    return int(found[1]), int(found[2])


def _complete(options: argparse.Namespace) -> None:
    """Fill in what --demo and --stage exact stand for; raise where options are missing or clash."""
    if options.demo:
        if options.source or options.target or options.mask:
            raise ValueError("--demo brings its own pictures: leave --source, --target, --mask out")
        options.source = DEMO / "astronaut.jpg"
        options.mask = DEMO / "astronaut_mask.png"
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
    if options.memory is not None and options.memory < 0:
        raise ValueError(f"--memory must be 0 megabytes or more, got {options.memory}")
    _check_weights(options)
    _check_refining(options)
    _check_outputs(options)


def _check_weights(options: argparse.Namespace) -> None:
    """An input scale other than the bundled weights' needs a weights file."""
    if options.weights is None and options.input_scale != BUNDLED_SCALE:
        raise ValueError(
            f"--input-scale {options.input_scale} must come with --weights, got none: the bundled "
            f"ones expect {BUNDLED_SCALE}"
        )


def _check_refining(options: argparse.Namespace) -> None:
    """Raise where options of the refine stage are given and it will not run."""
    given = [name for name in ("region", "strength") if getattr(options, name) is not None]
    if not given or (options.stage == "refine" and options.preset in REFINING):
        return
    ended = (
        "--stage poisson" if options.stage == "poisson" else "--preset " + _typed(options.preset)
    )
    raise ValueError(
        f"--{' and --'.join(given)} must go with a refine stage; there is none with {ended}"
    )


def _check_outputs(options: argparse.Namespace) -> None:
    """What is written must not take the place of what is read, not even with --overwrite."""
    read = {name: getattr(options, name) for name in ("source", "mask", "target")}
    for written in ("out", "save-cutout", "report"):
        path, others = getattr(options, written.replace("-", "_")), dict(read)
        read[written] = path
        for name, other in others.items():
            if path and other and _is_same(path, other):
                raise ValueError(
                    f"--{written} must be another file than --{name}, got {other} for both"
                )


def _is_same(path: str | Path, other: str | Path) -> bool:
    """Whether two paths may mean one file, links followed.

    Most disks of macOS and Windows do not tell `Out.png` from `out.png`. Where neither is there,
    nobody can say without writing: such names count as one on all systems.
    """
    there = os.path.exists(path), os.path.exists(other)
    if any(there):
        return all(there) and os.path.samefile(path, other)
    path, other = (os.path.realpath(one) for one in (path, other))
    return path.casefold() == other.casefold()

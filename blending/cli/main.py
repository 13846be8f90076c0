"""The command line: `python -m blending --source S --target T --mask M --at C,R --out OUT`."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO, cast

from ..presets import PRESETS
from ..settings import BlendSettings, Compute
from .console import Console, without_library_words
from .loading import without_collector
from .options import EXIT_USAGE, parse_options
from .outputs import Outputs

if TYPE_CHECKING:  # torch, which --help does without
    from torch import Tensor

    from ..pictures.read import Picture
    from ..pipeline import BlendResult

MEGABYTE = 2**20
EXIT_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Words on standard output and standard error, whoever writes them, do not change the exit status,
    not even where they cannot be written.

    Args:
        arguments: without the program's name; None: those of the process.

    Returns:
        The exit status: 0; 2 after an error and 130 after an interrupt, each with a message of one
        line on standard error.
    """
    output, errors = (cast(TextIO, Console(stream)) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(output), redirect_stderr(errors):
        return _status(sys.argv[1:] if arguments is None else arguments)


def _status(arguments: list[str]) -> int:
    outputs = Outputs()
    try:
        options = parse_options(arguments)
        outputs = Outputs(_outputs(options))
        _run(options)
    except (ValueError, TypeError, OSError) as error:
        so_far = f"; {outputs.words}" if outputs.written else ""
        sys.stderr.write(f"blending: error: {' '.join(str(error).split())}{so_far}\n")
        return EXIT_USAGE
    except (MemoryError, RuntimeError) as error:
        from ..stages.device import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        words = "--memory must be less, or more be free: the run took more memory than there is"
        sys.stderr.write(f"blending: error: {words}; {outputs.words}\n")
        return EXIT_USAGE
    except KeyboardInterrupt:
        sys.stderr.write(f"blending: interrupted, {outputs.words}\n")
        return EXIT_INTERRUPTED
    return 0


def _run(options: argparse.Namespace) -> None:
    with without_collector():
        from ..pictures.atomic import check_output
        from ..pictures.icc import srgb_profile
        from ..pictures.read import read_picture
        from ..pictures.write import check_format
        from ..pipeline import blend
        from .progress import Progress

    for path in _outputs(options):
        check_output(path, overwrite=options.overwrite)
    with without_library_words():
        target = read_picture(options.target)
    check_format(options.out, target.pixels.shape[1], target.bits, target.icc)
    if options.save_cutout:
        check_format(options.save_cutout, 4, target.bits, target.icc)
    with without_library_words():
        source = read_picture(options.source, icc=target.icc or srgb_profile())
        mask, doubt = _mask(options)
    settings = _settings(options)
    column, row = options.at
    with Progress(settings) as progress:
        result = blend(
            source.pixels,
            target.pixels,
            mask,
            row=row,
            column=column,
            scale=options.scale,
            settings=settings,
            on_evaluation=progress,
        )
    _write(options, result, target)
    sys.stdout.write(f"{options.out}: {_summary(result.report)}{doubt}\n")


def _outputs(options: argparse.Namespace) -> list[str]:
    """The files that the run is to write."""
    return [path for path in (options.out, options.save_cutout, options.report) if path]


def _write(options: argparse.Namespace, result: BlendResult, target: Picture) -> None:
    """The blend and, if they are asked for, the cut-out and the report."""
    from ..pictures.write import write_picture, write_text

    how = {"bits": target.bits, "icc": target.icc, "overwrite": options.overwrite}
    with without_library_words():
        write_picture(options.out, result.image, **how)
        if options.save_cutout:
            write_picture(options.save_cutout, result.cutout, **how)
    if options.report:
        report = {"files": _files(options), **result.report}
        text = json.dumps(report, indent=2) + "\n"
        write_text(options.report, text, overwrite=options.overwrite)


def _mask(options: argparse.Namespace) -> tuple[Tensor | None, str]:
    """The mask, and words about one that seems to take all but the object."""
    from ..image.mask import adjust_mask
    from ..image.polarity import WRONG, find_polarity
    from ..pictures.read import read_mask

    if options.mask is None:
        return None, ""
    mask = read_mask(options.mask, options.mask_channel or "luminance")
    mask = adjust_mask(mask, invert=options.invert_mask)
    is_odd = find_polarity(mask)[0].verdict == WRONG
    return mask, "; look: mask looks inverted (see --invert-mask)" if is_odd else ""


def _settings(options: argparse.Namespace) -> BlendSettings:
    preset = PRESETS[options.preset]
    steps = {"max_evaluations": options.evaluations}
    poisson = {"method": options.method, "gradients": options.gradients, "bleed": options.bleed}
    poisson |= {"clean": options.clean, "harmonise": options.harmonise}
    refine = {"region": options.region, "strength": options.strength}
    return BlendSettings(
        poisson=_changed(preset.poisson, {**poisson, **steps}),
        refine=_changed(preset.refine, {**refine, **steps})
        if preset.refine and options.stage == "refine"
        else None,
        weights_file=options.weights,
        input_scale=options.input_scale,
        compute=Compute(
            options.device,
            options.arithmetic,
            None if options.memory is None else MEGABYTE * options.memory,
        ),
    )


def _changed(settings, options: dict):
    """The settings with the options that were given."""
    return replace(
        settings, **{name: value for name, value in options.items() if value is not None}
    )


def _files(options: argparse.Namespace) -> dict[str, str | None]:
    names = ("source", "mask", "target", "out")
    return {name: str(path) if (path := getattr(options, name)) else None for name in names}


def _summary(report: dict) -> str:
    from ..quality.verdicts import removal_in_words

    words = []
    for stage in report["stages"]:
        evaluations = sum(picture.get("evaluations", 0) for picture in stage["pictures"])
        counted = f"{evaluations} evaluations, " if evaluations else ""
        words.append(f"{stage['stage']} {counted}{stage['seconds']:.1f} s")
        words += filter(None, [removal_in_words(stage.get("clean"))])
        words += stage["notes"]
    is_exact = report["stages"][0]["settings"]["method"] == "exact"
    words += [_guard_rails(figures, is_exact) for figures in filter(None, report["guard_rails"])]
    return "; ".join(words)


def _guard_rails(figures: dict[str, float | None], is_exact: bool) -> str:
    from ..quality.verdicts import in_words

    colours, seam = figures["colour_difference"], figures["seam_ratio"]
    looks = in_words([figures])
    # Too faint a mask has no pixel whose colours are the object's.
    words = [] if colours is None else [f"colour difference {colours:.1f} ΔE"]
    if is_exact and seam is not None:  # a contour that is kept would count as one
        words.append(f"seam {seam:.1%} of the paste's")
    words.append(f"background changed by {figures['background_difference']:.0f} levels")
    return ", ".join(words) + (f"; {looks}" if looks else "")

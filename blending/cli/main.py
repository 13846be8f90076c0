"""The command line: `python -m blending --source S --target T --mask M --at C,R --out OUT`."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import TextIO, cast

from .console import Console, without_library_words
from .job import blend_inputs, output_paths, read_inputs, settings_of, write_outputs
from .loading import while_loading
from .options import EXIT_USAGE, parse_options
from .outputs import Outputs

EXIT_INTERRUPTED = 130
DEEP_NEEDS = 192 * 2**20  # bytes of addresses, less than any run with the network takes


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
        outputs = Outputs(output_paths(options))
        _run(options)
    except (ValueError, TypeError, OSError) as error:
        words = " ".join(str(error).split()) + outputs.beside(error)
        sys.stderr.write(f"blending: error: {words}\n")
        return EXIT_USAGE
    except (MemoryError, RuntimeError, ImportError) as error:
        if not _is_out_of_memory(error):
            raise
        words = "--memory must be less, or more be free: the run took more memory than there is"
        sys.stderr.write(f"blending: error: {words}; {outputs.words}\n")
        return EXIT_USAGE
    except KeyboardInterrupt:
        sys.stderr.write(f"blending: interrupted, {outputs.words}\n")
        return EXIT_INTERRUPTED
    return 0


def _is_out_of_memory(error: MemoryError | RuntimeError | ImportError) -> bool:
    try:
        from ..stages.device import is_out_of_memory
    except ImportError:  # torch is what is missing
        return False
    return is_out_of_memory(error)


def _run(options: argparse.Namespace) -> None:
    with while_loading():
        from ..free_memory import check_addresses
        from ..pictures.atomic import check_output
        from ..pipeline import needs_network  # with torch and all that it needs
        from .progress import Progress

    for path in output_paths(options):
        check_output(path, overwrite=options.overwrite)
    if needs_network(settings_of(options)):
        check_addresses(DEEP_NEEDS)
    with without_library_words():
        inputs = read_inputs(options)
    with Progress(settings_of(options)) as progress:
        result = blend_inputs(options, inputs, progress)
    with without_library_words():
        write_outputs(options, result, inputs.target)
    doubt = f"; look: {inputs.doubt}" if inputs.doubt else ""
    sys.stdout.write(f"{options.out}: {_summary(result.report)}{doubt}\n")


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

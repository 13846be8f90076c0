"""`python -m blending gallery`: the command line of a gallery."""

import argparse
import sys

from ..cli.options import Parser
from ..cluster.command import Bar, told
from .make import MOST_ROWS, Gallery, make_gallery

DESCRIPTION = """\
Show a batch on a page that opens without a server: each row before and after, faults first.

Rows that failed stand on top, then those whose guard rails say "look", the worst first. On the page
they are sorted by any guard rail, line, name or seconds, found by their text, compared at full size
and marked for a list. Small pictures lie beside the page; run again, also while the batch is under
way, only those of new results are made. No other file is touched.
"""


def gallery_main(arguments: list[str]) -> int:
    """Run `gallery`.

    Args:
        arguments: after that word.

    Returns:
        The exit status: 0; 2 where no page was made, 130 after an interrupt.
    """
    return told(_gallery, arguments)


def _gallery(arguments: list[str]) -> int:
    parser = Parser(
        prog="python -m blending gallery",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("results", metavar="RESULTS", help="results.jsonl of a batch, or its folder")
    add("--out", metavar="FOLDER", help='of the page (default "gallery" beside the results)')
    add("--rows", type=int, metavar="N", default=MOST_ROWS, help=f"most (default {MOST_ROWS})")
    add("--workers", type=int, metavar="N", help="processes (default the cores)")
    options = parser.parse_args(arguments)
    with Bar() as bar:
        made = make_gallery(
            options.results,
            options.out,
            rows=options.rows,
            workers=options.workers,
            on_start=bar.start,
            on_row=bar.step,
        )
    sys.stdout.write(gallery_in_words(made))
    return 0


def gallery_in_words(made: Gallery) -> str:
    """What was made of a gallery, as a table.

    Args:
        made: from `make_gallery`.

    Returns:
        Lines of text.
    """
    left = made.rows - made.shown
    more = f", the best {left} are left out (--rows)" if left else ""
    lines = [
        ("rows", f"{made.shown}{more}"),
        ("failed", f"{made.failed}"),
        ("pictures", f"of {made.made} rows made, of {made.kept} kept"),
        ("page", str(made.page)),
    ]
    if made.lacking:
        lines.insert(2, ("lacking", f"{made.lacking} results that could not be read"))
    return "".join(f"{name:<8} {words}\n" for name, words in lines)

"""`python -m blending batch`: the command line of a batch."""

import argparse
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO, cast

from tqdm import tqdm

from ..cli.console import Console
from ..cli.options import Parser, add_blend_options, join_place
from ..quality.verdicts import WANTED
from .rehearsal import rehearse
from .results import FAILED
from .run import BatchSettings, Summary, WrongManifestError, run

RETRY = " (--retry-failed tries them again)"
EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
DESCRIPTION = """\
Blend every row of a manifest: JSON Lines (.jsonl) or CSV with a heading, a blend a row.

A row's fields are the options of a single blend without their hyphens (source, mask, target, at,
scale, preset, harmonise, ...) and out, the result's name below the folder of results:

  {"source": "cat.png", "mask": "m.png", "target": "room.jpg", "at": [20, 30], "out": "a.png"}

Relative paths are relative to the manifest. All rows are checked before the first is blended. What
comes of each stands in results.jsonl in the folder of results: digests, seconds, guard rails or the
error. Run again, after any end, the command goes on: rows that are blended already, of the same
files and settings, are kept; those that failed are tried again with --retry-failed.
"""
EPILOG = """\
Options of a single blend may be given, too; they count for rows without that field.
Exit status: 0 all rows are blended, 1 some failed, 2 nothing was begun, 130 interrupted.
With pip install ".[cluster]": .parquet manifests, addresses (s3://bucket/name) as paths, --cluster.

--cluster blends on Ray: "local" starts it on this machine, on the loopback alone; HOST:PORT is a
cluster that this machine belongs to, "auto" the one that runs on it. Every node needs the very
version of this package and of torch that this machine has; one that has not is refused. Files must
lie at addresses, or in folders that all nodes see by the same path; keys for addresses are each
node's own, AWS_ENDPOINT_URL and AWS_REGION are handed on. A worker or node that is lost is
replaced and its rows are done again. Nodes of unlike processors may differ in the last bits.
"""


def batch_main(arguments: list[str]) -> int:
    """Run `batch`.

    Args:
        arguments: after that word.

    Returns:
        The exit status: 0; 1 where rows failed, 2 where nothing was begun, 130 after an interrupt.
    """
    return told(lambda given: _run(_parsed(given)), arguments)


def told(do: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Run a command and tell its errors in a line each.

    Args:
        do: the command, from its arguments to its exit status.
        arguments: for it.

    Returns:
        The exit status: the command's own; 2 after an error, 130 after an interrupt.
    """
    output, errors = (cast(TextIO, Console(stream)) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            return do(arguments)
        except WrongManifestError as error:
            sys.stderr.write(f"blending: error: {error}\n")
            return EXIT_USAGE
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            sys.stderr.write(f"blending: error: {' '.join(str(error).split())}\n")
            return EXIT_USAGE
        except KeyboardInterrupt:
            sys.stderr.write("blending: interrupted; run it again to go on\n")
            return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m blending batch",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("manifest", metavar="MANIFEST", help=".jsonl or .csv file")
    add("--out", metavar="FOLDER", required=True, help="of the results; made where it is missing")
    add("--records", metavar="FOLDER", help="of results.jsonl (default the folder of results)")
    add("--workers", type=int, metavar="N", help="blends at one time (default the cores allow)")
    add("--threads", type=int, metavar="N", default=1, help="that each computes with (default 1)")
    add("--limit", type=int, metavar="N", help="take the first rows alone")
    add("--dry-run", action="store_true", help="check, count, estimate the time; write nothing")
    add("--retry-failed", action="store_true", help="try rows again that failed")
    add("--overwrite", action="store_true", help="replace files that are there")
    add("--cluster", metavar="ADDRESS", help='of a Ray cluster, or "local" (the extra)')
    add("--cpus-per-worker", type=float, metavar="F", help="for Ray (default the threads)")
    add("--gpus-per-worker", type=float, metavar="F", default=0, help="for Ray (default 0)")
    blend = parser.add_argument_group("for rows without that field")
    add_blend_options(blend.add_argument)
    return parser


def _parsed(arguments: list[str]) -> argparse.Namespace:
    blend = Parser(add_help=False)
    add_blend_options(blend.add_argument)
    names = vars(blend.parse_args([]))
    unset = argparse.Namespace(**dict.fromkeys(names))  # argparse fills in what is missing alone
    options = _parser().parse_args(join_place(arguments), unset)
    options.defaults = {name: getattr(options, name) for name in names}
    return options


def _run(options: argparse.Namespace) -> int:
    names = ("workers", "threads", "overwrite", "retry_failed", "limit", "cluster")
    names += ("cpus_per_worker", "gpus_per_worker")
    settings = BatchSettings(**{name: getattr(options, name) for name in names})
    given = options.manifest, options.out, settings
    if options.dry_run:
        sys.stdout.write(rehearse(*given, defaults=options.defaults))
        return 0
    with Bar() as bar:
        summary = run(
            *given,
            defaults=options.defaults,
            records=options.records,
            on_start=bar.start,
            on_record=bar.show,
        )
    sys.stdout.write(in_words(summary))
    return EXIT_FAILED if summary.failed else 0


class Bar:
    """A progress bar of rows, with rate and remaining time, and a line for each failure."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def start(self, rows: int) -> None:
        """Begin.

        Args:
            rows: how many there are.
        """
        self._bar = tqdm(total=rows, unit="row", disable=not sys.stderr.isatty())

    def show(self, record: dict) -> None:
        """Move on.

        Args:
            record: of a row.
        """
        assert self._bar is not None
        if record["status"] == FAILED:
            line = f"line {record['line']}: {record['out']}: {record['error']}"
            with self._bar.external_write_mode(sys.stderr):
                sys.stderr.write(line + "\n")
        self.step()

    def step(self) -> None:
        """Move on by a row."""
        assert self._bar is not None
        self._bar.update()


def in_words(summary: Summary) -> str:
    """A batch's counts as a table.

    Args:
        summary: from `run`.

    Returns:
        Lines of text.
    """
    rate = summary.done / summary.seconds if summary.seconds else 0.0
    lines = [
        ("rows", f"{summary.rows}"),
        ("blended", f"{summary.done}"),
        ("kept", f"{summary.kept}" + (" (blended before)" if summary.kept else "")),
        ("failed", f"{summary.failed}" + (RETRY if summary.failed else "")),
        ("time", f"{summary.seconds:.1f} s, {rate:.2f} rows/s, {summary.workers} workers"),
        ("look at", _looks(summary) if summary.done else "see the gallery: no row was blended now"),
        ("records", str(Path(summary.results))),
    ]
    return "".join(f"{name:<8} {words}\n" for name, words in lines)


def _looks(summary: Summary) -> str:
    ordered = sorted(summary.looks.items(), key=lambda item: -item[1])
    words = [f"{WANTED[name].words} {count}" for name, count in ordered]
    return ", ".join(words) or "nothing"

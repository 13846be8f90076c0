"""A dry run: the rows checked, counted and measured, the time estimated; nothing is written."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from statistics import median

from PIL import Image

from .files import is_uri
from .jobs import Job, Jobs
from .local import LocalPool, free_memory, workers_here
from .manifest import Manifest
from .results import DONE
from .run import BatchSettings, check_jobs
from .worker import Given

ROWS_A_WORKER = 3  # that are blended to estimate the time: the first of each loads the network
MOST_SIZES = 1000  # rows whose pictures' headers are read


def rehearse(
    manifest: Manifest,
    out: str | Path,
    settings: BatchSettings,
    *,
    defaults: Mapping[str, object] | None = None,
) -> str:
    """Check all rows and blend the first few without writing them.

    Args:
        manifest: as for `run`.
        out: as for `run`; it is not made.
        settings: as for `run`.
        defaults: as for `run`.

    Returns:
        Lines of text: counts, sizes, an estimate of the time.

    Raises:
        OSError, ValueError: as `run`.
    """
    jobs = Jobs(manifest, out, defaults=defaults, threads=settings.threads, limit=settings.limit)
    count, _ = check_jobs(jobs)
    presets = Counter(job.options["preset"] for job in jobs)
    near = list(islice(jobs, MOST_SIZES))
    lines = [
        ("rows", f"{count}"),
        ("presets", ", ".join(f"{name} {number}" for name, number in presets.most_common())),
        ("targets", _sizes(near, "target")),
        ("sources", _sizes(near, "source")),
        ("time", _time(near, count, settings) + "; no row counted as done"),
    ]
    return "".join(f"{name:<8} {words}\n" for name, words in lines)


def _sizes(jobs: list[Job], name: str) -> str:
    """Megapixels by the files' headers."""
    found = []
    for job in jobs:
        path = job.options[name]
        if is_uri(path):
            continue
        try:
            with Image.open(path) as image:
                found.append(image.width * image.height / 1e6)
        except (OSError, ValueError, Image.DecompressionBombError):
            continue
    if not found:
        return "of unknown size"
    rows = f" (of the first {len(jobs)} rows)" if len(jobs) == MOST_SIZES else ""
    words = f"{min(found):.2f} to {max(found):.2f} megapixels, median {median(found):.2f}{rows}"
    unread = len(jobs) - len(found)
    return words + (f", {unread} unread" if unread else "")


def _time(jobs: list[Job], count: int, settings: BatchSettings) -> str:
    """The time that all rows will take, by the seconds of the first few."""
    workers = settings.workers or workers_here(settings.threads)
    first = jobs[: ROWS_A_WORKER * workers]

    def rows(folder: str) -> Iterator[Given]:
        for job in first:
            out = str(Path(folder) / Path(job.options["out"]).name)  # free for sure
            options = job.options | {"out": out, "save_cutout": None}
            yield Job(job.line, job.out, options, job.settings), None

    pool = LocalPool(workers, settings.threads, free_memory(), is_rehearsal=True)
    with tempfile.TemporaryDirectory(prefix="blending-") as folder:
        records = list(pool.records(rows(folder)))
    done = [record for record in records if record["status"] == DONE]
    if not done:
        return f"unknown: none of the first {len(records)} rows could be blended"
    seconds = median(sum(record["seconds"].values()) for record in done)
    whole = seconds * count / min(workers, count)
    return (
        f"about {_in_units(whole)} with {workers} workers of {settings.threads} threads: "
        f"{seconds:.2f} s a row, by the first {len(done)}"
    )


def _in_units(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"

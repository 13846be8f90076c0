"""A whole batch: checked, resumed, blended by workers, recorded."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ..checks import check_range
from ..pictures.atomic import clear_parts
from ..quality.verdicts import LOOK
from .files import is_uri
from .jobs import OUTPUTS, Job, Jobs
from .local import LocalPool, free_memory, workers_here
from .manifest import Manifest, RowError, check_manifest
from .results import DONE, FAILED, KEPT, Former, Results
from .worker import Given

if TYPE_CHECKING:  # Ray, which comes with the extra alone
    from .ray_pool import RayPool

MOST_TOLD = 50  # wrong rows that an error names
NO_RAY = 'cluster must come with the extra: pip install ".[cluster]"'

OnStart = Callable[[int], None]
OnRecord = Callable[[dict], None]


class WrongManifestError(ValueError):
    """Rows of a manifest that are no jobs.

    Attributes:
        errors: one for each wrong row, in order.
    """

    def __init__(self, errors: list[RowError], count: int) -> None:
        told = "\n".join(map(str, errors[:MOST_TOLD]))
        more = f"\nand {count - MOST_TOLD} more" if count > MOST_TOLD else ""
        rows = "1 row is" if count == 1 else f"{count} rows are"
        super().__init__(f"{rows} wrong, nothing was blended:\n{told}{more}")
        self.errors = errors


@dataclass
class Summary:
    """What came of a batch.

    Attributes:
        rows: in the manifest.
        done: blended by this run.
        kept: found blended already, of the same files and settings.
        failed: not blended, for faults of their own; those of earlier runs, too.
        seconds: from the first row to the last.
        blending_seconds: in which workers blended, summed over them.
        workers: how many there were.
        looks: rows by the guard rails that say "look".
        results: the path of the records.
    """

    rows: int = 0
    done: int = 0
    kept: int = 0
    failed: int = 0
    seconds: float = 0.0
    blending_seconds: float = 0.0
    workers: int = 1
    looks: dict[str, int] = field(default_factory=dict)
    results: str = ""

    def count(self, record: dict) -> None:
        """Count what came of a row.

        Args:
            record: of the row.
        """
        self.done += record["status"] == DONE
        self.kept += record["status"] == KEPT
        self.failed += record["status"] == FAILED
        self.blending_seconds += record.get("seconds", {}).get("blend", 0.0)
        for verdicts in record.get("report", {}).get("verdicts", []):
            for name, verdict in (verdicts or {}).items():
                if verdict == LOOK:
                    self.looks[name] = self.looks.get(name, 0) + 1


@dataclass(frozen=True)
class BatchSettings:
    """How a batch is worked on; none of it changes a picture but `threads`, in its last bits.

    Attributes:
        workers: processes on this machine, or actors on a cluster; None: as many as the cores (of
            the cluster, then: as many as it has room for) allow with these threads.
        threads: that each worker computes with, at least 1.
        overwrite: whether files that are there may be replaced.
        retry_failed: whether rows that failed in an earlier run are tried again.
        limit: take the manifest's first rows alone; None: all.
        cluster: "local" or the address of a Ray cluster (the extra); None: this machine, without.
        cpus_per_worker: cores that Ray counts for a worker; None: its threads.
        gpus_per_worker: graphics processors that Ray counts for a worker, also shares of one.
    """

    workers: int | None = None
    threads: int = 1
    overwrite: bool = False
    retry_failed: bool = False
    limit: int | None = None
    cluster: str | None = None
    cpus_per_worker: float | None = None
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        check_range("threads", self.threads, 1, whole=True)
        for name in ("workers", "limit"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1, whole=True)
        check_range("gpus_per_worker", self.gpus_per_worker, 0)
        if self.cpus_per_worker is not None:
            check_range("cpus_per_worker", self.cpus_per_worker, 0)


def run(
    manifest: Manifest,
    out: str | Path,
    settings: BatchSettings | None = None,
    *,
    defaults: Mapping[str, object] | None = None,
    records: str | Path | None = None,
    on_start: OnStart | None = None,
    on_record: OnRecord | None = None,
) -> Summary:
    """Blend all rows of a manifest; those that an earlier run has blended of the same are kept.

    A row's fields are the command line's options without their hyphens: source, target, mask, at,
    scale, preset and so on, and out, the result's name below `out`. Relative paths are relative to
    the manifest. A row that cannot be blended is recorded, the others go on. Run again after any
    end it goes on where it was.

    Args:
        manifest: path of a .jsonl, .ndjson or .csv file; with the extra "cluster" of a .parquet
            file, too, or an address (s3://…); or a sequence of mappings, whose relative paths are
            relative to the present folder.
        out: folder of the results, made where it is missing; with the extra, or an address.
        settings: None: the defaults.
        defaults: fields for rows that do not have them.
        records: folder of results.jsonl; None: `out`, which must be a folder then.
        on_start: called with the number of rows once all are checked.
        on_record: called with each row's record as soon as it is there; an exception that it raises
            ends the run and is passed on.

    Returns:
        The counts. Where workers are started from a script, it needs `if __name__ == "__main__":`.

    Raises:
        WrongManifestError: rows that are no jobs; all are named and nothing was blended.
        OSError, ValueError, TypeError: a manifest or folder that cannot be read or written; an
            extra that is not installed.
    """
    settings = settings or BatchSettings()
    cluster = _cluster(settings)
    where = _records_folder(out, records)
    jobs = Jobs(
        manifest,
        out,
        defaults=defaults,
        threads=settings.threads,
        overwrite=settings.overwrite,
        limit=settings.limit,
    )
    check_manifest(manifest)
    made = [folder for folder in {where, *_own(out)} if not folder.is_dir()]
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
    with _without_empty(made), Results(where).opened() as results:
        count, folders = check_jobs(jobs, results)
        results.is_new = False  # from here on a file may be there whose record is not
        summary = Summary(rows=count, results=str(results.path))
        if on_start:
            on_start(count)
        for folder in folders:
            clear_parts(folder)
        began = time.monotonic()
        try:
            for record in _records(jobs, results, settings, summary, cluster, on_record):
                if record["status"] == KEPT:
                    results.keep(record["out"], record["line"])
                else:
                    results.append(record)
                summary.count(record)
                if on_record:
                    on_record(record)
        finally:
            for folder in folders:
                clear_parts(folder)
        summary.seconds = time.monotonic() - began
    return summary


def check_jobs(jobs: Jobs, results: Results | None = None) -> tuple[int, set[Path]]:
    """Check all rows before the first is blended.

    Args:
        jobs: of the manifest.
        results: of earlier runs; None: nothing is to be written.

    Returns:
        How many there are, and the folders of this machine that they write to.

    Raises:
        WrongManifestError: rows that are no jobs, names of results given twice, or taken by files
            that no run has made.
        OSError, ValueError: the manifest cannot be read.
    """
    errors: list[RowError] = []
    names: dict[bytes, int] = {}
    folders: set[Path] = set()
    count = wrong = 0
    is_first_run = results is not None and results.is_new
    for one in jobs.checked():
        count += 1
        faults = [one] if isinstance(one, RowError) else _faults(one, names, is_first_run)
        wrong += bool(faults)
        errors += faults[: max(0, MOST_TOLD - len(errors))]
        if isinstance(one, Job):
            written = [one.options[name] for name in OUTPUTS if one.options[name]]
            folders |= {Path(path).parent for path in written if not is_uri(path)}
    if errors:
        raise WrongManifestError(errors, wrong)
    if not count:
        raise ValueError("manifest must have a row, got none")
    return count, folders


def _faults(job: Job, names: dict[bytes, int], is_first_run: bool) -> list[RowError]:
    """What is wrong with a job beside others and beside what is there."""
    faults = []
    for name in OUTPUTS:
        path = job.options[name]
        if not path:
            continue
        key = sha256(os.path.normcase(path).encode()).digest()[:12]  # a million paths are long
        other = names.setdefault(key, job.line)
        if other != job.line or (name != OUTPUTS[0] and path == job.options[OUTPUTS[0]]):
            faults.append(RowError(job.line, f"{name} must be given once, line {other} has {path}"))
        elif is_first_run and not job.options["overwrite"] and Path(path).exists():
            faults.append(RowError(job.line, f"{name}: {path} exists; see --overwrite"))
    return faults


def _own(out: str | Path) -> list[Path]:
    return [] if is_uri(out) else [Path(out)]


@contextmanager
def _without_empty(folders: list[Path]) -> Iterator[None]:
    """Take folders away again if the block fails before anything is in them."""
    try:
        yield
    except Exception:
        for folder in folders:
            with suppress(OSError):  # there is something in it
                folder.rmdir()
        raise


def _cluster(settings: BatchSettings) -> "RayPool | None":
    """The cluster's workers, not yet connected; None: this machine's are asked for."""
    if settings.cluster is None:
        return None
    if settings.cluster == "local":
        # Before Ray is loaded: it listens on the loopback alone, and tells nobody of its usage.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = os.environ["RAY_USAGE_STATS_ENABLED"] = (
            "0"
        )
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise ValueError(f"{NO_RAY}; got {settings.cluster!r}") from error
    from .ray_pool import RayPool

    return RayPool(
        settings.cluster,
        settings.threads,
        workers=settings.workers,
        cpus=settings.cpus_per_worker,
        gpus=settings.gpus_per_worker,
    )


def _records_folder(out: str | Path, records: str | Path | None) -> Path:
    where = out if records is None else records
    if is_uri(where):
        raise ValueError(
            f"records must be a folder on this machine, got {where}: give one beside an address "
            "as out"
        )
    return Path(where)


def _failed_before(job: Job, former: Former) -> dict:
    """What a listener is told of a row that failed in an earlier run and is not tried again."""
    error = f"{former.error} (in an earlier run)"
    return {"line": job.line, "out": job.out, "status": FAILED, "error": error}


def _records(
    jobs: Jobs,
    results: Results,
    settings: BatchSettings,
    summary: Summary,
    cluster: "RayPool | None",
    on_record: OnRecord | None,
) -> Iterator[dict]:
    """The records of all rows, by workers here or on a cluster."""
    failed_before = 0

    def rows() -> Iterator[Given]:
        nonlocal failed_before  # the cluster's pool takes rows in another thread
        for job in jobs:
            former = results.former(job.out)
            if former and former.error:
                is_settled = former.request == job.request and not former.is_taken
                if is_settled and not settings.retry_failed and not settings.overwrite:
                    failed_before += 1
                    if on_record:
                        on_record(_failed_before(job, former))
                    continue
                former = replace(former, error="") if former.output else None
            yield job, former

    if cluster is None:
        summary.workers = settings.workers or workers_here(settings.threads)
        pool = LocalPool(summary.workers, settings.threads, free_memory())
        yield from pool.records(rows())
    else:
        with cluster.opened(summary.rows):
            summary.workers = cluster.workers
            yield from cluster.records(rows())
    summary.failed += failed_before

"""Rows of a manifest as jobs: checked as the command line's options are."""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath

from ..cli.job import settings_of
from ..cli.options import option_parser, parse_options
from ..pictures.formats import check_suffix
from .files import is_uri, join
from .headers import check_fit
from .manifest import Manifest, Row, RowError, read_rows

INPUTS = ("source", "mask", "target", "weights")
OUTPUTS = ("out", "save_cutout")
FLAGS = ("invert_mask",)
PATHS = (*INPUTS, *OUTPUTS, "report")
PLACING = ("at", "scale", "mask_channel", "invert_mask")
DISTINCT = 1024  # settings that are remembered while rows are read
# Options of the command line that no row may have, and why.
NOT_OF_A_ROW = {
    "report": "each row's report stands in results.jsonl",
    "overwrite": "it is an option of the whole batch",
    "demo": "a row names its pictures",
}
OPTIONS = {name for name in vars(option_parser().parse_args([])) if name not in NOT_OF_A_ROW}


@dataclass(frozen=True)
class Job:
    """A row that can be blended, all paths complete.

    Attributes:
        line: of the manifest, from 1.
        out: the row's own name of its result, below the folder of results: the same in every run.
        options: those of the command line, by name, ready for JSON.
        settings: SHA-256 of all that decides the result beside the files' bytes: options, versions,
            threads.
    """

    line: int
    out: str
    options: dict
    settings: str

    @property
    def request(self) -> str:
        """SHA-256 of the settings and the names of the files that are asked for."""
        words = [self.settings, *(str(self.options[name]) for name in INPUTS)]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()

    @property
    def told(self) -> dict:
        """What a record says of the options: from these and the files the plain paste is made."""
        return {name: self.options[name] for name in (*PLACING, "preset")}

    @property
    def namespace(self) -> argparse.Namespace:
        """The options as the command line's functions take them."""
        given = dict(self.options)
        given["at"] = tuple(given["at"])
        return argparse.Namespace(**given)


class Jobs:
    """The jobs of a manifest, which may be run through several times."""

    def __init__(
        self,
        manifest: Manifest,
        folder: str | Path,
        *,
        defaults: Mapping[str, object] | None = None,
        threads: int = 1,
        overwrite: bool = False,
        limit: int | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            manifest: a path or address, or rows.
            folder: where results go.
            defaults: fields for rows that do not have them; relative paths are relative to the
                present folder.
            threads: that a worker computes with, at least 1.
            overwrite: whether files that are there may be replaced.
            limit: take the first rows alone; None: all.
        """
        self.manifest, self.limit = manifest, limit
        self.folder = folder if is_uri(folder) else str(Path(folder).absolute())
        self.threads, self.overwrite = threads, overwrite
        self.defaults = _defaults(defaults or {})
        self.base = "" if not isinstance(manifest, str | Path) else _parent(manifest)
        self._parser = option_parser()
        self._versions = [_version(name) for name in ("deep-image-blending", "torch")]
        self._words = lru_cache(DISTINCT)(_settings_words)

    def __iter__(self) -> Iterator[Job]:
        """The jobs, their files not looked at again; raises a `RowError` for a row that is none."""
        for one in self._rows(self._job):
            if isinstance(one, RowError):
                raise one
            yield one

    def checked(self) -> Iterator[Job | RowError]:
        """The jobs, and an error, not raised, for each row that is none.

        Returns:
            An iterator, in the manifest's order.

        Raises:
            OSError, ValueError: the manifest cannot be read, see `read_rows`.
        """

        def checked(row: Row) -> Job:
            job = self._job(row)
            options = job.namespace
            _check_files(options)
            check_fit(options)
            return job

        return self._rows(checked)

    def _rows(self, job_of: Callable[[Row], Job]) -> Iterator[Job | RowError]:
        for number, row in enumerate(read_rows(self.manifest)):
            if self.limit is not None and number >= self.limit:
                return
            if isinstance(row, RowError):
                yield row
                continue
            try:
                yield job_of(row)
            except (ValueError, TypeError) as error:
                yield RowError(row.line, _in_fields(str(error)))

    def _job(self, row: Row) -> Job:
        _check_names(row.fields)
        fields = {**self.defaults, **self._complete(row.fields)}
        if not fields.get("out"):
            raise ValueError("out must be given: the result's name below the folder of results")
        out = str(row.fields["out"])
        options = parse_options(
            ["--overwrite"] * self.overwrite + list(_arguments(fields)), self._parser
        )
        return Job(row.line, out, vars(options), self._settings(options))

    def _complete(self, fields: Mapping[str, object]) -> dict[str, object]:
        """Fields with paths relative to the manifest, and to the folder of results."""
        complete = dict(fields)
        for name in set(INPUTS) & set(fields):
            complete[name] = _below(self.base, _text(name, fields[name]))
        for name in set(OUTPUTS) & set(fields):
            complete[name] = join(self.folder, _name(name, _text(name, fields[name])))
        return complete

    def _settings(self, options: argparse.Namespace) -> str:
        """The digest of what decides a result beside its files."""
        given = {
            name: value for name, value in vars(options).items() if name not in (*PLACING, *PATHS)
        }
        given["weights"] = "given" if options.weights else None  # which they are, their bytes tell
        placing = [getattr(options, name) for name in PLACING]
        suffixes = [Path(path).suffix if path else None for path in _outputs(options)]
        words = [placing, suffixes, self.threads, self._versions]
        text = self._words(tuple(given.items())) + json.dumps(words)
        return hashlib.sha256(text.encode()).hexdigest()


def _settings_words(given: tuple[tuple[str, object], ...]) -> str:
    """All settings as text, of options; many rows have the same."""
    options = argparse.Namespace(**dict(given))
    return json.dumps(asdict(settings_of(options)), sort_keys=True)


def _outputs(options: argparse.Namespace) -> list[str | None]:
    return [getattr(options, name) for name in OUTPUTS]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _defaults(fields: Mapping[str, object]) -> dict[str, object]:
    given = {name: value for name, value in fields.items() if value not in (None, "", False)}
    _check_names(given)
    for name in OUTPUTS:
        if name in given:
            raise ValueError(f"{name} must be a row's own, got {given[name]!r} for all rows")
    for name in set(INPUTS) & set(given):
        given[name] = _below("", _text(name, given[name]))
    return given


def _check_names(fields: Iterable[str]) -> None:
    for name in fields:
        if name in NOT_OF_A_ROW:
            raise ValueError(f"{name} must not be a field: {NOT_OF_A_ROW[name]}")
        if name not in OPTIONS:
            near = get_close_matches(name, OPTIONS, 1)
            hint = f"did you mean {near[0]}?" if near else ", ".join(sorted(OPTIONS))
            raise ValueError(f"{name} must be a known field ({hint})")


def _parent(manifest: str | Path) -> str:
    if is_uri(manifest):
        return str(manifest).rsplit("/", 1)[0]
    return str(Path(manifest).absolute().parent)


def _below(base: str, name: str) -> str:
    """An input's complete path."""
    if is_uri(name) or (is_uri(base) and name.startswith("/")):
        return name
    if is_uri(base):
        return f"{base}/{name}"
    return str(Path(base).absolute() / name)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{name} must be a path, got {_shown(value)}")
    return value


def _name(field: str, name: str) -> str:
    """A result's name, which must not leave the folder of results."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    is_inside = bool(parts) and ".." not in parts and not Path(name).is_absolute()
    if not is_inside or is_uri(name) or parts[0].endswith((":", "/")):
        raise ValueError(f"{field} must be a path below the folder of results, got {name!r}")
    if parts[-1].startswith(".blending-") or (len(parts) == 1 and parts[0] == "results.jsonl"):
        raise ValueError(f"{field} must be another name than the batch's own files, got {name!r}")
    return "/".join(parts)


def _arguments(fields: Mapping[str, object]) -> Iterator[str]:
    """Fields as arguments of the command line."""
    for name, value in fields.items():
        option = f"--{name.replace('_', '-')}"
        if name in FLAGS:
            if _truth(name, value):
                yield option
        elif name == "at" and isinstance(value, list | tuple):
            yield f"{option}={','.join(map(_number_text, value))}"
        elif isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"{name} must be a text or a number, got {_shown(value)}")
        else:
            yield f"{option}={value}"


def _number_text(value: object) -> str:
    return json.dumps(value, default=str)


def _shown(value: object) -> str:
    """A value as JSON; Parquet has dates and bytes, too."""
    return json.dumps(value, default=str)[:60]


def _truth(name: str, value: object) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    found = value if isinstance(value, bool) else known.get(str(value).strip().lower())
    if found is None:
        raise ValueError(f"{name} must be true or false, got {value!r}")
    return found


def _check_files(options: argparse.Namespace) -> None:
    """Raise unless a job's own files are there; of addresses nobody asks before their turn."""
    for name in OUTPUTS:
        try:
            check_suffix(getattr(options, name) or "none.png")
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    for name in INPUTS:
        path = getattr(options, name)
        if path and not is_uri(path) and not Path(path).is_file():
            found = "a folder" if Path(path).is_dir() else "nothing"
            raise ValueError(f"{name} must be a file, found {found} at {path}")


def _in_fields(words: str) -> str:
    """The command line's message with fields instead of options."""
    words = words.removeprefix("argument ")
    for name in sorted(OPTIONS, key=len, reverse=True):
        words = words.replace(f"--{name.replace('_', '-')}", name)
    return words.removesuffix(" (or --demo)")

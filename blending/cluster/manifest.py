"""Manifests: a blend a row, as JSON Lines, CSV or Parquet."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .files import is_uri, local_copy

FORMATS = (".jsonl", ".ndjson", ".csv", ".parquet")
NO_PARQUET = 'a .parquet manifest must come with the extra: pip install ".[cluster]"'


class RowError(ValueError):
    """A row that is no job.

    Attributes:
        line: of the manifest, from 1.
    """

    def __init__(self, line: int, words: str) -> None:
        super().__init__(f"line {line}: {words}")
        self.line = line


@dataclass(frozen=True)
class Row:
    """A row as it stands in the manifest.

    Attributes:
        line: of the file, from 1 (a CSV's heading is line 1); of other manifests the row's number.
        fields: what it says, by field; a field that says nothing is left out.
    """

    line: int
    fields: dict[str, object]


Manifest = str | Path | Iterable[Mapping[str, object]]


def check_manifest(manifest: Manifest) -> None:
    """Raise unless there is a manifest of a known format.

    Args:
        manifest: a file's path or address, or rows.

    Raises:
        FileNotFoundError, IsADirectoryError: no such file.
        ValueError: another suffix, or one that needs the extra.
    """
    if not isinstance(manifest, str | Path):
        return
    suffix = Path(manifest).suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise ValueError(f"manifest must end in one of {known}, got {manifest}")
    if suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise ValueError(NO_PARQUET) from error
    if is_uri(manifest):
        return
    if Path(manifest).is_dir():
        raise IsADirectoryError(f"manifest must be a file, got a folder: {manifest}")
    if not Path(manifest).is_file():
        raise FileNotFoundError(f"manifest not found: {manifest}")


def read_rows(manifest: Manifest) -> Iterator[Row | RowError]:
    """The rows of a manifest, one after the other: a million never stand in memory.

    Args:
        manifest: the path or address (with the extra) of a file of `FORMATS`; or rows, a mapping
            each, which can be run through more than once.

    Yields:
        The rows, and an error, not raised, for each line that is none. Empty lines are none.

    Raises:
        FileNotFoundError, IsADirectoryError, ValueError: as `check_manifest`; text that is not
            UTF-8; a CSV without a heading.
    """
    check_manifest(manifest)
    if not isinstance(manifest, str | Path):
        yield from (_row(number, one) for number, one in enumerate(manifest, 1))
        return
    with local_copy(manifest) as path:
        reader = {".csv": _csv, ".parquet": _parquet}.get(path.suffix.lower(), _json_lines)
        try:
            yield from reader(path)
        except UnicodeDecodeError as error:
            raise ValueError(f"manifest must be UTF-8 text, got other bytes: {manifest}") from error


def _row(line: int, fields: object) -> Row | RowError:
    if not isinstance(fields, Mapping):
        return RowError(line, f"must be an object of fields, got {json.dumps(fields)[:60]}")
    odd = [name for name in fields if not isinstance(name, str)]
    if odd:
        return RowError(line, f"fields must have names, got {odd[0]!r}")
    names: dict[str, object] = {}
    for name, value in fields.items():
        name = str(name).strip().replace("-", "_")
        if name in names:
            return RowError(line, f"{name} must be given once, got it twice")
        names[name] = value
    return Row(line, {name: value for name, value in names.items() if value not in (None, "")})


def _json_lines(path: Path) -> Iterator[Row | RowError]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                yield _row(line, json.loads(text, object_pairs_hook=_once))
            except (ValueError, RecursionError) as error:
                said = str(error).split(": line")[0]
                yield RowError(line, f"must be a JSON object, got {text.strip()[:40]!r} ({said})")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object's fields; of two with one name JSON would keep the last in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is given twice")
    return found


def _csv(path: Path) -> Iterator[Row | RowError]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        # strict: a quote that is left open ends in an error, not in a row of many lines
        reader = csv.reader(file, strict=True)
        heading = [name.strip() for name in next(reader, [])]
        if len(heading) == 1 and ";" in heading[0]:
            raise ValueError(f"a .csv manifest must be separated by commas, got semicolons: {path}")
        if not any(heading):
            raise ValueError(f"a .csv manifest must begin with a line of field names: {path}")
        line = reader.line_num + 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield RowError(line, f"must be a line of CSV, got a fault: {error}")
                line = reader.line_num + 1
                continue
            if cells is None:
                return
            if any(cells):
                yield _cells(line, heading, cells)
            line = reader.line_num + 1


def _cells(line: int, heading: list[str], cells: list[str]) -> Row | RowError:
    if len(cells) != len(heading):
        words = f"must have {len(heading)} cells as the heading, got {len(cells)}"
        return RowError(line, f'{words}; a cell with a comma stands in quotes: "20,30"')
    try:
        return _row(line, _once(list(zip(heading, map(str.strip, cells), strict=True))))
    except ValueError as error:
        return RowError(line, str(error))


def _parquet(path: Path) -> Iterator[Row | RowError]:
    from pyarrow.parquet import ParquetFile

    number = 0
    with ParquetFile(path) as file:
        for batch in file.iter_batches():
            for fields in batch.to_pylist():
                number += 1
                yield _row(number, fields)


def as_json_lines(rows: Iterable[Mapping[str, object]]) -> str:
    """Rows as the text of a manifest.

    Args:
        rows: a mapping each.

    Returns:
        JSON Lines.
    """
    text = io.StringIO()
    for one in rows:
        text.write(json.dumps(dict(one), ensure_ascii=False) + "\n")
    return text.getvalue()

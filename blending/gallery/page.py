"""The gallery's page: the rows to look at first, their figures, and the HTML that shows them."""

import base64
import hashlib
import html
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from ..cluster.files import is_uri
from ..cluster.results import FAILED
from ..quality.verdicts import LOOK, WANTED, removal_in_words

PARTS = Path(__file__).parent / "parts"
POLICY = (  # of the page: whatever its data say, nothing is loaded but pictures, nothing else runs
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' file: data:; "
    "style-src 'sha256-{style}'; script-src 'sha256-{script}'"
)


@dataclass
class Shown:
    """A row on the page.

    Attributes:
        record: as it stands in the results.
        path: of the result, there or not; or an address.
        key: of its thumbnails.
        seen: what thumbnails there are, see `thumbnails.Seen`.
    """

    record: dict
    path: str
    key: str = ""
    seen: dict = field(default_factory=dict)


def worst_rows(file: BinaryIO, rows: int) -> tuple[int, list[int]]:
    """Find the rows that need to be looked at most, without keeping any in memory.

    Args:
        file: results.jsonl, open at its beginning. A last line that is not whole is left out; of a
            row with several records the last counts.
        rows: how many.

    Returns:
        How many have a record, and where those of the worst begin in the file, in the order of the
        manifest.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds something else.
    """
    found: dict[str, tuple[tuple, int, int]] = {}
    place = 0
    for text in file:
        if not text.endswith(b"\n"):
            break
        try:
            record = json.loads(text)
            found[record["out"]] = (_badness(record), int(record["line"]), place)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"results must hold the records of a batch, got {text[:40]!r} in {file.name}"
            ) from error
        place += len(text)
    worst = sorted(found.values(), key=lambda one: (one[0], one[1]))[:rows]
    return len(found), [place for _, _, place in sorted(worst, key=lambda one: one[1])]


def excess(name: str, value: float) -> float:
    """How far a figure lies beyond what good blends have, as a share of that limit.

    Args:
        name: of a guard rail with a range, see `WANTED`.
        value: finite.

    Returns:
        Above 0 outside the range; in it at most 0.
    """
    wanted = WANTED[name]
    limit = wanted.lowest if value - wanted.lowest < wanted.highest - value else wanted.highest
    return -wanted.room(value) / abs(limit)


def figures(record: dict) -> dict[str, float]:
    """A row's guard rails; of several pictures the worst figure of each.

    Args:
        record: of the row.

    Returns:
        Those that are known, by name.
    """
    worst: dict[str, float] = {}
    for picture in record.get("report", {}).get("guard_rails", []):
        for name, value in (picture or {}).items():
            if not isinstance(value, int | float) or not math.isfinite(value):
                continue
            by = WANTED[name].room if name in WANTED else lambda one: -one
            worst[name] = min(worst.get(name, value), value, key=by)
    return worst


def looks(record: dict) -> set[str]:
    """The guard rails of a row that say "look", of any of its pictures.

    Args:
        record: of the row.

    Returns:
        Their names.
    """
    pictures = record.get("report", {}).get("verdicts", [])
    return {name for one in pictures for name, word in (one or {}).items() if word == LOOK}


def _badness(record: dict) -> tuple[int, float]:
    """Rows in the order of this are those to look at first."""
    if record["status"] == FAILED:
        return 0, 0.0
    known = {name: value for name, value in figures(record).items() if name in WANTED}
    worst = max((excess(name, value) for name, value in known.items()), default=-math.inf)
    return 1 if looks(record) or record.get("doubt") else 2, -worst


def notes(record: dict) -> list[str]:
    """What else a person should know of a row.

    Args:
        record: of the row.

    Returns:
        What its stages say, and what was cleaned away where that is much.
    """
    found = []
    for stage in record.get("report", {}).get("stages", []):
        found += [*stage.get("notes", ()), removal_in_words(stage.get("clean"))]
    return [words for words in dict.fromkeys(found) if words]


def page(shown: list[Shown], results: Path, folder: Path, count: int) -> str:
    """The page.

    Args:
        shown: its rows.
        results: the path of the records.
        folder: where the page will lie, absolute.
        count: how many rows there are, with those that are not shown.

    Returns:
        HTML that loads nothing but pictures.
    """
    names = list(WANTED)
    values = [figures(one.record) for one in shown]
    names += sorted({name for row in values for name in row} - set(names))
    base = str(results.absolute().parent)
    data = {
        "results": str(results.absolute()),
        "count": count,
        "made": datetime.now().isoformat(" ", "minutes"),
        "rails": [_rail(name) for name in names],
        "rows": [
            _row(one, row, names, base, folder) for one, row in zip(shown, values, strict=True)
        ],
    }
    style, script = ((PARTS / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    parts = {
        "POLICY": POLICY.format(style=_hash(style), script=_hash(script)),
        "TITLE": html.escape(f"{Path(base).name}: {count} rows"),
        "STYLE": style,
        "SCRIPT": script,
        "DATA": _json(data),
    }
    text = (PARTS / "page.html").read_text(encoding="utf-8")
    pieces = text.split("%%")  # TEXT %%NAME%% TEXT ...: what is put in is not looked through again
    return "".join(parts[piece] if odd else piece for piece, odd in _alternating(pieces))


def _alternating(pieces: list[str]) -> Iterator[tuple[str, bool]]:
    for number, piece in enumerate(pieces):
        yield piece, bool(number % 2)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(data: object) -> str:
    """JSON that can stand in a page: no text in it ends or begins an element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _rail(name: str) -> dict:
    """How the page calls and writes a figure, and what is wanted of it."""
    if name not in WANTED:
        return {"name": name, "words": name.replace("_", " "), "digits": 3, "unit": ""}
    wanted = WANTED[name]
    digits = int(wanted.form.strip(".f%"))
    limits = {"lowest": wanted.lowest, "highest": wanted.highest}
    return {
        "name": name,
        "words": wanted.words,
        "digits": digits,
        "unit": "%" if "%" in wanted.form else wanted.unit,
        **{side: limit for side, limit in limits.items() if math.isfinite(limit)},
    }


def _row(one: Shown, values: dict[str, float], names: list[str], base: str, folder: Path) -> list:
    """A row as the page's script reads it, in its order."""
    record, said = one.record, looks(one.record)
    doubt = record.get("doubt") or ""
    files = record.get("files", {})
    options = record.get("options") or {}
    return [
        record["line"],
        record["out"],
        0 if record["status"] == FAILED else 1 if said or doubt else 2,
        round(sum(record.get("seconds", {}).values()), 2),
        record.get("error", ""),
        [_short(values.get(name)) for name in names],
        [number for number, name in enumerate(names) if name in said],
        one.key,
        [*one.seen["box"]],
        int(one.seen["has_close_up"]),
        int(one.seen["is_changed"]),
        one.seen["before"],
        one.seen["after"],
        "" if record["status"] == FAILED else _link(one.path, base, folder),
        *(_link(files.get(name), base, folder) for name in ("source", "mask", "target")),
        [*options.get("at", ()), options.get("scale", 1)],
        [options.get("mask_channel") or "luminance", int(options.get("invert_mask", False))],
        options.get("preset", ""),
        doubt,
        notes(record),
    ]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _link(path: str | None, base: str, folder: Path) -> str:
    """What leads from the page to a file: relative below the results, which may be moved together.

    Empty for an address, which a browser cannot open, and for a path of another kind of system.
    """
    if not path or is_uri(path) or not os.path.isabs(path):
        return ""
    if Path(path).is_relative_to(base) and folder.is_relative_to(base):
        relative = os.path.relpath(path, folder).replace(os.sep, "/")
        return quote(os.fsencode(relative))
    return Path(path).as_uri()

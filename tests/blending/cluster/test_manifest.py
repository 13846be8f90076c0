"""Manifests: rows with their lines, and each line that is none."""

import json
import sys

import pytest

from blending.cluster.manifest import Row, RowError, read_rows


@pytest.fixture
def read(tmp_path):
    """read(text, name): the rows of a file, errors as (line, words)."""

    def rows(text, name="rows.jsonl"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return [
            (one.line, str(one)) if isinstance(one, RowError) else one for one in read_rows(path)
        ]

    return rows


def test_lines_of_json_are_rows_by_their_lines_and_empty_ones_are_none(read):
    found = read('\ufeff{"a": 1, "mask-channel": "red"}\r\n\n{"b": null, "c": "", "d": false}')
    assert found == [Row(1, {"a": 1, "mask_channel": "red"}), Row(3, {"d": False})]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1: must be a JSON object, got '{'"),
        ("[1]", "line 1: must be an object of fields, got [1]"),
        ("3", "line 1: must be an object of fields, got 3"),
        ('{"a": 1, "a": 2}', "a is given twice"),
        ('{"a-b": 1, "a_b": 2}', "line 1: a_b must be given once, got it twice"),
        ("[" * 100_000, "line 1: must be a JSON object"),
    ],
)
def test_a_line_that_is_no_row_is_told_and_the_next_is_read(read, text, words):
    (line, told), after = read(f'{text}\n{{"a": 1}}\n')
    assert line == 1
    assert words in told
    assert after == Row(2, {"a": 1})


def test_cells_belong_to_the_heading_and_a_quoted_line_feed_is_counted(read):
    text = 'source, at ,out\na.png,"1,2",o.png\n"b\nc.png",,p.png\n\nd.png,3,q.png\n'
    assert read(text, "rows.csv") == [
        Row(2, {"source": "a.png", "at": "1,2", "out": "o.png"}),
        Row(3, {"source": "b\nc.png", "out": "p.png"}),
        Row(6, {"source": "d.png", "at": "3", "out": "q.png"}),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a", "line 2: must have 2 cells as the heading, got 1"),
        ("a,b,c", "line 2: must have 2 cells as the heading, got 3"),
        ('"a"b,c', "line 2: must be a line of CSV"),
    ],
)
def test_a_line_of_other_cells_is_told(read, line, words):
    (number, told), after = read(f"source,out\n{line}\ns,o\n", "rows.csv")
    assert number == 2
    assert words in told
    assert after == Row(3, {"source": "s", "out": "o"})


def test_a_heading_with_a_name_twice_is_told_of_each_row(read):
    assert read("out,out\na,b\n", "rows.csv") == [(2, "line 2: out is given twice")]


def test_rows_of_python_are_numbered():
    rows = [{"out": "a"}, {"out": "b"}]
    assert list(read_rows(rows)) == [Row(1, rows[0]), Row(2, rows[1])]
    (error,) = read_rows([{1: "a"}])
    assert str(error) == "line 1: fields must have names, got 1"


@pytest.mark.parametrize(
    ("name", "content", "kind", "words"),
    [
        ("rows.txt", b"", ValueError, "must end in one of .jsonl, .ndjson, .csv, .parquet"),
        ("rows.csv", b"", ValueError, "must begin with a line of field names"),
        ("rows.csv", b"source;out\na;b\n", ValueError, "must be separated by commas, got semi"),
        ("rows.csv", b"a,b\n\xff,2\n", ValueError, "must be UTF-8 text"),
        ("rows.jsonl", b'{"a": "\xff"}', ValueError, "must be UTF-8 text"),
        ("missing.jsonl", None, FileNotFoundError, "manifest not found"),
        (".", None, ValueError, "must end in one of"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, name, content, kind, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(kind, match=words):
        list(read_rows(path))


def test_a_folder_is_no_manifest(tmp_path):
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(IsADirectoryError, match="got a folder"):
        list(read_rows(tmp_path / "rows.jsonl"))


def test_a_long_manifest_is_read_a_row_at_a_time(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"out": str(n)}) + "\n" for n in range(1000)) + "{")
    rows = read_rows(path)
    assert next(rows) == Row(1, {"out": "0"})  # before the fault at the end is seen
    assert str(list(rows)[-1]).startswith("line 1001:")


NEEDS_PYARROW = 'PARQUET IS NOT TESTED HERE: pip install -e ".[cluster-test]"'


@pytest.mark.cluster
def test_a_parquet_manifest_says_what_mappings_say(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason=NEEDS_PYARROW)
    from pyarrow import Table

    rows = [
        {
            "source": f"{n} ü.png",
            "at": [n, 2],
            "scale": None if n % 2 else n / 4,
            "mask-channel": "",
        }
        for n in range(5)
    ]
    parquet.write_table(Table.from_pylist(rows), tmp_path / "rows.parquet", row_group_size=2)
    assert list(read_rows(tmp_path / "rows.parquet")) == list(read_rows(rows))
    assert "scale" not in next(read_rows([rows[1]])).fields


@pytest.mark.cluster
def test_a_parquet_manifest_that_is_none_is_told(tmp_path):
    pytest.importorskip("pyarrow.parquet", reason=NEEDS_PYARROW)
    (tmp_path / "rows.parquet").write_bytes(b"no such thing")
    with pytest.raises(ValueError, match=r"(?i)parquet"):
        list(read_rows(tmp_path / "rows.parquet"))


def test_without_the_extra_a_parquet_manifest_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        ValueError, match=r'\.parquet manifest must come .* install "\.\[cluster\]"'
    ):
        list(read_rows(tmp_path / "rows.parquet"))

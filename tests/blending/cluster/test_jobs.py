"""Rows become jobs, or errors that name their line and field."""

import json
from datetime import date

import pytest

from blending.cli.options import parse_options
from blending.cluster.jobs import NOT_OF_A_ROW, OPTIONS, Jobs
from blending.cluster.manifest import RowError


def test_a_job_has_the_options_of_the_command_line(jobs, row, pictures):
    (job,) = jobs([row(3, at="-3,4", scale=0.5, invert_mask=True, preset="seam repair")])
    words = ["--source", "source.png", "--mask", "mask.png", "--target", "target.png"]
    words += ["--at", "-3,4", "--scale", "0.5", "--invert-mask", "--preset", "seam-repair"]
    expected = vars(parse_options([*words, "--out", "3.png"]))
    for name in ("source", "mask", "target"):
        expected[name] = str(pictures / expected[name])
    expected["out"] = str(pictures / "out" / "3.png")
    assert vars(job.namespace) == expected
    assert (job.line, job.out) == (1, "3.png")
    json.dumps(job.options)


def test_every_option_of_the_command_line_is_a_field_or_says_why_not():
    assert set(NOT_OF_A_ROW) | OPTIONS == set(vars(parse_options(["--demo"])))


def test_paths_are_relative_to_the_manifest_and_defaults_to_the_present_folder(
    manifest, row, pictures, monkeypatch, tmp_path_factory
):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "room.png").write_bytes((pictures / "target.png").read_bytes())
    monkeypatch.chdir(elsewhere)
    rows = [row(0, target=None, preset=None), row(1)]
    defaults = {"target": "room.png", "preset": "photograph", "invert_mask": False}
    first, second = Jobs(manifest(rows), "results", defaults=defaults)
    assert first.options["target"] == str(elsewhere / "room.png")
    assert first.options["preset"] == "photograph"
    assert first.options["source"] == str(pictures / "source.png")
    assert second.options["target"] == str(pictures / "target.png")
    assert second.options["preset"] == "seam repair"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scale": "big"}, "scale: invalid float value: 'big'"),
        ({"scale": [1]}, "scale must be a text or a number, got [1]"),
        ({"scale": True}, "scale must be a text or a number, got true"),
        ({"source": "nope.png"}, "source must be a file, found nothing at "),
        ({"target": "."}, "target must be a file, found a folder at "),
        ({"mask": 3}, "mask must be a path, got 3"),
        ({"mask": "a\0b"}, "mask must be a path, got "),
        ({"source": None}, "source must be given"),
        ({"out": None}, "out must be given"),
        ({"out": "../a.png"}, "out must be a path below the folder of results, got '../a.png'"),
        ({"out": "/a.png"}, "out must be a path below the folder of results, got '/a.png'"),
        ({"out": "C:\\a.png"}, "out must be a path below the folder of results"),
        ({"out": "s3://b/a.png"}, "out must be a path below the folder of results"),
        ({"out": "results.jsonl"}, "out must be another name than the batch's own files"),
        ({"at": [1.5, 2]}, "at: must be COLUMN,ROW in whole pixels (10,20), got '1.5,2'"),
        ({"at": [1]}, "at: must be COLUMN,ROW"),
        ({"at": {"x": 1}}, 'at must be a text or a number, got {"x": 1}'),
        ({"colour": 1}, "colour must be a known field (arithmetic, at, "),
        ({"harmonize": 1}, "harmonize must be a known field (did you mean harmonise?)"),
        ({"report": "r.json"}, "report must not be a field: each row's report stands in"),
        ({"overwrite": True}, "overwrite must not be a field"),
        ({"demo": True}, "demo must not be a field"),
        ({"harmonise": 7}, "harmonise must be in [0, 1], got 7.0"),
        ({"preset": "nice"}, "preset: must be one of painting, "),
        ({"invert_mask": "perhaps"}, "invert_mask must be true or false, got 'perhaps'"),
        ({"mask": None, "mask_channel": "red"}, "invert_mask and mask_channel must come with mask"),
        ({"strength": 0.5}, "strength must go with a refine stage; there is none with preset"),
        ({"evaluations": 2.5}, "evaluations: invalid int value: '2.5'"),
        ({"memory": -1}, "memory must be 0 megabytes or more, got -1"),
    ],
)
def test_a_wrong_row_names_its_line_its_field_and_what_came(manifest, row, changes, words):
    good, wrong, after = Jobs(manifest([row(0), row(1, **changes), row(2)]), "results").checked()
    assert isinstance(wrong, RowError)
    assert wrong.line == 2
    assert str(wrong).startswith(f"line 2: {words}")
    assert (good.line, after.line) == (1, 3)


@pytest.mark.parametrize("name", ["out", "save_cutout"])
def test_a_name_of_no_known_format_is_told_with_its_field(manifest, row, name):
    (wrong,) = Jobs(manifest([row(0, **{name: "a.xyz"})]), "results").checked()
    assert str(wrong).startswith(f"line 1: {name}: ")
    assert "a.xyz must end in one of .png, " in str(wrong)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"out": "a.png"}, "out must be a row's own"),
        ({"colour": 1}, "colour must be a known field"),
    ],
)
def test_wrong_defaults_are_told_at_once(manifest, row, fields, words):
    with pytest.raises(ValueError, match=words):
        Jobs(manifest([row()]), "results", defaults=fields)


def test_the_settings_digest_is_of_what_decides_the_result(manifest, row):
    def digest(row_, **settings):
        (job,) = Jobs(manifest([row_]), "results", **settings)
        return job.settings

    first = digest(row())
    same = [row(), row(out="b.png"), row(target="other.png"), row(gradients="import")]
    other = [
        row(at=[1, 0]),
        row(scale=1.01),
        row(preset="photograph"),
        row(invert_mask=True),
        row(mask_channel="red"),
        row(out="a.jpg"),
        row(memory=900),
        row(arithmetic="float32"),
    ]
    assert {digest(one) for one in same} == {first}
    found = [digest(one) for one in other] + [digest(row(), threads=2)]
    found.append(digest(row(weights="mask.png", input_scale="standardised")))
    assert first not in found
    assert len(set(found)) == len(found)


def test_the_request_is_of_the_names_of_files_too(jobs, row):
    first, second, third = jobs([row(0), row(0, out="b.png"), row(0, out="c.png", mask=None)])
    assert first.request == second.request != third.request


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("source", date(2026, 1, 2), 'source must be a path, got "2026-01-02"'),
        ("scale", b"1", "scale must be a text or a number, got"),
        ("at", [date(2026, 1, 2), 1], "at"),
    ],
)
def test_values_that_json_has_not_are_told_too(row, field, value, words):
    """Parquet has them."""
    (error,) = Jobs([row(0, **{field: value})], "results").checked()
    assert isinstance(error, RowError)
    assert str(error).startswith(f"line 1: {words}")


def test_the_first_rows_alone_are_taken(jobs, row):
    assert [job.line for job in jobs([row(n) for n in range(5)], limit=2)] == [1, 2]

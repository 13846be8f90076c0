"""The command line's options: what they mean, complete each other by, and refuse."""

import pytest

from blending.cli.options import DEMO, DEMO_PLACE, parse_options
from blending.presets import PRESETS

PICTURES = ("--source", "s.png", "--target", "t.png", "--out", "o.png")


def parsed(*words):
    return parse_options([*PICTURES, *words])


def ended(capsys, *words):
    """The line that a refusal of argparse's tells."""
    with pytest.raises(ValueError) as refused:
        parsed(*words)
    assert capsys.readouterr() == ("", "")
    return str(refused.value)


def test_three_pictures_are_enough():
    options = vars(parsed())
    assert {name: value for name, value in options.items() if value is not None} == {
        "source": "s.png",
        "target": "t.png",
        "out": "o.png",
        "invert_mask": False,
        "at": (0, 0),
        "scale": 1.0,
        "preset": "painting",
        "stage": "refine",
        "input_scale": "caffe",
        "arithmetic": "auto",
        "overwrite": False,
        "demo": False,
    }


def test_every_option_is_read_in_its_type():
    words = """--mask m.png --mask-channel green --invert-mask --at 3,4 --scale 0.5 --preset paper
    --method deep --gradients mixed --bleed 0.25 --clean 9 --harmonise 0.75
    --region band --strength 0.75 --evaluations 9
    --weights w.safetensors --input-scale standardised --device cuda:1 --arithmetic bfloat16
    --memory 512 --report r.json --overwrite"""
    options = vars(parsed(*words.split()))
    expected = {
        "mask": "m.png",
        "mask_channel": "green",
        "invert_mask": True,
        "at": (3, 4),
        "scale": 0.5,
        "preset": "paper",
        "method": "deep",
        "gradients": "mixed",
        "bleed": 0.25,
        "clean": 9,
        "harmonise": 0.75,
        "region": "band",
        "strength": 0.75,
        "evaluations": 9,
        "weights": "w.safetensors",
        "input_scale": "standardised",
        "device": "cuda:1",
        "arithmetic": "bfloat16",
        "memory": 512,
        "report": "r.json",
        "overwrite": True,
    }
    assert {name: options[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["--at", "12,34"], (12, 34)),
        (["--at", "-20,30"], (-20, 30)),
        (["--at", "+2,-3"], (2, -3)),
        (["--at", " -6 ,\t-7 "], (-6, -7)),
        (["--at=-6,-7"], (-6, -7)),
        (["--at", "1,2", "--at", "-3,-4"], (-3, -4)),  # as argparse has it: the last one counts
    ],
)
def test_a_place_is_a_column_and_a_row_with_or_without_a_sign(words, place):
    assert parsed(*words).at == place


@pytest.mark.parametrize(
    "text", ["", "12", "1.5,2", "a,b", "1,2,3", "1 2", "--1,2", "\u0663,\u0664", "1,", ",2"]
)
def test_another_place_is_refused(text, capsys):
    words = f"argument --at: must be COLUMN,ROW in whole pixels (10,20), got {text!r}"
    assert words in ended(capsys, "--at", text)


def test_at_as_the_last_word_is_refused(capsys):
    assert "got ''" in ended(capsys, "--at")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_named_with_its_spaces_or_with_hyphens(name):
    assert parsed("--preset", name).preset == name
    assert parsed("--preset", name.replace(" ", "-")).preset == name


def test_another_preset_is_refused_with_the_names_as_they_are_typed(capsys):
    names = ", ".join(name.replace(" ", "-") for name in PRESETS)
    told = ended(capsys, "--preset", "magic")
    assert f"argument --preset: must be one of {names}, got 'magic'" in told


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("--method", "magic"),
        ("--gradients", "both"),
        ("--region", "all"),
        ("--stage", "third"),
        ("--mask-channel", "hue"),
        ("--input-scale", "big"),
        ("--arithmetic", "float16"),
        ("--bleed", "much"),
        ("--clean", "1.5"),
        ("--harmonise", "much"),
        ("--strength", "much"),
        ("--scale", "big"),
        ("--evaluations", "1.5"),
        ("--memory", "1.5"),
        ("--nonsense", "1"),
    ],
)
def test_words_that_an_option_does_not_take_are_refused_in_one_line(option, wrong, capsys):
    told = ended(capsys, option, wrong)
    assert option in told
    assert wrong in told


def test_an_unknown_word_is_told_as_it_came(capsys):
    assert "unrecognized arguments: two\nlines" in ended(capsys, "two\nlines")


def test_the_demo_brings_pictures_that_are_there_and_an_output():
    options = parse_options(["--demo"])
    assert options.source.is_file()
    assert options.mask.is_file()
    assert options.target.is_file()
    assert {path.parent for path in (options.source, options.mask, options.target)} == {DEMO}
    assert options.at == DEMO_PLACE
    assert options.out == "demo.png"
    assert parse_options(["--demo", "--out", "other.png"]).out == "other.png"


@pytest.mark.parametrize("name", ["source", "target", "mask"])
def test_the_demo_takes_no_other_picture(name):
    with pytest.raises(ValueError, match="--demo brings its own pictures: leave --source"):
        parse_options(["--demo", f"--{name}", "a.png"])


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ([], "--source and --target and --out must be given"),
        (["--source", "s.png", "--out", "o.png"], "--target must be given"),
        (["--target", "t.png"], "--source and --out must be given"),
    ],
)
def test_what_is_missing_is_named(words, missing):
    with pytest.raises(ValueError, match=rf"^{missing} \(or --demo\)$"):
        parse_options(words)


@pytest.mark.parametrize("words", [["--invert-mask"], ["--mask-channel", "red"]])
def test_a_masks_options_need_a_mask(words):
    with pytest.raises(ValueError, match="--invert-mask and --mask-channel must come with --mask"):
        parsed(*words)
    assert parsed(*words, "--mask", "m.png").mask == "m.png"


@pytest.mark.parametrize("method", [[], ["--method", "exact"]])
def test_stage_exact_is_method_exact_and_the_first_stage_alone(method):
    options = parsed("--stage", "exact", *method)
    assert (options.method, options.stage) == ("exact", "poisson")


def test_stage_exact_contradicts_the_deep_method():
    with pytest.raises(ValueError, match=r"^--stage exact must go with --method exact, got deep$"):
        parsed("--stage", "exact", "--method", "deep")


def test_memory_is_not_below_0():
    assert parsed("--memory", "0").memory == 0
    with pytest.raises(ValueError, match=r"^--memory must be 0 megabytes or more, got -1$"):
        parsed("--memory=-1")


def test_another_input_scale_needs_other_weights():
    words = r"^--input-scale standardised must come with --weights, got none: .* expect caffe$"
    with pytest.raises(ValueError, match=words):
        parsed("--input-scale", "standardised")
    given = parsed("--input-scale", "standardised", "--weights", "w.safetensors")
    assert given.input_scale == "standardised"
    assert parsed("--input-scale", "caffe").input_scale == "caffe"


REFINE = ("--region", "band", "--strength", "0.5")


@pytest.mark.parametrize(
    ("words", "named", "ended_by"),
    [
        ([*REFINE[:2], "--stage", "poisson"], "--region", "--stage poisson"),
        ([*REFINE[2:], "--stage", "exact"], "--strength", "--stage poisson"),
        ([*REFINE, "--stage", "poisson"], "--region and --strength", "--stage poisson"),
        ([*REFINE[:2], "--preset", "photograph"], "--region", "--preset photograph"),
        ([*REFINE[2:], "--preset", "seam-repair"], "--strength", "--preset seam-repair"),
    ],
)
def test_the_refine_stages_options_need_one(words, named, ended_by):
    message = f"^{named} must go with a refine stage; there is none with {ended_by}$"
    with pytest.raises(ValueError, match=message):
        parsed(*words)


@pytest.mark.parametrize(
    "preset", [name for name, settings in PRESETS.items() if settings.refine is not None]
)
def test_the_refine_stages_options_go_with_a_preset_that_has_one(preset):
    options = parsed(*REFINE, "--preset", preset)
    assert (options.region, options.strength) == ("band", 0.5)


@pytest.mark.parametrize("name", ["source", "mask", "target"])
@pytest.mark.parametrize("again", ["{}", "./{}", "folder/../{}", "link"])
def test_a_blend_takes_the_place_of_no_picture_that_is_read(name, again, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    paths = {"source": "s.png", "mask": "m.png", "target": "t.png"}
    (tmp_path / "link").symlink_to(paths[name])
    words = [word for option, path in paths.items() for word in (f"--{option}", path)]
    message = f"^--out must be another file than --{name}, got {paths[name]} for both$"
    with pytest.raises(ValueError, match=message):
        parse_options([*words, "--out", again.format(paths[name]), "--overwrite"])


def test_a_link_that_leads_to_itself_is_another_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    words = ["--source", "s.png", "--target", "t.png", "--out", "o.png", "--report", "loop"]
    assert parse_options(words).report == "loop"  # refused where it is written


@pytest.mark.parametrize("name", ["out", "source", "mask", "target"])
@pytest.mark.parametrize("again", ["{}", "./{}", "folder/../{}"])
def test_a_report_is_no_picture_under_any_name(name, again, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    paths = {"out": "o.png", "source": "s.png", "mask": "m.png", "target": "t.png"}
    words = [word for option, path in paths.items() for word in (f"--{option}", path)]
    message = f"^--report must be another file than --{name}, got {paths[name]} for both$"
    with pytest.raises(ValueError, match=message):
        parse_options([*words, "--report", again.format(paths[name]), "--overwrite"])
    assert parse_options([*words, "--report", "r.json"]).report == "r.json"


def test_names_that_differ_in_the_case_of_letters_are_one_file_where_nobody_can_tell(
    tmp_path, monkeypatch
):
    """macOS and Windows take them for one; where one of two files is there, the disk has told."""
    monkeypatch.chdir(tmp_path)
    words = ["--source", "s.png", "--target", "t.png", "--out"]
    with pytest.raises(ValueError, match=r"^--save-cutout must be another file than --out"):
        parse_options([*words, "Out.png", "--save-cutout", "out.PNG"])
    (tmp_path / "s.png").write_bytes(b"picture")
    if not (tmp_path / "S.png").exists():
        assert parse_options([*words, "S.png"]).out == "S.png"
        (tmp_path / "S.png").hardlink_to("s.png")  # as a disk that ignores case answers
    with pytest.raises(ValueError, match=r"^--out must be another file than --source"):
        parse_options([*words, "S.png", "--overwrite"])


def test_help_names_every_option_and_preset(capsys):
    with pytest.raises(SystemExit) as end:
        parse_options(["--help"])
    output, errors = capsys.readouterr()
    assert (end.value.code, errors) == (0, "")
    assert output.startswith("usage: python -m blending")
    for name in vars(parsed()):
        assert f"--{name.replace('_', '-')}" in output
    for preset in PRESETS:
        assert preset.replace(" ", "-") in output

"""What a command reads, blends and writes, by its options."""

import json

import numpy as np
import pytest
from PIL import Image

from blending import pipeline
from blending.cli.job import (
    blend_inputs,
    files_of,
    output_paths,
    read_inputs,
    settings_of,
    write_outputs,
)
from blending.cli.options import parse_options
from blending.pictures.read import read_picture
from blending.presets import PRESETS


@pytest.fixture
def options(tmp_path, monkeypatch):
    """options(words): of a command on three small pictures in the present folder."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(2)
    for name, size in {"s.png": (12, 9), "t.png": (20, 24)}.items():
        Image.fromarray(draw.integers(0, 256, (*size, 3), np.uint8)).save(name)
    mask = np.zeros((12, 9), np.uint8)
    mask[3:9, 2:7] = 255
    Image.fromarray(mask).save("m.png")
    words = "--source s.png --mask m.png --target t.png --preset seam-repair --out o.png"
    return lambda more="": parse_options([*words.split(), *more.split()])


def test_a_command_from_its_files_to_its_files(options):
    given = options("--at 3,4 --save-cutout c.png --report r.json")
    assert output_paths(given) == ["o.png", "c.png", "r.json"]
    inputs = read_inputs(given)
    assert inputs.mask.shape == (1, 1, 12, 9)
    assert not inputs.doubt
    result = blend_inputs(given, inputs)
    write_outputs(given, result, inputs.target)
    with Image.open("o.png") as out, Image.open("t.png") as target, Image.open("c.png") as cutout:
        changed = (np.asarray(out) != np.asarray(target)).any(2)
        assert cutout.mode == "RGBA"
    outside = np.ones((20, 24), bool)
    outside[7:13, 5:10] = False
    assert changed.any()
    assert not changed[outside].any()
    with open("r.json", encoding="utf-8") as file:
        assert json.load(file)["files"] == files_of(given)


def test_a_target_that_is_read_already_is_not_read_again(options):
    given = options()
    target = read_picture("t.png")
    given.target = "missing.png"
    assert read_inputs(given, target).target is target


def test_a_network_that_is_loaded_already_is_handed_on(options, loaded_network, monkeypatch):
    monkeypatch.setattr(pipeline, "load_features", lambda *_: pytest.fail("it was loaded again"))
    given = options("--preset fast --stage poisson --evaluations 1")
    result = blend_inputs(given, read_inputs(given), network=loaded_network)
    assert result.report["stages"][0]["pictures"][0]["evaluations"] == 1


def test_a_mask_that_takes_all_but_the_object_is_doubted(options):
    rows, columns = np.mgrid[:12, :9]
    diamond = np.abs(rows - 5.5) + np.abs(columns - 4) < 4
    Image.fromarray(np.where(diamond, 0, 255).astype(np.uint8)).save("m.png")
    assert "--invert-mask" in read_inputs(options()).doubt
    inverted = read_inputs(options("--invert-mask"))
    assert not inverted.doubt
    assert np.array_equal(inverted.mask[0, 0], diamond)


@pytest.mark.parametrize(
    ("more", "words"),
    [("--out o.gif", "must end in one of"), ("--save-cutout c.jpg", "a format with alpha")],
)
def test_a_format_that_cannot_hold_the_result_is_told_before_the_blend(options, more, words):
    with pytest.raises(ValueError, match=words):
        read_inputs(options(more))


@pytest.mark.parametrize("more", ["--out o.gif", "--save-cutout c.gif"])
def test_an_unknown_format_is_told_before_anything_is_read(options, more):
    with pytest.raises(ValueError, match="must end in one of"):
        read_inputs(options(f"{more} --target not-there.png"))


def test_options_change_the_preset_s_settings_and_leave_the_rest(options):
    assert settings_of(options()) == PRESETS["seam repair"]
    changed = settings_of(
        options("--preset painting --harmonise 0.1 --strength 0.5 --evaluations 3 --memory 7")
    )
    assert changed.poisson.harmonise == 0.1
    assert changed.refine.strength == 0.5
    assert changed.poisson.max_evaluations == changed.refine.max_evaluations == 3
    assert changed.poisson.clean == PRESETS["painting"].poisson.clean
    assert changed.compute.memory == 7 * 2**20
    assert settings_of(options("--preset painting --stage poisson")).refine is None
    with pytest.raises(ValueError, match="harmonise must be in"):
        settings_of(options("--harmonise 7"))

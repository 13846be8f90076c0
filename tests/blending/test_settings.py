"""The ranges of the settings, their errors, and that they load without torch."""

import dataclasses
import math
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from blending.settings import (
    GRADIENTS,
    METHODS,
    PRECISIONS,
    BlendSettings,
    Compute,
    PoissonSettings,
    RefineSettings,
    ShadowSettings,
    Weights,
    check_input_scale,
)

STAGES = (PoissonSettings, RefineSettings)
OWN_WEIGHTS = partial(BlendSettings, weights_file="w.safetensors")
TERMS = tuple(field.name for field in dataclasses.fields(Weights))


def weights(**changes):
    return Weights(**(dict.fromkeys(TERMS, 1.0) | changes))


@pytest.mark.parametrize("settings", [*STAGES, ShadowSettings, BlendSettings])
def test_the_defaults_are_valid_and_equal_each_time(settings):
    assert settings() == settings()


@pytest.mark.parametrize("settings", [weights(), *(stage() for stage in STAGES), BlendSettings()])
def test_settings_are_frozen(settings):
    name = dataclasses.fields(settings)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(settings, name, None)


def test_the_second_stage_can_be_left_out():
    assert BlendSettings(refine=None).refine is None


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("value", [0, 1e9])
def test_a_weight_may_be_at_either_end(name, value):
    assert getattr(weights(**{name: value}), name) == value


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("value", [-1e-9, 1.1e9, math.nan, math.inf])
def test_a_weight_out_of_range_is_refused(name, value):
    words = f"{name} weight must be in [0, 1e+09], got {value!r}"
    with pytest.raises(ValueError, match=re.escape(words)):
        weights(**{name: value})


@pytest.mark.parametrize("value", ["1", None, True])
def test_a_weight_that_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match=f"style weight must be a number, got {value!r}"):
        weights(style=value)


@pytest.mark.parametrize(
    ("stage", "name"), [(PoissonSettings, "poisson"), (RefineSettings, "refine")]
)
def test_weights_that_are_all_zero_are_refused_by_their_stages_name(stage, name):
    zeros = Weights(gradient=0, content=0, style=0, luminance=0, chroma=0)
    with pytest.raises(
        ValueError, match=f"{name} weights must have at least one above 0, got none"
    ):
        stage(weights=zeros)


def test_the_exact_method_takes_no_weights():
    zeros = Weights(gradient=0, content=0, style=0, luminance=0, chroma=0)
    assert PoissonSettings(method="exact", weights=zeros).weights == zeros


@pytest.mark.parametrize("name", TERMS)
def test_one_weight_above_zero_is_enough(name):
    zeros = dict.fromkeys(TERMS, 0.0)
    assert getattr(Weights(**(zeros | {name: 0.5})), name) == 0.5


BOTH = [("max_evaluations", 1, 10_000), ("margin", 16, 4096)]
COUNTS = [(stage, *values) for stage in STAGES for values in BOTH]
COUNTS += [(PoissonSettings, "rim", 0, 256), (RefineSettings, "band", 1, 256)]
COUNTS += [(PoissonSettings, "clean", 0, 128)]
SHARES = [(PoissonSettings, "bleed", 0, 1), (RefineSettings, "strength", 0, 1)]
SHARES += [(PoissonSettings, "harmonise", 0, 1)]
SHARES += [(ShadowSettings, name, 0, 1) for name in ("strength", "contact")]
NUMBERS = [(ShadowSettings, name, 0, 300) for name in ("length", "lift")]
NUMBERS += [(ShadowSettings, "direction", -360, 360), (ShadowSettings, "softness", 0, 100)]


@pytest.mark.parametrize(("stage", "name", "low", "high"), COUNTS + SHARES + NUMBERS)
def test_both_ends_of_a_range_are_allowed(stage, name, low, high):
    assert [getattr(stage(**{name: end}), name) for end in (low, high)] == [low, high]


@pytest.mark.parametrize(("stage", "name", "low", "high"), COUNTS + NUMBERS)
def test_values_just_beyond_a_range_are_refused(stage, name, low, high):
    for value in (low - 1, high + 1):
        words = f"{name} must be in [{low:g}, {high:g}], got {value}"
        with pytest.raises(ValueError, match=re.escape(words)):
            stage(**{name: value})


@pytest.mark.parametrize(("stage", "name"), [case[:2] for case in COUNTS])
@pytest.mark.parametrize("value", [20.0, "20", True])
def test_counts_must_be_whole_numbers(stage, name, value):
    with pytest.raises(TypeError, match=f"{name} must be a whole number, got {value!r}"):
        stage(**{name: value})


@pytest.mark.parametrize(
    ("stage", "name"),
    [(stage, "max_evaluations") for stage in STAGES]
    + [(PoissonSettings, "rim"), (RefineSettings, "band"), (RefineSettings, "strength")],
)
def test_these_may_not_be_none(stage, name):
    with pytest.raises(TypeError, match=f"{name} must be a .*number, got None"):
        stage(**{name: None})


@pytest.mark.parametrize("stage", STAGES)
def test_no_margin_is_the_whole_picture(stage):
    assert stage(margin=None).margin is None


@pytest.mark.parametrize(("stage", "name"), [case[:2] for case in SHARES])
def test_shares_are_numbers_from_0_to_1(stage, name):
    for value in (-1e-9, 1 + 1e-9, math.nan):
        with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1\], got {value!r}"):
            stage(**{name: value})
    for wrong in ("0.5", True):
        with pytest.raises(TypeError, match=f"{name} must be a number, got {wrong!r}"):
            stage(**{name: wrong})


@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_match_is_true_or_false(value):
    with pytest.raises(TypeError, match=f"match must be bool, got {value!r}"):
        PoissonSettings(match=value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("gradients", GRADIENTS)
def test_the_bleed_is_half_where_the_deep_method_imports_and_else_whole(method, gradients):
    expected = 0.5 if (method, gradients) == ("deep", "import") else 1.0
    own = PoissonSettings(method=method, gradients=gradients)
    assert own.bleed is None
    assert own.resolved_bleed == own.own_bleed == expected
    for bleed in (0, 0.25, 1.0):  # 0 is a bleed, not its lack
        changed = dataclasses.replace(own, bleed=bleed)
        assert changed.resolved_bleed == changed.own_bleed == bleed


@pytest.mark.parametrize(
    ("settings", "name", "choices"),
    [
        (PoissonSettings, "method", "deep, exact"),
        (PoissonSettings, "start", "paste, exact"),
        (PoissonSettings, "gradients", "import, mixed, monochrome"),
        (RefineSettings, "region", "object, band, picture"),
        (ShadowSettings, "kind", "ground, drop"),
        (
            partial(BlendSettings, weights_file="w.safetensors"),
            "input_scale",
            "caffe, standardised",
        ),
        (Compute, "precision", "auto, float32, bfloat16"),
    ],
)
def test_a_choice_takes_only_its_words(settings, name, choices):
    for choice in choices.split(", "):
        assert getattr(settings(**{name: choice}), name) == choice
    for wrong in ("Exact", "float16", "BFLOAT16", "", None):
        words = f"{name} must be one of {choices}, got {wrong!r}"
        with pytest.raises(ValueError, match=f"^{words}$"):
            settings(**{name: wrong})


def test_the_defaults_leave_everything_to_the_machine():
    assert Compute() == Compute(None, "auto", None)
    assert BlendSettings().compute == Compute()


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_a_precision_may_be_named_by_its_former_name_too(precision):
    assert precision in PRECISIONS
    assert Compute(precision=precision).precision == precision
    assert Compute(precision=precision).arithmetic == precision
    assert Compute(arithmetic=precision) == Compute(precision=precision)
    assert Compute("cpu", precision, 5) == Compute(device="cpu", arithmetic=precision, memory=5)


def test_the_former_name_counts_where_both_are_given():
    assert Compute(precision="float32", arithmetic="bfloat16").precision == "bfloat16"
    changed = dataclasses.replace(Compute("cpu", "float32", 5), arithmetic="auto")
    assert changed == Compute("cpu", "auto", 5)


def test_a_report_of_where_to_compute_has_the_new_name_alone():
    named = {"device": "cpu", "precision": "float32", "memory": 5}
    assert dataclasses.asdict(Compute("cpu", arithmetic="float32", memory=5)) == named


@pytest.mark.parametrize("wrong", ["float16", "BFLOAT16", ""])
def test_no_other_arithmetic_is_taken(wrong):
    words = f"arithmetic must be one of auto, float32, bfloat16, got {wrong!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        Compute(arithmetic=wrong)


@pytest.mark.parametrize("wrong", [0, b"cpu", True])
def test_a_device_is_a_name(wrong):
    with pytest.raises(TypeError, match=f"device must be str or NoneType, got {wrong!r}"):
        Compute(device=wrong)


@pytest.mark.parametrize("wrong", [1.0, "1", True])
def test_memory_is_a_whole_number_of_bytes(wrong):
    with pytest.raises(TypeError, match=f"memory must be a whole number, got {wrong!r}"):
        Compute(memory=wrong)


def test_memory_is_not_below_0():
    assert Compute(memory=0).memory == 0
    with pytest.raises(ValueError, match=r"memory must be in \[0, inf\], got -1"):
        Compute(memory=-1)


@pytest.mark.parametrize("wrong", ["cpu", None])
def test_a_blends_compute_is_a_compute(wrong):
    with pytest.raises(TypeError, match=f"compute must be Compute, got {wrong!r}"):
        BlendSettings(compute=wrong)


@pytest.mark.parametrize("stage", [PoissonSettings, RefineSettings])
def test_a_sequence_is_true_or_false(stage):
    assert stage().sequence is False
    assert stage(sequence=True).sequence is True
    for wrong in (0, 1, None, "yes"):
        with pytest.raises(TypeError, match=f"sequence must be bool, got {wrong!r}"):
            stage(sequence=wrong)


@pytest.mark.parametrize(
    ("scale", "file"),
    [("caffe", None), ("caffe", "w.safetensors"), ("standardised", "w.safetensors")],
)
def test_an_input_scale_goes_with_weights_that_have_it(scale, file):
    check_input_scale(scale, file)
    assert BlendSettings(weights_file=file, input_scale=scale).input_scale == scale


@pytest.mark.parametrize(
    ("scale", "file", "words"),
    [
        ("standardised", None, "input_scale standardised must come with a weights file, got none"),
        ("big", None, "input_scale must be one of caffe, standardised, got 'big'"),
        ("big", "w.safetensors", "input_scale must be one of caffe, standardised, got 'big'"),
    ],
)
def test_an_input_scale_that_the_weights_do_not_have_is_refused(scale, file, words):
    for refusing in (
        lambda: check_input_scale(scale, file),
        lambda: BlendSettings(weights_file=file, input_scale=scale),
    ):
        with pytest.raises(ValueError, match=f"^{words}"):
            refusing()


@pytest.mark.parametrize(
    ("settings", "name", "kind"),
    [
        (PoissonSettings, "weights", "Weights"),
        (RefineSettings, "weights", "Weights"),
        (BlendSettings, "poisson", "PoissonSettings"),
        (BlendSettings, "refine", "RefineSettings or NoneType"),
    ],
)
def test_settings_within_settings_are_of_their_kind(settings, name, kind):
    for wrong in ("many", 1, {}):
        with pytest.raises(TypeError, match=f"{name} must be {kind}, got {wrong!r}"):
            settings(**{name: wrong})


def test_a_weights_file_is_a_path_kept_as_text():
    assert BlendSettings(weights_file=Path("a") / "b").weights_file == str(Path("a") / "b")
    with pytest.raises(TypeError, match="weights_file must be str or PathLike or NoneType, got 3"):
        BlendSettings(weights_file=3)


def test_the_settings_load_without_torch():
    code = "import sys, blending.settings; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize(
    ("changes", "keeps"),
    [
        ({}, True),
        ({"clean": 0}, True),
        ({"contours": False}, False),
        ({"clean": 1}, True),
        ({"clean": 1, "contours": False}, False),
        ({"contours": True}, True),
        ({"contours": True, "method": "exact"}, False),
        ({"clean": 9, "gradients": "mixed"}, False),
    ],
)
def test_contours_are_kept_where_the_source_itself_is_unless_told(changes, keeps):
    assert PoissonSettings(**changes).keeps_contours is keeps


@pytest.mark.parametrize("stage", STAGES)
def test_contours_are_kept_or_not(stage):
    with pytest.raises(TypeError, match="contours must be"):
        stage(contours="yes")


@pytest.mark.parametrize(
    ("changes", "clean", "harmonise"),
    [
        ({}, 12, 0.5),
        ({"clean": 0, "harmonise": 0}, 0, 0),
        ({"method": "exact"}, 0, 0),
        ({"method": "exact", "clean": 7, "harmonise": 0.25}, 7, 0.25),
        ({"gradients": "mixed"}, 0, 0),
    ],
)
def test_a_source_is_cleaned_and_harmonised_where_it_is_kept_itself(changes, clean, harmonise):
    settings = PoissonSettings(**changes)
    assert (settings.resolved_clean, settings.resolved_harmonise) == (clean, harmonise)


def test_a_style_form_is_one_of_two():
    with pytest.raises(ValueError, match="style_form must be"):
        RefineSettings(style_form="mean")

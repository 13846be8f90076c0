"""The ranges of the settings, their errors, and that they load without torch."""

import dataclasses
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from blending.checks import check_choice, check_range
from blending.settings import (
    GRADIENTS,
    METHODS,
    BlendSettings,
    PoissonSettings,
    RefineSettings,
    Weights,
)

STAGES = (PoissonSettings, RefineSettings)
TERMS = tuple(field.name for field in dataclasses.fields(Weights))


def weights(**changes):
    return Weights(**(dict.fromkeys(TERMS, 1.0) | changes))


@pytest.mark.parametrize("settings", [*STAGES, BlendSettings])
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
SHARES = [(PoissonSettings, "bleed", 0, 1), (RefineSettings, "strength", 0, 1)]


@pytest.mark.parametrize(("stage", "name", "low", "high"), COUNTS + SHARES)
def test_both_ends_of_a_range_are_allowed(stage, name, low, high):
    assert [getattr(stage(**{name: end}), name) for end in (low, high)] == [low, high]


@pytest.mark.parametrize(("stage", "name", "low", "high"), COUNTS)
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
    assert own.own_bleed == expected
    for bleed in (0, 0.25, 1.0):  # 0 is a bleed, not its lack
        assert dataclasses.replace(own, bleed=bleed).own_bleed == bleed


@pytest.mark.parametrize(
    ("settings", "name", "choices"),
    [
        (PoissonSettings, "method", "deep, exact"),
        (PoissonSettings, "start", "paste, exact"),
        (PoissonSettings, "gradients", "import, mixed, monochrome"),
        (RefineSettings, "region", "object, band, picture"),
        (BlendSettings, "input_scale", "caffe, standardised"),
    ],
)
def test_a_choice_takes_only_its_words(settings, name, choices):
    for choice in choices.split(", "):
        assert getattr(settings(**{name: choice}), name) == choice
    for wrong in ("Exact", "", None):
        words = f"{name} must be one of {choices}, got {wrong!r}"
        with pytest.raises(ValueError, match=f"^{words}$"):
            settings(**{name: wrong})


def test_check_range_takes_whole_numbers_as_numbers_and_has_no_upper_end_by_default():
    check_range("row", 3, 0)
    check_range("row", 1e300, 0)
    with pytest.raises(ValueError, match=r"row must be in \[0, inf\], got -1"):
        check_range("row", -1, 0)
    with pytest.raises(ValueError, match=r"row must be in \[0, inf\], got nan"):
        check_range("row", math.nan, 0)


def test_check_choice_compares_whole_words():
    with pytest.raises(ValueError, match="mode must be one of abc, d, got 'a'"):
        check_choice("mode", "a", ("abc", "d"))


def test_the_settings_load_without_torch():
    code = "import sys, blending.settings; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0

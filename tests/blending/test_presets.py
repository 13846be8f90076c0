"""The presets: which there are, what they promise, and how a bleed is shifted."""

from dataclasses import asdict, replace

import pytest
import torch

from blending import PRESETS as PUBLIC
from blending.network import vgg16
from blending.pipeline import blend
from blending.presets import (
    PRESETS,
    REFINING,
    changed_poisson,
    changed_refine,
    cleaned_and_harmonised,
    poisson_preset,
    refine_preset,
    shifted_bleed,
)
from blending.settings import BlendSettings, PoissonSettings, RefineSettings, Weights

NOT_HELD = ("gradient", "content", "style", "histogram", "tv")
NAMES = ("painting", "photograph", "seam repair", "paper", "fast")


def test_these_are_the_presets():
    assert tuple(PRESETS) == NAMES
    assert PUBLIC is PRESETS
    assert REFINING == ("painting", "paper", "fast")


def test_the_presets_cannot_be_changed():
    with pytest.raises(TypeError):
        PRESETS["painting"] = BlendSettings()


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_valid(name):
    # Built anew of their values, each is checked again.
    preset = PRESETS[name]
    assert isinstance(preset, BlendSettings)
    for stage in filter(None, (preset.poisson, preset.refine)):
        values = asdict(stage)
        assert type(stage)(**(values | {"weights": Weights(**values["weights"])})) == stage


def test_painting_is_the_default():
    assert PRESETS["painting"] == BlendSettings()


def test_a_photograph_is_matched_and_not_redrawn():
    assert PRESETS["photograph"].poisson.match
    assert PRESETS["photograph"].refine is None
    assert PRESETS["photograph"].poisson.weights.style == 0


def test_each_preset_prepares_the_source_as_it_says():
    prepared = {
        name: (preset.poisson.resolved_clean, preset.poisson.resolved_harmonise)
        for name, preset in PRESETS.items()
    }
    assert prepared == {
        "painting": (12, 0.5),
        "photograph": (12, 0.25),
        "seam repair": (0, 0.0),
        "paper": (0, 0.0),
        "fast": (12, 0.5),
    }
    assert not PRESETS["paper"].poisson.keeps_contours
    assert PRESETS["paper"].refine.style_form == "gram"


def test_a_user_s_choice_of_cleaning_and_harmonising_goes_before_the_preset_s():
    own = PRESETS["photograph"].poisson
    assert cleaned_and_harmonised(own) == own
    assert cleaned_and_harmonised(own, 0, 0.0) == replace(own, clean=0, harmonise=0.0)
    assert cleaned_and_harmonised(own, 5, 1.0) == replace(own, clean=5, harmonise=1.0)
    with pytest.raises(ValueError, match="harmonise must be"):
        cleaned_and_harmonised(own, 5, 1.5)


def test_seam_repair_needs_no_network(monkeypatch, tmp_path, noise, disc):
    monkeypatch.setattr(vgg16, "BUNDLED", tmp_path / "none.safetensors")
    assert PRESETS["seam repair"].poisson.match
    source, target, mask = noise(1, 3, 12, 12), noise(1, 3, 12, 12, seed=1), disc(12, 12, 4)
    result = blend(source, target, mask, settings=PRESETS["seam repair"])
    assert torch.isfinite(result.image).all()
    assert not torch.equal(result.image, target)


def test_the_paper_holds_no_colours_and_the_others_do():
    for name, preset in PRESETS.items():
        for stage in filter(None, (preset.poisson, preset.refine)):
            weights = asdict(stage.weights)
            held = [weights[term] for term in weights if term not in NOT_HELD]
            assert len(held) >= 2
            assert all(value == 0 if name == "paper" else value > 0 for value in held)


def test_fast_takes_fewer_evaluations_of_the_same():
    painting, fast = PRESETS["painting"], PRESETS["fast"]
    stages = [(painting.poisson, fast.poisson), (painting.refine, fast.refine)]
    for whole, short in stages:
        assert replace(short, max_evaluations=whole.max_evaluations) == whole
    counts = [sum(stage.max_evaluations for stage in which) for which in zip(*stages, strict=True)]
    assert counts[1] < 0.4 * counts[0]


@pytest.mark.parametrize(
    ("own", "shift", "expected"),
    [
        (0.5, -1, 0.0),
        (0.5, 1, 1.0),
        (0.5, 0.5, 0.75),
        (0.5, -0.5, 0.25),
        (0.2, 0.5, 0.6),  # half of the way to 1
        (0.2, -0.5, 0.1),  # half of the way to 0
        (1.0, 0.5, 1.0),
        (1.0, -0.25, 0.75),
        (0.0, -1, 0.0),
        (0.0, 0.25, 0.25),
    ],
)
def test_the_bleed_moves_its_share_of_the_way_to_the_end(own, shift, expected):
    settings = PoissonSettings(bleed=own, rim=7)
    found = shifted_bleed(settings, shift)
    assert found.bleed == pytest.approx(expected)
    assert replace(found, bleed=own) == settings


@pytest.mark.parametrize(("gradients", "middle"), [("import", 0.25), ("mixed", 0.5)])
def test_the_shift_starts_from_the_settings_own_bleed(gradients, middle):
    settings = PoissonSettings(gradients=gradients)
    assert shifted_bleed(settings, 0) is settings
    assert shifted_bleed(settings, 0).bleed is None
    assert shifted_bleed(settings, -0.5).bleed == middle


@pytest.mark.parametrize("shift", [-1.01, 1.01, float("nan")])
def test_a_shift_out_of_range_is_refused(shift):
    with pytest.raises(ValueError, match=r"bleed shift must be in \[-1, 1\]"):
        shifted_bleed(PoissonSettings(), shift)


def test_a_shift_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="bleed shift must be a number, got '0'"):
        shifted_bleed(PoissonSettings(), "0")


@pytest.mark.parametrize("name", NAMES)
def test_a_presets_first_stage_is_changed_as_told(name):
    own = PRESETS[name].poisson
    assert poisson_preset(name) == own
    changed = changed_poisson(poisson_preset(name), "mixed", -0.5, 3)
    assert changed == replace(own, gradients="mixed", bleed=0.5, max_evaluations=3)


@pytest.mark.parametrize("name", REFINING)
def test_a_presets_second_stage_is_changed_as_told(name):
    own = PRESETS[name].refine
    assert refine_preset(name) == own
    changed = changed_refine(refine_preset(name), "band", 0.5, 3)
    assert isinstance(changed, RefineSettings)
    assert changed == replace(own, region="band", strength=0.5, max_evaluations=3)


def test_presets_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"preset must be one of painting, .*, got 'Painting'"):
        poisson_preset("Painting")
    with pytest.raises(ValueError, match="preset must be one of painting, paper, fast, got 'photo"):
        refine_preset("photograph")


def test_settings_of_ones_own_are_changed_in_what_is_asked_for_alone():
    own = PoissonSettings(start="exact", bleed=0.0, max_evaluations=7, weights=Weights(tv=3.0))
    changed = changed_poisson(own, "mixed", 0.5, 9, sequence=True)
    wanted = {"gradients": "mixed", "bleed": 0.5, "max_evaluations": 9, "sequence": True}
    assert asdict(changed) == {**asdict(own), **wanted}
    assert changed_poisson(own) == own


def test_refine_settings_of_ones_own_are_changed_in_what_is_asked_for_alone():
    own = RefineSettings(band=3, max_evaluations=7, weights=Weights(tv=3.0))
    changed = changed_refine(own, "band", 0.5, 9, sequence=True)
    wanted = {"region": "band", "strength": 0.5, "max_evaluations": 9, "sequence": True}
    assert asdict(changed) == {**asdict(own), **wanted}
    assert changed_refine(own) == own

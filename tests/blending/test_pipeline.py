"""`blend`: the stages in order, what it hands back and what it tells."""

import json
import re

import pytest
import torch

from blending import pipeline
from blending.cutout.antialias import antialiased
from blending.network import vgg16
from blending.pipeline import blend
from blending.placement.place import place
from blending.poisson.guidance import guidance_field
from blending.quality import metrics
from blending.quality.verdicts import verdicts
from blending.settings import BlendSettings, Compute, PoissonSettings, RefineSettings
from blending.stages import memory
from blending.stages.batch import Evaluation
from blending.stages.poisson import poisson_stage
from blending.stages.refine import refine_stage

EXACT = BlendSettings(poisson=PoissonSettings(method="exact"), refine=None)


class Cancelled(Exception):
    """What a caller raises to stop."""


@pytest.fixture
def scenery(photo, disc):
    return photo(24, 26), photo(32, 36, 250, 20), disc(24, 26, 9)


@pytest.fixture
def quick(random_weights):
    """Both stages, three evaluations each, random weights."""

    def make(**options):
        poisson = PoissonSettings(max_evaluations=3, margin=16)
        refine = RefineSettings(max_evaluations=3, margin=16, **options)
        return BlendSettings(
            poisson, refine, weights_file=str(random_weights), input_scale="standardised"
        )

    return make


def test_a_blend_is_the_poisson_stage_and_then_the_refine_stage(scenery, quick, wide_network):
    source, target, mask = scenery
    settings = quick()
    result = blend(source, target, mask, row=3, column=5, settings=settings)
    placed = place(source, target, mask, 3, 5)
    first = poisson_stage(placed, settings.poisson, wide_network)
    second = refine_stage(
        first.image, target, first.mask, settings.refine, wide_network, source=first.source
    )
    assert torch.equal(result.image, second.image)
    assert not torch.equal(result.image, first.image)


def test_without_refine_settings_it_ends_after_the_poisson_stage(scenery):
    source, target, mask = scenery
    result = blend(source, target, mask, row=3, column=5, settings=EXACT)
    expected = poisson_stage(place(source, target, mask, 3, 5), EXACT.poisson).image
    assert torch.equal(result.image, expected)
    assert [stage["stage"] for stage in result.report["stages"]] == ["poisson"]


def test_mask_and_paste_are_laid_out_on_the_target(scenery):
    source, target, mask = scenery
    result = blend(source, target, mask, row=-4, column=15, settings=EXACT)
    full, paste = torch.zeros(1, 1, 32, 36), target.clone()
    full[..., :20, 15:36] = mask[..., 4:24, :21]
    paste[..., :20, 15:36] = torch.where(
        mask[..., 4:24, :21] == 1, source[..., 4:24, :21], target[..., :20, 15:36]
    )
    assert torch.equal(result.mask, full)
    assert torch.equal(result.paste, paste)
    assert torch.equal(
        result.image[full.expand_as(target) == 0], target[full.expand_as(target) == 0]
    )


def test_the_mask_is_the_placed_one_when_the_whole_picture_was_refined(scenery, quick):
    source, target, mask = scenery
    result = blend(source, target, mask, row=3, column=5, settings=quick(region="picture"))
    full = torch.zeros(1, 1, 32, 36)
    full[..., 3:27, 5:31] = antialiased(mask)
    assert torch.equal(result.mask, full)


def test_scale_shrinks_source_and_mask(photo):
    source, target = photo(24, 32), photo(32, 36, 250, 20)
    result = blend(source, target, torch.ones(1, 1, 24, 32), scale=0.5, row=2, settings=EXACT)
    full = torch.zeros(1, 1, 32, 36)
    full[..., 2:14, :16] = 1
    assert torch.equal(result.mask, full)


def test_the_sources_alpha_is_the_mask_where_there_is_none(scenery):
    source, target, mask = scenery
    expected = blend(source, target, mask, settings=EXACT)
    result = blend(torch.cat((source, mask), 1), target, settings=EXACT)
    assert torch.equal(result.mask, expected.mask)
    assert result.report["stages"][0]["notes"] == ["the source's alpha is the mask"]


def test_the_targets_alpha_is_carried_through_both_stages(scenery, quick, noise):
    source, target, mask = scenery
    alpha = noise(1, 1, 32, 36)
    result = blend(source, torch.cat((target, alpha), 1), mask, settings=quick())
    assert torch.equal(result.image[:, 3:], alpha)
    assert torch.equal(result.paste[:, 3:], alpha)
    assert torch.equal(result.image[:, :3], blend(*scenery, settings=quick()).image)


@pytest.mark.parametrize("single", ["source", "target", "mask"])
def test_one_picture_serves_a_batch(single, scenery, noise):
    given = dict(zip(("source", "target", "mask"), scenery, strict=True))
    pairs = {
        "source": torch.cat((given["source"], given["source"].flip(3))),
        "target": torch.cat((given["target"], given["target"].flip(3))),
        "mask": torch.cat((given["mask"], given["mask"].roll(3, 3))),
    }
    pairs[single] = given[single]
    result = blend(**pairs, settings=EXACT)
    for sample in (0, 1):
        one = {name: x[sample : sample + 1] if x.shape[0] > 1 else x for name, x in pairs.items()}
        expected = blend(**one, settings=EXACT)
        assert torch.equal(result.image[sample : sample + 1], expected.image)
    assert result.report["target"]["batch"] == (1 if single == "target" else 2)


def test_the_report_is_json_with_sizes_place_stages_and_machine(scenery, quick):
    source, target, mask = scenery
    result = blend(source, target, mask, row=3, column=-5, settings=quick())
    report = json.loads(json.dumps(result.report, allow_nan=False))
    assert report["source"] == {"batch": 1, "channels": 3, "height": 24, "width": 26}
    assert report["target"] == {"batch": 1, "channels": 3, "height": 32, "width": 36}
    assert report["place"] == {"row": 3, "column": -5, "scale": 1.0}
    assert [stage["stage"] for stage in report["stages"]] == ["poisson", "refine"]
    for stage in report["stages"]:
        assert stage["settings"]["max_evaluations"] == 3
        (picture,) = stage["pictures"]
        assert 1 <= picture["evaluations"] <= 3
        assert picture["stop_reason"] in ("converged", "budget spent", "non-finite")
        assert set(picture["terms_start"]) >= {"gradient", "luminance", "chroma"}
        assert set(picture["terms_end"]) == set(picture["terms_start"])
    (rails,) = report["guard_rails"]
    figures = {
        "colour_difference",
        "hue_flip_share",
        "seam_ratio",
        "seam_share",
        "background_difference",
    }
    looks = {"see_through_rim", "see_through_inside", "contour_kept", "tone_kept"}
    assert set(rails) == figures | looks | {"foreign_colours", "highlights"}
    assert report["verdicts"] == [verdicts(rails)]
    assert report["verdicts"][0]["hue_flip_share"] in ("good", "look")
    assert rails["background_difference"] == 0
    assert report["device"] == "cpu"
    assert torch.__version__.startswith(report["versions"]["torch"])


def test_evaluations_of_both_stages_are_handed_on(scenery, quick):
    seen: list[Evaluation] = []
    source, target, mask = scenery
    blend(source, target, mask, settings=quick(), on_evaluation=seen.append)
    stages = [evaluation.stage for evaluation in seen]
    assert stages == sorted(stages)  # all of "poisson", then all of "refine"
    assert set(stages) == {"poisson", "refine"}


@pytest.mark.parametrize("stage", ["poisson", "refine"])
def test_an_exception_in_either_stage_passes_through(stage, scenery, quick):
    source, target, mask = scenery
    before = [x.clone() for x in scenery]

    def cancel(evaluation):
        if evaluation.stage == stage:
            raise Cancelled

    with pytest.raises(Cancelled):
        blend(source, target, mask, settings=quick(), on_evaluation=cancel)
    assert all(torch.equal(x, kept) for x, kept in zip(scenery, before, strict=True))


def test_two_runs_and_inference_mode_give_the_same_bytes(scenery, quick):
    source, target, mask = scenery
    first = blend(source, target, mask, settings=quick()).image
    with torch.inference_mode():
        second = blend(source, target, mask, settings=quick()).image
    assert torch.equal(first, second)


def test_naming_the_targets_device_changes_nothing(scenery):
    source, target, mask = scenery
    named = BlendSettings(poisson=EXACT.poisson, refine=None, compute=Compute("cpu"))
    result = blend(source, target, mask, settings=named)
    assert torch.equal(result.image, blend(source, target, mask, settings=EXACT).image)


def test_what_asks_for_gradients_gets_a_blend_without(scenery):
    source, target, mask = (plane.requires_grad_() for plane in scenery)
    result = blend(source, target, mask, settings=EXACT)
    for name in ("image", "mask", "paste", "cutout"):
        assert not getattr(result, name).requires_grad, name
    result = refine_stage(target, target, result.mask, RefineSettings(strength=0))
    assert not result.image.requires_grad


def test_the_refine_stage_is_told_the_source_under_the_mask(scenery, quick):
    source, _, mask = scenery
    target = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    settings = quick()
    found = blend(source, target, mask, row=30, column=50, settings=settings).image
    network = vgg16.load_features(settings.weights_file, settings.input_scale)
    first = poisson_stage(place(source, target, mask, 30, 50), settings.poisson, network)
    second = refine_stage(
        first.image, target, first.mask, settings.refine, network, source=first.source
    )
    assert torch.equal(found, second.image)


@pytest.mark.parametrize("kind", ["settings", "compute"])
def test_a_stages_settings_of_another_kind_are_named(kind, scenery):
    source, target, mask = scenery
    placed = place(source, target, mask)
    with pytest.raises(TypeError, match=f"{kind} must be .*, got 'painting'"):
        poisson_stage(placed, **{kind: "painting"})
    with pytest.raises(TypeError, match=f"{kind} must be .*, got 'painting'"):
        refine_stage(target, target, placed.full_mask, **{kind: "painting"})


@pytest.mark.parametrize("device", ["nonsense", "", "meta", "cuda:99", "hpu"])
def test_a_device_that_cannot_compute_is_named(device, scenery):
    source, target, mask = scenery
    settings = BlendSettings(poisson=EXACT.poisson, refine=None, compute=Compute(device))
    with pytest.raises(ValueError, match=f"device must be one to compute on, got '{device}'"):
        blend(source, target, mask, settings=settings)


def test_where_nothing_needs_the_network_no_weights_are_read(scenery, monkeypatch, tmp_path):
    source, target, mask = scenery
    monkeypatch.setattr(vgg16, "BUNDLED", tmp_path / "none.safetensors")
    for refine in (None, RefineSettings(strength=0)):
        settings = BlendSettings(EXACT.poisson, refine)
        assert torch.isfinite(blend(source, target, mask, settings=settings).image).all()
    for settings in (
        BlendSettings(EXACT.poisson),
        BlendSettings(PoissonSettings(max_evaluations=1), refine=None),
    ):
        with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
            blend(source, target, mask, settings=settings)


def test_both_stages_share_a_network_that_is_read_once(scenery, quick, monkeypatch):
    source, target, mask = scenery
    load_features, read = pipeline.load_features, []

    def watched(*arguments):
        read.append(arguments)
        return load_features(*arguments)

    monkeypatch.setattr(pipeline, "load_features", watched)
    monkeypatch.setattr(vgg16, "BUNDLED", None)  # nor is the bundled one looked for
    settings = quick()
    report = blend(source, target, mask, settings=settings).report
    assert read == [(settings.weights_file, "standardised")]
    assert report["weights"] == settings.weights_file
    assert report["input_scale"] == "standardised"


def test_the_report_names_the_bundled_weights_and_the_scale(scenery):
    source, target, mask = scenery
    report = blend(source, target, mask, scale=0.5, row=-2, settings=EXACT).report
    assert (report["weights"], report["input_scale"]) == ("bundled", "caffe")
    assert report["place"] == {"row": -2, "column": 0, "scale": 0.5}


@pytest.mark.parametrize(
    ("region", "free"), [("object", 0), ("band", 3), ("picture", 100)], ids=lambda x: str(x)
)
def test_outside_the_region_the_image_has_the_targets_bits(region, free, scenery, quick):
    source, target, mask = scenery
    result = blend(source, target, mask, row=3, column=5, settings=quick(region=region, band=3))
    rows = torch.arange(32)[:, None] - (3 + 11.5)
    columns = torch.arange(36)[None] - (5 + 12.5)
    beyond = rows**2 + columns**2 > (9 + free) ** 2 + 1e-6
    assert torch.equal(result.image[..., beyond], target[..., beyond])
    changed = (result.image != target).any(1)[0]
    if free:  # it reaches out of the mask
        assert changed[(result.mask == 0)[0, 0]].float().mean() > 0.05


def test_missing_weights_are_named(scenery, tmp_path):
    source, target, mask = scenery
    missing = str(tmp_path / "none.safetensors")
    with pytest.raises(FileNotFoundError, match=re.escape(missing)):
        blend(source, target, mask, settings=BlendSettings(weights_file=missing))


def test_a_weights_file_is_checked_even_where_no_stage_needs_it(scenery, tmp_path):
    source, target, mask = scenery
    path = str(tmp_path / "none.safetensors")
    settings = BlendSettings(EXACT.poisson, refine=None, weights_file=path)
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        blend(source, target, mask, settings=settings)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"source": torch.zeros(24, 26)}, ValueError, r"source must be \(B, 3 or 4, H, W\)"),
        ({"target": torch.zeros(1, 3, 0, 8)}, ValueError, "target must be .* not empty"),
        ({"mask": None}, ValueError, "mask must be given for a source without alpha"),
        ({"mask": torch.zeros(1, 1, 24, 26)}, ValueError, "mask must be above 0"),
        ({"mask": torch.ones(1, 1, 24, 25)}, ValueError, "mask must have the size of source"),
        ({"row": 100}, ValueError, "source of 26 x 24 pixels must overlap the target"),
        ({"row": 1.5}, TypeError, "row must be a whole number"),
        ({"scale": float("nan")}, ValueError, "scale must be in"),
        ({"scale": 0}, ValueError, "scale must be in"),
    ],
)
def test_arguments_that_cannot_be_blended_are_named(change, error, message, scenery):
    given = dict(zip(("source", "target", "mask"), scenery, strict=True))
    with pytest.raises(error, match=message):
        blend(**(given | change), settings=EXACT)


@pytest.mark.weights
def test_the_default_blend_of_a_photograph_beats_its_paste_at_the_seam(photo, disc, bundled):
    source, target, mask = photo(40, 40), photo(56, 56, 250, 20), disc(40, 40, 14)
    result = blend(source, target, mask, row=8, column=8)
    placed = place(source, target, mask, 8, 8)
    window = placed.window(0, margin=56)
    guidance = guidance_field(window.source, window.source_valid, target, window.support)

    def seam(image):
        return metrics.seam_error(image, guidance, result.mask)

    assert seam(result.image) < 0.6 * seam(result.paste)
    assert metrics.background_error(result.image, target, result.mask) == 0


def test_a_blend_without_room_is_refused_before_anything_is_computed(scenery, monkeypatch):
    def begun(*_, **__):
        raise AssertionError("a stage began")

    monkeypatch.setattr(memory, "free_memory", lambda device: 1000.0)
    monkeypatch.setattr(pipeline, "poisson_stage", begun)
    monkeypatch.setattr(pipeline, "load_features", begun)
    source, target, mask = scenery[:3]
    with pytest.raises(ValueError, match=r"memory must be \d+ MB for this blend, got 0 MB free"):
        blend(source, target, mask)


@pytest.mark.parametrize("settings", ["painting", PoissonSettings(), {"poisson": None}])
def test_settings_of_another_kind_are_named(scenery, settings):
    source, target, mask = scenery[:3]
    with pytest.raises(TypeError, match="settings must be BlendSettings, got"):
        blend(source, target, mask, settings=settings)


@pytest.mark.weights
@pytest.mark.parametrize("match", [False, True])
def test_the_number_of_threads_does_not_show(photo, disc, match, at_thread_counts):
    source, target, mask = photo(60, 64), photo(90, 100, 250, 20), disc(60, 64, 24)
    settings = BlendSettings(
        PoissonSettings(match=match, max_evaluations=8),
        RefineSettings(max_evaluations=8),
        compute=Compute(precision="float32"),
    )

    def levels():
        result = blend(source, target, mask, row=11, column=13, settings=settings)
        return (255 * result.image).round()[0][:, result.mask[0, 0] > 0]

    # From 4 on oneDNN cuts the convolutions of so small a map otherwise.
    first, *others = at_thread_counts((1, 2, 3), levels)
    for other in others:
        moved = (other - first).abs().amax(0)
        assert (moved > 1).float().mean() <= 0.001

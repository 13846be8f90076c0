"""Where the style comes from: form, strength, what is covered, another picture."""

import pytest
import torch

from blending.placement.box import full_box
from blending.placement.place import place
from blending.placement.window import Window
from blending.settings import Compute, RefineSettings, Weights
from blending.stages import brush as module
from blending.stages.brush import Brush
from blending.stages.deep_solver import deep_solver
from blending.stages.refine import refine_stage
from blending.strokes.wanted import WANTED
from tests.narrow import WIDTHS

CPU = torch.device("cpu")


@pytest.fixture
def rough(photo, noise, disc):
    """A photograph's disc, 96 x 104, on a rough target of its own."""
    target = 0.2 + 0.6 * noise(1, 3, 96, 104)
    return place(photo(96, 104), target, disc(96, 104, 40))


def made(placed, network, style=None, source=None, **settings):
    own = RefineSettings(margin=16, **settings)
    solver = deep_solver(own, network, placed, Compute(), CPU)
    return Brush(own, solver, placed.full_mask, style, source)


def begun(placed, network, **options):
    window = placed.window(0, 16)
    return parts(made(placed, network, **options), window)


def parts(brush, window):
    found = brush.begin(0, window)
    return found.start, found.figures


def test_matched_style_wants_features_of_the_place_as_strongly_as_it_is_rough(rough, network):
    start, figures = begun(rough, network)
    assert set(start.problem.wanted) == set(WANTED)
    assert figures["held"] == "blend"
    assert 0.5 < figures["strokes"] <= 1
    expected = figures["strokes"] * RefineSettings().weights.style
    assert start.problem.weights.style == pytest.approx(expected, rel=1e-3)


def test_the_grain_is_the_place_s_as_strongly_as_asked(rough, network):
    window, plain = rough.window(0, 16), None
    for grain in (0.0, 0.5, 1.0):
        x = torch.full_like(window.source, 0.5)
        change = (made(rough, network, grain=grain).begin(0, window).finish(x) - x)[
            window.support.expand_as(x)
        ]
        if grain == 0:
            assert not change.any()
        elif plain is None:
            plain = change
        else:
            torch.testing.assert_close(change, 2 * plain, atol=0.02, rtol=0)
            assert change.std() > 0.02


@pytest.mark.parametrize("region", ["band", "picture"])
def test_the_place_itself_is_given_no_grain_where_more_may_change(region, rough, network):
    window = rough.window(0, 16)
    wide = module.replace(window, mask=torch.ones_like(window.mask))
    x = torch.where(window.support, 0.5, window.target)
    change = made(rough, network, region=region).begin(0, wide).finish(x) - x
    inside = window.support.expand_as(x)
    assert not change[~inside].any()
    assert change[inside].std() > 0.02


def test_what_is_plainer_than_the_place_is_held_less(rough, network):
    plain = module.replace(rough, source=torch.full_like(rough.source, 0.5))
    detail = begun(plain, network)[0].problem.detail
    assert detail is not None and detail[..., 48, 52] == pytest.approx(0.2, abs=0.02)
    assert begun(rough, network, style_form="gram")[0].problem.detail is None


def test_a_smooth_place_wants_nothing_and_the_network_is_not_asked(photo, disc, network):
    smooth = place(photo(96, 104), torch.full((1, 3, 96, 104), 0.4), disc(96, 104, 40))
    start, figures = begun(smooth, network)
    assert figures["strokes"] == 0
    assert start.problem.wanted == {}
    assert start.problem.weights.style == start.problem.weights.content == 0


def test_without_a_weight_of_style_nothing_is_matched_and_content_keeps_its_own(rough, network):
    weights = Weights(content=2.0)
    start, figures = begun(rough, network, weights=weights)
    assert start.problem.wanted is None
    assert start.problem.weights == weights
    assert figures == {"held": "blend"}


def test_gram_matrices_if_they_are_asked_for(rough, network, photo):
    start, figures = begun(rough, network, style_form="gram")
    assert start.problem.wanted is None and start.problem.style is None
    assert figures == {"held": "blend"}
    start, _ = begun(rough, network, style_form="gram", style=photo(40, 40, 90, 90))
    assert start.problem.style["relu1_2"].shape == (1, *2 * [WIDTHS["relu1_2"]])


def test_another_picture_s_strokes_are_taken_from_all_of_it(rough, network, noise, monkeypatch):
    seen = []
    real = module.wanted_features

    def watched(picture, support, target, covered, *rest):
        seen.append((target, covered))
        return real(picture, support, target, covered, *rest)

    monkeypatch.setattr(module, "wanted_features", watched)
    style = noise(1, 4, 48, 56, seed=3)
    start, figures = begun(rough, network, style=style)
    ((target, covered),) = seen
    assert torch.equal(target, style[:, :3])
    assert not covered.any()
    assert start.problem.wanted and figures["strokes"] > 0.5


def test_the_target_under_the_object_teaches_nothing(rough, network):
    window = rough.window(0, 16)
    start, _ = parts(made(rough, network), window)
    other = module.replace(window, target=window.target.clone())
    other.target[window.support.expand_as(other.target)] = 0.0
    again, _ = parts(made(rough, network), other)
    for name, features in start.problem.wanted.items():
        assert torch.equal(features, again.problem.wanted[name])


def test_the_source_is_held_if_it_is_given(rough, network):
    source = rough.source.expand_as(rough.target).clone()
    window = rough.window(0, 16)
    blend = module.replace(window, source=0.5 * window.source)
    start, figures = parts(made(rough, network, source=source), blend)
    assert figures["held"] == "source"
    middle = (..., 50, 60)
    off = (start.problem.window.source - window.source)[middle].abs()
    assert (off < 0.3 * (blend.source - window.source)[middle].abs()).all()


def test_a_whole_picture_is_painted_as_its_object_bears_and_its_place_stays(rough, network):
    whole = Window(
        *(getattr(rough.window(0, None), n) for n in ("source", "mask", "source_valid")),
        rough.target,
        full_box(rough.target.shape),
    )
    region = module.replace(whole, source=rough.paste, mask=torch.ones_like(whole.mask))
    brush = made(rough, network, region="picture")
    start, figures = parts(brush, region)
    assert figures["strokes"] == begun(rough, network)[1]["strokes"]
    own = network(rough.paste, ("relu3_3",))["relu3_3"]
    corner = (..., slice(0, 2), slice(0, 2))
    torch.testing.assert_close(start.problem.wanted["relu3_3"][corner], own[corner])


def test_without_an_object_another_picture_s_strokes_go_everywhere(rough, network, noise):
    empty = module.replace(rough, mask=torch.zeros_like(rough.mask))
    window = module.replace(rough.window(0, None), mask=torch.ones_like(rough.full_mask))
    _, figures = parts(made(empty, network, style=noise(1, 3, 60, 60)), window)
    assert figures["strokes"] > 0.9


@pytest.mark.weights
def test_strokes_come_nearer_to_the_place_s_and_the_tone_stays(rough, bundled):
    weights = RefineSettings().weights
    plain = RefineSettings(margin=16, max_evaluations=12, weights=Weights(luminance=150.0))
    given = rough.paste, rough.target, rough.full_mask
    without = refine_stage(*given, plain, bundled).image
    painted = refine_stage(
        *given, RefineSettings(margin=16, max_evaluations=12, weights=weights), bundled
    )
    inside = rough.full_mask[0, 0] > 0
    grain = [
        (image - torch.nn.functional.avg_pool2d(image, 5, 1, 2))[..., inside].std()
        for image in (without, painted.image, rough.target)
    ]
    assert grain[0] < grain[1] < grain[2] * 1.2
    means = [image[..., inside].mean() for image in (without, painted.image)]
    assert abs(means[0] - means[1]) < 4 / 255

"""The objective: what is run and how often, terms by hand, slopes by differences, rows, tiles."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from blending.deep.fidelity import FidelityWeights
from blending.deep.objective import Objective, Term, Views, joint_objective, reusable_context
from blending.deep.problem import Problem
from blending.network.vgg16 import Features
from blending.placement.box import Box
from blending.placement.window import Window
from blending.poisson.guidance import guidance_field
from blending.settings import Weights

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
STRIDES = dict(zip(LAYERS, (1, 2, 4, 8), strict=True))
STYLE_FLOOR, STRANGE, VISIBLE_SHARE = 0.02, 2.0, 0.25  # as documented in feature_targets
TERMS = ("gradient", "content", "style", "luminance", "chroma", "histogram", "tv")
EVERY = Weights(**dict.fromkeys(TERMS, 1.0))
# By row; content is wanted by the first two only, total variation by the last.
UNLIKE = (
    Weights(2000.0, 1.0, 4.0, 80.0, 1400.0, 0.5, 0.0),
    Weights(15.0, 1.2, 0.0, 150.0, 300.0, 2.0, 0.0),
    Weights(700.0, 0.0, 9.0, 0.0, 3.0, 0.0, 0.25),
)
EXACT = {"rtol": 1e-9, "atol": 1e-12}
PIXELS_ONLY = Weights(1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0)
STYLED = Weights(1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture
def double(network):
    return network.double()


def views_of(x):
    return Views(composite=x, features={"square": x.square()})


def mean_colour(views):
    return views.composite.mean()


def mean_square(views):
    return views.features["square"].mean()


def never(views):
    raise AssertionError("a term of weight 0 was run")


X = torch.tensor([1.0, 3.0], dtype=torch.float64)


def test_each_term_is_its_weight_times_its_loss_in_the_given_order():
    objective = Objective(views_of, (Term("b", 10.0, mean_colour), Term("a", 0.5, mean_square)))
    terms = objective(X)
    assert list(terms) == ["b", "a"]
    assert [term.item() for term in terms.values()] == [20.0, 2.5]


def test_a_term_of_weight_zero_is_not_run():
    objective = Objective(views_of, (Term("off", 0.0, never), Term("on", 1.0, mean_colour)))
    assert list(objective(X)) == ["on"]


def test_the_views_are_made_once_an_evaluation():
    made = []

    def counted(x):
        made.append(x)
        return views_of(x)

    objective = Objective(counted, tuple(Term(name, 1.0, mean_square) for name in "abc"))
    objective(X)
    objective(X + 1)
    assert len(made) == 2


def test_the_sum_is_differentiable_through_the_views():
    # d/dx (10·mean x + 0.5·mean x²) = 10/2 + 0.5·x
    x = X.clone().requires_grad_()
    objective = Objective(views_of, (Term("a", 10.0, mean_colour), Term("b", 0.5, mean_square)))
    (gradient,) = torch.autograd.grad(sum(objective(x).values()), x)
    assert gradient.tolist() == [5.5, 6.5]


@pytest.mark.parametrize(
    "record", [Views(X, None), Term("a", 1.0, mean_colour), Objective(views_of, ())]
)
def test_the_records_are_frozen(record):
    name = dataclasses.fields(record)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, None)


def weights(**given):
    return Weights(**(dict.fromkeys(TERMS, 0.0) | given))


def joint(window, network, weights, fidelity=None):
    """The objective over the target, with imported gradients, held evenly unless told."""
    free = window.support.to(window.source)
    guidance = guidance_field(window.source, window.source_valid, window.target, window.support)
    fidelity = fidelity or FidelityWeights(free, free)
    problem = Problem(window, window.target, guidance, fidelity, weights)
    return joint_objective([problem], network)[0]


def make_window(noise, disc, height=24, width=32, soft=False):
    mask = disc(height, width, 8).double()
    if soft:
        mask = mask * (0.5 + 0.5 * noise(1, 1, height, width, seed=5).double())
    source = noise(1, 3, height, width, seed=1).double()
    target = noise(1, 3, height, width, seed=2).double()
    return Window(source, mask, torch.ones_like(mask), target, Box(0, 0, height, width))


@pytest.fixture
def window(noise, disc):
    return make_window(noise, disc)


@pytest.fixture
def elsewhere(window, noise):
    """A point that is not the start."""
    return window.source + 0.2 * (noise(1, 3, 24, 32, seed=3).double() - 0.5)


def value(objective, x, name):
    terms = objective(x)
    assert list(terms) == [name]
    return terms[name].item()


def laplacian(picture):
    """Of (1, 3, H, W), as an array; neighbours beyond the frame drop out."""
    return np.stack([-ndimage.laplace(plane, mode="nearest") for plane in picture[0].numpy()])


def pasted(window, x):
    return window.mask * x + (1 - window.mask) * window.target


def gram(activations):
    flat = activations[0].flatten(1).numpy()
    return flat @ flat.T / flat.size


def target_gram(activations, mask, layer, share):
    """A share from the pixels that the object leaves wholly visible, the rest from all."""
    blocks = mask[0, 0].numpy() > 0
    side = STRIDES[layer]
    for axis in (0, 1):
        blocks = np.logical_or.reduceat(blocks, np.arange(0, blocks.shape[axis], side), axis)
    visible = activations[0].numpy()[:, ~blocks]
    assert visible.size
    part = visible @ visible.T / visible.size
    return share * part + (1 - share) * gram(activations)


def style_by_layer(window, network, x):
    """Each layer's distance relative to the paste's and a floor, every layer a quarter."""
    pictures = (window.target, pasted(window, window.source), pasted(window, x))
    rows, columns = (-size % 8 for size in window.mask.shape[2:])
    padding = ((0, 0), (0, 0), (0, rows), (0, columns))
    target, start, now = (
        network(torch.from_numpy(np.pad(picture.numpy(), padding, mode="edge")), LAYERS)
        for picture in pictures
    )
    mask = torch.from_numpy(np.pad(window.mask.numpy(), padding, mode="edge"))
    shares = []
    for name in LAYERS:
        whole = gram(target[name])
        foreign, size = ((gram(start[name]) - whole) ** 2).mean(), (whole**2).mean()
        share = VISIBLE_SHARE * foreign / (foreign + STYLE_FLOOR * size)
        goal = target_gram(target[name], mask, name, share)
        distances = [((gram(found[name]) - goal) ** 2).mean() for found in (start, now)]
        own = (goal**2).mean()
        strangeness = 1 + (distances[0] / (STRANGE * own)) ** 2
        shares.append(distances[1] / (distances[0] + STYLE_FLOOR * own) / strangeness / 4)
    return shares


def mean_over_layers(figure):
    return sum(figure(name) for name in LAYERS) / len(LAYERS)


@pytest.mark.parametrize("soft", [False, True])
def test_content_and_colours_are_zero_at_the_paste(soft, noise, disc, double):
    window = make_window(noise, disc, soft=soft)
    terms = joint(window, double, EVERY)(window.source)
    for name in ("content", "luminance", "chroma"):
        assert terms[name] == 0
    for name in ("gradient", "style", "histogram", "tv"):
        assert terms[name] > 0


def test_a_term_without_weight_is_not_run(window, double):
    objective = joint(window, double, weights(chroma=1.0, tv=2.0))
    assert set(objective(window.source)) == {"chroma", "tv"}


def test_the_gradient_term_sums_squared_residuals_over_mask_and_ring_per_masked_sample(
    window, double, elsewhere
):
    objective = joint(window, double, weights(gradient=5.0))
    inside = window.mask[0, 0].numpy() == 1
    seen = ndimage.binary_dilation(inside)  # by the stencil's cross
    guidance = np.where(inside, laplacian(window.source), laplacian(window.target))
    squares = (laplacian(pasted(window, elsewhere)) - guidance) ** 2
    expected = 5 * squares[:, seen].sum() / (3 * inside.sum())
    assert value(objective, elsewhere, "gradient") == pytest.approx(expected, rel=1e-9)


def test_the_gradient_term_counts_as_the_seam_s_weight_says(window, double, elsewhere):
    free = window.support.to(window.source)
    guidance = guidance_field(window.source, window.source_valid, window.target, window.support)
    problem = Problem(
        window, window.target, guidance, FidelityWeights(free, free), weights(gradient=5.0)
    )
    half = torch.where(torch.arange(32) < 16, 0.25, 1.0).expand_as(window.mask).double()
    parts = [
        value(joint_objective([replace(problem, seam=seam)], double)[0], elsewhere, "gradient")
        for seam in (half, 1 - half, None)
    ]
    assert parts[0] + parts[1] == pytest.approx(parts[2], rel=1e-9)
    assert parts[1] > 0


def test_the_content_term_is_relative_to_the_reference_features(window, double, elsewhere):
    objective = joint(window, double, weights(content=3.0))
    share = F.avg_pool2d(window.mask, 2)
    reference, now = (
        double(pasted(window, x), ("relu2_2",))["relu2_2"] for x in (window.source, elsewhere)
    )
    expected = 3 * (share * (now - reference) ** 2).sum() / (share * reference**2).sum()
    assert value(objective, elsewhere, "content") == pytest.approx(expected.item(), rel=1e-9)


def test_the_style_term_is_relative_to_each_layers_start_and_a_floor(window, double, elsewhere):
    objective = joint(window, double, weights(style=2.0))
    for x in (window.source, elsewhere):
        expected = 2 * sum(style_by_layer(window, double, x))
        assert value(objective, x, "style") == pytest.approx(expected, rel=1e-9)


def test_the_histogram_term_is_relative_to_the_targets_features(window, double, elsewhere):
    objective = joint(window, double, weights(histogram=2.0))
    target, now = (double(x, LAYERS) for x in (window.target, pasted(window, elsewhere)))

    def distance(name):
        # The nearest picture with the target's values has them in the same order: sorted pairs.
        pairs = (np.sort(found[name][0].flatten(1).numpy(), 1) for found in (now, target))
        return (np.subtract(*pairs) ** 2).mean()

    size = mean_over_layers(lambda n: (target[n].numpy() ** 2).mean())
    expected = 2 * mean_over_layers(distance) / size
    assert value(objective, elsewhere, "histogram") == pytest.approx(expected, rel=1e-9)


def test_lightness_and_chroma_are_held_each_where_its_weights_say(window, double, elsewhere, noise):
    light, colours = (window.mask * noise(1, 1, 24, 32, seed=s).double() for s in (6, 7))
    fidelity = FidelityWeights(light, colours)
    difference = (elsewhere - window.source)[0].numpy()
    mean = difference.mean(0)  # of a pixel's channels; what is left is chroma
    areas = 3 * window.mask.sum().item()
    for texture in (0.0, 2.0):
        seen = np.sqrt(3 * light[0, 0].numpy()) * mean
        seen = ndimage.gaussian_filter(seen, texture, mode="nearest", radius=6) if texture else seen
        objective = joint(
            window, double, weights(luminance=7.0), replace(fidelity, texture=texture)
        )
        expected = 7 * (seen**2).sum() / areas
        assert value(objective, elsewhere, "luminance") == pytest.approx(expected, rel=1e-6)
    expected = 5 * (colours[0, 0].numpy() * ((difference - mean) ** 2).sum(0)).sum() / areas
    objective = joint(window, double, weights(chroma=5.0), fidelity)
    assert value(objective, elsewhere, "chroma") == pytest.approx(expected, rel=1e-9)


def test_the_guidance_is_taken_as_given(window, double, noise):
    guidance = noise(1, 3, 24, 32, seed=8).double()
    free = window.support.double()
    problem = Problem(
        window, window.target, guidance, FidelityWeights(free, free), weights(gradient=1.0)
    )
    objective, _ = joint_objective([problem], double)
    inside = window.mask[0, 0].numpy() == 1
    squares = (laplacian(pasted(window, window.source)) - guidance[0].numpy()) ** 2
    expected = squares[:, ndimage.binary_dilation(inside)].sum() / (3 * inside.sum())
    assert value(objective, window.source, "gradient") == pytest.approx(expected, rel=1e-9)


def test_total_variation_counts_the_pairs_that_the_mask_touches(window, double, elsewhere):
    objective = joint(window, double, weights(tv=4.0))
    blend, inside = pasted(window, elsewhere)[0].numpy(), window.mask[0, 0].numpy() == 1
    total = 0.0
    for axis in (0, 1):
        steps = np.abs(np.diff(blend, axis=axis + 1))
        first, second = np.delete(inside, -1, axis), np.delete(inside, 0, axis)
        total += steps[:, first | second].sum()
    expected = 4 * total / (3 * inside.sum())
    assert value(objective, elsewhere, "tv") == pytest.approx(expected, rel=1e-9)


def test_windows_beside_the_networks_grid_are_continued_by_their_edge(noise, disc, double):
    window = make_window(noise, disc, height=21, width=27)
    objective = joint(window, double, weights(style=1.0))
    x = window.source + 0.1
    expected = sum(style_by_layer(window, double, x))
    assert value(objective, x, "style") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("soft", [False, True])
def test_the_slope_of_each_term_equals_a_central_difference(name, soft, noise, disc, double):
    window = make_window(noise, disc, soft=soft)
    objective = joint(window, double, weights(**{name: 1.0}))
    x = (window.source + 0.2 * (noise(1, 3, 24, 32, seed=3).double() - 0.5)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(objective(x)[name], x)
    # Uphill on the whole, so that the sum does not cancel, with something of every other way.
    direction = gradient.sign() + noise(1, 3, 24, 32, seed=4).double() - 0.5
    step = 1e-6
    with torch.no_grad():
        ahead, behind = (objective(x + sign * step * direction)[name] for sign in (1, -1))
    expected = (ahead - behind).item() / (2 * step)
    # Kinks of ReLU, pooling and absolute values between the two points cost some digits.
    assert (gradient * direction).sum().item() == pytest.approx(expected, rel=1e-4)


def test_pixels_outside_the_mask_have_no_slope(window, double, elsewhere):
    x = elsewhere.requires_grad_(True)
    total = sum(joint(window, double, EVERY)(x).values())
    (gradient,) = torch.autograd.grad(total, x)
    outside = (window.mask == 0).expand_as(gradient)
    assert (gradient[outside] == 0).all()
    assert (gradient[~outside] != 0).any()


def test_a_soft_mask_composites_the_guess_over_the_background(noise, disc, double):
    window = make_window(noise, disc, soft=True)
    objective = joint(window, double, weights(luminance=1.0))
    x = window.source + 0.1
    expected = (0.1 * window.mask).square().sum().item() / window.support.sum().item()
    assert value(objective, x, "luminance") == pytest.approx(expected, rel=1e-9)


@pytest.fixture
def problem_of(noise, disc):
    """problem_of(row, weights, ...): one of its own source, fidelity and guidance."""

    def make(row, weights, target=50, radius=8, size=(24, 32)):
        mask = disc(*size, radius).double() * (0.5 + 0.5 * noise(1, 1, *size, seed=30).double())
        source, behind = (noise(1, 3, *size, seed=n).double() for n in (row, target))
        window = Window(source, mask, torch.ones_like(mask), behind, Box(0, 0, *size))
        free = window.support.double()
        fidelity = FidelityWeights(
            *(free * noise(1, 1, *size, seed=60 + n + row).double() for n in (0, 9)), 1.5
        )
        guidance = guidance_field(source, window.source_valid, behind, window.support)
        return Problem(window, behind, guidance, fidelity, weights)

    return make


@pytest.fixture
def points(noise):
    return noise(3, 3, 24, 32, seed=40).double()


def run(problems, network, x, **options):
    """Terms and the slope of their sum."""
    leaf = x.clone().requires_grad_()
    objective, _ = joint_objective(problems, network, **options)
    terms = objective(leaf)
    total = sum(term.sum() for term in terms.values())
    return {n: t.detach() for n, t in terms.items()}, torch.autograd.grad(total, leaf)[0]


CASES = {
    "one target and mask": ((50, 50, 50), (8, 8, 8)),
    "targets differ": ((50, 51, 52), (8, 8, 8)),
    "masks differ": ((50, 50, 50), (8, 5, 10)),
    "both differ": ((50, 51, 50), (4, 8, 8)),
}


@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize(("targets", "radii"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("weights", [(EVERY,) * 3, UNLIKE], ids=["alike", "unlike"])
def test_each_rows_terms_and_slopes_are_those_alone(
    weights, targets, radii, tile, problem_of, double, points
):
    given = zip(weights, targets, radii, strict=True)
    problems = [problem_of(row, *rest) for row, rest in enumerate(given)]
    terms, slopes = run(problems, double, points, tile=tile)
    for row, problem in enumerate(problems):
        one = slice(row, row + 1)
        alone, slope = run([problem], double, points[one], tile=tile)
        for name, value in terms.items():
            expected = alone.get(name, torch.zeros(1).double())
            torch.testing.assert_close(value[one], expected, **EXACT)
        assert {n for n, v in terms.items() if v[row]} == set(alone)
        torch.testing.assert_close(
            slopes[one], slope, rtol=1e-9, atol=1e-9 * slope.abs().max().item()
        )


def test_styles_of_their_own_go_with_their_rows(problem_of, double, points, noise):
    grams = joint_objective([problem_of(0, EVERY)], double)[1].whole
    styles = [{n: (row + 2) * g for n, g in grams.items()} for row in range(3)]
    problems = [replace(problem_of(row, EVERY), style=styles[row]) for row in range(3)]
    terms, _ = run(problems, double, points)
    assert len(set(terms["style"].tolist())) == 3
    for row, problem in enumerate(problems):
        alone, _ = run([problem], double, points[row : row + 1])
        torch.testing.assert_close(terms["style"][row : row + 1], alone["style"], **EXACT)


@pytest.mark.parametrize("size", [(24, 168), (21, 157)], ids=["on the grid", "beside it"])
@pytest.mark.parametrize("tile", [24, 64])
def test_in_tiles_every_term_and_slope_is_the_same(tile, size, problem_of, double, noise):
    problem = problem_of(1, EVERY, size=size)
    x = noise(1, 3, *size, seed=41).double()
    (terms, slope), (expected, expected_slope) = (
        run([problem], double, x, tile=side) for side in (tile, None)
    )
    assert set(terms) == set(TERMS)
    for name, value in terms.items():
        assert value > 0
        torch.testing.assert_close(value, expected[name], **EXACT)
    size_of_it = expected_slope.abs().max().item()
    torch.testing.assert_close(slope, expected_slope, rtol=1e-9, atol=1e-9 * size_of_it)


# What stays for the next objective.


def test_the_context_is_given_back_where_the_network_was_needed(problem_of, double):
    _, context = joint_objective([problem_of(0, EVERY)], double)
    assert torch.equal(context.target, problem_of(0, EVERY).window.target)
    assert context.target_maps  # of the histogram
    assert joint_objective([problem_of(0, PIXELS_ONLY)], double)[1] is None
    mixed = [problem_of(0, PIXELS_ONLY), problem_of(0, STYLED)]
    assert joint_objective(mixed, double)[1] is not None


def test_pixel_terms_alone_run_no_network(problem_of, points, monkeypatch):
    def never(network, image):
        raise AssertionError("the network was run")

    monkeypatch.setattr(Features, "normalised", never)
    objective, context = joint_objective([problem_of(0, PIXELS_ONLY)], Features)
    assert set(objective(points[:1])) == {"gradient", "luminance", "chroma", "tv"}
    assert context is None


@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize("weights", [STYLED, EVERY], ids=["without maps", "with maps"])
def test_a_context_is_taken_again_for_equal_problems_whatever_their_sources(
    weights, tile, problem_of, double
):
    _, context = joint_objective([problem_of(0, weights)], double, tile=tile)
    # Of other sources, fidelity and guidance; one or several.
    assert reusable_context(context, [problem_of(1, weights)], tile) is context
    three = [problem_of(row, weights) for row in range(3)]
    assert reusable_context(context, three, tile) is context


def changed_problem(problem, **parts):
    """With another window or background, the rest as it was."""
    background = parts.pop("background", problem.background)
    return replace(problem, window=replace(problem.window, **parts), background=background)


def with_a_pixel_changed(tensor, row, column):
    tensor = tensor.clone()
    tensor[..., row, column] = 1 - tensor[..., row, column]
    return tensor


def test_a_context_is_not_taken_where_a_pixel_of_the_target_differs(problem_of, double):
    problem = problem_of(0, STYLED)
    _, context = joint_objective([problem], double)
    # Under the object, too: its features reach the surroundings'.
    for row, column in ((0, 0), (12, 16)):
        target = with_a_pixel_changed(problem.window.target, row, column)
        other = changed_problem(problem, target=target, background=target)
        assert reusable_context(context, [other], None) is None


def test_a_context_is_not_taken_where_the_support_differs_and_is_where_its_softness_does(
    problem_of, double
):
    problem = problem_of(0, STYLED)
    _, context = joint_objective([problem], double)
    grown = problem.window.mask.clone()
    grown[..., 0, 0] = 1
    assert reusable_context(context, [changed_problem(problem, mask=grown)], None) is None
    hard = problem.window.support.double()
    assert reusable_context(context, [changed_problem(problem, mask=hard)], None) is context


@pytest.mark.parametrize(("first", "then"), [(None, 64), (64, None), (64, 32)])
def test_a_context_is_not_taken_where_the_tiles_differ(first, then, problem_of, double):
    problems = [problem_of(0, STYLED)]
    _, context = joint_objective(problems, double, tile=first)
    assert reusable_context(context, problems, then) is None
    assert reusable_context(context, problems, first) is context


def test_a_context_is_not_taken_where_the_histogram_term_comes_or_goes(problem_of, double):
    without, with_it = (
        [problem_of(0, weights(style=1.0, histogram=histogram))] for histogram in (0.0, 1.0)
    )
    for first, then in ((without, with_it), (with_it, without)):
        _, context = joint_objective(first, double)
        assert reusable_context(context, then, None) is None
        assert reusable_context(context, first, None) is context


def test_a_context_is_not_taken_where_the_background_is_not_the_target(problem_of, double):
    problem = problem_of(0, STYLED)
    _, context = joint_objective([problem], double)
    beyond = with_a_pixel_changed(problem.background, 0, 0)
    other = changed_problem(problem, background=beyond)
    assert reusable_context(context, [other], None) is None
    # A context of such a background is for none but that objective.
    _, own = joint_objective([other], double)
    assert reusable_context(own, [problem], None) is None


def test_a_context_is_not_taken_where_pictures_differ_from_each_other(problem_of, double):
    problem, other = problem_of(0, STYLED), problem_of(1, STYLED, target=51)
    _, context = joint_objective([problem], double)
    assert reusable_context(context, [problem, other], None) is None
    _, both = joint_objective([problem, other], double)
    assert reusable_context(both, [problem, other], None) is both
    assert reusable_context(both, [problem], None) is None
    assert reusable_context(both, [other, problem], None) is None


def test_no_context_is_taken_where_there_is_none_or_none_is_needed(problem_of, double):
    _, context = joint_objective([problem_of(0, STYLED)], double)
    assert reusable_context(None, [problem_of(0, STYLED)], None) is None
    assert reusable_context(context, [problem_of(0, PIXELS_ONLY)], None) is None


@pytest.mark.parametrize("tile", [None, 64])
def test_an_objective_on_a_context_taken_again_is_as_if_it_were_its_own(
    tile, problem_of, double, points
):
    _, context = joint_objective([problem_of(0, EVERY)], double, tile=tile)
    problems = [problem_of(1, EVERY), problem_of(2, EVERY)]
    again = reusable_context(context, problems, tile)
    found, slope = run(problems, double, points[:2], tile=tile, context=again)
    expected, expected_slope = run(problems, double, points[:2], tile=tile)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, **EXACT)
    torch.testing.assert_close(slope, expected_slope, **EXACT)
    assert joint_objective(problems, double, tile=tile, context=again)[1] is context

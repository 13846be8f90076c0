"""The joint objective: terms by hand, slopes by differences, metric by dense matrices."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import linalg, ndimage

from blending.deep.fidelity import FidelityWeights
from blending.deep.objective import Problem, joint_objective, spectral_preconditioner
from blending.placement.window import Window
from blending.poisson.guidance import guidance_field
from blending.settings import Weights

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
STRIDES = dict(zip(LAYERS, (1, 2, 4, 8), strict=True))
STYLE_FLOOR, STRANGE, VISIBLE_SHARE = 0.02, 2.0, 0.25  # as documented in the module
TERMS = ("gradient", "content", "style", "luminance", "chroma", "histogram", "tv")
EVERY = Weights(**dict.fromkeys(TERMS, 1.0))


def weights(**given):
    return Weights(**(dict.fromkeys(TERMS, 0.0) | given))


def joint(window, network, weights, hold=None):
    """The objective over the target, with imported gradients, held evenly unless told."""
    free = window.support.to(window.source)
    guidance = guidance_field(window.source, window.source_valid, window.target, window.support)
    hold = hold or FidelityWeights(free, free)
    problem = Problem(window, window.target, guidance, hold, weights)
    return joint_objective([problem], network)[0]


def metric_of(window, weights, texture=0.0):
    hold = FidelityWeights(window.mask, window.mask, texture)
    return spectral_preconditioner([Problem(window, window.target, window.target, hold, weights)])


def make_window(noise, disc, height=24, width=32, soft=False):
    mask = disc(height, width, 8).double()
    if soft:
        mask = mask * (0.5 + 0.5 * noise(1, 1, height, width, seed=5).double())
    source = noise(1, 3, height, width, seed=1).double()
    target = noise(1, 3, height, width, seed=2).double()
    return Window(source, mask, torch.ones_like(mask), target, (0, 0, height, width))


@pytest.fixture
def window(noise, disc):
    return make_window(noise, disc)


@pytest.fixture
def double(network):
    return network.double()


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


def gram(taps):
    flat = taps[0].flatten(1).numpy()
    return flat @ flat.T / flat.size


def wanted_gram(taps, mask, layer, share):
    """A share from the pixels that the object leaves wholly visible, the rest from all."""
    blocks = mask[0, 0].numpy() > 0
    side = STRIDES[layer]
    for axis in (0, 1):
        blocks = np.logical_or.reduceat(blocks, np.arange(0, blocks.shape[axis], side), axis)
    visible = taps[0].numpy()[:, ~blocks]
    assert visible.size
    part = visible @ visible.T / visible.size
    return share * part + (1 - share) * gram(taps)


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
        wanted = wanted_gram(target[name], mask, name, share)
        distances = [((gram(taps[name]) - wanted) ** 2).mean() for taps in (start, now)]
        own = (wanted**2).mean()
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
    wanted = np.where(inside, laplacian(window.source), laplacian(window.target))
    squares = (laplacian(pasted(window, elsewhere)) - wanted) ** 2
    expected = 5 * squares[:, seen].sum() / (3 * inside.sum())
    assert value(objective, elsewhere, "gradient") == pytest.approx(expected, rel=1e-9)


def test_the_content_term_is_relative_to_the_kept_features(window, double, elsewhere):
    objective = joint(window, double, weights(content=3.0))
    share = F.avg_pool2d(window.mask, 2)
    kept, now = (
        double(pasted(window, x), ("relu2_2",))["relu2_2"] for x in (window.source, elsewhere)
    )
    expected = 3 * (share * (now - kept) ** 2).sum() / (share * kept**2).sum()
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
        pairs = (np.sort(taps[name][0].flatten(1).numpy(), 1) for taps in (now, target))
        return (np.subtract(*pairs) ** 2).mean()

    size = mean_over_layers(lambda n: (target[n].numpy() ** 2).mean())
    expected = 2 * mean_over_layers(distance) / size
    assert value(objective, elsewhere, "histogram") == pytest.approx(expected, rel=1e-9)


def test_lightness_and_chroma_are_held_each_where_its_hold_says(window, double, elsewhere, noise):
    light, colours = (window.mask * noise(1, 1, 24, 32, seed=s).double() for s in (6, 7))
    hold = FidelityWeights(light, colours)
    difference = (elsewhere - window.source)[0].numpy()
    mean = difference.mean(0)  # of a pixel's channels; what is left is chroma
    areas = 3 * window.mask.sum().item()
    for texture in (0.0, 2.0):
        seen = np.sqrt(3 * light[0, 0].numpy()) * mean
        seen = ndimage.gaussian_filter(seen, texture, mode="nearest", radius=6) if texture else seen
        objective = joint(window, double, weights(luminance=7.0), replace(hold, texture=texture))
        expected = 7 * (seen**2).sum() / areas
        assert value(objective, elsewhere, "luminance") == pytest.approx(expected, rel=1e-6)
    expected = 5 * (colours[0, 0].numpy() * ((difference - mean) ** 2).sum(0)).sum() / areas
    objective = joint(window, double, weights(chroma=5.0), hold)
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


@pytest.mark.parametrize("texture", [0.0, 1.5])
@pytest.mark.parametrize(
    ("gradient", "luminance", "chroma", "style"), [(2.0, 0, 0, 0), (5.0, 3.0, 40.0, 0.2)]
)
def test_the_metric_is_the_inverse_curvature_where_the_mask_fills_the_window(
    gradient, luminance, chroma, style, texture, noise
):
    height, width = 7, 9  # n + 1 is 8 and 10: the sine transform needs no padding
    ones = torch.ones(1, 1, height, width, dtype=torch.float64)
    picture = noise(1, 3, height, width).double()
    window = Window(picture, ones, ones, picture, (0, 0, height, width))

    def second_difference(n):
        return 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)

    stencil = np.kron(second_difference(height), np.eye(width))
    stencil += np.kron(np.eye(height), second_difference(width))
    size = height * width
    smooth = gradient * stencil @ stencil + 40 * style * np.eye(size)
    tones = linalg.expm(
        -(texture**2) * stencil
    )  # a Gaussian, twice: by the difference and its slope
    # Lightness is the channels' mean: one equation of all three, coupled by a 3 x 3 matrix.
    lightness = np.ones((3, 3)) / 3
    curvature = np.kron(np.eye(3), smooth) + np.kron(luminance * lightness, tones)
    curvature += np.kron(chroma * (np.eye(3) - lightness), np.eye(size))
    slope = noise(1, 3, height, width, seed=1).double()
    expected = np.linalg.solve(curvature, slope.flatten().numpy()).reshape(3, size)
    expected *= 3 * size / 2
    given = weights(gradient=gradient, luminance=luminance, chroma=chroma, style=style)
    metric = metric_of(window, given, texture)
    assert np.allclose(metric(slope).view(3, size), expected, rtol=1e-9, atol=1e-12)


def test_the_metric_is_symmetric_positive_and_blind_outside_the_mask(window, noise):
    metric = metric_of(window, weights(gradient=10.0, luminance=1.0, chroma=9.0))
    a, b = (noise(1, 3, 24, 32, seed=seed).double() - 0.5 for seed in (8, 9))
    assert (a * metric(b)).sum().item() == pytest.approx((b * metric(a)).sum().item(), rel=1e-9)
    assert (a * metric(a)).sum() > 0
    outside = (window.mask == 0).expand_as(a)
    assert (metric(a)[outside] == 0).all()
    assert torch.equal(metric(a), metric(torch.where(outside, 0, a)))


def test_without_a_gradient_term_there_is_no_metric(window):
    assert metric_of(window, weights(style=1.0)) is None

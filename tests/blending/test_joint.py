"""The joint objective: terms by hand, slopes by differences, metric by dense matrices."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from blending.joint import gradient_metric, interior, joint_objective
from blending.settings import Weights
from blending.window import Scene

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
STYLE_FLOOR = 0.02  # as documented in the module


def weights(**given):
    return Weights(**({"gradient": 0.0, "content": 0.0, "style": 0.0, "colour": 0.0} | given))


def make_scene(noise, disc, height=24, width=32, soft=False):
    mask = disc(height, width, 8).double()
    if soft:
        mask = mask * (0.5 + 0.5 * noise(1, 1, height, width, seed=5).double())
    source = noise(1, 3, height, width, seed=1).double()
    target = noise(1, 3, height, width, seed=2).double()
    return Scene(source, mask, torch.ones_like(mask), target, (0, 0, height, width))


@pytest.fixture
def scene(noise, disc):
    return make_scene(noise, disc)


@pytest.fixture
def double(network):
    return network.double()


@pytest.fixture
def elsewhere(scene, noise):
    """A point that is not the start."""
    return scene.source + 0.2 * (noise(1, 3, 24, 32, seed=3).double() - 0.5)


def value(objective, x, name):
    terms = objective(x)
    assert list(terms) == [name]
    return terms[name].item()


def laplacian(picture):
    """Of (1, 3, H, W), as an array; neighbours beyond the frame drop out."""
    return np.stack([-ndimage.laplace(plane, mode="nearest") for plane in picture[0].numpy()])


def pasted(scene, x):
    return scene.mask * x + (1 - scene.mask) * scene.target


def gram(taps):
    flat = taps[0].flatten(1).numpy()
    return flat @ flat.T / flat.size


def mean_over_layers(figure):
    return sum(figure(name) for name in LAYERS) / len(LAYERS)


@pytest.mark.parametrize("soft", [False, True])
def test_content_and_colour_are_zero_at_the_paste(soft, noise, disc, double):
    scene = make_scene(noise, disc, soft=soft)
    every = Weights(gradient=1.0, content=1.0, style=1.0, colour=1.0, histogram=1.0, tv=1.0)
    terms = joint_objective(scene, scene.target, double, every, rim=0)(scene.source)
    assert terms["content"] == 0
    assert terms["colour"] == 0
    for name in ("gradient", "style", "histogram", "tv"):
        assert terms[name] > 0


def test_a_term_without_weight_is_not_run(scene, double):
    objective = joint_objective(scene, scene.target, double, weights(colour=1.0, tv=2.0), rim=0)
    assert set(objective(scene.source)) == {"colour", "tv"}


def test_the_gradient_term_sums_squared_residuals_over_mask_and_ring_per_masked_sample(
    scene, double, elsewhere
):
    objective = joint_objective(scene, scene.target, double, weights(gradient=5.0), rim=0)
    inside = scene.mask[0, 0].numpy() == 1
    seen = ndimage.binary_dilation(inside)  # by the stencil's cross
    wanted = np.where(inside, laplacian(scene.source), laplacian(scene.target))
    squares = (laplacian(pasted(scene, elsewhere)) - wanted) ** 2
    expected = 5 * squares[:, seen].sum() / (3 * inside.sum())
    assert value(objective, elsewhere, "gradient") == pytest.approx(expected, rel=1e-9)


def test_the_content_term_is_relative_to_the_kept_features(scene, double, elsewhere):
    objective = joint_objective(scene, scene.target, double, weights(content=3.0), rim=0)
    share = F.avg_pool2d(scene.mask, 2)
    kept, now = (
        double(pasted(scene, x), ("relu2_2",))["relu2_2"] for x in (scene.source, elsewhere)
    )
    expected = 3 * (share * (now - kept) ** 2).sum() / (share * kept**2).sum()
    assert value(objective, elsewhere, "content") == pytest.approx(expected.item(), rel=1e-9)


def test_the_style_term_is_relative_to_its_start_and_a_floor(scene, double, elsewhere):
    objective = joint_objective(scene, scene.target, double, weights(style=2.0), rim=0)
    target, start, now = (
        double(x, LAYERS)
        for x in (scene.target, pasted(scene, scene.source), pasted(scene, elsewhere))
    )

    def distance(taps):
        return mean_over_layers(lambda n: ((gram(taps[n]) - gram(target[n])) ** 2).mean())

    size = mean_over_layers(lambda n: (gram(target[n]) ** 2).mean())
    scale = distance(start) + STYLE_FLOOR * size
    expected = 2 * distance(now) / scale
    assert value(objective, elsewhere, "style") == pytest.approx(expected, rel=1e-9)
    at_start = 2 * distance(start) / scale
    assert value(objective, scene.source, "style") == pytest.approx(at_start, rel=1e-9)


def test_the_histogram_term_is_relative_to_the_targets_features(scene, double, elsewhere):
    objective = joint_objective(scene, scene.target, double, weights(histogram=2.0), rim=0)
    target, now = (double(x, LAYERS) for x in (scene.target, pasted(scene, elsewhere)))

    def distance(name):
        # The nearest picture with the target's values has them in the same order: sorted pairs.
        pairs = (np.sort(taps[name][0].flatten(1).numpy(), 1) for taps in (now, target))
        return (np.subtract(*pairs) ** 2).mean()

    size = mean_over_layers(lambda n: (target[n].numpy() ** 2).mean())
    expected = 2 * mean_over_layers(distance) / size
    assert value(objective, elsewhere, "histogram") == pytest.approx(expected, rel=1e-9)


def test_the_colour_term_holds_the_source_where_the_interior_says(scene, double, elsewhere):
    held = interior(scene.support, 4)[0, 0].double().numpy()
    objective = joint_objective(scene, scene.target, double, weights(colour=7.0), rim=4)
    squares = (held * (elsewhere - scene.source)[0].numpy() ** 2).sum()
    expected = 7 * squares / (3 * scene.mask.sum().item())
    assert value(objective, elsewhere, "colour") == pytest.approx(expected, rel=1e-6)


def test_total_variation_counts_the_pairs_that_the_mask_touches(scene, double, elsewhere):
    objective = joint_objective(scene, scene.target, double, weights(tv=4.0), rim=0)
    blend, inside = pasted(scene, elsewhere)[0].numpy(), scene.mask[0, 0].numpy() == 1
    total = 0.0
    for axis in (0, 1):
        steps = np.abs(np.diff(blend, axis=axis + 1))
        first, second = np.delete(inside, -1, axis), np.delete(inside, 0, axis)
        total += steps[:, first | second].sum()
    expected = 4 * total / (3 * inside.sum())
    assert value(objective, elsewhere, "tv") == pytest.approx(expected, rel=1e-9)


def test_windows_beside_the_networks_grid_are_continued_by_their_edge(noise, disc, double):
    scene = make_scene(noise, disc, height=21, width=27)
    objective = joint_objective(scene, scene.target, double, weights(style=1.0), rim=0)
    x = scene.source + 0.1

    def grams(picture):
        whole = np.pad(picture.numpy(), ((0, 0), (0, 0), (0, 3), (0, 5)), mode="edge")
        return {name: gram(taps) for name, taps in double(torch.from_numpy(whole), LAYERS).items()}

    target, start, now = (
        grams(picture) for picture in (scene.target, pasted(scene, scene.source), pasted(scene, x))
    )

    def distance(found):
        return mean_over_layers(lambda n: ((found[n] - target[n]) ** 2).mean())

    floor = STYLE_FLOOR * mean_over_layers(lambda n: (target[n] ** 2).mean())
    expected = distance(now) / (distance(start) + floor)
    assert value(objective, x, "style") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["gradient", "content", "style", "colour", "histogram", "tv"])
@pytest.mark.parametrize("soft", [False, True])
def test_the_slope_of_each_term_equals_a_central_difference(name, soft, noise, disc, double):
    scene = make_scene(noise, disc, soft=soft)
    objective = joint_objective(scene, scene.target, double, weights(**{name: 1.0}), rim=3)
    x = (scene.source + 0.2 * (noise(1, 3, 24, 32, seed=3).double() - 0.5)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(objective(x)[name], x)
    # Uphill on the whole, so that the sum does not cancel, with something of every other way.
    direction = gradient.sign() + noise(1, 3, 24, 32, seed=4).double() - 0.5
    step = 1e-6
    with torch.no_grad():
        ahead, behind = (objective(x + sign * step * direction)[name] for sign in (1, -1))
    expected = (ahead - behind).item() / (2 * step)
    # Kinks of ReLU, pooling and absolute values between the two points cost some digits.
    assert (gradient * direction).sum().item() == pytest.approx(expected, rel=1e-4)


def test_pixels_outside_the_mask_have_no_slope(scene, double, elsewhere):
    every = Weights(gradient=1.0, content=1.0, style=1.0, colour=1.0, histogram=1.0, tv=1.0)
    x = elsewhere.requires_grad_(True)
    total = sum(joint_objective(scene, scene.target, double, every, rim=0)(x).values())
    (gradient,) = torch.autograd.grad(total, x)
    outside = (scene.mask == 0).expand_as(gradient)
    assert (gradient[outside] == 0).all()
    assert (gradient[~outside] != 0).any()


def test_a_soft_mask_composites_the_guess_over_the_background(noise, disc, double):
    scene = make_scene(noise, disc, soft=True)
    objective = joint_objective(scene, scene.target, double, weights(colour=1.0), rim=0)
    x = scene.source + 0.1
    expected = (0.1 * scene.mask).square().sum().item() / scene.support.sum().item()
    assert value(objective, x, "colour") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("gradient", "colour"), [(2.0, 0.0), (5.0, 3.0)])
def test_the_metric_is_the_inverse_curvature_where_the_mask_fills_the_window(
    gradient, colour, noise
):
    height, width = 7, 9  # n + 1 is 8 and 10: the sine transform needs no padding
    ones = torch.ones(1, 1, height, width, dtype=torch.float64)
    picture = noise(1, 3, height, width).double()
    scene = Scene(picture, ones, ones, picture, (0, 0, height, width))

    def second_difference(n):
        return 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)

    stencil = np.kron(second_difference(height), np.eye(width))
    stencil += np.kron(np.eye(height), second_difference(width))
    size = height * width
    curvature = stencil @ stencil + (colour / gradient + 0.1) * np.eye(size)
    slope = noise(1, 3, height, width, seed=1).double()
    expected = np.linalg.solve(curvature, slope.view(3, size).numpy().T).T
    expected *= 3 * size / (2 * gradient)
    metric = gradient_metric(scene, weights(gradient=gradient, colour=colour))
    assert np.allclose(metric(slope).view(3, size), expected, rtol=1e-9, atol=1e-12)


def test_the_metric_is_symmetric_positive_and_blind_outside_the_mask(scene, noise):
    metric = gradient_metric(scene, weights(gradient=10.0, colour=1.0))
    a, b = (noise(1, 3, 24, 32, seed=seed).double() - 0.5 for seed in (8, 9))
    assert (a * metric(b)).sum().item() == pytest.approx((b * metric(a)).sum().item(), rel=1e-9)
    assert (a * metric(a)).sum() > 0
    outside = (scene.mask == 0).expand_as(a)
    assert (metric(a)[outside] == 0).all()
    assert torch.equal(metric(a), metric(torch.where(outside, 0, a)))


def test_without_a_gradient_term_there_is_no_metric(scene):
    assert gradient_metric(scene, weights(style=1.0)) is None


def test_without_a_rim_the_interior_is_the_support(disc):
    support = disc(20, 24, 7) > 0
    assert torch.equal(interior(support, 0), support.float())


@pytest.mark.parametrize("rim", [2, 5, 16])
def test_the_interior_rises_from_a_straight_edge_as_the_error_function(rim):
    support = torch.zeros(1, 1, 10, 120, dtype=torch.bool)
    support[..., 60:] = True
    found = interior(support, rim)
    assert (found[..., :60] == 0).all()
    for offset in range(60):
        expected = math.erf((offset + 0.5) / rim / math.sqrt(2))
        # A sum over pixels instead of an integral, and the Gaussian cut at 3 sigma (0.3 %)
        allowed = 0.006 + 0.49 / (24 * rim**2)
        assert found[0, 0, 5, 60 + offset].item() == pytest.approx(expected, abs=allowed)


def test_the_frame_is_no_edge_of_the_interior():
    full = torch.ones(1, 1, 9, 13, dtype=torch.bool)
    torch.testing.assert_close(interior(full, 16), full.float(), rtol=0, atol=1e-5)

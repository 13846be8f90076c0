"""The joint objective of several problems, and in tiles: for each what it is alone and at once."""

from dataclasses import fields, replace

import pytest
import torch

from blending.deep.fidelity import FidelityWeights
from blending.deep.objective import Problem, joint_objective, spectral_preconditioner
from blending.placement.window import Window
from blending.poisson.guidance import guidance_field
from blending.settings import Weights

TERMS = tuple(field.name for field in fields(Weights))
EVERY = Weights(**dict.fromkeys(TERMS, 1.0))
# By row; content is wanted by the first two only, total variation by the last.
UNLIKE = (
    Weights(2000.0, 1.0, 4.0, 80.0, 1400.0, 0.5, 0.0),
    Weights(15.0, 1.2, 0.0, 150.0, 300.0, 2.0, 0.0),
    Weights(700.0, 0.0, 9.0, 0.0, 3.0, 0.0, 0.25),
)
EXACT = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture
def double(network):
    return network.double()


@pytest.fixture
def problem_of(noise, disc):
    """problem_of(row, weights, ...): one of its own source, hold and guidance."""

    def make(row, weights, target=50, radius=8, size=(24, 32)):
        mask = disc(*size, radius).double() * (0.5 + 0.5 * noise(1, 1, *size, seed=30).double())
        source, behind = (noise(1, 3, *size, seed=n).double() for n in (row, target))
        window = Window(source, mask, torch.ones_like(mask), behind, (0, 0, *size))
        free = window.support.double()
        hold = FidelityWeights(
            *(free * noise(1, 1, *size, seed=60 + n + row).double() for n in (0, 9)), 1.5
        )
        guidance = guidance_field(source, window.source_valid, behind, window.support)
        return Problem(window, behind, guidance, hold, weights)

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


@pytest.mark.parametrize("weights", [(EVERY,) * 3, UNLIKE], ids=["alike", "unlike"])
def test_each_rows_metric_is_that_alone(weights, problem_of, points):
    radii = (8, 5, 10)
    problems = [
        problem_of(row, w, radius=r) for row, (w, r) in enumerate(zip(weights, radii, strict=True))
    ]
    together = spectral_preconditioner(problems)(points)
    for row, problem in enumerate(problems):
        one = slice(row, row + 1)
        torch.testing.assert_close(
            together[one], spectral_preconditioner([problem])(points[one]), **EXACT
        )
        assert together[one].abs().max() > 0


@pytest.mark.parametrize("size", [(24, 168), (21, 157)], ids=["on the grid", "beside it"])
@pytest.mark.parametrize("tile", [24, 64])
def test_in_tiles_every_term_and_slope_is_the_same(tile, size, problem_of, double, noise):
    problem = problem_of(1, EVERY, size=size)
    x = noise(1, 3, *size, seed=41).double()
    (terms, slope), (expected, wanted) = (
        run([problem], double, x, tile=side) for side in (tile, None)
    )
    assert set(terms) == set(TERMS)
    for name, value in terms.items():
        assert value > 0
        torch.testing.assert_close(value, expected[name], **EXACT)
    torch.testing.assert_close(slope, wanted, rtol=1e-9, atol=1e-9 * wanted.abs().max().item())

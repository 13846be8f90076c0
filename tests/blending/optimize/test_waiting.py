"""The inner loop asks nothing back from the device; what it finds is at least torch's own."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from blending.deep.fidelity import FidelityWeights
from blending.deep.objective import Problem, joint_objective, spectral_preconditioner
from blending.optimize.line_search import Search
from blending.optimize.minimize import minimize
from blending.placement.window import Window
from blending.poisson.guidance import guidance_field
from blending.settings import Weights

EVERY = Weights(histogram=0.1, tv=0.1)


class NoAnswers(TorchDispatchMode):
    """Fails where the host asks the device for a value, or for a size that depends on values."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        assert name not in self.FORBIDDEN, name
        if name in ("index", "index_put", "index_put_"):
            assert not any(i is not None and i.dtype == torch.bool for i in args[1]), name
        return function(*args, **(kwargs or {}))


@pytest.fixture
def problems(noise, disc):
    """Two pictures, one with a soft mask."""
    made = []
    for seed in (1, 2):
        mask = disc(24, 32, 8).double()
        mask = mask * (0.5 + 0.5 * noise(1, 1, 24, 32, seed=9).double()) if seed == 2 else mask
        source, target = (noise(1, 3, 24, 32, seed=seed + s).double() for s in (0, 10))
        window = Window(source, mask, torch.ones_like(mask), target, (0, 0, 24, 32))
        guidance = guidance_field(source, window.source_valid, target, window.support)
        hold = FidelityWeights(window.support.double(), window.support.double(), 1.5)
        made.append(Problem(window, target, guidance, hold, EVERY))
    return made


@pytest.mark.parametrize("tile", [None, 16])
def test_an_evaluation_and_a_step_wait_for_nothing(tile, problems, network):
    objective, _ = joint_objective(problems, network.double(), tile=tile)
    x0 = torch.cat([problem.window.source for problem in problems])
    search = Search(x0, 3, 1e-5, spectral_preconditioner(problems))
    objective(x0)  # sorts for the histogram, once
    for _ in range(5):
        with NoAnswers():
            leaf = search.trial.clone().requires_grad_()
            values = torch.stack(list(objective(leaf).values())).sum(0)
            (gradient,) = torch.autograd.grad(values.sum(), leaf)
            search.take(values.detach(), gradient.flatten(1))


@pytest.mark.parametrize("ask", [lambda x: x.sum().item(), lambda x: x[x > 0], bool])
def test_that_would_be_noticed(ask):
    with pytest.raises(AssertionError), NoAnswers():
        ask(torch.ones(1))


def test_torchs_own_finds_nothing_better_in_as_many_evaluations(problems, network):
    problem, budget = problems[0], 25
    objective, _ = joint_objective([problem], network.double())
    (ours,) = minimize(
        objective,
        problem.window.source,
        max_evaluations=budget,
        precondition=spectral_preconditioner([problem]),
    )
    x, values = problem.window.source.clone().requires_grad_(), []
    theirs = torch.optim.LBFGS([x], max_iter=budget, max_eval=budget, line_search_fn="strong_wolfe")

    def closure():
        theirs.zero_grad()
        value = torch.stack(list(objective(x).values())).sum()
        value.backward()
        values.append(value.item())
        return value

    theirs.step(closure)
    assert sum(ours.terms.values()) < min(values[:budget])
    assert ours.evaluations <= budget

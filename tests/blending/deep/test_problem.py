"""What one picture asks of the objective: it cannot be changed, and needs no style of its own."""

from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch

from blending.deep.fidelity import FidelityWeights
from blending.deep.objective import joint_objective
from blending.deep.problem import Problem
from blending.placement.box import Box
from blending.placement.window import Window
from blending.settings import Weights


@pytest.fixture
def problem(noise, disc):
    source, target = (noise(1, 3, 16, 24, seed=seed).double() for seed in (1, 2))
    mask = disc(16, 24, 5).double()
    window = Window(source, mask, torch.ones_like(mask), target, Box(0, 0, 16, 24))
    weights = Weights(0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    return Problem(window, target, target, FidelityWeights(mask, mask), weights)


def test_it_cannot_be_changed(problem):
    for field in fields(problem):
        with pytest.raises(FrozenInstanceError):
            setattr(problem, field.name, None)


def test_without_a_style_of_its_own_it_wants_the_targets(problem, network):
    # The weights of style: 1 at a start that is far from both; nothing where it has the style.
    network = network.double()
    objective, context = joint_objective([problem], network)
    others = {name: 3 * gram for name, gram in context.whole.items()}
    at_target = objective(problem.window.target)["style"].item()
    at_source = objective(problem.window.source)["style"].item()
    assert at_target < 0.2 * at_source
    other, _ = joint_objective([replace(problem, style=others)], network)
    assert other(problem.window.target)["style"].item() > 5 * at_target

"""The sum of terms: what is run, how often, and its gradient."""

import dataclasses

import pytest
import torch

from blending.deep.objective import Objective, Term, Views


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
    "record", [Views(X, {}), Term("a", 1.0, mean_colour), Objective(views_of, ())]
)
def test_the_records_are_frozen(record):
    name = dataclasses.fields(record)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, None)

"""A sum of weighted terms for each picture of a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Views:
    """What the terms read: the composites, (N, 3, H, W) in [0, 1], and what a network sees."""

    composite: Tensor
    features: Any


@dataclass(frozen=True)
class Term:
    """One summand: `weight` >= 0 times `loss`, whose targets were bound when it was built.

    The loss gives (N,), a value for each picture; the weight is one for all, or (N,).
    """

    name: str
    weight: Tensor | float
    loss: Callable[[Views], Tensor]


@dataclass(frozen=True)
class Objective:
    """Σ weight · loss over the terms; `views` makes what they read, once an evaluation.

    A term whose weight is the number 0 is not run.
    """

    views: Callable[[Tensor], Views]
    terms: tuple[Term, ...]

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Each term's weighted values by name, (N,), differentiable in x, (N, 3, H, W)."""
        views = self.views(x)
        return {
            term.name: term.weight * term.loss(views)
            for term in self.terms
            if isinstance(term.weight, Tensor) or term.weight
        }

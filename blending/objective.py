"""A sum of weighted terms over one picture."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Views:
    """What the terms read: the composite, (1, 3, H, W) in [0, 1], and its features by layer."""

    composite: Tensor
    features: dict[str, Tensor]


@dataclass(frozen=True)
class Term:
    """One summand: `weight` >= 0 times `loss`, whose targets were bound when it was built."""

    name: str
    weight: float
    loss: Callable[[Views], Tensor]


@dataclass(frozen=True)
class Objective:
    """Σ weight · loss over the terms; `views` makes what they read, once an evaluation."""

    views: Callable[[Tensor], Views]
    terms: tuple[Term, ...]

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Each term's weighted scalar by name, differentiable in x; weight 0 is not run."""
        views = self.views(x)
        return {term.name: term.weight * term.loss(views) for term in self.terms if term.weight}

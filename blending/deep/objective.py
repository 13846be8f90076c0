"""The joint objective that both stages minimise: a sum of weighted terms for each picture."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ..image.filters import gaussian_kernel, stencil_region
from ..placement.window import Window, composite
from ..settings import Weights
from .context import FixedContext, serves
from .feature_statistics import FeatureStatistics
from .feature_targets import feature_targets
from .fidelity import FidelityWeights
from .losses import chroma_loss, gradient_loss, luminance_loss, tv_loss
from .vgg16 import Features

FEATURE_TERMS = ("content", "style", "histogram")


@dataclass(frozen=True)
class Views:
    """What the terms read.

    Attributes:
        composite: (N, 3, H, W), in [0, 1].
        features: what the network says of it; None where no term needs the network.
    """

    composite: Tensor
    features: FeatureStatistics | None


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


@dataclass(frozen=True)
class Problem:
    """What one picture asks of the joint objective.

    Attributes:
        window: in the refine stage its source is the picture to refine.
        background: (1, 3, h, w), what x is composited over.
        guidance: (1, 3, h, w), the Laplacian to have.
        fidelity: where the colours are held.
        weights: of the terms.
        style: Gram matrices to match instead of the target's, (1, C, C) of each layer; None: the
            target's.
    """

    window: Window
    background: Tensor
    guidance: Tensor
    fidelity: FidelityWeights
    weights: Weights
    style: dict[str, Tensor] | None = None


def joint_objective(
    problems: Sequence[Problem],
    network: Features,
    *,
    tile: int | None = None,
    context: FixedContext | None = None,
) -> tuple[Objective, FixedContext | None]:
    """The weighted terms of background + mask·(x − background), for pictures of one window size.

    The pasted source (source over background) is the reference of content, luminance and chroma;
    style is the target's in the same window. What does not depend on x is computed here, once.

    Args:
        problems: N, their windows of one size; their fidelity weights of one texture.
        network: where the windows are.
        tile: side of the tiles that the network works in, pixels; None: all at once.
        context: of a previous objective, from `reusable_context`; None: it is made, if a term needs
            the network.

    Returns:
        A function of x, (N, 3, h, w) in [0, 1]; and the context, if a term needed the network.

    Source: Zhang et al. 2020, the loss of either stage. Differs: luminance and chroma terms,
    relative feature terms, areas.
    """
    windows = [problem.window for problem in problems]
    mask = torch.cat([window.mask for window in windows])
    support = torch.cat([window.support for window in windows])
    background = torch.cat([problem.background for problem in problems])
    guidance = torch.cat([problem.guidance for problem in problems])
    reference = _reference(problems)
    area = support.flatten(1).sum(1).to(reference)
    weight = {name: _column(problems, name, reference) for name in asdict(problems[0].weights)}
    targets = None
    if _needs_network(problems):
        targets = feature_targets(
            windows,
            reference,
            network,
            keep_maps=_has_histogram(problems),
            tile=tile,
            style=_styles(problems),
            context=context,
        )

    def views(x: Tensor) -> Views:
        image = composite(background, x, mask)
        return Views(image, targets.statistics(image) if targets else None)

    def pixel_term(name: str, loss: Callable[..., Tensor], *bound: object) -> Term:
        return Term(name, weight[name], lambda v: loss(v.composite, *bound, area))

    def feature_term(name: str, loss: Callable[..., Tensor]) -> Term:
        return Term(name, weight[name], lambda v: loss(v.features))

    luminance = torch.cat([problem.fidelity.luminance for problem in problems])
    chroma = torch.cat([problem.fidelity.chroma for problem in problems])
    terms = [
        pixel_term("gradient", gradient_loss, guidance, stencil_region(support)),
        pixel_term("luminance", luminance_loss, reference, luminance, _texture(problems[0])),
        pixel_term("chroma", chroma_loss, reference, chroma),
        pixel_term("tv", tv_loss, support),
    ]
    if targets:
        terms += [
            feature_term("content", targets.content_loss),
            feature_term("style", targets.style_loss),
            feature_term("histogram", targets.histogram_loss),
        ]
    return Objective(views, tuple(terms)), targets.context if targets else None


def reusable_context(
    context: FixedContext | None, problems: Sequence[Problem], tile: int | None
) -> FixedContext | None:
    """The context of a previous objective if these problems have the same, else None.

    To be asked before the next objective is built, so that the old context, as large as a pass of
    the network over the surroundings, can go before the new one comes.
    """
    if context is None or not _needs_network(problems):
        return None
    windows = [problem.window for problem in problems]
    is_same = serves(context, windows, _reference(problems), _has_histogram(problems), tile)
    return context if is_same else None


def _reference(problems: Sequence[Problem]) -> Tensor:
    """The sources pasted over their backgrounds, (N, 3, h, w)."""
    background = torch.cat([problem.background for problem in problems])
    source = torch.cat([problem.window.source for problem in problems])
    return composite(background, source, torch.cat([problem.window.mask for problem in problems]))


def _needs_network(problems: Sequence[Problem]) -> bool:
    return any(getattr(problem.weights, name) for problem in problems for name in FEATURE_TERMS)


def _has_histogram(problems: Sequence[Problem]) -> bool:
    return any(problem.weights.histogram for problem in problems)


def _column(problems: Sequence[Problem], name: str, like: Tensor) -> Tensor | float:
    """A weight of all problems, (N,); the number 0 where none has it."""
    weights = [getattr(problem.weights, name) for problem in problems]
    return like.new_tensor(weights) if any(weights) else 0.0


def _texture(problem: Problem) -> Tensor | None:
    """The kernel of what is free in lightness; made here, not at each evaluation on the host."""
    sigma = problem.fidelity.texture
    return gaussian_kernel(sigma, math.ceil(3 * sigma), problem.background) if sigma else None


def _styles(problems: Sequence[Problem]) -> dict[str, Tensor] | None:
    styles = [problem.style for problem in problems if problem.style]
    if not styles:
        return None
    return {name: torch.cat([style[name] for style in styles]) for name in styles[0]}

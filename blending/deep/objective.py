"""The joint objective that both stages minimise: a sum of weighted terms for each picture."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..image.filters import gaussian_kernel, stencil_region
from ..network.vgg16 import Features
from ..placement.box import bounding_box, crop
from ..placement.window import composite
from .context import FixedContext, serves
from .feature_statistics import FeatureStatistics, compared_layers
from .feature_targets import FeatureTargets, feature_targets
from .losses import chroma_loss, gradient_loss, luminance_loss, tv_loss
from .problem import Problem

FEATURE_TERMS = ("content", "style", "histogram")
STENCIL = 2  # pixels from the mask that the stencils at its ring read


@dataclass(frozen=True)
class Views:
    """What the terms read of x.

    Attributes:
        composite: (N, 3, H, W), in [0, 1].
        features: statistics of its VGG16 features; None where no term needs the network.
    """

    composite: Tensor
    features: FeatureStatistics | None


@dataclass(frozen=True)
class Term:
    """One summand: `weight` >= 0 times `loss`, which already knows what it compares with.

    Attributes:
        name: of the term, as in `Weights`.
        weight: one for all pictures, or (N,).
        loss: from `Views` to a value for each picture, (N,).
    """

    name: str
    weight: Tensor | float
    loss: Callable[[Views], Tensor]


@dataclass(frozen=True)
class Objective:
    """The sum over the terms of weight · loss.

    A term whose weight is the number 0 is not evaluated.

    Attributes:
        views: from x, (N, 3, H, W), to what the terms read; called once an evaluation.
        terms: the summands.
    """

    views: Callable[[Tensor], Views]
    terms: tuple[Term, ...]

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """The weighted terms at x, (N, 3, H, W): (N,) each by name, differentiable in x."""
        views = self.views(x)
        return {
            term.name: term.weight * term.loss(views)
            for term in self.terms
            if isinstance(term.weight, Tensor) or term.weight
        }


def joint_objective(
    problems: Sequence[Problem],
    network: Features,
    *,
    tile: int | None = None,
    context: FixedContext | None = None,
) -> tuple[Objective, FixedContext | None]:
    """The weighted terms of background + mask·(x − background), for pictures of one window size.

    The reference of content, luminance and chroma is the pasted source (source over background);
    style is the target's in the same window. What does not depend on x is computed here, once.

    Args:
        problems: N, their windows of one size; their fidelity weights of one texture.
        network: on the windows' device.
        tile: side of the tiles that the network works in, pixels, a multiple of 8; None: all at
            once.
        context: of a previous objective, from `reusable_context`; None: it is computed, if a term
            needs the network.

    Returns:
        A function of x, (N, 3, h, w) in [0, 1]; and the context, or None if no term needed the
        network.

    Source: Zhang et al. 2020, the loss of either stage. Differs: luminance and chroma terms,
    relative feature terms, areas.
    """
    mask = torch.cat([problem.window.mask for problem in problems])
    background = torch.cat([problem.background for problem in problems])
    reference = _reference(problems)
    terms, targets = _pixel_terms(problems, reference), None
    if _needs_network(problems):
        targets = feature_targets(
            [problem.window for problem in problems],
            reference,
            network,
            keep_maps=_has_histogram(problems),
            tile=tile,
            style=_styles(problems),
            wanted=_wanted(problems),
            detail=_detail(problems),
            known=_own(problems),
            context=context,
        )
        terms += _feature_terms(problems, reference, targets)

    def views(x: Tensor) -> Views:
        image = composite(background, x, mask)
        return Views(image, targets.statistics(image) if targets else None)

    return Objective(views, tuple(terms)), targets.context if targets else None


def reusable_context(
    context: FixedContext | None, problems: Sequence[Problem], tile: int | None
) -> FixedContext | None:
    """The context of a previous objective, if it fits these problems.

    To be called before the next objective is built: where it returns None, the old context, as
    large as a pass of the network over the surroundings, can be freed before the new one is
    computed.

    Args:
        context: of the previous objective; None: there was none.
        problems: of the next objective.
        tile: side of the tiles, pixels; None: all at once.

    Returns:
        `context`, or None where another one, or none, is needed.
    """
    if context is None or not _needs_network(problems):
        return None
    windows = [problem.window for problem in problems]
    compared, has_histogram = compared_layers(_wanted(problems)), _has_histogram(problems)
    is_same = serves(context, windows, _reference(problems), has_histogram, tile, compared)
    return context if is_same else None


def _pixel_terms(problems: Sequence[Problem], reference: Tensor) -> list[Term]:
    """The terms that read the composite itself, where x can change them."""
    support = torch.cat([problem.window.support for problem in problems])
    area = support.flatten(1).sum(1).to(reference)
    texture = _texture(problems[0])
    reach = STENCIL if texture is None else STENCIL + texture.shape[1] // 2
    near = bounding_box(support.any(0, keepdim=True)).grown(reach).clipped(support.shape)
    support, reference = crop(support, near), crop(reference, near)
    guidance = torch.cat([crop(problem.guidance, near) for problem in problems])
    seams = [torch.ones_like(p.window.mask) if p.seam is None else p.seam for p in problems]
    seam = crop(torch.cat(seams), near) * stencil_region(support)
    luminance = torch.cat([crop(problem.fidelity.luminance, near) for problem in problems])
    chroma = torch.cat([crop(problem.fidelity.chroma, near) for problem in problems])

    def term(name: str, loss: Callable[..., Tensor], *bound: object) -> Term:
        weight = _column(problems, name, reference)
        return Term(name, weight, lambda views: loss(crop(views.composite, near), *bound, area))

    return [
        term("gradient", gradient_loss, guidance, seam),
        term("luminance", luminance_loss, reference, luminance, texture),
        term("chroma", chroma_loss, reference, chroma),
        term("tv", tv_loss, support),
    ]


def _feature_terms(
    problems: Sequence[Problem], reference: Tensor, targets: FeatureTargets
) -> list[Term]:
    """The terms that read the network's statistics of the composite."""

    def term(name: str, loss: Callable[..., Tensor]) -> Term:
        return Term(name, _column(problems, name, reference), lambda views: loss(views.features))

    return [
        term("content", targets.content_loss),
        term("style", targets.style_loss),
        term("histogram", targets.histogram_loss),
    ]


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
    """A weight of all problems, (N,); the number 0 where it is 0 in all of them."""
    weights = [getattr(problem.weights, name) for problem in problems]
    return like.new_tensor(weights) if any(weights) else 0.0


def _texture(problem: Problem) -> Tensor | None:
    """The Gaussian kernel below which lightness is free; built once, not at each evaluation."""
    sigma = problem.fidelity.texture
    return gaussian_kernel(sigma, math.ceil(3 * sigma), problem.background) if sigma else None


def _wanted(problems: Sequence[Problem]) -> list[dict[str, Tensor]] | None:
    """What each problem's style term wants; None where it is Gram matrices."""
    wanted = [problem.wanted or {} for problem in problems]
    return wanted if any(problem.wanted is not None for problem in problems) else None


def _own(problems: Sequence[Problem]) -> dict[str, Tensor]:
    """Features of the sources pasted, (N, C, h, w) by layer; empty unless all are known."""
    known = [problem.own for problem in problems]
    return (
        {name: torch.cat([own[name] for own in known]) for name in known[0]} if all(known) else {}
    )


def _detail(problems: Sequence[Problem]) -> Tensor | None:
    """How much the content term counts, (N, 1, h, w); None: wholly, everywhere."""
    if all(problem.detail is None for problem in problems):
        return None
    shares = [torch.ones_like(p.window.mask) if p.detail is None else p.detail for p in problems]
    return torch.cat(shares)


def _styles(problems: Sequence[Problem]) -> dict[str, Tensor] | None:
    styles = [problem.style for problem in problems if problem.style]
    if not styles:
        return None
    return {name: torch.cat([style[name] for style in styles]) for name in styles[0]}

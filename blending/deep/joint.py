"""The joint objective that both stages minimise, and the metric that makes it quick to minimise."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.colour import from_opponent, to_opponent
from ..image.filters import gaussian_kernel, stencil_region
from ..placement.window import Scene, composite
from ..settings import Weights
from .context import Backdrop
from .feature_targets import wanted_features
from .fidelity import Hold
from .losses import chroma_loss, gradient_loss, luminance_loss, tv_loss
from .objective import Objective, Term, Views
from .preconditioner import fast_length, filter_spectrum, laplacian_eigenvalues
from .vgg16 import Features

STIFFNESS = 40.0  # what the feature terms add to the curvature, beside their weights


@dataclass(frozen=True)
class Problem:
    """What one picture asks of the joint objective.

    Attributes:
        scene: the window; in the refine stage its source is the picture to refine.
        background: (1, 3, h, w), what x is composited over.
        guidance: (1, 3, h, w), the Laplacian to have.
        hold: where the colours are held.
        weights: of the terms.
        style: Gram matrices to want instead of the target's, (1, C, C) of each layer; None: the
            target's.
    """

    scene: Scene
    background: Tensor
    guidance: Tensor
    hold: Hold
    weights: Weights
    style: dict[str, Tensor] | None = None


def joint_objective(
    problems: Sequence[Problem],
    network: Features,
    *,
    tile: int | None = None,
    former: Backdrop | None = None,
) -> tuple[Objective, Backdrop | None]:
    """The weighted terms of background + mask·(x − background), for pictures of one window size.

    The pasted source (source over background) is what content, luminance and chroma hold; style is
    the target's in the same window. What does not depend on x is computed here, once.

    Args:
        problems: N, their windows of one size; their holds of one texture.
        network: where the scenes are.
        tile: side of the tiles that the network works in, pixels; None: all at once.
        former: the backdrop of a former objective, taken again where it fits.

    Returns:
        A function of x, (N, 3, h, w) in [0, 1]; and the backdrop, if a term needed the network.

    Source: Zhang et al. 2020, the loss of either stage. Differs: luminance and chroma terms,
    relative feature terms, areas.
    """
    scenes = [problem.scene for problem in problems]
    mask = torch.cat([scene.mask for scene in scenes])
    support = torch.cat([scene.support for scene in scenes])
    source = torch.cat([scene.source for scene in scenes])
    background = torch.cat([problem.background for problem in problems])
    guidance = torch.cat([problem.guidance for problem in problems])
    kept = composite(background, source, mask)
    area = support.flatten(1).sum(1).to(source)
    weight = {name: _column(problems, name, source) for name in asdict(problems[0].weights)}
    wanted = None
    if any(isinstance(weight[name], Tensor) for name in ("content", "style", "histogram")):
        keep = isinstance(weight["histogram"], Tensor)
        style = _styles(problems)
        wanted = wanted_features(
            scenes, kept, network, keep_styled=keep, tile=tile, style=style, former=former
        )

    def views(x: Tensor) -> Views:
        image = composite(background, x, mask)
        return Views(image, wanted.features(image) if wanted else None)

    def pixel_term(name: str, loss: Callable[..., Tensor], *bound: object) -> Term:
        return Term(name, weight[name], lambda v: loss(v.composite, *bound, area))

    luminance = torch.cat([problem.hold.luminance for problem in problems])
    chroma = torch.cat([problem.hold.chroma for problem in problems])
    terms = [
        pixel_term("gradient", gradient_loss, guidance, stencil_region(support)),
        pixel_term("luminance", luminance_loss, kept, luminance, _texture(problems[0])),
        pixel_term("chroma", chroma_loss, kept, chroma),
        pixel_term("tv", tv_loss, support),
    ]
    if wanted:
        terms += [
            Term("content", weight["content"], wanted.content_loss),
            Term("style", weight["style"], wanted.style_loss),
            Term("histogram", weight["histogram"], wanted.histogram_loss),
        ]
    return Objective(views, tuple(terms)), wanted.backdrop if wanted else None


def _column(problems: Sequence[Problem], name: str, like: Tensor) -> Tensor | float:
    """A weight of all problems, (N,); the number 0 where none has it."""
    weights = [getattr(problem.weights, name) for problem in problems]
    return like.new_tensor(weights) if any(weights) else 0.0


def _texture(problem: Problem) -> Tensor | None:
    """The kernel of what is free in lightness; made here, not at each evaluation on the host."""
    sigma = problem.hold.texture
    return gaussian_kernel(sigma, math.ceil(3 * sigma), problem.background) if sigma else None


def _styles(problems: Sequence[Problem]) -> dict[str, Tensor] | None:
    styles = [problem.style for problem in problems if problem.style]
    if not styles:
        return None
    return {name: torch.cat([style[name] for style in styles]) for name in styles[0]}


def gradient_metric(problems: Sequence[Problem]) -> Callable[[Tensor], Tensor] | None:
    """For each problem the inverse Hessian of its pixel terms, near enough to precondition.

    H⁻¹ ≈ 3·area / 2 · (w_gradient·Δ² + w_k + STIFFNESS·w_features)⁻¹, w_k the weight of luminance
    or chroma, by sine transforms on the opponent channels; None where there is no gradient term.
    The hold's texture lets details of lightness pass by a Gaussian.
    """
    if not all(problem.weights.gradient for problem in problems):
        return None
    height, width = problems[0].scene.support.shape[2:]
    tall, wide = fast_length(height), fast_length(width)
    eigenvalues = laplacian_eigenvalues(tall, wide, problems[0].background)
    response = torch.stack([_response(problem, eigenvalues) for problem in problems])
    free = torch.cat([problem.scene.support for problem in problems]).to(response)

    def metric(gradient: Tensor) -> Tensor:
        padded = F.pad(to_opponent(free * gradient), (0, wide - width, 0, tall - height))
        return free * from_opponent(filter_spectrum(padded, response)[..., :height, :width])

    return metric


def _response(problem: Problem, eigenvalues: Tensor) -> Tensor:
    """(3, h, w), of the opponent channels."""
    weights = problem.weights
    lightness = weights.luminance * torch.exp(-(problem.hold.texture**2) * eigenvalues)
    chroma = torch.full_like(eigenvalues, weights.chroma)
    features = STIFFNESS * (weights.content + weights.style)
    curvature = weights.gradient * eigenvalues**2 + features
    curvature = curvature + torch.stack([lightness, chroma, chroma])
    return 1.5 * problem.scene.support.sum() / curvature

"""The joint objective that both stages minimise, and the metric that makes it quick to minimise."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from .features import LAYERS, STYLE_LAYERS, Features
from .filters import gaussian_blur, stencil_region
from .guidance import guidance_field
from .losses import (
    colour_loss,
    content_loss,
    gradient_loss,
    gram_matrix,
    histogram_loss,
    style_loss,
    tv_loss,
)
from .objective import Objective, Term, Views
from .settings import Weights
from .spectral import fast_length, filter_spectrum, laplacian_eigenvalues
from .window import Scene, composite

CONTENT_LAYER = "relu2_2"
GRID = 8  # the network's coarsest pixel, in image pixels
STYLE_FLOOR = 0.02  # of the target's own mean squared Gram: below that the styles count as equal
STIFFNESS = 0.1  # what the feature terms add to the gradient term's curvature, in its units


@dataclass(frozen=True)
class _Wanted:
    """What the feature terms compare with, none of which depends on x, and their scales."""

    styled: dict[str, Tensor]  # the target's features, for the histogram term
    grams: dict[str, Tensor]
    content: Tensor  # the kept features
    content_weight: Tensor
    content_scale: Tensor
    style_scale: Tensor

    def content_loss(self, views: Views) -> Tensor:
        features = views.features[CONTENT_LAYER]
        return content_loss(features, self.content, self.content_weight) / self.content_scale

    def style_loss(self, views: Views) -> Tensor:
        return _style(self.grams, views.features) / self.style_scale

    def histogram_loss(self, views: Views) -> Tensor:
        losses = (histogram_loss(views.features[n], s) for n, s in self.sorted_taps.items())
        return _mean(losses) / self.histogram_scale

    @cached_property
    def sorted_taps(self) -> dict[str, Tensor]:
        """Sorted once, and only where the histogram term runs."""
        return {name: taps.flatten(2).sort(2).values for name, taps in self.styled.items()}

    @cached_property
    def histogram_scale(self) -> Tensor:
        """Likewise."""
        return _mean(taps.square().mean() for taps in self.styled.values())


def joint_objective(
    scene: Scene, background: Tensor, network: Features, weights: Weights, rim: int
) -> Objective:
    """The weighted terms of background + mask·(x − background).

    The pasted source (source over background) is what gradient, content and colour hold; style is
    the target's in the same window. What does not depend on x is computed here, once.

    Args:
        scene: the window; in the refine stage its source is the picture to refine.
        background: (1, 3, h, w), what x is composited over.
        network: on the scene's device and dtype.
        weights: of the terms.
        rim: pixels over which the colour term sets in from the mask's edge.

    Returns:
        A function of x, (1, 3, h, w) in [0, 1].

    Source: Zhang et al. 2020, the loss of either stage. Differs: colour term, relative feature
    terms, areas.
    """
    kept = composite(background, scene.source, scene.mask)
    area = scene.support.sum().item()
    wanted = _wanted(scene, kept, network, bool(weights.histogram))
    guidance = guidance_field(scene.source, scene.known, scene.target, scene.support)
    region = stencil_region(scene.support)
    held = interior(scene.support, rim)
    needs_network = weights.content or weights.style or weights.histogram

    def views(x: Tensor) -> Views:
        image = composite(background, x, scene.mask)
        return Views(image, network(_padded(image), STYLE_LAYERS) if needs_network else {})

    def gradient(v: Views) -> Tensor:
        return gradient_loss(v.composite, guidance, region, area)

    terms = (
        Term("gradient", weights.gradient, gradient),
        Term("content", weights.content, wanted.content_loss),
        Term("style", weights.style, wanted.style_loss),
        Term("colour", weights.colour, lambda v: colour_loss(v.composite, kept, held, area)),
        Term("histogram", weights.histogram, wanted.histogram_loss),
        Term("tv", weights.tv, lambda v: tv_loss(v.composite, scene.support, area)),
    )
    return Objective(views, terms)


def gradient_metric(scene: Scene, weights: Weights) -> Callable[[Tensor], Tensor] | None:
    """The inverse Hessian of the gradient and colour terms, near enough to precondition.

    H⁻¹ ≈ 3·area / (2·w_gradient) · (Δ² + w_colour / w_gradient + STIFFNESS)⁻¹, by sine transforms;
    None where there is no gradient term.
    """
    if not weights.gradient:
        return None
    height, width = scene.support.shape[2:]
    tall, wide = fast_length(height), fast_length(width)
    stiffness = STIFFNESS + weights.colour / weights.gradient
    curvature = laplacian_eigenvalues(tall, wide, scene.source) ** 2 + stiffness
    response = 3 * scene.support.sum().item() / (2 * weights.gradient) / curvature
    free = scene.support.to(scene.source.dtype)

    def metric(gradient: Tensor) -> Tensor:
        padded = F.pad(free * gradient, (0, wide - width, 0, tall - height))
        return free * filter_spectrum(padded, response)[..., :height, :width]

    return metric


def interior(support: Tensor, rim: int) -> Tensor:
    """How far inside the mask a pixel lies: 0 at its edge, rising to 1 over about `rim` pixels.

    Args:
        support: (1, 1, H, W), bool; beyond the frame it goes on as at its edge.
        rim: pixels; 0: 1 everywhere on the support.

    Returns:
        (1, 1, H, W), float32 in [0, 1], 0 outside the support.
    """
    inside = support.float()
    if rim == 0:
        return inside
    return inside * (2 * gaussian_blur(inside, sigma=float(rim), reach=3 * rim) - 1).clamp(0, 1)


def _padded(image: Tensor) -> Tensor:
    """The image continued by its edge to the network's grid: pooling then drops no pixel."""
    return F.pad(image, _to_grid(image), mode="replicate")


def _at_layer(support: Tensor, layer: str) -> Tensor:
    padded = F.pad(support.float(), _to_grid(support))
    return F.avg_pool2d(padded, LAYERS[layer][1])


def _to_grid(image: Tensor) -> tuple[int, int, int, int]:
    height, width = image.shape[2:]
    return 0, -width % GRID, 0, -height % GRID


def _style(grams: dict[str, Tensor], taps: dict[str, Tensor]) -> Tensor:
    return _mean(style_loss(taps[name], gram) for name, gram in grams.items())


def _mean(values) -> Tensor:
    return torch.stack(list(values)).mean()


@torch.no_grad()
def _wanted(scene: Scene, kept: Tensor, network: Features, keep_styled: bool) -> _Wanted:
    styled = network(_padded(scene.target), STYLE_LAYERS)
    grams = {name: gram_matrix(taps) for name, taps in styled.items()}
    kept_taps = network(_padded(kept), STYLE_LAYERS)
    content, weight = kept_taps[CONTENT_LAYER], _at_layer(scene.support, CONTENT_LAYER)
    size = _mean(gram.square().mean() for gram in grams.values())
    return _Wanted(
        styled=styled if keep_styled else {},  # as large as a pass of the network
        grams=grams,
        content=content,
        content_weight=weight,
        content_scale=content_loss(content, torch.zeros_like(content), weight),
        style_scale=_style(grams, kept_taps) + STYLE_FLOOR * size,
    )

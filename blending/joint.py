"""The joint objective that both stages minimise, and the metric that makes it quick to minimise."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .colour import from_opponent, to_opponent
from .features import Features
from .filters import stencil_region
from .hold import Hold
from .losses import chroma_loss, gradient_loss, luminance_loss, tv_loss
from .objective import Objective, Term, Views
from .settings import Weights
from .spectral import fast_length, filter_spectrum, laplacian_eigenvalues
from .wanted import wanted_features
from .window import Scene, composite

STIFFNESS = 40.0  # what the feature terms add to the curvature, beside their weights


def joint_objective(
    scene: Scene,
    background: Tensor,
    guidance: Tensor,
    hold: Hold,
    network: Features,
    weights: Weights,
) -> Objective:
    """The weighted terms of background + mask·(x − background).

    The pasted source (source over background) is what content, luminance and chroma hold; style is
    the target's in the same window. What does not depend on x is computed here, once.

    Args:
        scene: the window; in the refine stage its source is the picture to refine.
        background: (1, 3, h, w), what x is composited over.
        guidance: (1, 3, h, w), the Laplacian to have.
        hold: where the colours are held.
        network: moved to the scene's device and dtype.
        weights: of the terms.

    Returns:
        A function of x, (1, 3, h, w) in [0, 1].

    Source: Zhang et al. 2020, the loss of either stage. Differs: luminance and chroma terms,
    relative feature terms, areas.
    """
    network = network.to(scene.source.device, scene.source.dtype)
    kept = composite(background, scene.source, scene.mask)
    area = scene.support.sum().item()
    region = stencil_region(scene.support)
    needs_network = bool(weights.content or weights.style or weights.histogram)
    keep_styled = bool(weights.histogram)
    wanted = wanted_features(scene, kept, network, keep_styled) if needs_network else None

    def views(x: Tensor) -> Views:
        image = composite(background, x, scene.mask)
        return Views(image, wanted.features(image) if wanted else {})

    def pixel_term(loss: Callable[..., Tensor], *bound) -> Callable[[Views], Tensor]:
        return lambda v: loss(v.composite, *bound, area)

    terms = [
        Term("gradient", weights.gradient, pixel_term(gradient_loss, guidance, region)),
        Term(
            "luminance",
            weights.luminance,
            pixel_term(luminance_loss, kept, hold.luminance, hold.texture),
        ),
        Term("chroma", weights.chroma, pixel_term(chroma_loss, kept, hold.chroma)),
        Term("tv", weights.tv, pixel_term(tv_loss, scene.support)),
    ]
    if wanted:
        terms += [
            Term("content", weights.content, wanted.content_loss),
            Term("style", weights.style, wanted.style_loss),
            Term("histogram", weights.histogram, wanted.histogram_loss),
        ]
    return Objective(views, tuple(terms))


def gradient_metric(
    scene: Scene, weights: Weights, texture: float = 0.0
) -> Callable[[Tensor], Tensor] | None:
    """The inverse Hessian of the pixel terms, near enough to precondition.

    H⁻¹ ≈ 3·area / 2 · (w_gradient·Δ² + w_k + STIFFNESS·w_features)⁻¹, w_k the weight of luminance
    or chroma, by sine transforms on the opponent channels; None where there is no
    gradient term. `texture`: of the luminance term, whose Gaussian lets details pass.
    """
    if not weights.gradient:
        return None
    height, width = scene.support.shape[2:]
    tall, wide = fast_length(height), fast_length(width)
    eigenvalues = laplacian_eigenvalues(tall, wide, scene.source)
    lightness = weights.luminance * torch.exp(-(texture**2) * eigenvalues)
    chroma = torch.full_like(eigenvalues, weights.chroma)
    features = STIFFNESS * (weights.content + weights.style)
    curvature = weights.gradient * eigenvalues**2 + features
    curvature = curvature + torch.stack([lightness, chroma, chroma])
    response = 1.5 * scene.support.sum().item() / curvature
    free = scene.support.to(scene.source.dtype)

    def metric(gradient: Tensor) -> Tensor:
        padded = F.pad(to_opponent(free * gradient), (0, wide - width, 0, tall - height))
        return free * from_opponent(filter_spectrum(padded, response)[..., :height, :width])

    return metric

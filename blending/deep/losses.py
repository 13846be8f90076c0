"""The terms of the objective as pure functions: for each picture of a batch one value, (B,)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.colour import to_opponent
from ..image.filters import blur, laplacian
from ..reductions import outer_products, row_means, row_sums


def gradient_loss(
    composite: Tensor, guidance: Tensor, weight: Tensor, area: Tensor | float
) -> Tensor:
    """Squared difference of Laplacians wherever the mask can change them, per pixel of the mask.

    L = Σ w (Δu − v)² / (C · area), u = `composite`, v = `guidance`, w = `weight`.

    Args:
        composite: (B, C, H, W), in [0, 1].
        guidance: (B, C, H, W), Laplacian to match, in image units per pixel².
        weight: (B, 1, H, W), >= 0, of the mask and the ring of pixels whose stencil touches it; 0
            elsewhere.
        area: (B,) or one for all, pixels of the mask, > 0.

    Returns:
        (B,), >= 0, differentiable in `composite`.

    Source: Zhang et al. 2020, the Poisson gradient loss. Differs: divided by the mask's area, not
    the whole image's.
    """
    residual = laplacian(composite) - guidance
    return row_sums(weight * residual.square()) / (composite.shape[1] * area)


def content_loss(features: Tensor, reference: Tensor, weight: Tensor) -> Tensor:
    """Weighted sum of squared differences of features.

    L = Σ w (F − F*)², F = `features`, F* = `reference`, w = `weight`: a sum, so that parts of a
    picture add up; the objective divides it by the same sum of F* alone.

    Args:
        features: (B, C, H, W), activations of one layer.
        reference: (B, C, H, W), the reference features, of the same layer.
        weight: (B, 1, H, W), >= 0; the mask at this layer's size.

    Returns:
        (B,), >= 0, differentiable in `features`.

    Source: Zhang et al. 2020, content loss. Differs: weighted on the features, not on the picture,
    so that one pass of the network serves all terms.
    """
    return row_sums(weight * (features - reference).square())


def luminance_loss(
    composite: Tensor,
    reference: Tensor,
    weight: Tensor,
    texture: Tensor | None,
    area: Tensor | float,
) -> Tensor:
    """Weighted squared difference of lightness, per pixel of the mask.

    L = Σ (g * √w (Y_u − Y_s))² / (3 · area), Y the first opponent channel, u = `composite`, s =
    `reference`, w = `weight`, g a Gaussian: details finer than it are free.

    Args:
        composite: (B, 3, H, W), in [0, 1].
        reference: (B, 3, H, W), in [0, 1], whose lightness is to be kept.
        weight: (B, 1, H, W), >= 0.
        texture: (1, K), the Gaussian's kernel, from `gaussian_kernel`. None: every detail counts.
        area: (B,) or one for all, pixels of the mask, > 0.

    Returns:
        (B,), >= 0, differentiable in `composite`.

    Source: none in the paper; the data term of a screened Poisson equation. Without it the gradient
    term, blind to low frequencies, lets the style term turn objects transparent.
    """
    difference = weight.sqrt() * to_opponent(composite - reference)[:, :1]
    if texture is not None:
        difference = blur(difference, texture)
    return row_sums(difference.square()) / (3 * area)


def chroma_loss(
    composite: Tensor, reference: Tensor, weight: Tensor, area: Tensor | float
) -> Tensor:
    """Weighted squared difference of the two channels of chroma, per pixel of the mask.

    Apart from lightness, so that it can have a larger weight: a target's texture is mostly
    lightness, and a changed hue is the error that the eye sees first.

    Args:
        composite: (B, 3, H, W), in [0, 1].
        reference: (B, 3, H, W), in [0, 1], whose chroma is to be kept.
        weight: (B, 1, H, W), >= 0.
        area: (B,) or one for all, pixels of the mask, > 0.

    Returns:
        (B,), >= 0, differentiable in `composite`; every detail counts.

    Source: none in the paper.
    """
    return row_sums(weight * to_opponent(composite - reference)[:, 1:].square()) / (3 * area)


def gram_matrix(features: Tensor, where: Tensor | None = None) -> Tensor:
    """Mean outer product of the feature vectors, divided by the number of channels.

    G = F Fᵀ / (C · H · W) with F the C x HW matrix of activations.

    Args:
        features: (B, C, H, W).
        where: (1, 1, H, W), bool, somewhere True; the mean is over these pixels. None: all.

    Returns:
        (B, C, C).

    Source: Gatys, Ecker, Bethge 2016; the normalisation of Johnson et al. 2016.
    """
    flat = features.flatten(2) if where is None else features[..., where[0, 0]]
    return outer_products(flat, flat) / (flat.shape[1] * flat.shape[2])


def style_loss(gram: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of Gram matrices of one layer.

    Args:
        gram: (B, C, C), from `gram_matrix`.
        target: (B, C, C), the one to match.

    Returns:
        (B,), >= 0, differentiable in `gram`.

    Source: Zhang et al. 2020, style loss.
    """
    return row_means((gram - target).square())


def matched_to_histogram(features: Tensor, target: Tensor) -> Tensor:
    """Match each channel's histogram to the target's: values are replaced rank by rank.

    Args:
        features: (B, C, H, W).
        target: (B or 1, C, K), the values to match, ascending along K; where K is not H · W they
            are resampled linearly in rank.

    Returns:
        (B, C, H, W), without gradient.

    Source: Risser, Wilmot, Barnes 2017, H of the histogram loss. Differs: exact ranks instead of
    bins.
    """
    flat = features.detach().flatten(2)
    if target.shape[2] != flat.shape[2]:
        target = F.interpolate(target, flat.shape[2], mode="linear", align_corners=False)
    order = torch.argsort(flat, dim=2, stable=True)
    target = target.expand_as(flat)
    return torch.empty_like(flat).scatter_(2, order, target).view_as(features)


def histogram_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance of the features to themselves matched to the target's histogram.

    L = mean (F − H(F, F*))², H treated as a constant.

    Args:
        features: (B, C, H, W).
        target: (B or 1, C, K), the target's activations, ascending along K.

    Returns:
        (B,), >= 0, differentiable in `features`.

    Source: Risser, Wilmot, Barnes 2017, histogram loss. Differs: exact ranks instead of bins; a
    mean, not a sum.
    """
    return row_means((features - matched_to_histogram(features, target)).square())


def tv_loss(composite: Tensor, region: Tensor, area: Tensor | float) -> Tensor:
    """Total variation: absolute differences of neighbours, at least one of them in the region.

    L = Σ |u_p − u_q| / (C · area), u = `composite`, p and q neighbours in a row or column.

    Args:
        composite: (B, C, H, W), in [0, 1].
        region: (B, 1, H, W), bool; the mask.
        area: (B,) or one for all, pixels of the mask, > 0.

    Returns:
        (B,), >= 0, differentiable in `composite` except where neighbours are equal.

    Source: Zhang et al. 2020, total variation. Differs: per pixel of the mask instead of a sum over
    the image.
    """
    rows = (composite[..., 1:, :] - composite[..., :-1, :]).abs()
    columns = (composite[..., :, 1:] - composite[..., :, :-1]).abs()
    seen_rows = region[..., 1:, :] | region[..., :-1, :]
    seen_columns = region[..., :, 1:] | region[..., :, :-1]
    total = row_sums(torch.where(seen_rows, rows, 0)) + row_sums(
        torch.where(seen_columns, columns, 0)
    )
    return total / (composite.shape[1] * area)

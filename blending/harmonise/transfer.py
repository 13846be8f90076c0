"""Moving an object's colours towards a place's, by an offset that has no grain in it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_range
from ..image.colour import from_oklab, to_linear, to_oklab, to_srgb
from .gamut import within_gamut
from .palette import Palette

# All in OKLab, where a chroma of 0.03 is a hue just seen, 0.1 skin, 0.25 a pure red.
FLOOR = 1e-4  # added to both covariances
GAINS = (0.5, 2.0)
SAME = 0.01  # means of chroma that differ by this belong together: the gap is counted from here
LIGHTNESS_SHARE = 2 / 3  # of the strength: a third of the gap at one half
LIGHTNESS_SHIFT = 0.1  # the largest one
HIGHLIGHTS_POWER = 1.6  # two thirds of the gap at a strength of one half, all of it at 1
HIGHLIGHTS_CHROMA = 0.08  # the most that a white takes on
NEUTRAL = 0.06  # what differs from the object's own white by less is a neutral
CAST = 0.07  # the most that counts as a tint of the object's own white
# How far a colour may go, see `_limited`.
LOSS, LOSS_OF_NEUTRALS, PAST_GREY = 0.3, 0.027, 0.025
GAIN, GAIN_OF_NEUTRALS = 0.6, 0.03
TURN, TURN_OF_NEUTRALS = (0.35, 0.35), 0.02
SMOOTHING_RADIUS, SMOOTHING_VARIANCE = 4, 4e-4  # pixels; a standard deviation of 0.02


@torch.no_grad()
def harmonise(source: Tensor, own: Palette, wanted: Palette, strength: float) -> Tensor:
    """Move colours from one palette towards another.

    The offset of a pixel is a function of its colour alone, so the whole picture is moved, beyond
    the object's edge as well: a gradient across that edge stays one. It is computed from the
    picture without its grain, whose contrast it therefore leaves as it is.

    Args:
        source: (B, 3, H, W), float, sRGB in [0, 1].
        own: of the object in `source`.
        wanted: of its place.
        strength: 0 (the source's own bits) to 1; at one half the object keeps half of the
            difference to the place's mean chroma, two thirds of lightness, a third of highlights.

    Returns:
        (B, 3, H, W), in the source's dtype and, where the source is, in [0, 1]; the source itself
        where a palette is empty.

    Raises:
        ValueError, TypeError: strength not in [0, 1].

    Source: Pitié and Kokaram 2007 for the linear Monge-Kantorovich map. Differs: of chroma only,
    its gains limited, its offset limited by colour so that no hue flips and vivid ones stay vivid.
    """
    check_range("strength", strength, 0, 1)
    if strength == 0 or own.is_empty or wanted.is_empty:
        return source
    wide = source.to(torch.promote_types(source.dtype, torch.float32))
    oklab = to_oklab(wide)
    plain = self_guided(oklab, SMOOTHING_RADIUS, SMOOTHING_VARIANCE)
    lightness, chroma = plain[:, :1], plain[:, 1:]
    moved = oklab + torch.cat(
        (
            lightness_offset(lightness, own, wanted, strength),
            chroma_offset(lightness, chroma, own, wanted, strength),
        ),
        1,
    )
    before = to_linear(wide).clamp(0, 1)
    after = within_gamut(before, from_oklab(moved) - from_oklab(oklab))
    result = wide + (to_srgb(after) - to_srgb(before))
    lowest, highest = wide.clamp(max=0), wide.clamp(min=1)  # the source may overshoot
    return result.clamp(lowest, highest).to(source.dtype)


def self_guided(image: Tensor, radius: int, variance: float) -> Tensor:
    """Smooth a picture's grain, channel by channel, and keep its edges.

    Args:
        image: (B, C, H, W), float32 or float64.
        radius: of the square windows, pixels.
        variance: contrast of this variance is halved, less is smoothed more.

    Returns:
        (B, C, H, W).

    Source: He, Sun, Tang 2010, guided filter, the picture its own guide.
    """

    def mean(values: Tensor) -> Tensor:
        side = 2 * radius + 1
        rows = F.avg_pool2d(values, (side, 1), 1, (radius, 0), count_include_pad=False)
        return F.avg_pool2d(rows, (1, side), 1, (0, radius), count_include_pad=False)

    middle = mean(image)
    contrast = mean((image - middle).square())
    share = contrast / (contrast + variance)
    return mean(share) * image + mean((1 - share) * middle)


def monge_kantorovich(covariance: Tensor, wanted: Tensor) -> Tensor:
    """The symmetric linear map that takes one covariance to another, its gains limited.

    T = Σ^−½ (Σ^½ Σ' Σ^½)^½ Σ^−½, with eigenvalues from 0.5 to 2.

    Args:
        covariance: (1, 2, 2), Σ, float64.
        wanted: (1, 2, 2), Σ', float64.

    Returns:
        (1, 2, 2), positive definite: it turns no direction by 90° or more.

    Source: Pitié and Kokaram 2007, eq. of the Monge-Kantorovich solution. Differs: FLOOR is added
    to both diagonals, and eigenvalues are limited.
    """
    floor = FLOOR * torch.eye(2, dtype=covariance.dtype)
    root = _power(covariance + floor, 0.5)
    back = _power(covariance + floor, -0.5)
    return _power(back @ _power(root @ (wanted + floor) @ root, 0.5) @ back, 1.0, GAINS)


def _power(
    matrix: Tensor, exponent: float, limits: tuple[float, float] = (1e-12, torch.inf)
) -> Tensor:
    """A power of a symmetric matrix (1, 2, 2), its eigenvalues brought within limits first."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag_embed(values.clamp(*limits) ** exponent) @ vectors.mT


def lightness_offset(lightness: Tensor, own: Palette, wanted: Palette, strength: float) -> Tensor:
    """A shift of the mean that black and white take no part in.

    Args:
        lightness: (B, 1, H, W), OKLab's, 0 to 1.
        own: of the object.
        wanted: of its place.
        strength: 0 to 1.

    Returns:
        (B, 1, H, W), to be added.
    """
    gap = (wanted.lightness - own.lightness) * strength * LIGHTNESS_SHARE
    shift = (LIGHTNESS_SHIFT * torch.tanh(gap / LIGHTNESS_SHIFT)).item()
    if shift > 0:  # blacks are not lifted
        weight = smoothstep(lightness, 0.1, 0.6) * (1 - smoothstep(lightness, 0.7, 1.0))
    else:  # whites become half as grey, a black has nothing to lose
        weight = smoothstep(lightness, 0.0, 0.35) * (1 - 0.5 * smoothstep(lightness, 0.6, 1.0))
    return shift * weight


def chroma_offset(
    lightness: Tensor, chroma: Tensor, own: Palette, wanted: Palette, strength: float
) -> Tensor:
    """The share of the Monge-Kantorovich map, with whites taken to the place's highlights.

    Args:
        lightness: (B, 1, H, W), OKLab's, 0 to 1, without grain.
        chroma: (B, 2, H, W), a and b, without grain.
        own: of the object.
        wanted: of its place.
        strength: 0 to 1.

    Returns:
        (B, 2, H, W), to be added to a and b.
    """

    def plane(vector: Tensor) -> Tensor:
        return vector.to(chroma.device, chroma.dtype)[:, :, None, None]

    gap = wanted.chroma - own.chroma
    gap = gap * (1 - SAME / gap.norm().clamp_min(SAME))
    gains = (monge_kantorovich(own.covariance, wanted.covariance)[0] - torch.eye(2)).tolist()
    a, b = (chroma - plane(own.chroma)).split(1, 1)
    stretched = torch.cat([a * row[0] + b * row[1] for row in gains], 1)
    # Light of a colour tints what it falls on by how bright that is: blacks stay black.
    lit = (lightness / wanted.lightness.clamp_min(FLOOR).item()).clamp(0, 1)
    offset = strength * lit * (stretched + plane(gap))

    start = own.highlights_from.clamp_min(FLOOR).item()
    cast = (lightness / start).clamp(0, 1) * plane(_shortened(own.highlights, CAST))
    off_white = _length(chroma - cast)
    middle = own.lightness.item()
    bright = smoothstep(lightness, middle, max(start, middle) + 0.02)
    white = bright * torch.exp(-((off_white / NEUTRAL) ** 2))
    share = 1 - (1 - strength) ** HIGHLIGHTS_POWER
    to_highlights = share * (plane(_shortened(wanted.highlights, HIGHLIGHTS_CHROMA)) - chroma)
    return _limited(offset + white * (to_highlights - offset), chroma, off_white, strength)


def _limited(offset: Tensor, chroma: Tensor, off_white: Tensor, strength: float) -> Tensor:
    """The offset (B, 2, H, W), less where it would take a vivid colour's chroma or turn its hue.

    Along its own hue a colour loses at most a share of its chroma and a distance that shrinks as
    it differs from the object's white, so that a tinted white becomes a white of the place and a
    red stays red; past grey it goes a little at most. Across its hue it turns by 50° at most, but
    for greys, which have none.
    """
    size = _length(chroma)
    hue = chroma / size
    normal = torch.cat((-hue[:, 1:], hue[:, :1]), 1)
    along, across = ((offset * axis).sum(1, keepdim=True) for axis in (hue, normal))
    loss = LOSS * strength * size + LOSS_OF_NEUTRALS**2 / off_white
    past_grey = size + PAST_GREY**2 / size.clamp_min(PAST_GREY / 2)
    loss = (loss**-4 + past_grey**-4) ** -0.25  # the smaller one, without a kink
    gain = GAIN * size + GAIN_OF_NEUTRALS
    along = torch.where(along < 0, _within(along, loss), _within(along, gain))
    turn = (TURN[0] + TURN[1] * strength) * (size + along).clamp_min(0)
    turn = turn + TURN_OF_NEUTRALS**2 / size.clamp_min(TURN_OF_NEUTRALS / 2)
    return along * hue + _within(across, turn) * normal


def _within(value: Tensor, limit: Tensor) -> Tensor:
    return limit * torch.tanh(value / limit)


def _length(vectors: Tensor) -> Tensor:
    """Of (B, 2, H, W): (B, 1, H, W), never 0, so that one can divide by it."""
    return torch.hypot(*vectors.split(1, 1)).clamp_min(1e-5)


def _shortened(vector: Tensor, limit: float) -> Tensor:
    """A vector (1, 2), its length brought below a limit smoothly."""
    length = vector.norm().clamp_min(1e-12)
    return vector * (limit * torch.tanh(length / limit) / length)


def smoothstep(values: Tensor, low: float, high: float) -> Tensor:
    """0 up to `low`, 1 from `high` on, 3t² − 2t³ between them.

    Args:
        values: (B, C, H, W).
        low: where the rise begins.
        high: where it ends, above `low`.

    Returns:
        (B, C, H, W), in [0, 1].
    """
    t = ((values - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)

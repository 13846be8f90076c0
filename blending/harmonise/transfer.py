"""Moving an object's colours towards a place's, by an offset that has no grain in it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_range
from ..image.colour import from_oklab, to_linear, to_oklab, to_srgb
from ..image.filters import smoothstep
from .gamut import within_gamut
from .palette import Palette
from .place_gamut import PlaceGamut, chroma_into_gamut, lightness_into_gamut

# All in OKLab, where a chroma of 0.03 is a hue just seen, 0.1 skin, 0.25 a pure red.
FLOOR = 1e-4  # added to both covariances
GAINS = (0.5, 2.0)
SAME = 0.01  # means of chroma that differ by this belong together: the gap is counted from here
LIGHTNESS_SHARE = 2 / 3  # of the strength: a third of the gap at one half
LIGHTNESS_SHIFT = 0.1  # the largest one
# The largest lift, by the object's spread: as blacks stay, a lift of the rest adds contrast, 1.13
# times for a black car below a light sky without this limit, 1.07 with it.
LIGHTNESS_LIFT = (0.01, 0.3)
HIGHLIGHTS_POWER = 2.5  # five sixths of the gap at a strength of one half, all of it at 1
HIGHLIGHTS_CHROMA = 0.07  # the most that a white takes on
NEUTRAL = 0.06  # what differs from the object's own white by less is a neutral
CAST = 0.07  # the most that counts as a tint of the object's own white
# How far a colour may go, see `_limited`.
LOSS, LOSS_OF_NEUTRALS, PAST_GREY = 0.2, 0.027, 0.025
GAIN, GAIN_OF_NEUTRALS = 0.6, 0.04
GREY, GREY_BELOW = 0.06, 0.02
TURN, TURN_OF_NEUTRALS = (0.2, 0.3), 0.02
SMOOTHING_RADIUS, SMOOTHING_VARIANCE = 4, 2e-4  # pixels; a standard deviation of 0.014


@torch.no_grad()
def harmonise(
    source: Tensor,
    own: Palette,
    wanted: Palette,
    strength: float,
    gamut: PlaceGamut | None = None,
) -> Tensor:
    """Move colours from one palette towards another.

    The offset of a pixel is a function of its colour alone, so the whole picture is moved, beyond
    the object's edge as well: a gradient across that edge stays one. It is computed from the
    picture without its grain, whose contrast it therefore leaves as it is.

    Args:
        source: (B, 3, H, W), float, sRGB in [0, 1].
        own: of the object in `source`.
        wanted: of its place.
        strength: 0 (the source's own bits) to 1; at one half greys keep half of the difference of
            mean chroma, two thirds of lightness, a sixth of highlights; coloured things more.
        gamut: the colours that the place has: what has no like there is brought towards them. None:
            vivid colours stay vivid.

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
    # One by one: a processor's vector instructions round a pixel by where it lies in memory.
    return torch.cat([_moved(row, own, wanted, strength, gamut) for row in source.split(1)])


def _moved(
    source: Tensor, own: Palette, wanted: Palette, strength: float, gamut: PlaceGamut | None
) -> Tensor:
    """One picture (1, 3, H, W), as `harmonise` returns it."""
    wide = source.to(torch.promote_types(source.dtype, torch.float32))
    oklab = to_oklab(wide)
    plain = self_guided(oklab, SMOOTHING_RADIUS, SMOOTHING_VARIANCE)
    lightness, chroma = plain.split((1, 2), 1)
    shift = lightness_offset(lightness, own, wanted, strength)
    tint = chroma_offset(lightness, chroma, own, wanted, strength)
    if gamut is not None:
        darkest, lightest = own.ends[0].tolist()
        lit = lightness + shift
        shift = shift + lightness_into_gamut(lit, (darkest, lightest), gamut.ends, strength)
        tint = tint + chroma_into_gamut(lit, chroma + tint, gamut, strength)
    before = to_linear(wide).clamp(0, 1)
    change = from_oklab(oklab + torch.cat((shift, tint), 1)) - from_oklab(oklab)
    after = within_gamut(before, change)
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
    middle = box_mean(image, radius)
    contrast = box_mean((image - middle).square(), radius)
    share = contrast / (contrast + variance)
    return box_mean(share, radius) * image + box_mean((1 - share) * middle, radius)


def box_mean(image: Tensor, radius: int) -> Tensor:
    """The mean over square windows, the edge pixels repeated beyond the frame.

    Args:
        image: (B, C, H, W), float32 or float64.
        radius: pixels from the middle of a window to its edge, >= 0.

    Returns:
        (B, C, H, W).
    """
    side = 2 * radius + 1
    total = F.pad(image, (radius,) * 4, mode="replicate")
    for dim in (2, 3):
        total = _running_sum(total, dim, side)
    return total / side**2


def _running_sum(values: Tensor, dim: int, length: int) -> Tensor:
    """Sums of `length` values in a row, by doubling: a pooling takes three times as long."""
    count = values.shape[dim] - length + 1
    total, start, power = torch.zeros_like(values.narrow(dim, 0, count)), 0, 1
    while True:
        if length & power:
            total = total + values.narrow(dim, start, count)
            start += power
        if 2 * power > length:
            return total
        rest = values.shape[dim] - power
        values = values.narrow(dim, 0, rest) + values.narrow(dim, power, rest)
        power *= 2


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
    lift = LIGHTNESS_LIFT[0] + LIGHTNESS_LIFT[1] * own.spread.item()
    shift = _within(gap, min(LIGHTNESS_SHIFT, lift) if gap > 0 else LIGHTNESS_SHIFT).item()
    if shift > 0:  # blacks are not lifted
        weight = smoothstep(lightness, 0.15, 0.65) * (1 - smoothstep(lightness, 0.7, 1.0))
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
    red stays red; past grey it goes a little at most. Across its hue it turns by a share of its
    chroma. A grey has no hue: it goes as far in every direction.
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
    coloured = along * hue + _within(across, turn) * normal
    return torch.lerp(_shortened(offset, GREY), coloured, smoothstep(size, 0.0, GREY_BELOW))


def _within(value: Tensor, limit: Tensor | float) -> Tensor:
    """A value as it is near 0, never beyond ± the limit."""
    return limit * torch.tanh(value / limit)


def _length(vectors: Tensor) -> Tensor:
    """Of (B, 2, H, W): (B, 1, H, W), never 0, so that one can divide by it."""
    return torch.hypot(*vectors.split(1, 1)).clamp_min(1e-5)


def _shortened(vectors: Tensor, limit: float) -> Tensor:
    """Vectors (B, 2, ...), their lengths brought below a limit smoothly."""
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min(1e-12)
    return vectors * (_within(length, limit) / length)

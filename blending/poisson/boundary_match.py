"""Match a source's colours to the target's by what both show at the mask's boundary."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.filters import smoothstep
from ..placement.window import Window

SAMPLE_DISTANCE = 3  # pixels outside the mask at which source and target are compared
LEAST_SAMPLES, MOST_SAMPLES = 16, 2**16  # fewer say nothing, more add nothing
GAINS = (0.5, 2.0)  # a stop of exposure either way; a larger gain means another scene
# Correlation at the boundary. Of 440 regions pasted into other photographs one reached 0.59, the
# others at most 0.52; pasted into their own the median was 1.00, and 0.90 where source and target
# are compared across the edge (the regions of ground_truth.py).
UNRELATED, RELATED = 0.55, 0.8
NOISE = 1 / 255  # a spread below this is rounding and grain: it says nothing about the gain
ITERATIONS = 12
OUTLIER = 2.0  # residual in standard deviations at which a sample's weight is halved
NORMAL = 1.4826  # standard deviation of a normal distribution by its median absolute deviation
TINY = 1e-6  # image units; far below a level of any depth


@dataclass(frozen=True)
class BoundaryMatch:
    """The fit T ≈ gain·S + offset of the target to the source at the mask's boundary.

    Attributes:
        gain: (1, 3, 1, 1), in [0.5, 2]; 1 where the boundary has no contrast.
        offset: (1, 3, 1, 1), in image units, at the middle of the samples.
        confidence: 0 to 1; how surely source and target show one scene there.
    """

    gain: Tensor
    offset: Tensor
    confidence: float

    @property
    def figures(self) -> dict:
        """Gain and offset by channel, and the confidence, JSON-ready."""
        return {
            "gain": self.gain.flatten().tolist(),
            "offset": self.offset.flatten().tolist(),
            "confidence": self.confidence,
        }


@dataclass(frozen=True)
class _Samples:
    """Pairs of colours that should be equal, (3, n) each; places: (n, 2), row and column."""

    source: Tensor
    target: Tensor
    places: Tensor


@torch.no_grad()
def match_boundary(window: Window) -> BoundaryMatch:
    """Fit T ≈ a·S + b0 + b1·row + b2·column in each channel to the samples along the boundary.

    Samples are the pixels up to 3 outside the mask that both source and target show; where the
    source ends with the mask, pairs of neighbours across its edge. The plane b1, b2 absorbs what
    changes along the boundary: a plane is subtracted from source and target alike, then a =
    spread(T) / spread(S). Unlike least squares, this is not biased towards 0 by texture between a
    pair's two pixels. Outliers are weighted down over a few iterations.

    Args:
        window: with 3 pixels or more around the mask where the frame has them.

    Returns:
        The gain a within [0.5, 2], shrunk towards 1 (in its logarithm) as the spread that source
        and target share sinks below a level, or the channel's correlation below 0.8; the offset at
        the samples' middle; and the confidence, which rises smoothly from 0 to 1 as the correlation
        of all channels together, with the noise of one level counted, rises from 0.55 to 0.8.
        Without contrast the confidence is 0, too: two flat skies may be one or not. Below 16
        samples, as where the mask fills the frame: gain 1, offset 0, confidence 0.

    Source: geometric mean regression, Draper and Yang 1997; the weights: Cauchy's, Holland and
    Welsch 1977. Differs: a plane is removed first.
    """
    samples = _collect(window)
    one = window.source.new_ones(1, 3, 1, 1)
    if samples.places.shape[0] < LEAST_SAMPLES:
        return BoundaryMatch(one, 0 * one, 0.0)
    weights = torch.ones_like(samples.source)
    for _ in range(ITERATIONS):
        gain, residual = _fit(samples, weights)[:2]
        # Sorted: CUDA's median with its index is not deterministic.
        middle = residual.abs().sort(1).values[:, residual.shape[1] // 2, None]
        limit = OUTLIER * NORMAL * middle + TINY
        weights = 1 / (1 + (residual / limit).square())
    gain, _, mean_source, mean_target = _fit(samples, weights)
    offset = mean_target - gain * mean_source
    return BoundaryMatch(gain.view_as(one), offset.view_as(one), _confidence(samples))


def matched_source(source: Tensor, match: BoundaryMatch) -> Tensor:
    """The source with the match applied in proportion to its confidence c: S + c·((a − 1)·S + b).

    Args:
        source: (1, 3, h, w), of the window that was matched, or more of it.
        match: from `match_boundary`.

    Returns:
        (1, 3, h, w), not clipped; changed where the source has no pixels, too.
    """
    return source + match.confidence * ((match.gain - 1) * source + match.offset)


def _collect(window: Window) -> _Samples:
    """Samples outside the mask where both pictures have pixels, else pairs across its edge."""
    support, valid = window.support[0, 0], window.source_valid[0, 0] > 0
    size = 2 * SAMPLE_DISTANCE + 1
    near = F.max_pool2d(window.support.float(), size, 1, SAMPLE_DISTANCE)[0, 0] > 0
    both = (near & valid & ~support).nonzero()
    insides, outsides = [both], [both]
    inside, outside = support, ~support & ~valid  # the mask is 0 where the source has no pixels
    for dim in (0, 1):
        step = torch.eye(2, dtype=torch.long, device=valid.device)[dim]
        last = valid.shape[dim] - 1
        ahead = (inside.narrow(dim, 0, last) & outside.narrow(dim, 1, last)).nonzero()
        back = (inside.narrow(dim, 1, last) & outside.narrow(dim, 0, last)).nonzero()
        insides += [ahead, back + step]
        outsides += [ahead + step, back]
    at, beside = torch.cat(insides), torch.cat(outsides)
    stride = max(1, math.ceil(at.shape[0] / MOST_SAMPLES))
    at, beside = at[::stride], beside[::stride]
    source = window.source[0][:, at[:, 0], at[:, 1]]
    target = window.target[0][:, beside[:, 0], beside[:, 1]]
    return _Samples(source, target, (at + beside).to(source) / 2)


def _fit(samples: _Samples, weights: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gain (3, 1), residuals (3, n) with planes removed, and means of source and target (3, 1)."""
    source, mean_source = _flattened(samples.source, samples.places, weights)
    target, mean_target = _flattened(samples.target, samples.places, weights)

    def mean(values: Tensor) -> Tensor:
        return (weights * values).sum(1, keepdim=True) / weights.sum(1, keepdim=True)

    ours, theirs = (mean(values.square()).sqrt() + TINY for values in (source, target))
    common = mean(source * target).clamp_min(0)
    trust = common / (common + NOISE**2) * smoothstep(common / (ours * theirs), UNRELATED, RELATED)
    gain = (trust * (theirs / ours).log()).exp().clamp(*GAINS)
    return gain, target - gain * source, mean_source, mean_target


def _flattened(values: Tensor, places: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Values with their mean and plane removed, (3, n), and their mean, (3, 1)."""
    centred = places - places.mean(0)
    unit = centred / centred.square().mean().sqrt().clamp_min(1)
    basis = torch.cat((torch.ones_like(unit[:, :1]), unit), 1)
    mean = (weights * values).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
    values = values - mean
    moments = torch.einsum("cn,ni,nj->cij", weights, basis, basis)
    # Samples along one row do not determine the slope across it: the ridge sets it to 0.
    ridge = 1e-5 * basis.shape[0] * torch.eye(3).to(basis)
    loads = torch.einsum("cn,cn,ni->ci", weights, values, basis)
    plane = torch.linalg.solve(moments + ridge, loads[..., None])[..., 0]
    return values - plane @ basis.T, mean


def _confidence(samples: _Samples) -> float:
    """The confidence from the correlation of all channels together, samples weighted equally."""
    even = torch.ones_like(samples.source)
    source = _flattened(samples.source, samples.places, even)[0]
    target = _flattened(samples.target, samples.places, even)[0]
    common = (source * target).mean(1)
    spreads = (source.square().mean(1) * target.square().mean(1)).sqrt()
    correlation = common.sum() / (spreads.sum() + NOISE**2)
    return smoothstep(correlation, UNRELATED, RELATED).item()

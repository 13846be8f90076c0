"""The gamut of a place: which colours it has at all, and an object's colours brought within it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image.colour import to_oklab
from ..image.filters import smoothstep

READ_SIDE = 2048  # pixels: of pictures from twice that on only every so many rows are read
LARGEST_SIDE = 192  # pixels: pictures are scaled down to it, which leaves out grain
PIXELS = 16384  # that the darkest and the lightest are read of
SAMPLES = 768  # colours that are remembered of a picture
# Nodes of the table of nearest colours, lightness by a by b.
LEVELS, STEPS, REACH = 9, 21, 0.36  # OKLab; sRGB's a and b lie within 0.33
# How far apart two colours are: by lightness, by chroma, by hue. A hue counts most, so that a red
# goes to the place's orange, be it lighter, rather than to its brown.
BY_LIGHTNESS, BY_CHROMA, BY_HUE = 0.15, 0.5, 0.2
HUE_FROM = 0.06  # chroma at which a hue begins to count
RARE = 0.004  # share of the samples that is too few to be a colour of the place
SHARPNESS = 0.15, 0.015  # the nearest colours' width, by their distance, and at least
TOLERANCE = 0.012  # OKLab: what is nearer to the gamut belongs
# By 1 - (1 - strength)^p: of the distance to the gamut, 0.82 at one half; in a print of one tone,
# where whatever has a hue of its own is foreign, 0.97.
POWER, POWER_IN_ONE_TONE = 2.5, 5.0
GREYS = 0.03  # OKLab, how far a grey goes at most, a colour as much farther as it has chroma
ONE_TONE = 0.010, 0.016  # OKLab, chroma that lightness does not explain: prints 0.01, fog 0.017
TONES = 16  # of the lightness by which chroma may be explained
ENDS = 0.003  # quantiles that count as darkest and lightest
# Of the strength: how far the darkest and the lightest go to the place; lifted blacks look veiled.
RAISED, LOWERED = 0.3, 0.6
LEAST_CONTRAST = 0.8  # share of the lightness range that an object keeps


@dataclass(frozen=True)
class PlaceGamut:
    """The colours that a place has.

    Attributes:
        colours: (n, 3), OKLab, float32, on the processor, n > 0; without grain.
        ends: its darkest and lightest, OKLab's lightness, which thin lines may be.
    """

    colours: Tensor
    ends: tuple[float, float]

    @cached_property
    def nearest(self) -> Tensor:
        """Chroma of the nearest colours, (2, LEVELS, STEPS, STEPS): a and b, by L, a, b."""
        levels = torch.linspace(0, 1, LEVELS)
        steps = torch.linspace(-REACH, REACH, STEPS)
        nodes = torch.stack(torch.meshgrid(levels, steps, steps, indexing="ij"), -1)
        distance = torch.cdist(_embedded(nodes.view(-1, 3)), _embedded(self.colours))
        few = max(1, round(RARE * len(self.colours)))
        nearest = distance.topk(few, 1, largest=False).values[:, -1:]
        width = SHARPNESS[0] * nearest + SHARPNESS[1]
        share = torch.softmax(-distance.square() / (2 * width.square()), 1)
        return (share @ self.colours[:, 1:]).T.reshape(2, LEVELS, STEPS, STEPS)

    @cached_property
    def one_tone(self) -> float:
        """From 0, colours of several hues, to 1, a print in one: chroma follows from lightness."""
        lightness, chroma = self.colours.split((1, 2), 1)
        tone = (lightness[:, 0] * TONES).long().clamp(0, TONES - 1)
        count = torch.bincount(tone, minlength=TONES).clamp_min(1)[:, None]
        mean = torch.zeros(TONES, 2).index_add_(0, tone, chroma) / count
        rest = (chroma - mean[tone]).norm(dim=1).quantile(0.99)
        return 1 - smoothstep(rest, *ONE_TONE).item()


@torch.no_grad()
def place_gamut(picture: Tensor, free: Tensor) -> PlaceGamut | None:
    """The gamut of a picture where it can be seen.

    Args:
        picture: (1, 3, H, W), float, sRGB in [0, 1].
        free: (1, 1, H, W), >= 0; what is 0 is not looked at.

    Returns:
        The gamut; None where nothing is to be seen.
    """
    step = reading_step(picture.shape)
    picture, free = picture[..., ::step, ::step], free[..., ::step, ::step]
    factor = min(1.0, LARGEST_SIDE / max(picture.shape[2:]))
    size = [max(1, round(side * factor)) for side in picture.shape[2:]]
    seen, picture = (free > 0).to(torch.float32), picture.to(torch.float32)
    weight = _resized(seen, size)
    # Divided by the weight: what is not looked at must not tint what is beside it.
    small = _resized(picture * seen, size) / weight.clamp_min(1e-6)
    places = (weight > 0.5).flatten().nonzero()[:, 0]
    if not len(places):
        return None
    places = places[:: -(-len(places) // SAMPLES)]
    colours = _at(small.clamp(0, 1), places)
    pixels = seen.flatten().nonzero()[:, 0]
    ends = lightness_ends(_at(picture, pixels[:: -(-len(pixels) // PIXELS)])[:, 0])
    return PlaceGamut(colours, ends)


def reading_step(shape: tuple[int, ...]) -> int:
    """The step from one row or column that is read to the next, of a picture that may be large.

    Args:
        shape: of the picture, (..., H, W).

    Returns:
        Pixels, 1 for pictures below 4096; and for what a larger one's step has left of it.
    """
    return max(1, max(shape[-2:]) // READ_SIDE)


def joined(gamuts: Sequence[PlaceGamut | None]) -> PlaceGamut | None:
    """The gamut of several pictures together, of frames or of what is near and what is far.

    Args:
        gamuts: any number; None does not count.

    Returns:
        Of all their colours, thinned out evenly where they are many; None where there is none.
    """
    known = [gamut for gamut in gamuts if gamut is not None]
    if not known:
        return None
    colours = torch.cat([gamut.colours for gamut in known])
    darkest, lightest = zip(*(gamut.ends for gamut in known), strict=True)
    thinned = colours[:: -(-len(colours) // (2 * SAMPLES))].contiguous()
    return PlaceGamut(thinned, (min(darkest), max(lightest)))


def lightness_ends(lightness: Tensor) -> tuple[float, float]:
    """The darkest and the lightest of some lightnesses, but for the very few.

    Args:
        lightness: (N,), N > 0.

    Returns:
        In that unit.
    """
    order = lightness.sort().values
    last = len(order) - 1
    return order[round(ENDS * last)].item(), order[round((1 - ENDS) * last)].item()


def chroma_into_gamut(
    lightness: Tensor, chroma: Tensor, gamut: PlaceGamut, strength: float
) -> Tensor:
    """An offset by which colours that the place does not have go towards its nearest.

    Args:
        lightness: (B, 1, H, W), OKLab's, 0 to 1.
        chroma: (B, 2, H, W), a and b.
        gamut: of the place.
        strength: 0 to 1.

    Returns:
        (B, 2, H, W), to be added to a and b; next to nothing for colours that belong.
    """
    a, b = (chroma / REACH).split(1, 1)
    grid = torch.stack((b, a, 2 * lightness - 1), -1)
    table = gamut.nearest.to(chroma)[None].expand(len(chroma), -1, -1, -1, -1)
    found = F.grid_sample(table, grid, padding_mode="border", align_corners=True)[:, :, 0]
    away = found - chroma
    distance = torch.linalg.vector_norm(away, dim=1, keepdim=True).clamp_min(1e-6)
    excess = torch.hypot(distance, torch.full_like(distance, TOLERANCE)) - TOLERANCE
    usual, whole = (excess * (1 - (1 - strength) ** p) for p in (POWER, POWER_IN_ONE_TONE))
    limit = GREYS + torch.linalg.vector_norm(chroma, dim=1, keepdim=True)
    usual = limit * torch.tanh(usual / limit)
    return (usual + gamut.one_tone * (whole - usual)) / distance * away


def lightness_into_gamut(
    lightness: Tensor, own: tuple[float, float], place: tuple[float, float], strength: float
) -> Tensor:
    """An offset by which an object that is darker or lighter than its place can be goes towards it.

    Args:
        lightness: (B, 1, H, W), OKLab's, 0 to 1.
        own: the object's darkest and lightest.
        place: its place's.
        strength: 0 to 1.

    Returns:
        (B, 1, H, W), to be added; linear, so the order stays, and contrast is at least 0.8 of it.
    """
    darkest, lightest = own
    extent = lightest - darkest
    raised = RAISED * strength * max(place[0] - darkest, 0.0)
    lowered = LOWERED * strength * max(lightest - place[1], 0.0)
    share = min(1.0, (1 - LEAST_CONTRAST) * extent / max(raised + lowered, 1e-6))
    along = ((lightness - darkest) / max(extent, 1e-6)).clamp(0, 1)
    return share * (raised * (1 - along) - lowered * along)


def _resized(plane: Tensor, size: list[int]) -> Tensor:
    return F.interpolate(plane, size, mode="bilinear", antialias=True)


def _at(picture: Tensor, places: Tensor) -> Tensor:
    """A picture's colours, (n, 3) in OKLab, at places (n,), on the processor."""
    return to_oklab(picture.flatten(2)[:, :, None, places])[0, :, 0].T.cpu().contiguous()


def _embedded(colours: Tensor) -> Tensor:
    """OKLab (n, 3) as points (n, 4) whose distance is how far apart colours are."""
    lightness, chroma = colours.split((1, 2), 1)
    size = chroma.norm(dim=1, keepdim=True).clamp_min(1e-6)
    hue = BY_HUE * torch.tanh(size / HUE_FROM) * chroma / size
    return torch.cat((BY_LIGHTNESS * lightness, BY_CHROMA * size, hue), 1)

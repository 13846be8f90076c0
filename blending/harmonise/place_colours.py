"""Harmonise an object with its place: read both palettes, move the colours, say by how much."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..image.colour import to_lab, turned_hues
from ..network.vgg16 import Features
from ..report import json_ready
from ..validation import check_image, check_mask, check_same_size
from .matched_places import matched_weight
from .palette import Palette, mixed, palette, place_weight
from .place_gamut import PlaceGamut, joined, place_gamut
from .transfer import harmonise

MATCHED_SHARE = 1 / 3  # of what features match, beside what is near; white is nearer with less


@dataclass(frozen=True)
class PlaceColours:
    """What an object and its place look like.

    Attributes:
        own: of the object.
        wanted: of its place, or of the reference.
        gamut: which colours the place has at all; None: not known, and nothing is foreign.
    """

    own: Palette
    wanted: Palette
    gamut: PlaceGamut | None = None


@dataclass(frozen=True)
class Harmonised:
    """A source with the colours of its place.

    Attributes:
        source: (1, 3, H, W), in the dtype of the source given.
        colours: that were moved, from and to.
        figures: JSON-ready: mean chroma's and mean lightness's distance to the place in OKLab,
            `chroma_gap_before`, `chroma_gap_after`, `lightness_gap_before`, `lightness_gap_after`
            (lightness: positive where the place is lighter); `hue_flip_share` of the coloured
            pixels under the mask; `place_pixels` that were learnt from. Gaps are None where there
            is no object or no place.
    """

    source: Tensor
    colours: PlaceColours
    figures: dict[str, float | None]


@torch.no_grad()
def place_colours(
    source: Tensor,
    mask: Tensor,
    target: Tensor,
    *,
    network: Features | None = None,
    reference: Tensor | None = None,
    area: Tensor | None = None,
) -> PlaceColours:
    """Read the colours of an object and those of its place.

    The place is the target up to 80 px around the object, or the area, or the reference picture;
    with a network a third of its palette, but for highlights, is of what resembles the object
    there. What lies under the mask is never looked at.

    Args:
        source: (1, 3, H, W), float, sRGB in [0, 1], at its place in the window.
        mask: (1, 1, H, W), in [0, 1], 1 = the object.
        target: (1, 3, H, W), float, sRGB in [0, 1], the window with 80 px around the mask or more.
        network: on the pictures' device, see `Features.prepared`. None: nothing is matched.
        reference: (1, 3, h, w), another picture that has the colours wanted. None: the target.
        area: (1, 1, h, w), of the reference or else the target, in [0, 1], where to look. None:
            around the object, or in all of the reference.

    Returns:
        Both palettes, and the gamut of what is looked at.

    Raises:
        ValueError, TypeError: shapes, ranges or sizes.
    """
    _check(source, mask, target)
    own = palette(source, mask)
    if reference is None:
        free = (mask == 0).to(torch.promote_types(mask.dtype, torch.float32))
        name, seen, near = "target", target, place_weight(mask)
    else:
        check_image("reference", reference)
        name, seen = "reference", reference[:, :3]
        free = near = torch.ones_like(seen[:, :1])
    if area is not None:
        check_mask("area", area)
        check_same_size("area", area, name, seen)
        free = near = area * free
    around = palette(seen, near)
    gamut = place_gamut(seen, near)
    if network is None:
        return PlaceColours(own, around, gamut)
    alike = palette(seen, matched_weight(source, mask, seen, free, network))
    both = mixed((around, alike), (1 - MATCHED_SHARE, MATCHED_SHARE))
    if not around.is_empty:  # the light that falls on the object is the light nearby
        both = replace(both, highlights=around.highlights, highlights_from=around.highlights_from)
    return PlaceColours(own, both, gamut)


def shared_colours(frames: Sequence[PlaceColours]) -> PlaceColours:
    """The colours of a sequence, so that every frame is moved alike and nothing flickers.

    Args:
        frames: those of all its pictures, or of some of them.

    Returns:
        The palettes of their pixels together.

    Raises:
        ValueError: there is none.
    """
    return PlaceColours(
        mixed([f.own for f in frames]),
        mixed([f.wanted for f in frames]),
        joined([f.gamut for f in frames]),
    )


@torch.no_grad()
def harmonised(
    source: Tensor,
    mask: Tensor,
    target: Tensor,
    strength: float,
    *,
    colours: PlaceColours | None = None,
    network: Features | None = None,
    reference: Tensor | None = None,
    area: Tensor | None = None,
) -> Harmonised:
    """Move an object's colours towards its place's, see `harmonise`.

    Args:
        source: (1, 3, H, W), float, sRGB in [0, 1], at its place in the window.
        mask: (1, 1, H, W), in [0, 1], 1 = the object.
        target: (1, 3, H, W), float, sRGB in [0, 1].
        strength: 0 (the source's own bits) to 1; 0.5 is a good one for paintings.
        colours: of the whole sequence, see `shared_colours`. None: those of this picture, read by
            `place_colours` with the following arguments.
        network: see `place_colours`.
        reference: (1, 3, h, w), see `place_colours`.
        area: (1, 1, h, w), see `place_colours`.

    Returns:
        The source, moved within and beyond the mask, with its figures.

    Raises:
        ValueError, TypeError: shapes, ranges or sizes; strength not in [0, 1].
    """
    _check(source, mask, target)
    if colours is None:
        colours = place_colours(
            source, mask, target, network=network, reference=reference, area=area
        )
    moved = harmonise(source, colours.own, colours.wanted, strength, colours.gamut)
    return Harmonised(moved, colours, harmony_figures(source, moved, mask, colours))


def _check(source: Tensor, mask: Tensor, target: Tensor) -> None:
    for name, picture in (("source", source), ("target", target)):
        check_image(name, picture)
        if picture.shape[:2] != (1, 3):
            raise ValueError(f"{name} must be (1, 3, H, W), got {tuple(picture.shape)}")
        check_same_size(name, picture, "mask", mask)
    check_mask("mask", mask)
    if mask.shape[0] != 1:
        raise ValueError(f"mask must be (1, 1, H, W), got {tuple(mask.shape)}")


@torch.no_grad()
def harmony_figures(
    source: Tensor, moved: Tensor, mask: Tensor, colours: PlaceColours
) -> dict[str, float | None]:
    """What moving an object's colours has done.

    Args:
        source: (1, 3, H, W), float, sRGB in [0, 1], before.
        moved: (1, 3, H, W), after.
        mask: (1, 1, H, W), in [0, 1], 1 = the object.
        colours: that it was moved by.

    Returns:
        See `Harmonised`.
    """
    place = colours.wanted
    before, after = palette(source, mask), palette(moved, mask)
    known = not (before.is_empty or place.is_empty)

    def gap(name: str, own: Palette) -> float:
        difference = getattr(place, name) - getattr(own, name)
        size = difference.norm() if difference.shape[-1] == 2 else difference
        return size.item() if known else float("nan")

    inside = (mask >= 0.5).flatten().nonzero()[:, 0]
    pixels = (picture.flatten(2)[:, :, None, inside] for picture in (moved, source))
    coloured, turned = turned_hues(*map(to_lab, pixels))
    return json_ready(
        {
            "chroma_gap_before": gap("chroma", before),
            "chroma_gap_after": gap("chroma", after),
            "lightness_gap_before": gap("lightness", before),
            "lightness_gap_after": gap("lightness", after),
            "hue_flip_share": (coloured & turned).sum().item() / max(coloured.sum().item(), 1),
            "place_pixels": place.pixels.item(),
        }
    )

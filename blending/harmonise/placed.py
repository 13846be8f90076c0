"""A placed source harmonised with its target: each picture of a batch by itself, or as a film."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..network.vgg16 import Features
from ..placement.box import Box, bounding_box, full_box
from ..placement.levels import as_values
from ..placement.place import Placed
from ..placement.window import Window, lay_out, pick
from ..report import OnPicture
from ..validation import check_image, check_mask, check_same_size, common_batch
from .palette import RING
from .place_colours import PlaceColours, harmony_figures, place_colours, shared_colours
from .place_gamut import PlaceGamut, joined, place_gamut, reading_step
from .transfer import harmonise

# Bytes, measured on a processor and rounded up: the network's maps and the matches; then for each
# pixel of the source or the target, whichever is larger.
FIXED_MEMORY, MEMORY_PER_PIXEL = 256 * 2**20, 250


@torch.no_grad()
def placed_colours(
    placed: Placed,
    network: Features | None = None,
    reference: Tensor | None = None,
    area: Tensor | None = None,
    sequence: bool = False,
    on_picture: OnPicture | None = None,
) -> list[PlaceColours | None]:
    """The colours of each placed source and of its place, see `place_colours`.

    Only the part of the target up to 80 px around the object, and the area, is looked at.

    Args:
        placed: from `place`.
        network: VGG16, not changed or moved; the pictures are looked at on its device. None:
            nothing is matched.
        reference: (N or 1, 3 or 4, h, w), float, sRGB in [0, 1], another picture that has the
            colours wanted, where its alpha is not 0. None: the target.
        area: (N or 1, 1, h, w), of the reference's size or else the target's, in [0, 1], where to
            look. None: around the object, or in all of the reference.
        sequence: whether the batch is a film: all its pictures get the palettes of all of them.
        on_picture: None: nothing is called.

    Returns:
        One for each of N pictures, where N is the largest batch of all; None where the mask is
        empty.

    Raises:
        ValueError, TypeError: shapes, ranges, sizes or batches of reference and area.
    """
    area = _checked_area(placed, reference, area)
    given = {"reference": reference, "area": area}
    planes = {name: plane for name, plane in given.items() if plane is not None}
    shown = {"source": placed.source, "mask": placed.mask, "target": placed.target}
    batch = common_batch(**shown, **planes)
    found: list[PlaceColours | None] = []
    for sample in range(batch):
        if on_picture:
            on_picture(sample, batch)
        if placed.is_empty(sample):
            found.append(None)
            continue
        own = {name: pick(plane, sample) for name, plane in planes.items()}
        found.append(colours_at_place(placed, sample, network, **own))
    known = [colours for colours in found if colours is not None]
    if sequence and known:
        shared = shared_colours(known)
        return [colours and shared for colours in found]
    return found


@torch.no_grad()
def harmonise_batch(
    source: Tensor,
    mask: Tensor,
    colours: Sequence[PlaceColours | None],
    strength: float,
    device: torch.device | None = None,
    on_picture: OnPicture | None = None,
) -> tuple[Tensor, list[dict[str, float | None]]]:
    """Move each picture's colours, in whatever size it is: a move is a function of colour alone.

    Args:
        source: (N or 1, 3, h, w), float, sRGB in [0, 1].
        mask: (N or 1, 1, h, w), in [0, 1], 1 = the object.
        colours: of N pictures, from `placed_colours`; None leaves a picture as it is.
        strength: 0 (the source's own bits) to 1.
        device: where to compute; None: where the source is.
        on_picture: None: nothing is called.

    Returns:
        (N, 3, h, w), in the source's dtype, on its device; for each picture the figures of
        `Harmonised`, none where it was left.

    Raises:
        ValueError, TypeError: shapes, ranges, sizes or batches; strength not in [0, 1].
    """
    check_image("source", source)
    check_mask("mask", mask)
    check_same_size("mask", mask, "source", source)
    batch = len(colours)
    if not {len(source), len(mask)} <= {1, batch}:
        raise ValueError(
            f"source and mask must have 1 or {batch} pictures, as many as colours, "
            f"got {len(source)} and {len(mask)}"
        )
    moved, figures = [], []
    for sample, own in enumerate(colours):
        if on_picture:
            on_picture(sample, batch)
        picture, area = (pick(p, sample).to(device).contiguous() for p in (source, mask))
        if sample and len(source) == 1 and own is colours[sample - 1]:
            result = moved[-1].to(device)  # a still picture in a film
        else:
            result = picture
            if own is not None:
                result = harmonise(picture, own.own, own.wanted, strength, own.gamut)
        moved.append(result.to(source.device))
        figures.append({} if own is None else harmony_figures(picture, result, area, own))
    return torch.cat(moved), figures


def estimated_memory(*pictures: Tensor) -> int:
    """The memory that harmonising takes beside its pictures.

    Args:
        *pictures: (N, C, H, W), source and target.

    Returns:
        Bytes; an estimate, too large rather than too small.
    """
    return FIXED_MEMORY + MEMORY_PER_PIXEL * max(p.shape[2] * p.shape[3] for p in pictures)


def _checked_area(placed: Placed, reference: Tensor | None, area: Tensor | None) -> Tensor | None:
    """The area, without what is transparent in the reference."""
    if reference is not None:
        check_image("reference", reference)
    name, seen = ("target", placed.target) if reference is None else ("reference", reference)
    if area is not None:
        check_mask("area", area)
        check_same_size("area", area, name, seen)
    if reference is None or reference.shape[1] == 3:
        return area
    alpha = reference[:, 3:]
    check_mask("reference's alpha", alpha)
    if area is None:
        return alpha
    common_batch(reference=reference, area=area)
    return alpha * area.to(alpha)


@torch.no_grad()
def colours_at_place(
    placed: Placed,
    sample: int,
    network: Features | None = None,
    reference: Tensor | None = None,
    area: Tensor | None = None,
) -> PlaceColours:
    """The colours of one placed source and of its place, see `placed_colours`.

    Args:
        placed: from `place`.
        sample: which picture of the batch, from 0; its mask is not empty.
        network: see `placed_colours`.
        reference: (1, 3 or 4, h, w), of this picture.
        area: (1, 1, h, w), of this picture, without what is transparent in the reference.

    Returns:
        Both palettes.

    Raises:
        ValueError, TypeError: shapes, ranges or sizes.
    """
    device = placed.target.device if network is None else network.mean.device
    window = _window(placed, sample, None if reference is not None else area, device)
    if reference is None and area is not None:
        area = area[(..., *window.box.slices)]
    wide = window.target.dtype

    def planes(given: Tensor | None) -> Tensor | None:  # another layout rounds sums otherwise
        return None if given is None else given[:, :3].to(device, wide).contiguous()

    found = place_colours(
        window.source,
        window.mask,
        window.target,
        network=network,
        reference=planes(reference),
        area=planes(area),
    )
    if reference is not None or area is not None:
        return found
    # Light is the place's own, but a colour belongs that is anywhere in the picture.
    return replace(found, gamut=joined((found.gamut, _whole_gamut(placed, sample, device))))


def _whole_gamut(placed: Placed, sample: int, device: torch.device) -> PlaceGamut | None:
    """The gamut of the whole picture, beside the object."""
    whole = pick(placed.picture, sample)[:, :3]
    at = placed.box.shifted(*placed.corner)
    covered = lay_out(pick(placed.mask, sample) > 0, at, full_box(whole.shape))
    read = reading_step(whole.shape)
    free = ~covered[..., ::read, ::read]
    seen = as_values(whole[..., ::read, ::read]).to(device)
    return place_gamut(seen.contiguous(), free.to(device).contiguous())


def _window(placed: Placed, sample: int, area: Tensor | None, device: torch.device) -> Window:
    """What is looked at: the object with what is near it, and the area of the target."""
    margin = RING
    if area is not None and bool((area > 0).any()):
        own, other = placed.object_box(sample), bounding_box(area > 0)
        margin = max(margin, _margin_to_reach(own, other))
    return placed.window(sample, margin, device)


def _margin_to_reach(own: Box, other: Box) -> int:
    """By how much a box must grow on all sides to have another one in it."""
    return max(
        own.top - other.top,
        own.left - other.left,
        other.bottom - own.bottom,
        other.right - own.right,
    )

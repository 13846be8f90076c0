"""Features that an object would have if a target's painter had painted it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..deep.context import changing_box, pad_to_stride
from ..deep.cropped_features import CroppedFeatures, cropped_features
from ..deep.feature_statistics import compared_layers
from ..deep.tiled_features import tiled_maps
from ..network.vgg16 import LAYERS, Features
from ..placement.box import crop
from .grain import matched_places
from .matching import CELL, Matches, find_matches

ALIKE, ALIKE_AT_LARGE = ("relu2_1", "relu3_1"), "relu4_1"  # these count alike
MATCHED = *ALIKE, ALIKE_AT_LARGE
# And painted by these. With relu4_3 an evaluation takes twice the time, it takes twice as many, and
# no eye or figure prefers the picture (RESULTS.md).
WANTED = ("relu2_2", "relu3_3")
WHOLE = 1 << 30  # a tile as large as any picture


@dataclass(frozen=True)
class Wanted:
    """What an object would be made of if the target's painter had painted it.

    Attributes:
        features: (1, C, h' / s, w' / s) by layer, the sides padded to multiples of 8; zeros far
            from the object.
        matches: of its positions.
        places: (h, w), from each of its pixels to the target's, see `with_grain`.
        cropped: the network on the part that is painted, for the layers that are compared; None
            where it was not run on the picture in one piece.
        own: the picture's features of these layers inside `cropped`'s boxes, (1, C, h, w); empty
            where that is None.
    """

    features: dict[str, Tensor]
    matches: Matches
    places: Tensor
    cropped: CroppedFeatures | None = None
    own: dict[str, Tensor] = field(default_factory=dict)


@torch.no_grad()
def wanted_features(
    picture: Tensor,
    support: Tensor,
    target: Tensor,
    covered: Tensor,
    network: Features,
    tile: int | None = None,
    before: Callable[[tuple[int, int], tuple[int, int]], Tensor] | None = None,
) -> Wanted | None:
    """The target's features, gathered for each position of an object from where it is alike.

    Args:
        picture: (1, 3, h, w), RGB in [0, 1], what is to be painted.
        support: (1, 1, h, w), bool, the part that is.
        target: (1, 3, H, W), RGB in [0, 1], that has the strokes; may be `picture` itself.
        covered: (1, 1, H, W), bool, pixels of the target that teach nothing.
        network: on the pictures' device.
        tile: side of the tiles that the network works in, pixels, a multiple of 8; None: all at
            once.
        before: from the sizes (h, w), (H, W) of both grids of positions to what `find_matches`
            takes of the frame before; None: there is none.

    Returns:
        These and where they are from; None where all of the target is covered.

    Source: Li and Wand 2016 for features of matched patches as what is wanted.
    """
    own = _cells(support)
    free = ~_cells(F.max_pool2d(covered.float(), 2 * CELL + 1, 1, CELL) > 0)
    if not bool(free.any()):
        return None
    shown, seen = pad_to_stride(picture), pad_to_stride(target)
    side, cropped, held = tile or WHOLE, None, {}
    if target is picture and tile is None:
        layers = *MATCHED, *WANTED
        cropped, offered = cropped_features(
            network, seen, changing_box(support), layers, has_grams=False
        )
        cropped = cropped.only(compared_layers([WANTED]))
        held = {name: crop(offered[name], box).clone() for name, box in cropped.boxes.items()}
    else:
        offered = tiled_maps(network, seen, side, (*MATCHED, *WANTED))
    found = offered if target is picture else tiled_maps(network, shown, side, MATCHED)
    units = [_units(found[name], offered[name], free) for name in MATCHED]
    *fine, coarse = units
    own_units, free_units = (torch.cat(layers) for layers in zip(*fine, strict=True))
    grids = (own.shape[0], own.shape[1]), (free.shape[0], free.shape[1])
    known = before and before(*grids)
    matches = find_matches(own_units, free_units, own, free, known, coarse)
    features = {name: gathered(offered[name], matches, LAYERS[name][1]) for name in WANTED}
    own_size, size = (picture.shape[2], picture.shape[3]), (target.shape[2], target.shape[3])
    places = matched_places(matches, own_size, size)
    return Wanted(features, matches, places, cropped, held)


def gathered(activation: Tensor, matches: Matches, stride: int) -> Tensor:
    """A target's map, laid out as its matches are.

    Args:
        activation: (1, C, H / s, W / s), of the target.
        matches: on the grids of positions of 4 pixels.
        stride: s of this map: 2, 4 or 8 pixels.

    Returns:
        (1, C, h / s, w / s); 0 where there is no match.
    """
    height, width = matches.places.shape
    known = matches.places >= 0
    place = matches.places.clamp_min(0)
    row, column = place // matches.width, place % matches.width
    if stride > CELL:  # what positions of 4 pixels agree on
        factor = stride // CELL
        weight = known.to(activation)[None, None]
        found = activation[:, :, row // factor, column // factor] * weight
        share = F.avg_pool2d(weight, factor)
        return F.avg_pool2d(found, factor) / share.clamp_min(1e-6)
    factor = CELL // stride
    row, column, known = (
        grid.repeat_interleave(factor, 0).repeat_interleave(factor, 1)
        for grid in (row, column, known)
    )
    down = torch.arange(factor, device=row.device).repeat(height)[:, None]
    along = torch.arange(factor, device=row.device).repeat(width)[None]
    return activation[:, :, factor * row + down, factor * column + along] * known


def _units(own: Tensor, offered: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors of what differs from the mean of a layer where it is free, times 3 ** -0.5.

    On the grid of positions, (C, h, w) and (C, H, W), or on one half as fine.
    """
    pooled = offered.shape[2] // free.shape[0]
    if pooled > 1:
        own, offered = (F.avg_pool2d(layer, pooled) for layer in (own, offered))
    seen = free
    if offered.shape[2] < free.shape[0]:
        seen = F.max_pool2d(free[None, None].float(), 2)[0, 0] > 0
    mean = offered[..., seen].mean(2)[..., None, None]
    layers = [F.normalize(layer - mean, dim=1)[0] for layer in (own, offered)]
    return layers[0] / len(MATCHED) ** 0.5, layers[1] / len(MATCHED) ** 0.5


def _cells(pixels: Tensor) -> Tensor:
    """The positions, (h, w), that a (1, 1, h, w) set of pixels touches, padded to the stride."""
    return F.max_pool2d(pad_to_stride(pixels.float()), CELL)[0, 0] > 0

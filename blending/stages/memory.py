"""How much memory a stage wants, and how to make do with less."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..deep.receptive_field import HALO, REACH
from ..placement.box import Box
from ..placement.place import Placed
from ..placement.window import region_box, window_box
from ..settings import PoissonSettings, RefineSettings

TILES = (1024, 512, 256)  # sides to fall back to, pixels
MOST_ROWS = 8  # pictures solved at once where that pays: on a GPU
# Bytes a pixel, measured (tests/benchmarks/memory.py): of the window for planes and the optimiser's
# history; of the window for the network's pass over what stays; then, that being over, of what
# changes for an evaluation and the ring that it is written into. In tiles the evaluation's and, as
# they leave gaps in the heap, once more the pass's of a tile; of what changes the features to keep.
PLANES, PASS, EVALUATION, KEPT = 500, 850, 4000, 300
HISTOGRAM = 5000  # of the window, for maps, sorted and matched ones, their ranks
EXACT = 400  # of the mask's box, for the exact solve with its grids; 290 were measured


@dataclass(frozen=True)
class Plan:
    """How pictures of one window are worked on.

    Attributes:
        rows: pictures at once.
        tile: side of the network's tiles, pixels; None: all at once.
    """

    rows: int
    tile: int | None


@dataclass(frozen=True)
class Extent:
    """What memory depends on.

    Attributes:
        window: (height, width), pixels.
        changing: likewise, of the object's box.
        has_histogram: whether the histogram term runs.
    """

    window: tuple[int, int]
    changing: tuple[int, int]
    has_histogram: bool


def planned_bytes(extent: Extent, plan: Plan) -> int:
    """What a plan takes at most, beside the pictures; an estimate, rather too large."""
    window = extent.window[0] * extent.window[1]
    reached = _area(extent.changing, REACH, extent.window)
    common = PLANES * window + (HISTOGRAM * window if extent.has_histogram else 0)
    if plan.tile is None:
        return plan.rows * (common + max(PASS * window, EVALUATION * reached))
    tile = _area((plan.tile, plan.tile), HALO, extent.window)
    return plan.rows * (common + KEPT * reached + (PASS + EVALUATION) * tile)


def plans(extent: Extent, rows: int, memory: float) -> list[Plan]:
    """The plans to try, each smaller than the one before: those that fit, or else the smallest.

    Args:
        extent: of each picture.
        rows: how many there are.
        memory: bytes.
    """
    halves = [Plan(rows >> times, None) for times in range(rows.bit_length())]
    tiles = [Plan(1, side) for side in TILES if side < max(extent.window)]
    return _fitting({plan: planned_bytes(extent, plan) for plan in halves + tiles}, memory)


def pass_plans(size: tuple[int, int], memory: float) -> list[Plan]:
    """Likewise for a picture of (height, width) that the network only looks at."""
    every = {Plan(1, None): PASS * size[0] * size[1]}
    every |= {Plan(1, side): PASS * _area((side, side), HALO, size) for side in TILES}
    return _fitting(every, memory)


def _fitting(sizes: dict[Plan, int], memory: float) -> list[Plan]:
    """Of plans and their bytes, those that fit and take less than all before, or the smallest."""
    least, found = float("inf"), []
    for plan, size in sizes.items():
        if size < least:
            least = size
            found.append(plan)
    return [plan for plan in found if sizes[plan] <= memory] or found[-1:]


def estimated_memory(
    placed: Placed, settings: PoissonSettings | RefineSettings, style: Tensor | None = None
) -> int:
    """Bytes that a stage takes at most for its largest picture, if it has them.

    Args:
        placed: from `place`; for the refine stage the object's mask, not yet its region's.
        settings: of the stage.
        style: (N, 3 or 4, h, w), the refine stage's; the network passes over it once.

    Returns:
        An estimate, rather too large; 0 where nothing is computed.
    """
    if isinstance(settings, RefineSettings) and settings.strength == 0:
        return 0
    largest = 0
    if style is not None:
        largest = PASS * style.shape[2] * style.shape[3]
    for sample in range(placed.mask.shape[0]):
        changing = _changing_box(placed, sample, settings)
        if changing is not None:
            largest = max(largest, _largest_bytes(changing, settings, placed.target.shape))
    return largest


def rows_at_once(settings: PoissonSettings | RefineSettings, device: torch.device) -> int:
    """Pictures to solve at once: on a processor one is quickest, a film goes frame by frame."""
    return 1 if device.type == "cpu" or settings.sequence else MOST_ROWS


def _changing_box(
    placed: Placed, sample: int, settings: PoissonSettings | RefineSettings
) -> Box | None:
    """The box on the target of what a stage changes in a picture; None: nothing."""
    box = None if placed.is_empty(sample) else placed.object_box(sample)
    if isinstance(settings, PoissonSettings):
        return box
    if settings.region == "picture":
        box = box or Box(0, 0, 0, 0)
    return box and region_box(box, settings, placed.target.shape)


def _largest_bytes(
    changing: Box, settings: PoissonSettings | RefineSettings, shape: tuple[int, ...]
) -> int:
    """What a picture takes at most, all at once."""
    if isinstance(settings, PoissonSettings) and settings.method == "exact":
        return EXACT * changing.height * changing.width
    window = window_box(changing, settings.margin, shape)
    has_histogram = bool(settings.weights.histogram)
    return planned_bytes(Extent(window.size, changing.size, has_histogram), Plan(1, None))


def _area(size: tuple[int, int], grown: int, limit: tuple[int, int]) -> int:
    height, width = (min(side + 2 * grown, most) for side, most in zip(size, limit, strict=True))
    return height * width

"""How much memory a stage needs, and the plans that make do with less."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..deep.receptive_field import HALO, REACH
from ..placement.box import Box
from ..placement.place import Placed
from ..placement.window import region_box, window_box
from ..settings import PoissonSettings, RefineSettings
from .device import is_out_of_memory

T = TypeVar("T")

TILES = (1024, 512, 256)  # sides to fall back to, pixels
MOST_ROWS = 8  # pictures solved at once where that pays: on a GPU
# Bytes a pixel, measured (tests/benchmarks/memory.py). PLANES, of the window: its planes and the
# optimiser's history. PASS, of the window: the network's pass over what stays fixed. EVALUATION,
# once that pass is over, of the part that changes: an evaluation and the padded inputs it is copied
# into. In tiles EVALUATION and PASS are of a tile (PASS again, for the gaps that are left in the
# heap), and KEPT, of the part that changes, is for its reference features.
PLANES, PASS, EVALUATION, KEPT = 500, 850, 4000, 300
HISTOGRAM = 5000  # of the window: activations, sorted and matched ones, and their ranks
EXACT = 400  # of the mask's box: the exact solve with its grids; 290 were measured


@dataclass(frozen=True)
class Plan:
    """How pictures of one window are worked on.

    Attributes:
        rows: how many pictures at once.
        tile: side of the network's tiles, pixels; None: all at once.
    """

    rows: int
    tile: int | None


@dataclass(frozen=True)
class Extent:
    """What a stage's memory depends on.

    Attributes:
        window: (height, width), pixels.
        changing: (height, width) of the box of the pixels that are solved.
        has_histogram: whether the histogram term is evaluated.
    """

    window: tuple[int, int]
    changing: tuple[int, int]
    has_histogram: bool


def planned_bytes(extent: Extent, plan: Plan) -> int:
    """The memory that a plan needs, beside the pictures.

    Args:
        extent: of each picture.
        plan: rows and tiles.

    Returns:
        Bytes; an estimate, too large rather than too small.
    """
    window = extent.window[0] * extent.window[1]
    reached = _area(extent.changing, REACH, extent.window)
    common = PLANES * window + (HISTOGRAM * window if extent.has_histogram else 0)
    if plan.tile is None:
        return plan.rows * (common + max(PASS * window, EVALUATION * reached))
    tile = _area((plan.tile, plan.tile), HALO, extent.window)
    return plan.rows * (common + KEPT * reached + (PASS + EVALUATION) * tile)


def plans(extent: Extent, rows: int, memory: float) -> list[Plan]:
    """The plans to try in turn, each smaller than the one before.

    Args:
        extent: of each picture.
        rows: how many pictures there are.
        memory: bytes to stay within.

    Returns:
        Those plans that fit into the memory, or the smallest one alone where none does.
    """
    halves = [Plan(rows >> times, None) for times in range(rows.bit_length())]
    tiles = [Plan(1, side) for side in TILES if side < max(extent.window)]
    return _fitting({plan: planned_bytes(extent, plan) for plan in halves + tiles}, memory)


def pass_plans(size: tuple[int, int], memory: float) -> list[Plan]:
    """The plans to try in turn for a single pass of the network over a picture, without gradient.

    Args:
        size: (height, width) of the picture, pixels.
        memory: bytes to stay within.

    Returns:
        Those plans that fit into the memory, or the smallest one alone where none does.
    """
    every = {Plan(1, None): PASS * size[0] * size[1]}
    every |= {Plan(1, side): PASS * _area((side, side), HALO, size) for side in TILES}
    return _fitting(every, memory)


def _fitting(sizes: dict[Plan, int], memory: float) -> list[Plan]:
    """Of plans and their bytes, those that fit and need less than all before, or the smallest."""
    least, found = float("inf"), []
    for plan, size in sizes.items():
        if size < least:
            least = size
            found.append(plan)
    return [plan for plan in found if sizes[plan] <= memory] or found[-1:]


def first_that_fits(
    choices: Sequence[Plan], work: Callable[[Plan], T], forget: Callable[[], None]
) -> T:
    """What the first plan brings for which the memory is enough.

    Args:
        choices: plans in the order to try them, at least one.
        work: what to do by a plan.
        forget: called after a plan that the memory was not enough for, to drop what it has left.

    Returns:
        What `work` returned.

    Raises:
        RuntimeError, MemoryError: even the last plan did not fit; or another error of `work`'s, at
            once.
    """
    for plan in choices[:-1]:
        try:
            return work(plan)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        forget()  # outside of the handler, which holds the tensors of its trace
    return work(choices[-1])


def estimated_memory(
    placed: Placed, settings: PoissonSettings | RefineSettings, style: Tensor | None = None
) -> int:
    """The memory that a stage needs for its largest picture, solved alone and without tiles.

    Args:
        placed: from `place`; for the refine stage with the object's mask, not yet its region's.
        settings: of the stage.
        style: (N, 3 or 4, h, w), the refine stage's; the network passes over it once.

    Returns:
        Bytes; an estimate, too large rather than too small; 0 where nothing is computed.
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
    """The number of pictures to solve at once.

    On a processor one at a time is quickest, and a film goes frame by frame.

    Args:
        settings: of the stage.
        device: where to compute.

    Returns:
        1, or 8 on other devices than processors.
    """
    return 1 if device.type == "cpu" or settings.sequence else MOST_ROWS


def _changing_box(
    placed: Placed, sample: int, settings: PoissonSettings | RefineSettings
) -> Box | None:
    """The box on the target of the pixels that a stage changes in a picture; None: nothing."""
    box = None if placed.is_empty(sample) else placed.object_box(sample)
    if isinstance(settings, PoissonSettings):
        return box
    if settings.region == "picture":
        box = box or Box(0, 0, 0, 0)
    return box and region_box(box, settings, placed.target.shape)


def _largest_bytes(
    changing: Box, settings: PoissonSettings | RefineSettings, shape: tuple[int, ...]
) -> int:
    """The bytes that a picture needs without tiles."""
    if isinstance(settings, PoissonSettings) and settings.method == "exact":
        return EXACT * changing.height * changing.width
    window = window_box(changing, settings.margin, shape)
    has_histogram = bool(settings.weights.histogram)
    return planned_bytes(Extent(window.size, changing.size, has_histogram), Plan(1, None))


def _area(size: tuple[int, int], grown: int, limit: tuple[int, int]) -> int:
    height, width = (min(side + 2 * grown, most) for side, most in zip(size, limit, strict=True))
    return height * width

"""How much memory a stage needs, and the plans that make do with less."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..network.receptive_field import HALO, REACH
from ..placement.box import Box, full_box
from ..placement.levels import is_levels
from ..placement.place import Placed
from ..placement.window import region_box, window_box
from ..settings import BlendSettings, Compute, PoissonSettings, RefineSettings
from .device import SHARE_OF_FREE, free_memory, is_out_of_memory

T = TypeVar("T")

# Bytes planned with on a processor where none are named: one number for all machines and moments.
DEFAULT_MEMORY = 8 * 2**30
WORKING = 512  # pixels across an object that the network sees at full size, see `reduced`
MEGABYTE = 2**20
TILES = (1024, 512, 256, 128)  # sides to fall back to, pixels; 128 takes six times the time
MOST_ROWS = 8  # pictures solved at once where that pays: on a GPU
# Bytes a pixel, measured (tests/benchmarks/memory.py). PLANES, of the window: its planes and the
# optimiser's history. PASS, of the window: the network's pass over what stays fixed. EVALUATION,
# once that pass is over, of the part that changes: an evaluation and the padded inputs it is copied
# into. In tiles EVALUATION and PASS are of a tile (PASS again, for the gaps that are left in the
# heap), and KEPT, of the part that changes, is for its reference features; UNSHARED bytes are for
# what does not shrink with the tile.
PLANES, PASS, EVALUATION, KEPT, UNSHARED = 500, 850, 4000, 300, 64 * MEGABYTE
HISTOGRAM = 5000  # of the window: activations, sorted and matched ones, and their ranks
# With matched style, of the window: WANTED, the features that are wanted; MATCHING, the maps that
# these are found in, and for what is compared at once some bytes more, both over before the rest.
# WANTED_KEPT, in tiles, of the part that changes: wanted and own features there.
WANTED, MATCHING, COMPARED, WANTED_KEPT = 330, 1150, 128 * MEGABYTE, 300
EXACT = 400  # of the mask's box: the exact solve with its grids; 290 were measured
# Planes of the target's size, of its dtype, that a blend makes beside its pictures: the mask laid
# out; in a refine stage it, where it is solved, where it is grown, and comparisons with it.
MASK_PLANES, REFINE_MASK_PLANES = 1.25, 3.5


class ShortOfMemoryError(ValueError):
    """Less memory is free at the moment than a blend needs; later there may be more."""


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
        is_matched: whether matched style is asked for.
        full: pixels of the window at full size where `window` is a reduced one; else 0.
    """

    window: tuple[int, int]
    changing: tuple[int, int]
    has_histogram: bool
    is_matched: bool = False
    full: int = 0


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
    common = PLANES * (window + extent.full) + (HISTOGRAM * window if extent.has_histogram else 0)
    before = 0
    if extent.is_matched:
        common, before = common + WANTED * window, MATCHING * window + COMPARED
    if plan.tile is None:
        return plan.rows * (common + max(before, PASS * window, EVALUATION * reached))
    tile = _area((plan.tile, plan.tile), HALO, extent.window)
    kept = KEPT + WANTED_KEPT * extent.is_matched
    solving = plan.rows * (kept * reached + (PASS + EVALUATION) * tile) + UNSHARED
    return plan.rows * common + max(before, solving)


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
    placed: Placed,
    settings: PoissonSettings | RefineSettings,
    style: Tensor | None = None,
    memory: float = math.inf,
) -> int:
    """The memory that a stage needs for its largest picture, solved alone.

    Args:
        placed: from `place`; for the refine stage with the object's mask, not yet its region's.
        settings: of the stage.
        style: (N, 3 or 4, h, w), the refine stage's; the network passes over it once.
        memory: bytes that the stage is told to keep within, by tiles if need be.

    Returns:
        Bytes; an estimate, too large rather than too small; 0 where nothing is computed. More than
        `memory` where no plan is small enough.
    """
    if isinstance(settings, RefineSettings) and settings.strength == 0:
        return 0
    largest = 0
    if style is not None:
        largest = PASS * style.shape[2] * style.shape[3]
    for sample in range(placed.mask.shape[0]):
        changing = _changing_box(placed, sample, settings)
        if changing is not None:
            shape = placed.target.shape
            largest = max(largest, _picture_bytes(changing, settings, shape, memory))
    return largest


def is_matched(settings: PoissonSettings | RefineSettings) -> bool:
    """Whether a stage's style term compares features with those of matched parts of the target."""
    if isinstance(settings, PoissonSettings):
        return False
    return settings.style_form == "matched" and settings.weights.style > 0


def memory_limit(compute: Compute, device: torch.device) -> float:
    """The bytes that a stage plans with.

    Args:
        compute: its `memory` is named, or None.
        device: where to compute.

    Returns:
        What is named; otherwise, on a processor, 8 GiB, so that tiles depend on sizes and settings
        alone, and on another device four fifths of what is free.
    """
    if compute.memory is not None:
        return compute.memory
    return DEFAULT_MEMORY if device.type == "cpu" else free_memory(device)


def result_bytes(placed: Placed, settings: BlendSettings) -> int:
    """The memory for what a blend makes at the target's size, beside what the stages compute with.

    Args:
        placed: from `place` or `vicinity`; its pictures are the caller's and do not count.
        settings: of all stages.

    Returns:
        Bytes, on the target's device, while the last stage runs: its result and the mask laid out;
        with a refine stage the Poisson stage's result, too, and the masks that it makes of that.
        Where the target is a part of a picture, that, if it was levels, and the result on the
        whole.
    """
    channels, height, width = placed.target.shape[1:]
    planes, whole = channels + MASK_PLANES, placed.picture
    if settings.refine is not None:  # the Poisson stage's result and its source, laid out
        planes = 2 * channels + 3 + REFINE_MASK_PLANES
    if is_levels(whole):
        planes += channels
    size = planes * placed.batch * height * width * placed.target.element_size()
    if is_levels(whole) or whole.shape != placed.target.shape:
        size += placed.batch * whole[0].numel() * whole.element_size()
    return round(size)


def check_memory(placed: Placed, settings: BlendSettings, device: torch.device) -> float:
    """Refuse a blend for which the memory is not there, before it begins.

    Which tiles the network works in depends on sizes and settings alone, and with them the last
    bits of the result; what is free at the moment decides no more than whether to begin, and on a
    processor alone: on other devices a smaller plan is tried when one fails.

    Args:
        placed: from `place`.
        settings: of all stages.
        device: where they will compute.

    Returns:
        Bytes that each stage is to stay within: the limit less what the blend's results take.

    Raises:
        ValueError: the settings name less than the least plan needs; says what would do.
        ShortOfMemoryError: the processor has less free than the plan needs; says what would do.
    """
    stages = [stage for stage in (settings.poisson, settings.refine) if stage is not None]
    results = result_bytes(placed, settings) if placed.target.device.type == device.type else 0

    def needed(memory: float) -> int:
        return results + max(
            estimated_memory(placed, stage, memory=max(memory - results, 0)) for stage in stages
        )

    limit, named = memory_limit(settings.compute, device), settings.compute.memory
    if named is not None and needed(named) > named:
        least = _megabytes(needed(named))
        raise ValueError(
            f"memory must be at least {least} MB for this blend, got {named // MEGABYTE} MB; "
            f"--memory {least} would do"
        )
    free = free_memory(device) / SHARE_OF_FREE if device.type == "cpu" else math.inf
    if needed(limit) > free:
        smaller = needed(free)
        remedy = f"{_megabytes(smaller)} MB free or a smaller object would do"
        if smaller <= free:
            remedy = f"--memory {_megabytes(smaller)} would do, in tiles"
        raise ShortOfMemoryError(
            f"memory must be {_megabytes(needed(limit))} MB for this blend, got "
            f"{int(free / MEGABYTE)} MB free; {remedy}"
        )
    return max(limit - results, 0)


def largest_bytes(
    size: tuple[int, int], shape: tuple[int, ...], settings: BlendSettings, memory: float
) -> int:
    """The most memory that a blend may need beside its pictures, told from sizes alone.

    Args:
        size: (height, width) of the source as placed, pixels: no object is larger.
        shape: of the target, (1, 3 or 4, H, W).
        settings: of all stages.
        memory: bytes that each stage is told to keep within.

    Returns:
        Bytes; more than `memory` where no plan is small enough.
    """
    height, width = (min(side, most) for side, most in zip(size, shape[2:], strict=True))
    box = Box((shape[2] - height) // 2, (shape[3] - width) // 2, height, width)
    most = 0
    for stage in filter(None, (settings.poisson, settings.refine)):
        is_whole = isinstance(stage, RefineSettings) and stage.region == "picture"
        changing = full_box(shape) if is_whole else box
        if isinstance(stage, RefineSettings) and not is_whole:
            changing = region_box(box, stage, shape)
        most = max(most, _picture_bytes(changing, stage, shape, memory))
    channels = 2 * shape[1] + 3 + REFINE_MASK_PLANES
    return most + round(4 * channels * math.prod(shape[2:]))


def _megabytes(size: int) -> int:
    return math.ceil(size / MEGABYTE)


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


def _picture_bytes(
    changing: Box,
    settings: PoissonSettings | RefineSettings,
    shape: tuple[int, ...],
    memory: float,
) -> int:
    """The bytes that a picture needs by the first plan within the memory."""
    if isinstance(settings, PoissonSettings) and settings.method == "exact":
        return EXACT * changing.height * changing.width
    window = window_box(changing, settings.margin, shape)
    factor = 1.0 if settings.sequence else reducing_factor(changing)

    def seen(box: Box) -> tuple[int, int]:
        return math.ceil(box.height / factor), math.ceil(box.width / factor)

    full = window.height * window.width if factor > 1 else 0
    has_histogram = bool(settings.weights.histogram)
    extent = Extent(seen(window), seen(changing), has_histogram, is_matched(settings), full)
    return planned_bytes(extent, plans(extent, 1, memory)[0])


def reducing_factor(box: Box) -> float:
    """By how much the network sees an object of a box's size reduced, >= 1."""
    return max(1.0, max(box.size) / WORKING)


def _area(size: tuple[int, int], grown: int, limit: tuple[int, int]) -> int:
    height, width = (min(side + 2 * grown, most) for side, most in zip(size, limit, strict=True))
    return height * width

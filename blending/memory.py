"""How much memory a stage wants, how much there is, and how to make do with less."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .machine import SHARE_OF_FREE
from .placement import Placed
from .region import region_box
from .settings import PoissonSettings, RefineSettings
from .tiles import HALO
from .window import Box, bounding_box, pick, window_around

TILES = (1024, 512, 256)  # sides to fall back to, pixels
MOST_ROWS = 8  # pictures solved at once where that pays: on a GPU
REACH = 46  # pixels around the object whose features change
# Bytes a pixel, measured (tests/benchmarks/memory.py): of the window for planes and the optimiser's
# history; of the window for the network's pass over what stays; of what changes for an evaluation
# and the ring that it is written into; of what changes for the features to keep, in tiles.
PLANES, PASS, EVALUATION, KEPT = 700, 1300, 2600, 300
HISTOGRAM = 1500  # of the window, for maps, sorted and matched ones
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
        return plan.rows * (common + PASS * window + EVALUATION * reached)
    tile = _area((plan.tile, plan.tile), HALO, extent.window)
    return plan.rows * (common + KEPT * reached + (PASS + EVALUATION) * tile)


def plans(extent: Extent, rows: int, memory: float) -> list[Plan]:
    """The plans to try, largest first: those that fit, and in any case the smallest.

    Args:
        extent: of each picture.
        rows: how many there are.
        memory: bytes.
    """
    every = [Plan(count, None) for count in sorted({rows, 1}, reverse=True)]
    every += [Plan(1, side) for side in TILES if side < max(extent.window)]
    return [plan for plan in every if planned_bytes(extent, plan) <= memory] or every[-1:]


def free_memory(device: torch.device) -> float:
    """Bytes that a stage may take there; infinity where that cannot be asked."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return SHARE_OF_FREE * (free + cached)
    if device.type == "cpu":
        import psutil

        return SHARE_OF_FREE * psutil.virtual_memory().available
    return float("inf")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch could not allocate; on a processor that is a plain RuntimeError."""
    kinds = (getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError),)
    words = ("not enough memory", "can't allocate memory")  # on Windows; elsewhere
    return isinstance(error, kinds) or any(said in str(error) for said in words)


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
        extent = Extent((style.shape[2], style.shape[3]), (0, 0), False)
        largest = planned_bytes(extent, Plan(1, None))
    for sample in range(placed.mask.shape[0]):
        changing = _changing(placed, sample, settings)
        if changing is not None:
            largest = max(largest, _wanted(changing, settings, placed.target.shape))
    return largest


def _changing(
    placed: Placed, sample: int, settings: PoissonSettings | RefineSettings
) -> Box | None:
    """The box on the target of what a stage changes in a picture; None: nothing."""
    mask = pick(placed.mask, sample) > 0
    box = None
    if mask.any():
        top, left, height, width = bounding_box(mask)
        box = top + placed.row, left + placed.column, height, width
    if isinstance(settings, PoissonSettings):
        return box
    if settings.region == "picture":
        box = box or (0, 0, 0, 0)
    return box and region_box(box, settings, placed.target.shape)


def _wanted(
    changing: Box, settings: PoissonSettings | RefineSettings, shape: tuple[int, ...]
) -> int:
    if isinstance(settings, PoissonSettings) and settings.method == "exact":
        return EXACT * changing[2] * changing[3]
    margin = max(shape[2:]) if settings.margin is None else settings.margin
    window = window_around(changing, margin, shape)
    has_histogram = bool(settings.weights.histogram)
    return planned_bytes(Extent(window[2:], changing[2:], has_histogram), Plan(1, None))


def _area(size: tuple[int, int], grown: int, limit: tuple[int, int]) -> int:
    height, width = (min(side + 2 * grown, most) for side, most in zip(size, limit, strict=True))
    return height * width

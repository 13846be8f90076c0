"""What the quality benchmark compares: peers, the two stages of presets, published pictures."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import torch.nn.functional as F
from peers import opencv_clone
from quality_cases import Case
from torch import Tensor

from blending import PRESETS, BlendSettings, PoissonSettings, poisson_stage, refine_stage
from blending.network.vgg16 import Features
from blending.placement.place import Placed
from blending.placement.window import composite
from blending.stages.batch import StageResult

HAS_OPENCV = find_spec("cv2") is not None
OPENCV_ERODES = 3  # pixels that seamlessClone takes off the mask, by a square of 7 x 7


@dataclass(frozen=True)
class Result:
    """What one method made of a case.

    Attributes:
        method: its name.
        image: (1, 3, H, W), in [0, 1], on 8-bit levels.
        seconds: from the three pictures to this one; None: not known.
        clipped: share of the values under the mask that left [0, 1]; None: not known.
        as_published: the picture before it was composited with the mask; None: `image`.
    """

    method: str
    image: Tensor
    seconds: float | None = None
    clipped: float | None = None
    as_published: Tensor | None = None


def results(case: Case, presets: list[str], network: Features) -> Iterator[Result]:
    """Every method's picture, copy and paste first.

    Args:
        case: from `read_case`.
        presets: names out of `PRESETS`.
        network: from `load_features`.
    """
    placed = case.placed
    yield Result("copy-paste", rounded(placed.paste))
    if HAS_OPENCV:
        started = time.perf_counter()
        cloned = seamless_clone(placed)
        yield Result("OpenCV seamlessClone", cloned, time.perf_counter() - started)
    yield _stage_result("exact", poisson_stage(placed, PoissonSettings(method="exact")))
    for name in presets:
        yield from preset_results(name, PRESETS[name], placed, network)
    for method, picture in case.published.items():
        image = rounded(composite(placed.target, picture, placed.full_mask))
        yield Result(method, image, as_published=picture)


def preset_results(
    name: str, settings: BlendSettings, placed: Placed, network: Features
) -> Iterator[Result]:
    """The picture of each stage of a preset; the refine stage goes on from the Poisson stage's."""
    poisson = poisson_stage(placed, settings.poisson, network)
    yield _stage_result(f"{name}: poisson", poisson)
    if settings.refine is None:
        return
    refined = refine_stage(
        poisson.image, placed.target, poisson.mask, settings.refine, network, source=poisson.source
    )
    yield _stage_result(f"{name}: refine", refined, poisson.report["seconds"])


def seamless_clone(placed: Placed) -> Tensor:
    """OpenCV's normal clone of Pérez et al. 2003, (1, 3, H, W).

    It erodes the mask: what it gets is grown by as much, so that it takes the gradients of the
    pixels that the others take (with the bare mask, tightly cut objects turn to ghosts). Around
    them it solves the rest of the mask's box, too. The source is continued by its outermost pixels
    to the target's size, which makes the place exact whatever the frame cuts off.
    """
    height, width = placed.mask.shape[2:]
    below = placed.target.shape[2] - placed.row - height
    right = placed.target.shape[3] - placed.column - width
    source = F.pad(placed.source, (placed.column, right, placed.row, below), mode="replicate")
    size = 2 * OPENCV_ERODES + 1
    mask = F.max_pool2d((placed.full_mask > 0).float(), size, 1, OPENCV_ERODES)
    return opencv_clone(source, placed.target, mask, 0, 0)


def rounded(image: Tensor) -> Tensor:
    """The RGB picture on 8-bit levels, as a file would have it."""
    return (255 * image[:, :3]).round().clamp(0, 255) / 255


def _stage_result(method: str, stage: StageResult, before: float = 0.0) -> Result:
    """A stage's picture; `before` is the seconds that its input took."""
    clipped = stage.report["pictures"][0].get("clipped_share")
    return Result(method, rounded(stage.image), before + stage.report["seconds"], clipped)

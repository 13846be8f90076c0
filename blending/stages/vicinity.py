"""The part of a target that a blend looks at, and its results on the whole target."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from ..harmonise.palette import RING
from ..placement.box import Box, crop, full_box
from ..placement.levels import as_kept, as_values
from ..placement.place import Placed
from ..placement.window import pick
from ..settings import BlendSettings
from .batch import Evaluation, OnEvaluation
from .cleaned import MARGIN
from .prepare import NARROW

STRIP = 256  # rows that are rounded at once


def stages_reach(settings: BlendSettings) -> int | None:
    """How far from the source's box the stages look at the target.

    What is asked of all of a picture, its gamut, is read of it in a few pixels.

    Args:
        settings: of all stages.

    Returns:
        Pixels; None: they look at all of it.
    """
    poisson, refine = settings.poisson, settings.refine
    if poisson.margin is None and (poisson.method == "deep" or poisson.grain):
        return None
    reach = max(poisson.margin or 0, NARROW, MARGIN, RING)
    if refine is None:
        return reach
    if refine.region == "picture" or refine.margin is None:
        return None
    return max(reach, refine.margin + (refine.band if refine.region == "band" else 0))


@torch.inference_mode(False)
@torch.no_grad()
def on_whole_target(image: Tensor, placed: Placed) -> Tensor:
    """A stage's result on the whole picture that its target was cut from.

    Args:
        image: (N, 3 or 4, h, w), float, in [0, 1], of the target's size.
        placed: whose target that is.

    Returns:
        (N, 3 or 4, H, W), in the whole picture's dtype, with its bits wherever the target's are.
    """
    whole = placed.picture
    if image.shape[2:] == whole.shape[2:] and image.dtype == whole.dtype:
        return image
    result = whole.expand(len(image), -1, -1, -1).clone()
    strips = image.split(STRIP, 2), crop(result, placed.part).split(STRIP, 2)
    for found, kept in zip(*strips, strict=True):
        kept.copy_(as_kept(found, whole))
    return result


def place_in_report(stages: Iterable[dict], placed: Placed) -> None:
    """Turn the windows' places in reports into places on the whole picture, in these reports.

    Args:
        stages: reports of stages that worked on the target.
        placed: whose target that is.
    """
    for stage in stages:
        for picture in stage["pictures"]:
            if "window" in picture:
                picture["window"]["row"] += placed.corner[0]
                picture["window"]["column"] += placed.corner[1]


def tell_of_whole(placed: Placed, on_evaluation: OnEvaluation | None) -> OnEvaluation | None:
    """An observer of stages that work on a part of a picture, told of the picture.

    Args:
        placed: whose target the stages work on.
        on_evaluation: told what the stages tell, but with the whole picture; None: nobody is.

    Returns:
        The observer; None where nobody listens.
    """
    if on_evaluation is None:
        return None
    tell = on_evaluation

    def observe(event: Evaluation) -> None:
        tell(replace(event, picture=partial(_whole_picture, placed, event)))

    return observe


def _whole_picture(
    placed: Placed, event: Evaluation, step: int = 1, box: Box | None = None
) -> Tensor:
    """What `Evaluation.picture` says, of the whole picture, from an event of its part."""
    whole = pick(placed.picture, event.sample)[:, :3]
    box = box or full_box(whole.shape)
    image = as_values(crop(whole, box)[..., ::step, ::step]).clone()
    shared = placed.part.intersection(box)
    # From the first row and column that are every step-th of the box.
    down, across = (box.top - shared.top) % step, (box.left - shared.left) % step
    height, width = shared.height - down, shared.width - across
    if min(height, width) <= 0:
        return image
    seen = Box(shared.top + down, shared.left + across, height, width)
    now = event.picture(step, seen.relative_to(placed.part))
    row, column = (seen.top - box.top) // step, (seen.left - box.left) // step
    crop(image, Box(row, column, *now.shape[2:])).copy_(now)
    return image

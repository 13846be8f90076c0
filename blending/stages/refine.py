"""The style refine stage: bring a blend closer to its target's style and keep its content."""

from dataclasses import replace

import torch
from torch import Tensor

from ..checks import check_type
from ..image.mask import adjust_mask
from ..network.vgg16 import Features, load_features
from ..optimize.minimize import OnRowEvaluation, RowEvaluation
from ..placement.box import bounding_box, crop
from ..placement.place import SOLVED_FROM, Placed, check_taken, solved_mask
from ..placement.window import Window, region_box
from ..settings import Compute, RefineSettings
from ..validation import check_image, check_mask, check_same_size, common_batch
from .batch import Job, OnEvaluation, Solved, StageResult
from .brush import Brush
from .deep_solver import deep_solver
from .device import resolve_device
from .memory import rows_at_once
from .reduced import working_factor


def refine_stage(  # noqa: PLR0913 - four pictures, and how
    image: Tensor,
    target: Tensor,
    mask: Tensor,
    settings: RefineSettings | None = None,
    network: Features | None = None,
    compute: Compute | None = None,
    on_evaluation: OnEvaluation | None = None,
    style: Tensor | None = None,
    source: Tensor | None = None,
) -> StageResult:
    """Bring a blend closer to its target's style and keep its content.

    The result is the input plus `strength` times the change that minimises the joint objective; at
    0 nothing is computed and the input is returned bit for bit.

    Args:
        image: (N, 3 or 4, H, W), the blend, in [0, 1].
        target: (N, 3 or 4, H, W), in [0, 1], whose style is matched; the same size.
        mask: (N, 1, H, W), in [0, 1], 1 = may change; where it is 0 the bits of `image` stay. It
            is grown where the region is a band, and ignored where the region is the whole picture.
        settings: None: the defaults.
        network: VGG16, not changed or moved; None: the bundled one.
        compute: device, precision and memory; None: where the target is, in the quickest precision.
        on_evaluation: called before every picture, as evaluation 0, and at every evaluation; an
            exception that it raises ends the stage and is passed on.
        style: (N, 3 or 4, h, w), in [0, 1], of any size; a picture whose style, all of it, is
            matched instead of the target's. Its alpha is ignored. The histogram term, off by
            default, still uses the target.
        source: (N, 3 or 4, H, W), in [0, 1], what is held under the mask: the source as the Poisson
            stage held it, `StageResult.source`. Its alpha is ignored. None: the blend is held,
            whose contrast has suffered already; the report says so.

    Returns:
        image + mask·change, and the mask of the region; the bits of `image` outside it.

    Raises:
        ValueError: shapes, ranges, sizes or batches; a mask that is 0 everywhere.
        TypeError: not float tensors; settings or compute are something else.
        FileNotFoundError: the bundled weights are missing.

    Source: Zhang et al. 2020, second stage. Differs: a content term that compares with the input,
    not with itself.
    """
    settings, compute = settings or RefineSettings(), compute or Compute()
    check_type("settings", settings, RefineSettings)
    check_type("compute", compute, Compute)
    placed, image = _checked(image, target, mask, settings, style, source)
    device = resolve_device(compute, target.device)
    rows = rows_at_once(settings, device)
    tell = on_evaluation if settings.strength else None
    job = Job("refine", placed, image, settings.margin, device, rows, tell)
    if settings.strength == 0:
        untouched = job.run(
            settings,
            lambda _, windows, __: [
                Solved(w.source, w.source, {"evaluations": 0}) for w in windows
            ],
        )
        return replace(untouched, image=image.expand_as(untouched.image).clone())
    solver = deep_solver(settings, network or load_features(), placed, compute, device)
    brush = Brush(settings, solver, mask, style, source)

    def applied(window: Window, x: Tensor) -> Tensor:
        return x if settings.strength == 1 else torch.lerp(window.source, x, settings.strength)

    def solve(first: int, windows: list[Window], tell: OnRowEvaluation | None) -> list[Solved]:
        def tell_applied(event: RowEvaluation) -> None:
            if tell:
                shown = begun[event.row].shown(event.x)
                tell(replace(event, x=applied(windows[event.row], shown)))

        factor = 1.0 if settings.sequence else working_factor(windows)
        begun = [brush.begin(n, window, factor) for n, window in enumerate(windows, first)]
        solved = solver.solve([one.start for one in begun], tell_applied)
        rows = zip(windows, solved, begun, strict=True)
        return [
            Solved(applied(w, one.finish(x)), w.source, one.figures | own)
            for w, (x, own), one in rows
        ]

    return job.run(settings, solve)


def region_mask(mask: Tensor, settings: RefineSettings) -> Tensor:
    """The mask of the pixels that may change: the object, a band around it, or the whole picture.

    Args:
        mask: (N, 1, H, W), in [0, 1], 1 = object.
        settings: region and band.

    Returns:
        (N, 1, H, W), in [0, 1], 1 = may change.
    """
    if settings.region == "picture":
        return torch.ones_like(mask)
    taken = (mask >= SOLVED_FROM).any(0, keepdim=True)
    if settings.region == "object" or not taken.any():
        return mask
    box = region_box(bounding_box(taken), settings, mask.shape)
    grown = mask.clone()
    crop(grown, box).copy_(adjust_mask(crop(mask, box), grow=settings.band))
    return grown


def _checked(
    image: Tensor,
    target: Tensor,
    mask: Tensor,
    settings: RefineSettings,
    style: Tensor | None,
    source: Tensor | None,
) -> tuple[Placed, Tensor]:
    """Check the arguments; the blend as a source placed on its target, and the blend as a batch."""
    check_image("image", image)
    check_image("target", target)
    check_same_size("target", target, "image", image)
    check_mask("mask", mask)
    check_same_size("mask", mask, "image", image)
    if source is not None:
        check_image("source", source)
        check_same_size("source", source, "image", image)
    if style is not None:
        check_image("style", style)
    more = {"style": style, "source": source}
    given = {name: tensor for name, tensor in more.items() if tensor is not None}
    batch = common_batch(image=image, target=target, mask=mask, **given)
    image, target = image.detach().expand(batch, -1, -1, -1), target.detach()
    mask = region_mask(mask.detach(), settings)
    check_taken(mask)
    everywhere = mask.new_ones(()).expand_as(mask)
    return Placed(image[:, :3], solved_mask(mask), everywhere, target, row=0, column=0), image

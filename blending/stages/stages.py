"""The two stages: each takes pictures, works on one window a picture, and reports what it did."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..deep.vgg16 import Features, load_features
from ..machine import Compute
from ..placement.alpha import LARGEST_SIDE
from ..placement.place import Placed, place
from ..placement.window import Scene
from ..settings import PoissonSettings, RefineSettings
from ..validation import check_image, check_mask, check_same_size, common_batch
from .batch import Job, Observe, OnEvaluation, StageResult
from .deep_solver import Solver
from .device import resolve_arithmetic, resolve_device
from .exact import solve_exactly
from .memory import MOST_ROWS, free_memory
from .prepare import prepare
from .region import region_mask
from .starts import poisson_start, refine_start

EXACT_MARGIN = 4  # the solve needs the mask's neighbours, the match some more


def poisson_stage(
    placed: Placed,
    settings: PoissonSettings | None = None,
    network: Features | None = None,
    compute: Compute | None = None,
    on_evaluation: OnEvaluation | None = None,
) -> StageResult:
    """Blend a placed source into its target.

    Args:
        placed: from `place`.
        settings: None: the defaults.
        network: stays as it is and where it is; None: the bundled one, loaded if the method needs
            it.
        compute: where and how; None: where the target is, in the quickest arithmetic.
        on_evaluation: called at every evaluation of the deep method, before every picture of the
            exact one; what it raises ends the stage.

    Returns:
        The blend. Computed in float32 (float64 for a float64 target), clipped to [0, 1] once, under
        the mask.

    Raises:
        FileNotFoundError, ValueError: the bundled weights are missing or changed.

    Source: Zhang et al. 2020, first stage; Pérez et al. 2003 for the exact method.
    """
    if not isinstance(placed, Placed):
        raise TypeError(f"placed must be what place() returns, got {type(placed).__name__}")
    settings, compute = settings or PoissonSettings(), compute or Compute()
    device = resolve_device(compute, placed.target.device)
    is_exact = settings.method == "exact"
    margin = EXACT_MARGIN if is_exact else _reach(settings)
    rows = _rows(settings, device)
    job = Job("poisson", placed, placed.target, margin, device, rows, on_evaluation)
    if is_exact:
        return job.run(settings, lambda _, scenes, tell: solve_exactly(scenes, settings, tell))
    solver = _solver(settings, network or load_features(), placed, compute, device)

    def solve(_: int, scenes: list[Scene], observe: Observe | None) -> list[tuple[Tensor, dict]]:
        prepared = [prepare(scene, settings) for scene in scenes]
        solved = solver.solve([poisson_start(p, settings) for p in prepared], observe)
        return [(x, p.figures | own) for p, (x, own) in zip(prepared, solved, strict=True)]

    return job.run(settings, solve)


def refine_stage(
    image: Tensor,
    target: Tensor,
    mask: Tensor,
    settings: RefineSettings | None = None,
    network: Features | None = None,
    compute: Compute | None = None,
    on_evaluation: OnEvaluation | None = None,
    style: Tensor | None = None,
) -> StageResult:
    """Pull a blend further towards its target's style, its content held.

    The result is the input and `strength` times the change that a minimum asks for; at 0 nothing is
    computed and the input comes back bit for bit.

    Args:
        image: (N, 3 or 4, H, W), the blend, in [0, 1].
        target: (N, 3 or 4, H, W), whose style is wanted; the same size.
        mask: (N, 1, H, W), in [0, 1], 1 = may change; pixels below 0.5 stay as they are in `image`.
            It is grown where the region is a band; where that is the whole picture, all of it may
            change, whatever the mask says.
        settings: None: the defaults.
        network: as in `poisson_stage`.
        compute: as in `poisson_stage`.
        on_evaluation: as in `poisson_stage`.
        style: (N, 3 or 4, h, w), in [0, 1], of any size; a picture whose style is wanted instead of
            the target's, all of it. An alpha does not count. The histogram term, off by default,
            stays with the target.

    Returns:
        image + mask·change, and that mask; `image`'s bits outside it.

    Raises:
        ValueError: shapes, ranges, sizes or batches; a mask that never reaches 0.5.

    Source: Zhang et al. 2020, second stage. Differs: a content term that compares with the input,
    not with itself.
    """
    settings, compute = settings or RefineSettings(), compute or Compute()
    placed, image = _refined(image, target, mask, settings, style)
    device = resolve_device(compute, target.device)
    rows = _rows(settings, device)
    job = Job("refine", placed, image, _reach(settings), device, rows, on_evaluation)
    if settings.strength == 0:
        untouched = job.run(
            settings, lambda _, scenes, __: [(s.source, {"evaluations": 0}) for s in scenes]
        )
        return replace(untouched, image=image.expand_as(untouched.image).clone())
    solver = _solver(settings, network or load_features(), placed, compute, device)
    styles = _styles(style, solver)

    def applied(scene: Scene, x: Tensor) -> Tensor:
        return x if settings.strength == 1 else torch.lerp(scene.source, x, settings.strength)

    def solve(
        first: int, scenes: list[Scene], observe: Observe | None
    ) -> list[tuple[Tensor, dict]]:
        def tell(row: int, number: int, over: int, terms: dict[str, float], x: Tensor) -> None:
            if observe:
                observe(row, number, over, terms, applied(scenes[row], x))

        starts = [
            refine_start(scene, settings, styles(sample))
            for sample, scene in enumerate(scenes, first)
        ]
        solved = solver.solve(starts, tell)
        return [(applied(s, x), own) for s, (x, own) in zip(scenes, solved, strict=True)]

    return job.run(settings, solve)


def _refined(
    image: Tensor, target: Tensor, mask: Tensor, settings: RefineSettings, style: Tensor | None
) -> tuple[Placed, Tensor]:
    """The blend as source of its own place, and as batch; the arguments checked."""
    check_image("image", image)
    check_image("target", target)
    check_same_size("target", target, "image", image)
    check_mask("mask", mask)
    check_same_size("mask", mask, "image", image)
    if style is not None:
        check_image("style", style)
        batch = common_batch(image=image, target=target, mask=mask, style=style)
        image = image.expand(batch, -1, -1, -1)
    return place(image[:, :3], target, region_mask(mask, settings)), image


def _styles(style: Tensor | None, solver: Solver) -> Callable[[int], dict[str, Tensor] | None]:
    """A picture's number to the Gram matrices of its style; None: the target's are wanted."""
    if style is None:
        return lambda _: None
    made = [solver.grams(row[None, :3]) for row in style]
    return lambda sample: made[sample if len(made) > 1 else 0]


@torch.inference_mode(False)
def _solver(
    settings: PoissonSettings | RefineSettings,
    network: Features,
    placed: Placed,
    compute: Compute,
    device: torch.device,
) -> Solver:
    """With the network where the pictures will be, in the arithmetic that was asked for."""
    dtype = torch.promote_types(placed.target.dtype, torch.float32)
    like = torch.empty(0, device=device, dtype=dtype)
    own = network.prepared(like, resolve_arithmetic(compute, device, dtype))
    memory = free_memory(device) if compute.memory is None else compute.memory
    return Solver(settings, own, memory)


def _rows(settings: PoissonSettings | RefineSettings, device: torch.device) -> int:
    """Pictures to solve at once: on a processor one is quickest, a film goes frame by frame."""
    return 1 if device.type == "cpu" or settings.sequence else MOST_ROWS


def _reach(settings: PoissonSettings | RefineSettings) -> int:
    """Pixels around the mask's box that the window takes in."""
    return LARGEST_SIDE if settings.margin is None else settings.margin

"""The two stages: each takes pictures, works on one window a picture, and reports what it did."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from .cutout import LARGEST_SIDE
from .features import Features, load_features
from .filters import laplacian
from .hold import edge_hold, rim_hold
from .job import Job, Observe, OnEvaluation, StageResult
from .joint import gradient_metric, joint_objective
from .masks import adjust_mask
from .minimize import minimize
from .objective import Objective
from .placement import Placed, place
from .preparation import prepare
from .report import json_ready
from .settings import PoissonSettings, RefineSettings
from .validation import check_image, check_mask, check_same_size
from .window import Scene

# Two evaluations in a row that win less than this share of the objective end a stage: what more
# would win is in the third digit of the score, and cannot be seen.
TOLERANCE = 0.004
EXACT_MARGIN = 4  # the solve needs the mask's neighbours, the match some more


def poisson_stage(
    placed: Placed,
    settings: PoissonSettings | None = None,
    network: Features | None = None,
    device: torch.device | None = None,
    on_evaluation: OnEvaluation | None = None,
) -> StageResult:
    """Blend a placed source into its target.

    Args:
        placed: from `place`.
        settings: None: the defaults.
        network: moved to the device and dtype of the work; None: the bundled one, loaded if the
            method needs it.
        device: where to compute; None: where the target is.
        on_evaluation: called at every evaluation of the deep method; what it raises ends the stage.

    Returns:
        The blend. Computed in float32 (float64 for a float64 target), clipped to [0, 1] once, under
        the mask.

    Raises:
        FileNotFoundError, ValueError: the bundled weights are missing or changed.

    Source: Zhang et al. 2020, first stage; Pérez et al. 2003 for the exact method.
    """
    if not isinstance(placed, Placed):
        raise TypeError(f"placed must be what place() returns, got {type(placed).__name__}")
    settings = settings or PoissonSettings()
    margin = EXACT_MARGIN if settings.method == "exact" else _reach(settings)
    job = Job("poisson", placed, placed.target, margin, device, on_evaluation)
    if settings.method == "exact":
        return job.run(settings, lambda scene, _: _exact(scene, settings))
    network = network or load_features()
    return job.run(settings, lambda scene, tell: _deep(scene, settings, network, tell))


def refine_stage(
    image: Tensor,
    target: Tensor,
    mask: Tensor,
    settings: RefineSettings | None = None,
    network: Features | None = None,
    device: torch.device | None = None,
    on_evaluation: OnEvaluation | None = None,
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
        device: as in `poisson_stage`.
        on_evaluation: as in `poisson_stage`.

    Returns:
        image + mask·change, and that mask; `image`'s bits outside it.

    Raises:
        ValueError: shapes, ranges, sizes or batches; a mask that never reaches 0.5.

    Source: Zhang et al. 2020, second stage. Differs: a content term that compares with the input,
    not with itself.
    """
    settings = settings or RefineSettings()
    check_image("image", image)
    check_image("target", target)
    check_same_size("target", target, "image", image)
    check_mask("mask", mask)
    check_same_size("mask", mask, "image", image)
    if settings.region == "picture":
        mask = torch.ones_like(mask)
    elif settings.region == "band":
        mask = adjust_mask(mask, grow=settings.band)
    placed = place(image[:, :3], target, mask)
    job = Job("refine", placed, image, _reach(settings), device, on_evaluation)
    if settings.strength == 0:
        result = job.run(settings, lambda scene, _: (scene.source, {"evaluations": 0}))
        return replace(result, image=image.expand_as(result.image).clone())
    network = network or load_features()
    return job.run(settings, lambda scene, tell: _refine(scene, settings, network, tell))


def _exact(scene: Scene, settings: PoissonSettings) -> tuple[Tensor, dict]:
    prepared = prepare(scene, settings)
    return prepared.exact, prepared.figures


def _deep(
    scene: Scene, settings: PoissonSettings, network: Features, observe: Observe
) -> tuple[Tensor, dict]:
    """The joint objective with the target as background.

    Where other gradients than the source's are wanted, the pasted source is not what is to be kept:
    the Poisson equation's solution is.
    """
    prepared = prepare(scene, settings)
    scene, guidance = prepared.scene, prepared.guidance
    if settings.gradients == "import":
        guidance = prepared.joint_guidance()
        is_new = settings.start == "paste" and prepared.sameness < 0.5
        x0 = scene.source if is_new else prepared.exact
    else:
        x0 = prepared.exact
        scene = replace(scene, source=x0.clamp(0, 1), known=torch.ones_like(scene.known))
    weights = prepared.joint_weights(settings.weights)
    objective = joint_objective(
        scene, scene.target, guidance, rim_hold(scene, settings.rim), network, weights
    )
    x, figures = _minimise(objective, x0, gradient_metric(scene, weights), settings, observe)
    return x, prepared.figures | figures


def _refine(
    scene: Scene, settings: RefineSettings, network: Features, observe: Observe
) -> tuple[Tensor, dict]:
    """The joint objective with the blend as source and background."""
    guidance = torch.where(scene.support, laplacian(scene.source), laplacian(scene.target))
    hold = edge_hold(scene)
    objective = joint_objective(scene, scene.source, guidance, hold, network, settings.weights)

    def applied(x: Tensor) -> Tensor:
        return x if settings.strength == 1 else torch.lerp(scene.source, x, settings.strength)

    def tell(number: int, terms: dict[str, float], x: Tensor) -> None:
        if observe:
            observe(number, terms, applied(x))

    metric = gradient_metric(scene, settings.weights, hold.texture)
    x, figures = _minimise(objective, scene.source, metric, settings, tell)
    return applied(x), figures


def _minimise(
    objective: Objective,
    x0: Tensor,
    metric: Callable[[Tensor], Tensor] | None,
    settings: PoissonSettings | RefineSettings,
    observe: Observe,
) -> tuple[Tensor, dict]:
    """The best x and the figures for the report."""
    solution = minimize(
        objective,
        x0,
        max_evaluations=settings.max_evaluations,
        tolerance=TOLERANCE,
        precondition=metric,
        on_evaluation=observe,
    )
    return solution.x, {
        "evaluations": solution.evaluations,
        "stop_reason": solution.reason.value,
        "terms_start": json_ready(solution.trace[0]),
        "terms_end": json_ready(solution.terms),
        "trace": [json_ready(terms) for terms in solution.trace],
    }


def _reach(settings: PoissonSettings | RefineSettings) -> int:
    """Pixels around the mask's box that the window takes in."""
    return LARGEST_SIDE if settings.margin is None else settings.margin

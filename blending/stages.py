"""The two stages: each takes pictures, works on one window a picture, and reports what it did."""

import torch
from torch import Tensor

from .features import Features, load_features
from .guidance import guidance_field
from .job import Job, Observe, OnEvaluation, StageResult
from .joint import gradient_metric, joint_objective
from .minimize import minimize
from .placement import Placed, place
from .poisson import solve_poisson
from .report import json_ready
from .settings import PoissonSettings, RefineSettings
from .validation import check_image, check_mask, check_same_size
from .window import Scene

EXACT_MARGIN = 1  # the solve needs the mask's neighbours only


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
    if settings.method == "exact":
        job = Job("poisson", placed, placed.target, EXACT_MARGIN, device, on_evaluation)
        return job.run(settings, lambda scene, _: (_exact(scene), {}))
    network = network or load_features()

    def solve(scene: Scene, observe: Observe) -> tuple[Tensor, dict]:
        x0 = scene.source if settings.start == "paste" else _exact(scene)
        return _optimise(scene, scene.target, x0, network, settings, observe)

    job = Job("poisson", placed, placed.target, settings.margin, device, on_evaluation)
    return job.run(settings, solve)


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

    Args:
        image: (N, 3 or 4, H, W), the blend, in [0, 1].
        target: (N, 3 or 4, H, W), whose style is wanted; the same size.
        mask: (N, 1, H, W), in [0, 1], 1 = may change; pixels below 0.5 stay as they are in `image`.
            Where the region is the whole picture, all of it may change, whatever the mask says.
        settings: None: the defaults.
        network: as in `poisson_stage`.
        device: as in `poisson_stage`.
        on_evaluation: as in `poisson_stage`.

    Returns:
        image + mask·change; `image`'s bits outside the mask unless the region is the whole picture.

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
    placed = place(image[:, :3], target, mask)
    network = network or load_features()

    def solve(scene: Scene, observe: Observe) -> tuple[Tensor, dict]:
        return _optimise(scene, scene.source, scene.source, network, settings, observe)

    return Job("refine", placed, image, settings.margin, device, on_evaluation).run(settings, solve)


def _exact(scene: Scene) -> Tensor:
    """The Poisson equation's solution under the mask; not clipped."""
    guidance = guidance_field(scene.source, scene.known, scene.target, scene.support)
    boundary = torch.where(scene.support, scene.source, scene.target)
    return solve_poisson(guidance, scene.support, boundary)


def _optimise(
    scene: Scene,
    background: Tensor,
    x0: Tensor,
    network: Features,
    settings: PoissonSettings | RefineSettings,
    observe: Observe,
) -> tuple[Tensor, dict]:
    """Minimise the joint objective over x; the best x and the figures for the report."""
    network = network.to(scene.source.device, scene.source.dtype)
    solution = minimize(
        joint_objective(scene, background, network, settings.weights, settings.rim),
        x0,
        max_evaluations=settings.max_evaluations,
        precondition=gradient_metric(scene, settings.weights),
        on_evaluation=observe,
    )
    return solution.x, {
        "evaluations": solution.evaluations,
        "stop_reason": solution.reason.value,
        "terms_start": json_ready(solution.trace[0]),
        "terms_end": json_ready(solution.terms),
        "trace": [json_ready(terms) for terms in solution.trace],
    }

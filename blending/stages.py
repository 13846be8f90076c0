"""The two stages: each takes pictures, works on one window a picture, and reports what it did."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from .features import Features, load_features
from .filters import guidance_field
from .joint import gradient_metric, joint_objective
from .minimize import minimize
from .placement import Placed, Scene, composite, crop, pick, place
from .poisson import solve_poisson
from .settings import PoissonSettings, RefineSettings
from .validation import check_image, check_mask, check_same_size

EXACT_MARGIN = 1  # the solve needs the mask's neighbours only


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a stage's objective, for progress bars and live pictures.

    Attributes:
        stage: "poisson" or "refine".
        sample: which picture of the batch, from 0.
        samples: how many there are.
        number: of this evaluation, from 1.
        budget: the most there will be for this picture.
        terms: the weighted terms.
        picture: makes the current picture, (1, 3, H, W) in [0, 1], on the target's device.
    """

    stage: str
    sample: int
    samples: int
    number: int
    budget: int
    terms: dict[str, float]
    picture: Callable[[], Tensor]


OnEvaluation = Callable[[Evaluation], None]
Observe = Callable[[int, dict[str, float], Tensor], None] | None  # what `minimize` calls


@dataclass(frozen=True)
class StageResult:
    """What a stage returns.

    Attributes:
        image: (N, 3 or 4, H, W), the target's dtype and device; the target's bits outside the mask.
        mask: (N, 1, H, W), the mask at its place, 0 below 0.5.
        report: JSON-ready: settings, seconds, notes, and for every picture evaluations, terms and stop reason.
    """

    image: Tensor
    mask: Tensor
    report: dict


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
        network: moved to the device and dtype of the work; None: the bundled one, loaded if the method needs it.
        device: where to compute; None: where the target is.
        on_evaluation: called at every evaluation of the deep method; what it raises ends the stage.

    Returns:
        The blend. Computed in float32 (float64 for a float64 target), clipped to [0, 1] once, under the mask.

    Raises:
        FileNotFoundError, ValueError: the bundled weights are missing or changed.

    Source: Zhang et al. 2020, first stage; Pérez et al. 2003 for the exact method.
    """
    settings = settings or PoissonSettings()
    if settings.method == "exact":
        job = _Job("poisson", placed, placed.target, EXACT_MARGIN, device, on_evaluation)
        return job.run(settings, lambda scene, _: (_exact(scene), {}))
    network = network or load_features()

    def solve(scene: Scene, observe: Observe) -> tuple[Tensor, dict]:
        x0 = scene.source if settings.start == "paste" else _exact(scene)
        return _optimise(scene, scene.target, x0, network, settings, observe)

    job = _Job("poisson", placed, placed.target, settings.margin, device, on_evaluation)
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
        settings: None: the defaults.
        network: as in `poisson_stage`.
        device: as in `poisson_stage`.
        on_evaluation: as in `poisson_stage`.

    Returns:
        image + mask·change; `image`'s bits outside the mask unless the region is the whole picture.

    Raises:
        ValueError: shapes, ranges, sizes or batches; a mask that never reaches 0.5.

    Source: Zhang et al. 2020, second stage. Differs: a content term that compares with the input, not with itself.
    """
    settings = settings or RefineSettings()
    check_image("image", image)
    check_same_size("target", target, "image", image)
    if settings.region == "picture":
        check_mask("mask", mask)
        mask = torch.ones_like(mask)
    placed = place(image[:, :3], target, mask)
    network = network or load_features()

    def solve(scene: Scene, observe: Observe) -> tuple[Tensor, dict]:
        return _optimise(scene, scene.source, scene.source, network, settings, observe)

    return _Job("refine", placed, image, settings.margin, device, on_evaluation).run(settings, solve)


def _exact(scene: Scene) -> Tensor:
    """The Poisson equation's solution composited; not clipped."""
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
        "terms_start": solution.trace[0],
        "terms_end": solution.terms,
        "trace": list(solution.trace),
    }


@dataclass(frozen=True)
class _Job:
    """One stage over a batch: cut a window, solve, write the composite into a copy of `base`."""

    stage: str
    placed: Placed
    base: Tensor
    margin: int
    device: torch.device | None
    on_evaluation: OnEvaluation | None

    @torch.inference_mode(False)
    @torch.no_grad()
    def run(
        self,
        settings: PoissonSettings | RefineSettings,
        solve: Callable[[Scene, Observe], tuple[Tensor, dict]],
    ) -> StageResult:
        started = time.perf_counter()
        image = self.base.expand(self.placed.batch, -1, -1, -1).clone()
        pictures = []
        for sample in range(self.placed.batch):
            sample_started = time.perf_counter()
            figures = {"empty": True}
            if not self.placed.is_empty(sample):
                scene = self.placed.scene(sample, self.margin, self.device)
                x, figures = solve(scene, self._observer(settings, sample, scene))
                figures |= self._write(image[sample : sample + 1], scene, x)
            seconds = time.perf_counter() - sample_started
            pictures.append({**figures, "seconds": round(seconds, 3)})
        report = {
            "stage": self.stage,
            "settings": asdict(settings),
            "seconds": round(time.perf_counter() - started, 3),
            "notes": list(self.placed.notes),
            "pictures": pictures,
        }
        return StageResult(image, self.placed.full_mask, report)

    def _write(self, image: Tensor, scene: Scene, x: Tensor) -> dict:
        """Put x under the mask of one picture, (1, C, H, W), in place."""
        window = crop(image[:, :3], scene.box)
        over = scene.target if self.stage == "poisson" else scene.source
        blend = composite(over, x, scene.mask)
        clipped = (blend != blend.clamp(0, 1)) & scene.support
        inside = scene.support.to(window.device)
        window.copy_(torch.where(inside, blend.clamp(0, 1).to(window), window))
        pixels = int(scene.support.sum())
        top, left, height, width = scene.box
        return {
            "pixels": pixels,
            "window": {"row": top, "column": left, "height": height, "width": width},
            "clipped_share": clipped.sum().item() / (3 * pixels),
        }

    def _observer(
        self, settings: PoissonSettings | RefineSettings, sample: int, scene: Scene
    ) -> Observe:
        """What `minimize` calls at an evaluation, turned into what the caller wants to know."""
        if self.on_evaluation is None:
            return None
        tell = self.on_evaluation

        def observe(number: int, terms: dict[str, float], x: Tensor) -> None:
            def picture() -> Tensor:
                image = pick(self.base, sample)[:, :3].clone()
                self._write(image, scene, x)
                return image

            budget = settings.max_evaluations
            tell(Evaluation(self.stage, sample, self.placed.batch, number, budget, terms, picture))

        return observe

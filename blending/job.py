"""One stage over a batch: windows cut, solved, written back, reported."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from .placement import Placed
from .settings import PoissonSettings, RefineSettings
from .window import Scene, composite, crop, pick

Observe = Callable[[int, dict[str, float], Tensor], None] | None  # what `minimize` calls


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


@dataclass(frozen=True)
class StageResult:
    """What a stage returns.

    Attributes:
        image: (N, 3 or 4, H, W), the target's dtype and device; the target's bits outside the mask.
        mask: (N, 1, H, W), the mask at its place, 0 below 0.5.
        report: JSON-ready: settings, seconds, notes, and for every picture evaluations, terms and
            stop reason.
    """

    image: Tensor
    mask: Tensor
    report: dict


@dataclass(frozen=True)
class Job:
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
        """Solve every picture that has something to blend; `settings` go into the report."""
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
        blend = composite(window.to(x), x, scene.mask)
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

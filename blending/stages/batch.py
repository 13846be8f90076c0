"""One stage over a batch: windows cut, solved, written back, reported."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ..placement.place import Placed
from ..placement.window import Scene, composite, crop, pick
from ..settings import PoissonSettings, RefineSettings

# Row, number, how many evaluations of these pictures are over, terms, x.
Observe = Callable[[int, int, int, dict[str, float], Tensor], None]
# The first one's number, pictures, observe; to x and figures of each.
Solve = Callable[[int, list[Scene], Observe | None], list[tuple[Tensor, dict]]]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a stage's objective, for progress bars and live pictures.

    Attributes:
        stage: "poisson" or "refine".
        sample: which picture of the batch, from 0.
        samples: how many there are.
        number: of this evaluation, from 1; 0 before a picture of the exact method.
        budget: the most there will be for this picture.
        done: evaluations of the whole stage that are over, those that pictures did without counted;
            of samples times budget.
        terms: the weighted terms.
        picture: makes the current picture, (1, 3, H, W) in [0, 1], on the target's device; given
            a step, every step-th row and column of it alone, which costs as much less.
    """

    stage: str
    sample: int
    samples: int
    number: int
    budget: int
    done: int
    terms: dict[str, float]
    picture: Callable[..., Tensor]


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
    """One stage over a batch: cut windows, solve, write the composites into a copy of `base`.

    Attributes:
        stage: its name.
        placed: what to blend where.
        base: (N or 1, 3 or 4, H, W), what the results are written over.
        margin: pixels around an object that its window takes in.
        device: where to compute.
        rows: pictures to solve at once, if their windows are the same.
        on_evaluation: told of every evaluation.
    """

    stage: str
    placed: Placed
    base: Tensor
    margin: int
    device: torch.device
    rows: int
    on_evaluation: OnEvaluation | None

    @torch.inference_mode(False)
    @torch.no_grad()
    def run(self, settings: PoissonSettings | RefineSettings, solve: Solve) -> StageResult:
        """Solve every picture that has something to blend; `settings` go into the report."""
        started = time.perf_counter()
        image = self.base.expand(self.placed.batch, -1, -1, -1).clone()
        pictures: list[dict] = [{"empty": True, "seconds": 0.0}] * self.placed.batch
        for first, scenes in self._groups():
            group_started = time.perf_counter()
            found = solve(first, scenes, self._observer(settings.max_evaluations, first, scenes))
            for sample, (scene, (x, figures)) in enumerate(zip(scenes, found, strict=True), first):
                pictures[sample] = figures | self._write(image[sample : sample + 1], scene, x)
            seconds = (time.perf_counter() - group_started) / len(scenes)
            for sample in range(first, first + len(scenes)):
                pictures[sample]["seconds"] = round(seconds, 3)
        report = {
            "stage": self.stage,
            "settings": asdict(settings),
            "seconds": round(time.perf_counter() - started, 3),
            "notes": list(self.placed.notes),
            "pictures": pictures,
        }
        return StageResult(image, self.placed.full_mask, report)

    def _groups(self) -> Iterator[tuple[int, list[Scene]]]:
        """Neighbours with the same window, `rows` at most, and the first one's number."""
        first, scenes = 0, []
        for sample in range(self.placed.batch):
            is_empty = self.placed.is_empty(sample)
            scene = None if is_empty else self.placed.scene(sample, self.margin, self.device)
            fits = scene and scenes and scene.box == scenes[0].box and len(scenes) < self.rows
            if scenes and not fits:
                yield first, scenes
                scenes = []
            if scene:
                first = first if scenes else sample
                scenes.append(scene)
        if scenes:
            yield first, scenes

    def _write(self, image: Tensor, scene: Scene, x: Tensor) -> dict:
        """Put x under the mask of one picture, (1, C, H, W), in place."""
        clipped = _blend(crop(image[:, :3], scene.box), x, scene.mask) & scene.support
        pixels = int(scene.support.sum())
        top, left, height, width = scene.box
        return {
            "pixels": pixels,
            "window": {"row": top, "column": left, "height": height, "width": width},
            "clipped_share": clipped.sum().item() / (3 * pixels),
        }

    def _observer(self, budget: int, first: int, scenes: list[Scene]) -> Observe | None:
        """What a solver calls at an evaluation, turned into what the caller wants to know."""
        if self.on_evaluation is None:
            return None
        tell, samples = self.on_evaluation, self.placed.batch
        done = first * budget

        def observe(row: int, number: int, over: int, terms: dict[str, float], x: Tensor) -> None:
            nonlocal done
            sample = first + row
            done = max(done, first * budget + over)  # a smaller plan begins anew

            def picture(step: int = 1) -> Tensor:
                return _sampled(pick(self.base, sample)[:, :3], scenes[row], x, step)

            tell(Evaluation(self.stage, sample, samples, number, budget, done, terms, picture))

        return observe


def _blend(window: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """Put x under the mask of a window, in place; where it had to be clipped to [0, 1]."""
    blend = composite(window.to(x), x, mask)
    inside = (mask > 0).to(window.device)
    window.copy_(torch.where(inside, blend.clamp(0, 1).to(window), window))
    return blend != blend.clamp(0, 1)


def _sampled(base: Tensor, scene: Scene, x: Tensor, step: int) -> Tensor:
    """Every step-th row and column of a picture (1, 3, H, W) with x in its window."""
    image = base[..., ::step, ::step].clone()
    top, left, *_ = scene.box
    first_row, first_column = -(-top // step), -(-left // step)
    seen = (..., slice(-top % step, None, step), slice(-left % step, None, step))
    x, mask = x[seen], scene.mask[seen]
    _blend(crop(image, (first_row, first_column, x.shape[2], x.shape[3])), x, mask)
    return image

"""One stage over a batch: cut windows, solve them, write them back, report."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from ..optimize.minimize import OnRowEvaluation, RowEvaluation
from ..placement.box import Box, crop, full_box
from ..placement.place import Placed, pasted
from ..placement.window import Window, composite, lay_out, pick
from ..report import OnPicture
from ..settings import PoissonSettings, RefineSettings


@dataclass(frozen=True)
class Solved:
    """What a stage found for a window.

    Attributes:
        x: (1, 3, h, w), in image units; may exceed [0, 1].
        source: (1, 3, h, w), as the stage held it: the window's, matched and harmonised.
        figures: for the report.
    """

    x: Tensor
    source: Tensor
    figures: dict


# From the first window's number in the batch, windows of one size and an observer, to what was
# found for each window.
Solve = Callable[[int, list[Window], OnRowEvaluation | None], list[Solved]]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a stage's objective, for progress bars and live pictures.

    Attributes:
        stage: "poisson" or "refine".
        sample: which picture of the batch, from 0.
        samples: how many there are.
        number: of this evaluation, from 1; 0 before its picture is prepared, or solved exactly.
        budget: the most evaluations that this picture may take.
        done: evaluations of the whole stage that are over, out of samples times budget; those that
            a picture did not need are counted.
        terms: the weighted terms by name.
        picture: makes the current picture, (1, 3, H, W) in [0, 1], on the target's device; called
            with a step, only every step-th row and column of it, and with a `Box` of the target,
            only that part of it, at that much less cost.
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


def announcing(
    stage: str, placed: Placed, budget: int, on_evaluation: OnEvaluation | None
) -> OnPicture | None:
    """An observer of pictures that are being prepared, before anything is evaluated.

    Args:
        stage: its name.
        placed: what is prepared.
        budget: the most evaluations that a picture may take.
        on_evaluation: told of each picture as evaluation 0, so that one can cancel.

    Returns:
        What to call before each picture with how many are done and how many there are; None where
        nobody listens.
    """
    if on_evaluation is None:
        return None

    def announce(done: int, pictures: int) -> None:
        def picture(step: int = 1, box: Box | None = None) -> Tensor:
            whole = pick(placed.target, done)[:, :3]
            return crop(whole, box or full_box(whole.shape))[..., ::step, ::step]

        on_evaluation(Evaluation(stage, done, pictures, 0, budget, 0, {}, picture))

    return announce


@dataclass(frozen=True)
class StageResult:
    """What a stage returns.

    Attributes:
        image: (N, 3 or 4, H, W), in [0, 1], the target's dtype and device; the bits of the target
            (refine stage: of its input) outside the mask.
        placed: what was blended: the Poisson stage's source and mask after cleaning.
        report: JSON-ready: settings, seconds, notes, and for every picture evaluations, terms and
            stop reason.
        held: (N, 3, h, w), that source as the stage held it, matched and harmonised, where the
            window of its picture was; at its place, see `Placed.box`.
    """

    image: Tensor
    placed: Placed
    report: dict
    held: Tensor

    @property
    def mask(self) -> Tensor:
        """The mask on the target, (N, 1, H, W), in [0, 1], 1 = changed; N is 1 where one came."""
        return self.placed.full_mask

    @property
    def held_source(self) -> Tensor:
        """`source` under the mask, 0 far from it, which takes next to no memory: (N, 3, H, W)."""
        held = self.held.clamp(0, 1).to(self.placed.target)
        return lay_out(held, self.placed.box, full_box(self.placed.target.shape))

    @property
    def source(self) -> Tensor:
        """What the stage held, on the target wherever the mask is above 0: (N, 3, H, W).

        In [0, 1], the target's dtype and device; where it is soft, too, the source's own colours.
        """
        solid = (self.placed.mask > 0).to(self.placed.mask)
        target = self.placed.target[:, :3].expand(self.placed.batch, -1, -1, -1)
        return pasted(target, self.held.clamp(0, 1), solid, self.placed.box)


@dataclass(frozen=True)
class Job:
    """One stage over a batch: cut windows, solve, write the composites into a copy of `base`.

    Attributes:
        stage: its name, "poisson" or "refine".
        placed: what to blend where.
        base: (N or 1, 3 or 4, H, W), in [0, 1], what the results are written over.
        margin: pixels around an object that its window includes; None: the whole picture.
        device: where to compute.
        rows: how many pictures to solve at once, if their windows cover the same box.
        on_evaluation: called at every evaluation; None: nothing is.
        clean: for the report, how the cut-out was cleaned; empty: it was not.
    """

    stage: str
    placed: Placed
    base: Tensor
    margin: int | None
    device: torch.device
    rows: int
    on_evaluation: OnEvaluation | None
    clean: dict = field(default_factory=dict)

    @torch.inference_mode(False)
    @torch.no_grad()
    def run(self, settings: PoissonSettings | RefineSettings, solve: Solve) -> StageResult:
        """Solve every picture whose mask is not empty.

        Args:
            settings: of the stage; they go into the report.
            solve: solves windows that cover the same box.

        Returns:
            The composites, the mask and the report.
        """
        started = time.perf_counter()
        image = self.base.expand(self.placed.batch, -1, -1, -1).clone()
        held = given = self.placed.source.expand(self.placed.batch, -1, -1, -1)
        pictures: list[dict] = [{"empty": True, "seconds": 0.0}] * self.placed.batch
        for first, windows in self._groups():
            group_started = time.perf_counter()
            observer = self._observer(settings.max_evaluations, first, windows)
            if observer:
                for row, window in enumerate(windows):
                    observer(RowEvaluation(row, 0, 0, {}, window.source))
            found = solve(first, windows, observer)
            for sample, (window, solved) in enumerate(zip(windows, found, strict=True), first):
                written = self._write(image[sample : sample + 1], window, solved.x)
                pictures[sample] = solved.figures | written
                if solved.source is not window.source:
                    held = held.clone() if held is given else held
                    self._hold(held[sample : sample + 1], window, solved.source)
            seconds = (time.perf_counter() - group_started) / len(windows)
            for sample in range(first, first + len(windows)):
                pictures[sample]["seconds"] = round(seconds, 3)
        report = {
            "stage": self.stage,
            "settings": asdict(settings),
            "seconds": round(time.perf_counter() - started, 3),
            "notes": list(self.placed.notes),
            "pictures": pictures,
        }
        if self.clean:
            report["clean"] = self.clean
        return StageResult(image, self.placed, report, held)

    def _groups(self) -> Iterator[tuple[int, list[Window]]]:
        """Neighbours with the same window, `rows` at most, and the first one's number."""
        first, windows = 0, []
        for sample in range(self.placed.batch):
            is_empty = self.placed.is_empty(sample)
            window = None if is_empty else self.placed.window(sample, self.margin, self.device)
            fits = window and windows and window.box == windows[0].box and len(windows) < self.rows
            if windows and not fits:
                yield first, windows
                windows = []
            if window:
                first = first if windows else sample
                windows.append(window)
        if windows:
            yield first, windows

    def _write(self, image: Tensor, window: Window, x: Tensor) -> dict:
        """Composite x under the mask of a picture, (1, C, H, W), in place; returns its figures."""
        box = window.box
        clipped = _blend(crop(image[:, :3], box), x, window.mask) & window.support
        pixels = int(window.support.sum())
        return {
            "pixels": pixels,
            "window": {
                "row": box.top,
                "column": box.left,
                "height": box.height,
                "width": box.width,
            },
            "clipped_share": clipped.sum().item() / (3 * pixels),
        }

    def _hold(self, held: Tensor, window: Window, source: Tensor) -> None:
        """Keep a window's source in what a picture's stage held, (1, 3, h, w), in place."""
        common = window.box.intersection(self.placed.box)
        part = crop(held, common.relative_to(self.placed.box))
        part.copy_(crop(source, common.relative_to(window.box)))

    def _observer(self, budget: int, first: int, windows: list[Window]) -> OnRowEvaluation | None:
        """The observer that a solver calls, which passes `Evaluation`s on to the caller's."""
        if self.on_evaluation is None:
            return None
        tell, samples = self.on_evaluation, self.placed.batch
        done = first * budget

        def observe(event: RowEvaluation) -> None:
            nonlocal done
            sample = first + event.row
            done = max(done, first * budget + event.done)  # a smaller plan begins anew

            def picture(step: int = 1, box: Box | None = None) -> Tensor:
                base = pick(self.base, sample)[:, :3]
                box = box or full_box(base.shape)
                return _sampled(base, windows[event.row], event.x, step, box)

            tell(
                Evaluation(
                    self.stage, sample, samples, event.number, budget, done, event.terms, picture
                )
            )

        return observe


def _blend(part: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """Composite x on a part of a picture, in place; returns where it had to be clipped."""
    blend = composite(part.to(x), x, mask)
    inside = (mask > 0).to(part.device)
    part.copy_(torch.where(inside, blend.clamp(0, 1).to(part), part))
    return blend != blend.clamp(0, 1)


def _sampled(base: Tensor, window: Window, x: Tensor, step: int, box: Box) -> Tensor:
    """Every step-th row and column of a picture's box, with x composited in its window."""
    image = crop(base, box)[..., ::step, ::step].clone()
    shared = window.box.intersection(box)
    if shared.is_empty:
        return image
    place, own = shared.relative_to(box), shared.relative_to(window.box)
    seen = (..., slice(-place.top % step, None, step), slice(-place.left % step, None, step))
    x, mask = crop(x, own)[seen], crop(window.mask, own)[seen]
    part = Box(-(-place.top // step), -(-place.left // step), x.shape[2], x.shape[3])
    _blend(crop(image, part), x, mask)
    return image

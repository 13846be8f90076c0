"""What a run tells ComfyUI while it runs: progress, a live picture, and an ear for Cancel."""

import time
from collections.abc import Callable
from typing import Any

import comfy.model_management
import comfy.utils
import torch.nn.functional as F
from comfy_api.latest import io
from PIL import Image
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..blending.placement.box import Box, bounding_box
from ..blending.placement.place import Placed
from ..blending.report import memory_mark
from ..blending.stages.batch import Evaluation
from .adapters import show_text
from .pace import PERIOD, Pace
from .summary import FRAME, PREPARING, frame_words, progress_line

PREVIEW_SIDE = 512  # pixels
CONTEXT = 0.5  # of the object's longer side, shown on each side of it
LEAST_CONTEXT = 32  # pixels


class Run(TorchFunctionMode):
    """A node at work: its line on the page, and Cancel before every operation on tensors.

    The core prepares a picture for seconds between two of its callbacks; it calls torch thousands
    of times meanwhile, which costs a microsecond each. An error or Cancel wipes the line.

    Args:
        node: the class that `execute` was called with.
    """

    def __init__(self, node: type[io.ComfyNode]) -> None:
        super().__init__()
        self.node = node

    def __enter__(self) -> "Run":
        self.say(PREPARING)
        self.memory = memory_mark(comfy.model_management.get_torch_device())
        return super().__enter__()

    def __exit__(self, kind: type[BaseException] | None, *failure: Any) -> None:
        super().__exit__(kind, *failure)
        if kind:
            self.say()

    def __torch_function__(self, func: Callable, _types: Any, args: tuple = (), kwargs: Any = None):
        """Raise ComfyUI's InterruptProcessingException after Cancel, else do what was called."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        return func(*args, **(kwargs or {}))

    def say(self, *lines: str) -> None:
        """Write on the node."""
        show_text(self.node, *lines)


class Feedback:
    """A stage's progress bar in evaluations, its line, live picture, and Cancel at each of them.

    Args:
        box: the part of the target that the live picture shows; what lies beyond is left out.
        run: of the node.
        unit: what its line counts.
    """

    def __init__(self, box: Box, run: Run, unit: str = FRAME) -> None:
        self.run, self.line, self.said = run, PREPARING, -PERIOD
        self.unit = unit
        self.bar = comfy.utils.ProgressBar(1)
        self.box = box
        self.step = sampling_step(self.box)
        self.pace = Pace(self.box.height * self.box.width // self.step**2)
        self.done = 0

    def __call__(self, evaluation: Evaluation) -> None:
        """Tell ComfyUI; raises its InterruptProcessingException after Cancel.

        The bar never goes back: pictures of a batch may advance together.
        """
        comfy.model_management.throw_exception_if_processing_interrupted()
        self.done = max(self.done, evaluation.done)
        preview = self._preview(evaluation.picture) if self.pace.is_due() else None
        self.bar.update_absolute(self.done, evaluation.samples * evaluation.budget, preview)
        self._say(evaluation)

    def _say(self, evaluation: Evaluation) -> None:
        """The line changes at most twice a second while evaluations are counted."""
        e, now = evaluation, time.monotonic()
        line = progress_line(e.sample, e.samples, e.number, e.budget, self.unit)
        if line != self.line and (not evaluation.number or now - self.said >= PERIOD):
            self.run.say(line)
            self.line, self.said = line, now

    def finish(self) -> None:
        """Fill the bar: a stage may converge before its budget is spent."""
        self.bar.update_absolute(self.bar.total)

    def _preview(self, picture: Callable[[int, Box], Tensor]) -> tuple[str, Image.Image, int]:
        began = time.monotonic()
        preview = ("JPEG", thumbnail(picture(self.step, self.box)), PREVIEW_SIDE)
        self.pace.pay(began)
        return preview


class PictureProgress:
    """Progress bar and line in pictures, and Cancel between two of them.

    Args:
        run: of the node.
        passes: how often the batch is gone through.
    """

    def __init__(self, run: Run, passes: int = 1) -> None:
        self.bar = comfy.utils.ProgressBar(1)
        self.run, self.passes = run, passes

    def through(self, number: int = 0) -> Callable[[int, int], None]:
        """What the core calls before each picture in a pass, from 0; it raises after Cancel."""

        def tell(done: int, pictures: int) -> None:
            comfy.model_management.throw_exception_if_processing_interrupted()
            self.bar.update_absolute(number * pictures + done, self.passes * pictures)
            if pictures > 1:
                self.run.say(frame_words(done, pictures))

        return tell

    def finish(self) -> None:
        """Fill the bar."""
        self.bar.update_absolute(self.bar.total)


def shown_box(placed: Placed) -> Box:
    """The part of the target that a live picture shows: all objects of the batch, with context."""
    taken = (placed.mask > 0).any(0, keepdim=True)
    box = bounding_box(taken).shifted(placed.row, placed.column)
    context = max(LEAST_CONTEXT, round(CONTEXT * max(box.size)))
    return box.grown(context).clipped(placed.target.shape)


def sampling_step(box: Box) -> int:
    """Which rows and columns a live picture is made from: two samples a side are smooth enough."""
    return max(1, max(box.size) // PREVIEW_SIDE // 2)


def thumbnail(picture: Tensor) -> Image.Image:
    """A sampled picture (1, 3, h, w) in [0, 1], at most 512 pixels a side."""
    factor = max(picture.shape[2:]) // PREVIEW_SIDE
    if factor > 1:
        picture = F.avg_pool2d(picture, factor)
    levels = (picture[0].movedim(0, -1).float().clamp(0, 1) * 255).round().byte()
    image = Image.fromarray(levels.cpu().numpy())
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return image

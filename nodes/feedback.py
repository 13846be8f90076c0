"""What a run tells ComfyUI while it runs: progress, a live picture, and an ear for Cancel."""

import time
from collections.abc import Callable

import comfy.model_management
import comfy.utils
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..blending.stages.batch import Evaluation
from .pace import Pace

PREVIEW_SIDE = 512  # pixels


class Feedback:
    """Progress bar in evaluations, live picture, and Cancel at every evaluation.

    Args:
        picture: (B, C, H, W), the one that is worked on; its size says how finely a live picture
            is sampled, and what it costs.
    """

    def __init__(self, picture: Tensor) -> None:
        self.bar = comfy.utils.ProgressBar(1)
        self.step = sampling_step(picture)
        self.pace = Pace(picture.shape[2] * picture.shape[3] // self.step**2)
        self.done = 0

    def __call__(self, evaluation: Evaluation) -> None:
        """Tell ComfyUI; raises its InterruptProcessingException after Cancel.

        The bar never goes back: pictures of a batch may advance together.
        """
        comfy.model_management.throw_exception_if_processing_interrupted()
        self.done = max(self.done, evaluation.done)
        preview = self._preview(evaluation.picture) if self.pace.is_due() else None
        self.bar.update_absolute(self.done, evaluation.samples * evaluation.budget, preview)

    def finish(self) -> None:
        """Fill the bar: a stage may converge before its budget is spent."""
        self.bar.update_absolute(self.bar.total)

    def _preview(self, picture: Callable[[int], Tensor]) -> tuple[str, Image.Image, int]:
        began = time.monotonic()
        preview = ("JPEG", thumbnail(picture(self.step)), PREVIEW_SIDE)
        self.pace.pay(began)
        return preview


class PictureProgress:
    """Progress bar in pictures, and Cancel between two of them.

    Args:
        passes: how often the batch is gone through.
    """

    def __init__(self, passes: int = 1) -> None:
        self.bar = comfy.utils.ProgressBar(1)
        self.passes = passes

    def through(self, number: int = 0) -> Callable[[int, int], None]:
        """What the core calls before each picture in a pass, from 0; it raises after Cancel."""

        def tell(done: int, pictures: int) -> None:
            comfy.model_management.throw_exception_if_processing_interrupted()
            self.bar.update_absolute(number * pictures + done, self.passes * pictures)

        return tell

    def finish(self) -> None:
        """Fill the bar."""
        self.bar.update_absolute(self.bar.total)


def sampling_step(picture: Tensor) -> int:
    """Which rows and columns a live picture is made from: two samples a side are smooth enough."""
    return max(1, max(picture.shape[2:]) // PREVIEW_SIDE // 2)


def thumbnail(picture: Tensor) -> Image.Image:
    """A sampled picture (1, 3, h, w) in [0, 1], at most 512 pixels a side."""
    factor = max(picture.shape[2:]) // PREVIEW_SIDE
    if factor > 1:
        picture = F.avg_pool2d(picture, factor)
    levels = (picture[0].movedim(0, -1).float().clamp(0, 1) * 255).round().byte()
    image = Image.fromarray(levels.cpu().numpy())
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return image

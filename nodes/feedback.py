"""What a run tells ComfyUI while it runs: progress, a live picture, and an ear for Cancel."""

import time
from collections.abc import Callable

import comfy.model_management
import comfy.utils
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..blending.job import Evaluation
from .pace import Pace

PREVIEW_SIDE = 512  # pixels


class Feedback:
    """Progress bar in evaluations, live picture, and Cancel at every evaluation.

    Args:
        picture: (B, C, H, W), the one that is worked on; its size says what a live picture costs.
    """

    def __init__(self, picture: Tensor) -> None:
        self.bar = comfy.utils.ProgressBar(1)
        self.pace = Pace(picture.shape[2] * picture.shape[3])
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

    def _preview(self, picture: Callable[[], Tensor]) -> tuple[str, Image.Image, int]:
        began = time.monotonic()
        preview = ("JPEG", thumbnail(picture()), PREVIEW_SIDE)
        self.pace.pay(began)
        return preview


def thumbnail(picture: Tensor) -> Image.Image:
    """A picture (1, 3, H, W) in [0, 1], at most 512 pixels a side.

    Made small before it is converted: at 4096 pixels that takes a tenth of the time.
    """
    factor = max(picture.shape[2:]) // PREVIEW_SIDE
    if factor >= 4:  # two samples a side are smooth enough
        picture, factor = picture[..., :: factor // 2, :: factor // 2], 2
    if factor > 1:
        picture = F.avg_pool2d(picture, factor)
    levels = (picture[0].movedim(0, -1).float().clamp(0, 1) * 255).round().byte()
    image = Image.fromarray(levels.cpu().numpy())
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return image

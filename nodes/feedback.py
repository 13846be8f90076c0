"""What a run tells ComfyUI while it runs: progress, a live picture, and an ear for Cancel."""

import time

import comfy.model_management
import comfy.utils
from PIL import Image
from torch import Tensor

from ..blending.job import Evaluation

PREVIEW_SIDE = 512  # pixels
PREVIEW_PERIOD = 0.5  # seconds


class Feedback:
    """Progress bar, live picture at most twice a second, and Cancel at every evaluation."""

    def __init__(self) -> None:
        self.bar = comfy.utils.ProgressBar(1)
        self.shown = time.monotonic()

    def __call__(self, evaluation: Evaluation) -> None:
        """Tell ComfyUI; raises its InterruptProcessingException after Cancel."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        preview = None
        if time.monotonic() - self.shown >= PREVIEW_PERIOD:
            preview = ("JPEG", _thumbnail(evaluation.picture()), PREVIEW_SIDE)
            self.shown = time.monotonic()
        done = evaluation.sample * evaluation.budget + evaluation.number
        self.bar.update_absolute(done, evaluation.samples * evaluation.budget, preview)

    def finish(self) -> None:
        """Fill the bar: a stage may converge before its budget is spent."""
        self.bar.update_absolute(self.bar.total)


def _thumbnail(picture: Tensor) -> Image.Image:
    array = (picture[0].movedim(0, -1).float().clamp(0, 1) * 255).round().byte().cpu().numpy()
    image = Image.fromarray(array)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return image

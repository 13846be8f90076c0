"""The Poisson stage's exact method over the pictures of a batch."""

from torch import Tensor

from ..placement.window import Scene
from ..settings import PoissonSettings
from .batch import Observe
from .prepare import prepare


def solve_exactly(
    scenes: list[Scene], settings: PoissonSettings, observe: Observe | None
) -> list[tuple[Tensor, dict]]:
    """The Poisson equation's solution of each picture, and its figures for the report.

    Args:
        scenes: the pictures' windows.
        settings: of the stage.
        observe: told before each picture, as number 0, so that a batch can be cancelled.
    """
    found = []
    for row, scene in enumerate(scenes):
        if observe:
            observe(row, 0, row * settings.max_evaluations, {}, scene.source)
        prepared = prepare(scene, settings)
        found.append((prepared.exact, prepared.figures))
    return found

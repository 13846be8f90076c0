"""A progress bar on a terminal."""

import sys

from tqdm import tqdm

from ..settings import BlendSettings
from ..stages.batch import Evaluation


class _Bar(tqdm):
    """A bar without tqdm's thread, which wakes slow bars and warns where it cannot start."""

    monitor_interval = 0


class Progress:
    """A progress bar of one picture's evaluations on standard error, if that is a terminal."""

    def __init__(self, settings: BlendSettings) -> None:
        poisson = settings.poisson
        self.budgets = {
            "poisson": poisson.max_evaluations if poisson.method == "deep" else 0,
            "refine": settings.refine.max_evaluations if settings.refine else 0,
        }
        self.bar = _Bar(
            total=sum(self.budgets.values()),
            unit="evaluation",
            disable=not (sys.stderr.isatty() and any(self.budgets.values())),
        )

    def __call__(self, evaluation: Evaluation) -> None:
        """Move the bar on; after a stage that converged early it jumps."""
        before = self.budgets["poisson"] if evaluation.stage == "refine" else 0
        self.bar.set_description(evaluation.stage, refresh=False)
        self.bar.update(before + evaluation.number - self.bar.n)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

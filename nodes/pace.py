"""When a live picture may be made: at most twice a second, for at most 5 % of the time."""

import time
from collections.abc import Callable

PERIOD = 0.5  # seconds
LARGEST_SHARE = 0.05  # of the run's time so far
COST, COST_PER_PIXEL = 0.01, 1e-8  # seconds, until one has been measured (two cores, 4096 x 4096)


class Pace:
    """The account of one run's live pictures.

    Args:
        pixels: of the picture that is shown, before it is made small.
        clock: seconds; given by tests.
    """

    def __init__(self, pixels: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.began = self.shown = clock()
        self.spent = 0.0
        self.cost = COST + COST_PER_PIXEL * pixels

    def is_due(self) -> bool:
        """Whether there is time for a picture."""
        now = self.clock()
        is_cheap = self.spent + self.cost <= LARGEST_SHARE * (now - self.began)
        return is_cheap and now - self.shown >= PERIOD

    def pay(self, began: float) -> None:
        """Enter a picture that was begun at that time of the clock and is done now."""
        self.shown = self.clock()
        self.cost = self.shown - began
        self.spent += self.cost

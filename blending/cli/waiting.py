"""How OpenMP's threads wait for each other: a moment in a loop, then asleep.

By default they spin, and two runs beside each other on the same cores each take three to four times
as long as one alone instead of twice. Wholly asleep, one run alone would take a tenth longer. What
the registry ships is without this file: its scanner flags every use of the environment.
"""

import os

# libgomp's loops of waiting, about a hundredth of its own default; other runtimes read the policy.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "3000"}


def wait_briefly() -> None:
    """Set how the threads of this process wait, unless the user has; before torch is loaded."""
    if not any(name in os.environ for name in WAITING):
        os.environ.update(WAITING)

"""Times and memory of calls, side by side."""

import statistics
import time
from collections.abc import Callable

import torch

from blending.report import machine_report, memory_mark

PAUSE = 0.03  # seconds


def milliseconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median time of each call; they take turns, so that all see the same machine.

    Threads that the call before left spinning are given time to fall asleep: after OpenCV's ours
    took half as long again.
    """
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            time.sleep(PAUSE)
            started = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(found) for name, found in times.items()}


def peak_megabytes(call: Callable[[], object]) -> float | None:
    """What a call needs at most beyond what the process has already; None off Linux."""
    begun = memory_mark(torch.device("cpu"))
    if begun.used is None:
        return None
    call()
    return machine_report(begun.device, begun)["peak_memory_bytes"] / 2**20

"""The search for faults: cases drawn by Hypothesis, checked, and made small where one fails."""

import json
import re
import shlex
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

CHUNK = 200  # cases drawn by one seed: Hypothesis mutates what it drew before
SHRINKING = 60  # seconds at most in which a failing case is made small


class FaultError(AssertionError):
    """A promise that a case breaks; two of the same words count as one fault."""


@dataclass(frozen=True)
class Part:
    """One kind of cases.

    Attributes:
        name: of the part, as the command line takes it.
        cases: draws a case that JSON can hold.
        check: the outcome in a word; raises whatever is a fault.
    """

    name: str
    cases: SearchStrategy[dict]
    check: Callable[[dict], str]


@dataclass
class Outcome:
    """What a search has seen: how often each outcome, and the line that repeats each fault."""

    part: str
    counts: Counter = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        told = ", ".join(f"{count} {words}" for words, count in sorted(self.counts.items()))
        return f"{self.part}: {sum(self.counts.values())} cases ({told}), {len(self.faults)} faults"


def repeating(part: str, case: dict) -> str:
    """The command that runs one case again."""
    return f"python -m tests.campaign {part} --case {shlex.quote(json.dumps(case))}"


def search(part: Part, cases: int, start: int, seconds: float) -> Outcome:
    """Check so many cases, or as many as the time allows; a fault that is known is passed over."""
    outcome, end, chunk = Outcome(part.name), time.monotonic() + seconds, 0
    while sum(outcome.counts.values()) < cases and time.monotonic() < end:
        count = min(CHUNK, cases - sum(outcome.counts.values()))
        _search_chunk(part, count, (start, chunk), end, outcome)
        chunk += 1
    return outcome


def _search_chunk(
    part: Part, count: int, numbers: tuple[int, int], end: float, outcome: Outcome
) -> None:
    failed: list[tuple[str, dict, float]] = []

    @seed(numbers[0] * 1_000_003 + numbers[1])
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(part.cases)
    def probe(case: dict) -> None:
        now = time.monotonic()
        if now > (failed[0][2] + SHRINKING if failed else end):
            return
        try:
            words = part.check(case)
        except Exception as error:
            name = signature(error)
            if name in outcome.faults:
                outcome.counts["of a known fault"] += 1
                return
            if failed and name != failed[0][0]:
                return  # made smaller, it must stay the same fault
            failed.append((name, case, now))
            raise
        if not failed:
            outcome.counts[words] += 1

    with suppress(Exception):
        probe()
    if failed:
        name, case, _ = failed[-1]
        outcome.counts["failed"] += 1
        outcome.faults[name] = repeating(part.name, case)
        print(f"{name}\n  {outcome.faults[name]}", flush=True)


def signature(error: Exception) -> str:
    """What tells one fault from another: the broken promise, or the error and where it arose."""
    if isinstance(error, FaultError):
        return f"fault: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f for f in reversed(frames) if "/blending/" in f.filename), frames[-1])
    words = re.sub(r"[\d.e+-]*\d", "N", " ".join(str(error).split()))
    where = f"{place.filename.rsplit('/', 1)[-1]}:{place.lineno}"
    return f"fault: {type(error).__name__} at {where}: {words[:160]}"

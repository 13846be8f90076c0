"""Words for figures: is each in the range that good blends have? Free of torch."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

GOOD, LOOK = "good", "look"
REMOVED = 0.03  # share of a mask; rests along the edge of a rough one are less


@dataclass(frozen=True)
class Wanted:
    """The range of a figure, how it is called and written.

    Attributes:
        words: the figure's name for people.
        lowest: smallest value wanted.
        highest: largest value wanted.
        form: of the value, for `format`.
        unit: behind the value.
    """

    words: str
    lowest: float = -math.inf
    highest: float = math.inf
    form: str = ".2f"
    unit: str = ""

    def room(self, value: float) -> float:
        """How far a value is from the nearer end of the range; negative outside."""
        return min(value - self.lowest, self.highest - value)

    def written(self, value: float) -> str:
        """Name, value and unit; nothing is written as minus zero."""
        text = self._number(value)
        if not any(digit in text for digit in "123456789"):
            text = text.removeprefix("-")
        return f"{self.words} {text}{self.unit}"

    def _number(self, value: float) -> str:
        return format(value, self.form)

    def missed(self, value: float) -> str:
        """The same, and the end of the range that a value lies beyond."""
        limit, side = (self.lowest, "least") if value < self.lowest else (self.highest, "most")
        return f"{self.written(value)} ({self._number(limit)} at {side})"


# Figures of 35 published painterly composites and of faults made on purpose decided the ranges:
# half-transparent objects, washed-out ones, contours faded to half, colours of another picture.
WANTED = {
    "see_through_rim": Wanted("see-through rim", highest=0.12),
    "see_through_inside": Wanted("see-through inside", highest=0.05),
    "contour_kept": Wanted("contour", lowest=0.55),
    "tone_kept": Wanted("tone", lowest=0.80, highest=1.10),
    "foreign_colours": Wanted("foreign colours", highest=6.0, form=".1f", unit=" ΔE"),
    "highlights": Wanted("highlights", highest=8.0, form=".1f", unit=" ΔE"),
    "hue_flip_share": Wanted("hues turned", highest=math.nextafter(0.05, 0), form=".1%"),
}


def verdicts(figures: Mapping[str, float | None]) -> dict[str, str]:
    """The word for each figure that has a wanted range.

    Args:
        figures: by the keys of `guard_rails`; None and NaN, without a basis, have no word.

    Returns:
        "good" within the range, "look" where a person should look at the picture.
    """
    return {
        key: GOOD if WANTED[key].room(value) >= 0 else LOOK
        for key, value in _known(figures).items()
    }


def in_words(pictures: Iterable[Mapping[str, float | None]]) -> str:
    """What to look at, then what is good, of one or several pictures in one line.

    Args:
        pictures: the figures of each, by the keys of `guard_rails`.

    Returns:
        For each figure the value of the picture where it is worst, such as "look: contour 0.41
        (0.55 at least); good: tone 0.92, highlights 3.0 ΔE"; empty where no figure has a word.
    """
    worst: dict[str, float] = {}
    for figures in pictures:
        for key, value in _known(figures).items():
            worst[key] = min(worst.get(key, value), value, key=WANTED[key].room)
    words = verdicts(worst)
    lists: dict[str, list[str]] = {LOOK: [], GOOD: []}
    for key, word in words.items():
        wanted, value = WANTED[key], worst[key]
        lists[word].append(wanted.missed(value) if word == LOOK else wanted.written(value))
    return "; ".join(f"{word}: {', '.join(found)}" for word, found in lists.items() if found)


def removal_in_words(clean: Mapping[str, list] | None) -> str:
    """What cleaning took away of cut-outs, if it is enough that a person should look at it.

    Args:
        clean: of a Poisson stage's report; None: nothing was cleaned.

    Returns:
        The largest share of a mask; empty where it is small.
    """
    shares = (clean or {}).get("removed_share", [])
    largest = max(shares, default=0.0)
    if largest < REMOVED:
        return ""
    return f"{largest:.1%} of the cut-out removed as old background (clean 0 keeps it)"


def _known(figures: Mapping[str, float | None]) -> dict[str, float]:
    """The figures that have a value and a wanted range, in the order of these."""
    values = {key: figures.get(key) for key in WANTED}
    return {k: value for k, value in values.items() if value is not None and math.isfinite(value)}

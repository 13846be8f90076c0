"""Errors on plain values, without torch: each names what was expected and what came."""

import math


def check_range(
    name: str, value: float, low: float, high: float = math.inf, *, whole: bool = False
) -> None:
    """Raise TypeError unless `value` is a number, ValueError unless it is in [low, high]."""
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(
            f"{name} must be {'a whole number' if whole else 'a number'}, got {value!r}"
        )
    if not low <= value <= high:
        raise ValueError(f"{name} must be in [{low:g}, {high:g}], got {value!r}")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_type(name: str, value: object, *types: type) -> None:
    """Raise TypeError unless `value` is of one of the types."""
    if not isinstance(value, types):
        words = " or ".join(kind.__name__ for kind in types)
        raise TypeError(f"{name} must be {words}, got {value!r}")

"""Checks of plain values, free of torch: each error names what was expected and what was given."""

import math


def check_range(
    name: str, value: float, low: float, high: float = math.inf, *, whole: bool = False
) -> None:
    """Raise unless a value is a number in [low, high].

    Args:
        name: the argument's name, for the message.
        value: the value to check; a bool is not a number here.
        low: smallest value allowed.
        high: largest value allowed.
        whole: whether only integers are allowed.

    Raises:
        TypeError: `value` is not a number, or not an integer where `whole` is set.
        ValueError: `value` is NaN or outside [low, high].
    """
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(
            f"{name} must be {'a whole number' if whole else 'a number'}, got {value!r}"
        )
    if not low <= value <= high:
        raise ValueError(f"{name} must be in [{low:g}, {high:g}], got {value!r}")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise unless a value is one of the choices.

    Args:
        name: the argument's name, for the message.
        value: the value to check.
        choices: the values allowed.

    Raises:
        ValueError: `value` is none of `choices`.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_type(name: str, value: object, *types: type) -> None:
    """Raise unless a value is an instance of one of the types.

    Args:
        name: the argument's name, for the message.
        value: the value to check.
        *types: the classes allowed.

    Raises:
        TypeError: `value` is an instance of none of `types`.
    """
    if not isinstance(value, types):
        words = " or ".join(kind.__name__ for kind in types)
        raise TypeError(f"{name} must be {words}, got {value!r}")

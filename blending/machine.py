"""Where and how to compute: frozen, without torch."""

from dataclasses import dataclass

from .checks import check_choice, check_range, check_type

ARITHMETICS = ("auto", "float32", "bfloat16")
SHARE_OF_FREE = 0.8  # of the memory that is free, what a stage may take


@dataclass(frozen=True)
class Compute:
    """Where and how a stage computes; what it computes hardly depends on it.

    Attributes:
        device: as torch names it ("cpu", "cuda:0"); None: where the target is.
        arithmetic: of the network's convolutions, "float32", "bfloat16", or "auto": bfloat16 where
            the device has units for it, float32 elsewhere. Sums, Gram matrices and everything else
            are in float32.
        memory: bytes that a stage may take beside its pictures; None: four fifths of what is free.
            Where a picture wants more, its network works in tiles: the same result, a third slower.
    """

    device: str | None = None
    arithmetic: str = "auto"
    memory: int | None = None

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError on a value that is not allowed."""
        check_type("device", self.device, str, type(None))
        check_choice("arithmetic", self.arithmetic, ARITHMETICS)
        if self.memory is not None:
            check_range("memory", self.memory, 0, whole=True)

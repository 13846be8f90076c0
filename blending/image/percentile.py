"""Percentiles of any number of values."""

from torch import Tensor


def percentile(values: Tensor, share: float) -> float:
    """The value below which a share of all values lies, between two of them linearly interpolated.

    `torch.quantile` refuses more than 16 million values, and `torch.median` takes the lower of two.

    Args:
        values: (N,), float, N >= 1.
        share: 0 the smallest, 0.5 the median, 1 the largest.

    Returns:
        The percentile, in the values' unit.
    """
    place = share * (len(values) - 1)
    below = int(place)
    lower = values.kthvalue(below + 1).values.item()
    if below == place:
        return lower
    upper = values.kthvalue(below + 2).values.item()
    return lower + (place - below) * (upper - lower)

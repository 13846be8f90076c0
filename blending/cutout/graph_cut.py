"""A labelling of pixels in two by the least cut of a graph, cheap along edges of the picture."""

import numpy as np

Array = np.ndarray

WHOLE = slice(None)
BUT_LAST, BUT_FIRST = slice(None, -1), slice(1, None)
# Pairs of neighbours: where the one and the other lie, and their distance.
PAIRS = (
    ((WHOLE, BUT_LAST), (WHOLE, BUT_FIRST), 1.0),
    ((BUT_LAST, WHOLE), (BUT_FIRST, WHOLE), 1.0),
    ((BUT_LAST, BUT_LAST), (BUT_FIRST, BUT_FIRST), 2**0.5),
    ((BUT_LAST, BUT_FIRST), (BUT_FIRST, BUT_LAST), 2**0.5),
)
SMOOTHNESS = 3.0  # cost of a cut between two pixels of one colour, against log likelihood ratios
LEAST_CONTRAST = 1e-4  # squared; below it differences are grain
AGREEING = 7  # pixels a side of a square whose middle needs no cut
STEPS = 1000  # whole numbers a unit of cost: the flow is exact in whole numbers


def graph_cut(image: Array, ratio: Array, unknown: Array, own: Array, other: Array) -> Array:
    """Label pixels so that log ratios, and edges of the picture where labels change, fit best.

    E = sum of |ratio| where the label contradicts its sign + sum over cut pairs of neighbours (8)
    of SMOOTHNESS · exp(−|ΔI|² / 2v) / distance, v the mean |ΔI|². The minimum is exact but for
    pixels amid others whose ratios have the same sign: these are settled before.

    Args:
        image: (3, h, w), float.
        ratio: (h, w), > 0 where a pixel looks like the object.
        unknown: (h, w), bool, the pixels to be labelled.
        own: (h, w), bool, pixels known to be the object's.
        other: (h, w), bool, pixels known to be background.

    Returns:
        (h, w), bool, True at the unknown pixels that are the object's.

    Source: Boykov and Jolly 2001; contrast as in Rother, Kolmogorov, Blake 2004.
    """
    # SciPy takes a while to load: only where it is needed.
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    contrast = _contrast(image, unknown)
    label, settled = _settled(ratio, unknown, own, other)
    own, other = own | label, other | (settled & ~label)
    unknown = unknown & ~settled
    count = int(unknown.sum())
    if not count:
        return label
    ends, costs, towards_own, towards_other = _neighbours(image, unknown, own, other, contrast)
    balance = ratio[unknown] + towards_own - towards_other
    to_own, to_other = np.maximum(balance, 0), np.maximum(-balance, 0)
    nodes, source, sink = np.arange(count), np.full(count, count), np.full(count, count + 1)
    rows = np.concatenate([ends[0], ends[1], source, nodes])
    columns = np.concatenate([ends[1], ends[0], nodes, sink])
    capacity = np.concatenate([costs, costs, to_own, to_other])
    whole = np.round(capacity * STEPS).astype(np.int32)
    graph = csr_matrix((whole, (rows, columns)), shape=(count + 2, count + 2))
    residual = graph - maximum_flow(graph, count, count + 1).flow
    residual.data = (residual.data > 0).astype(np.int32)
    residual.eliminate_zeros()
    reached = np.zeros(count + 2, bool)
    reached[breadth_first_order(residual, count, return_predecessors=False)] = True
    label[unknown] = reached[:count]
    return label


def _settled(ratio: Array, unknown: Array, own: Array, other: Array) -> tuple[Array, Array]:
    """The object's, and all, of those unknown pixels that agree with all around them."""
    from scipy.ndimage import minimum_filter

    for_own, for_other = own | (unknown & (ratio > 0)), other | (unknown & (ratio < 0))
    found = [
        unknown & (minimum_filter(sign.view(np.uint8), AGREEING, mode="nearest") > 0)
        for sign in (for_own, for_other)
    ]
    return found[0], found[0] | found[1]


def _contrast(image: Array, unknown: Array) -> float:
    """The mean squared difference of neighbours of which one is unknown."""
    total, count = 0.0, 0
    for a, b, _ in PAIRS:
        either = unknown[a] | unknown[b]
        total += float(np.square(image[(WHOLE, *a)] - image[(WHOLE, *b)]).sum(0)[either].sum())
        count += int(either.sum())
    return max(total / max(count, 1), LEAST_CONTRAST)


def _neighbours(
    image: Array, unknown: Array, own: Array, other: Array, mean: float
) -> tuple[tuple[Array, Array], Array, Array, Array]:
    """Pairs of unknown pixels and their costs, and each one's costs to known neighbours."""
    index = np.full(unknown.shape, -1)
    index[unknown] = np.arange(int(unknown.sum()))
    squares = [np.square(image[(WHOLE, *a)] - image[(WHOLE, *b)]).sum(0) for a, b, _ in PAIRS]
    to_own, to_other = np.zeros(int(unknown.sum())), np.zeros(int(unknown.sum()))
    first, second, costs = [], [], []
    for square, (a, b, distance) in zip(squares, PAIRS, strict=True):
        cost = SMOOTHNESS * np.exp(-square / (2 * mean)) / distance
        both = unknown[a] & unknown[b]
        first.append(index[a][both])
        second.append(index[b][both])
        costs.append(cost[both])
        for here, there in ((a, b), (b, a)):
            for known, total in ((own, to_own), (other, to_other)):
                beside = unknown[here] & known[there]
                # One pixel has one neighbour in a direction: no index comes twice.
                total[index[here][beside]] += cost[beside]
    return (np.concatenate(first), np.concatenate(second)), np.concatenate(costs), to_own, to_other

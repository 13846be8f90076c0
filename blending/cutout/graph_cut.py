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
STEPS = 1000  # whole numbers a unit of cost: the flow is exact in whole numbers


def graph_cut(image: Array, ratio: Array, unknown: Array, own: Array, other: Array) -> Array:
    """Label pixels so that log ratios, and edges of the picture where labels change, fit best.

    E = sum of |ratio| where the label contradicts its sign + sum over cut pairs of neighbours (8)
    of SMOOTHNESS · exp(−|ΔI|² / 2v) / distance, v the mean |ΔI|². The minimum is exact.

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

    label = np.zeros(unknown.shape, bool)
    count = int(unknown.sum())
    if not count:
        return label
    ends, costs, towards_own, towards_other = _neighbours(image, unknown, own, other)
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


def _neighbours(
    image: Array, unknown: Array, own: Array, other: Array
) -> tuple[tuple[Array, Array], Array, Array, Array]:
    """Pairs of unknown pixels and their costs, and each one's costs to known neighbours."""
    index = np.full(unknown.shape, -1)
    index[unknown] = np.arange(int(unknown.sum()))
    squares = [np.square(image[(WHOLE, *a)] - image[(WHOLE, *b)]).sum(0) for a, b, _ in PAIRS]
    seen = [
        square[unknown[a] | unknown[b]] for square, (a, b, _) in zip(squares, PAIRS, strict=True)
    ]
    mean = max(float(np.concatenate(seen).mean()) if sum(map(len, seen)) else 0.0, LEAST_CONTRAST)
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

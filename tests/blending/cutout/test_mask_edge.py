import numpy as np
import pytest

from blending.cutout.mask_edge import MaskEdge

ROW, COLUMN = np.mgrid[0:20, 0:24]
SQUARE = (ROW >= 5) & (ROW < 15) & (COLUMN >= 5) & (COLUMN < 15)


def test_the_edge_is_the_ring_around_a_square():
    edge = MaskEdge(SQUARE)
    assert edge.count == 4 * 10 + 4
    assert edge.depth[9, 6] == 2
    assert edge.depth[0, 0] == 0
    assert edge.foot[9, 6] == edge.foot[9, 4]
    assert edge.foot[0, 0] == -1


def test_a_frame_is_no_edge():
    left = COLUMN < 8
    assert MaskEdge(left).count == 20
    whole = MaskEdge(left | True)
    assert whole.count == 0
    assert np.isinf(whole.depth).all()
    assert not whole.over(np.zeros(0, bool)).any()


def test_sums_are_kept_at_the_foot():
    edge = MaskEdge(COLUMN < 8)
    counted, summed = edge.sums(edge.depth > 0), edge.sums(edge.depth > 0, COLUMN * 1.0)
    at = edge.foot[10, 7]
    assert counted[at] == 8
    assert summed[at] == sum(range(8))


def test_smoothing_keeps_constants_and_spreads_by_sigma():
    edge = MaskEdge(np.tile(COLUMN[:1] < 8, (201, 1)))
    assert np.allclose(edge.smoothed(np.ones(edge.count), 4), 1)
    peak = np.zeros(edge.count)
    middle = edge.foot[100, 7]
    peak[middle] = 1
    spread = edge.smoothed(peak, 4)
    along = np.array([np.argwhere((edge.foot == k) & (edge.depth == 1))[0, 0] for k in range(201)])
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    assert np.sqrt((spread * (along - 100.0) ** 2).sum()) == pytest.approx(4, rel=0.02)


def test_stretches_and_growth_follow_the_edge():
    edge = MaskEdge(COLUMN < 8)
    marked = np.zeros(edge.count, bool)
    for row in (3, 4, 10):
        marked[edge.foot[row, 7]] = True
    found = edge.stretches(marked)
    assert found[edge.foot[3, 7]] == found[edge.foot[4, 7]] != found[edge.foot[10, 7]]
    assert (found > 0).sum() == 3
    assert edge.grown(marked, 2).sum() == 6 + 5


def test_a_stretch_ends_across_the_edge():
    edge = MaskEdge(COLUMN < 8)
    marked = np.zeros(edge.count, bool)
    for row in range(5, 9):
        marked[edge.foot[row, 7]] = True
    assert (edge.over(marked) == ((COLUMN < 8) & (ROW >= 5) & (ROW < 9))).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1)])
@pytest.mark.parametrize("value", [True, False])
def test_any_size(shape, value):
    edge = MaskEdge(np.full(shape, value))
    assert edge.count == 0
    assert edge.smoothed(np.zeros(0), 3).shape == (0,)
    assert not edge.grown(np.zeros(0, bool), 3).any()
    assert not edge.over(np.zeros(0, bool)).any()

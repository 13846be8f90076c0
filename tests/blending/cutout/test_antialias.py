"""Stairs of hard masks become edges; what is soft, thin or at the frame stays."""

import numpy as np
import pytest
import torch

from blending.cutout.antialias import antialiased


def slope(size=60):
    """A half plane with an edge of one pixel in four, hard."""
    rows, columns = np.mgrid[:size, :size]
    return torch.from_numpy((columns > 20 + rows / 4).astype(np.float32))[None, None]


def test_a_slope_s_stairs_become_a_straight_line():
    """Where the edge lies in each row, by what is covered: hard, it jumps by whole pixels."""
    rows = np.arange(8, 52)
    away = []
    for mask in (slope(), antialiased(slope())):
        places = 60 - mask[0, 0].double().sum(1).numpy()[rows]
        line = np.polyval(np.polyfit(rows, places, 1), rows)
        away.append(np.abs(places - line).max())
    assert away[0] > 0.3
    assert away[1] < 0.1


def test_alpha_only_falls_and_only_at_the_edge():
    hard = slope()
    found = antialiased(hard)
    assert (found <= hard).all()
    assert torch.equal(found[..., 40:], hard[..., 40:])
    assert found[..., :20].max() == 0


@pytest.mark.parametrize("width", [1, 2, 4])
def test_thin_parts_stay(width):
    mask = torch.zeros(1, 1, 40, 40)
    mask[..., 8:32, 10 : 10 + width] = 1
    assert torch.equal(antialiased(mask), mask)


def test_a_thin_part_of_a_thick_object_stays():
    mask = torch.zeros(1, 1, 60, 60)
    mask[..., 5:30, 10:50] = 1
    mask[..., 30:55, 28:31] = 1  # a leg
    found = antialiased(mask)
    assert (found[..., 32:55, 28:31] == 1).all()
    assert found[..., 5, 20] < 1


def test_soft_edges_and_the_frame_stay(noise):
    soft = noise(1, 1, 20, 22).clamp(0.01, 0.99)
    assert torch.equal(antialiased(soft), soft)
    whole = torch.ones(1, 1, 12, 14)
    assert torch.equal(antialiased(whole), whole)
    half = whole.clone()
    half[..., :7] = 0
    assert (antialiased(half)[..., 10:] == 1).all()  # nothing fades along the frame
    nothing = torch.zeros(1, 1, 5, 5)
    assert torch.equal(antialiased(nothing), nothing)


def test_rows_of_a_batch_are_single_runs(disc):
    both = torch.cat((disc(30, 30, 10), slope(30)))
    found = antialiased(both)
    for row in range(2):
        torch.testing.assert_close(found[row : row + 1], antialiased(both[row : row + 1]))

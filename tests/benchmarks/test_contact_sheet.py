"""The contact sheet: every picture in its cell, at one height."""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))  # as where the benchmark runs as a script

from contact_sheet import GAP, LABEL, contact_sheet


def plain(red, height, width):
    return torch.tensor([red / 255, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, height, width)


def test_pictures_are_scaled_to_one_height_in_rows_and_columns():
    rows = {
        "one": {"a": plain(200, 10, 20), "b": plain(100, 30, 30)},
        "two": {"b": plain(50, 5, 5)},
    }
    sheet = np.asarray(contact_sheet(rows, height=40))
    assert sheet.shape[0] == LABEL + 2 * GAP + 2 * (40 + GAP)

    def box(red):
        found = np.argwhere((sheet == (red, 0, 0)).all(2))
        return found.min(0), found.max(0) - found.min(0) + 1

    (a_corner, a_size), (b_corner, b_size), (c_corner, c_size) = (
        box(red) for red in (200, 100, 50)
    )
    assert (a_size.tolist(), b_size.tolist(), c_size.tolist()) == ([40, 80], [40, 40], [40, 40])
    assert a_corner[0] == b_corner[0] == LABEL + 2 * GAP
    assert c_corner.tolist() == [b_corner[0] + 40 + GAP, b_corner[1]]
    assert b_corner[1] >= a_corner[1] + 80 + GAP

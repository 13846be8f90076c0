"""Contact darkening: at the edge that touches, nowhere else."""

import pytest
import torch

from blending.shadow.canvas import Canvas
from blending.shadow.contact import contact_on_ground, contact_on_wall
from blending.shadow.ground import ground_of


def box(height=100, width=100, room=50):
    return Canvas(torch.ones(1, 1, height, width), room, room, room, room)


def test_on_the_ground_it_is_dark_at_the_foot_and_falls_off_at_once():
    room = box()
    dark = contact_on_ground(room, ground_of(room.silhouette))[0, 0, :, 100]
    below = dark[150:]
    assert 0.5 < below[0] < dark[149]
    assert (below.diff() <= 1e-6).all()
    assert below[10] < 0.02  # a tenth of the size away
    assert dark[: 150 - 20].max() < 0.02  # not up the object's sides


def test_what_does_not_touch_makes_nothing_dark():
    """A ball: nothing at its sides."""
    places = torch.arange(100) + 0.5 - 50
    ball = (places[:, None].square() + places.square() <= 2500).float()[None, None]
    room = Canvas(ball, 50, 50, 50, 50)
    dark = contact_on_ground(room, ground_of(ball))[0, 0]
    assert dark[150, 100] > 0.5
    assert dark[:, 52:60].max() < 0.05


@pytest.mark.parametrize(("gap", "least", "most"), [(8, 0.5, 1), (60, 0, 0.05)])
def test_under_a_low_body_it_is_dark_between_the_feet_under_a_high_one_not(gap, least, most):
    table = torch.zeros(1, 1, 100, 100)
    table[..., : 100 - gap, :] = 1
    table[..., :10] = table[..., -10:] = 1
    room = Canvas(table, 50, 50, 50, 50)
    middle = contact_on_ground(room, ground_of(table))[0, 0, 148, 100]
    assert least <= middle <= most


def test_on_a_wall_it_is_the_same_on_all_sides():
    dark = contact_on_wall(box())
    torch.testing.assert_close(dark, dark.flip(-1))
    torch.testing.assert_close(dark, dark.mT)
    assert dark[0, 0, 100, 49] > 0.6 and dark[0, 0, 100, 30] < 0.02

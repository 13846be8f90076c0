"""Where silhouettes stand that are drawn by hand: boxes, balls, cars, tables, people."""

import pytest
import torch

from blending.shadow.ground import ground_of


def silhouette(height=100, width=100, *boxes):
    plane = torch.zeros(1, 1, height, width)
    for top, bottom, left, right in boxes:
        plane[..., top:bottom, left:right] = 1
    return plane


def rows_and_columns(size=100):
    places = torch.arange(size) + 0.5
    return places[:, None], places[None]


def test_a_box_stands_on_all_of_its_lower_edge():
    ground = ground_of(torch.ones(1, 1, 60, 80))
    assert ground.height == 60
    assert ground.base == (0, 80)
    assert torch.equal(ground.foot, torch.full((80,), 60.0).double())
    assert (ground.touching == 1).all()


def test_a_ball_touches_in_the_middle():
    rows, columns = rows_and_columns()
    ball = ((rows - 50) ** 2 + (columns - 50) ** 2 <= 2500).float()[None, None]
    ground = ground_of(ball)
    assert ground.touching[50] == 1
    assert ground.touching[:15].max() == 0 and ground.touching[-15:].max() == 0
    assert ground.foot[50] == 100
    assert ground.base[0] + ground.base[1] == pytest.approx(100, abs=1)


def test_a_car_stands_on_its_wheels():
    car = silhouette(100, 200, (0, 85, 0, 200), (80, 100, 30, 55), (80, 100, 145, 170))
    ground = ground_of(car)
    touches = ground.touching > 0.5
    assert touches[30:55].all() and touches[145:170].all()
    assert not touches[60:140].any() and not touches[:28].any() and not touches[172:].any()
    assert ground.base == (30, 170)
    torch.testing.assert_close(ground.foot, torch.full((200,), 100.0).double())


def test_a_table_seen_from_a_corner_stands_on_four_legs_the_rear_ones_farther_up():
    table = silhouette(
        100, 140, (0, 40, 0, 140), (40, 90, 0, 8), (40, 100, 66, 74), (40, 90, 132, 140)
    )
    ground = ground_of(table)
    assert (ground.touching[[4, 70, 136]] > 0.5).all()
    assert ground.touching[[30, 110]].max() < 0.1
    assert ground.foot[70] == 100
    assert 88 < ground.foot[4] < 97 and 88 < ground.foot[136] < 97


def test_a_slanting_line_of_feet_is_the_ground():
    """Two feet, one 20 rows higher than the other and 80 columns away: the line between them."""
    person = silhouette(120, 100, (0, 70, 30, 70), (60, 120, 5, 15), (60, 100, 85, 95))
    ground = ground_of(person)
    assert ground.touching[10] == 1 and ground.touching[90] > 0.9
    assert ground.foot[10].item() == pytest.approx(120, abs=2)
    assert ground.foot[90].item() == pytest.approx(100, abs=2)
    assert ground.foot[50].item() == pytest.approx(110, abs=2)


def test_an_arm_is_no_foot():
    person = silhouette(120, 60, (0, 120, 20, 40), (20, 50, 40, 60), (50, 60, 54, 60))
    assert ground_of(person).touching[44:].max() == 0


def test_a_tip_touches_however_steep_its_sides():
    rows, columns = rows_and_columns()
    diamond = ((rows - 50).abs() * 0.5 + (columns - 50).abs() <= 25).float()[None, None]
    ground = ground_of(diamond[..., 25:75])
    assert ground.touching.max() > 0.9
    assert ground.touching.argmax().item() in range(22, 28)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_the_smallest_silhouettes_stand(shape):
    ground = ground_of(torch.full((1, 1, *shape), 0.3))
    assert ground.touching.max() == 1
    assert ground.height == shape[0]


def test_a_mirrored_object_stands_mirrored():
    lopsided = silhouette(100, 90, (0, 60, 10, 90), (60, 100, 15, 25), (60, 92, 70, 82))
    own, other = ground_of(lopsided), ground_of(lopsided.flip(-1))
    torch.testing.assert_close(own.foot.flip(0), other.foot)
    torch.testing.assert_close(own.touching.flip(0), other.touching)

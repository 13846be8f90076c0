import pytest
import torch

from blending.image.polarity import RIGHT, UNSURE, WRONG, find_polarity

HEIGHT, WIDTH = 60, 80


def disc(row, column, radius):
    rows, columns = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)[None]
    inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return inside.float()[None, None]


def box(top, left, bottom, right):
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., top:bottom, left:right] = 1
    return mask


def specks():
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., 3:-3:4, 3:-3:4] = 1
    return mask


NOTHING = torch.zeros(1, 1, HEIGHT, WIDTH)
OBJECTS = {
    "in the middle": disc(30, 40, 15),
    "in a corner, not touching": disc(14, 14, 11),
    "cut off by the bottom": disc(58, 40, 20),
    "cut off by the bottom and the right": disc(50, 50, 30),
    "soft": disc(30, 40, 15) * 0.8,
}
# What takes much of the border and may be meant so.
DOUBTFUL = {
    "everything": 1 - NOTHING,
    "nothing": NOTHING,
    "around a rectangle": 1 - box(15, 20, 45, 60),
    "all but specks": 1 - specks(),
    "all but one speck": 1 - disc(30, 40, 2),
    "all but two things far apart": 1 - disc(8, 8, 5) - disc(51, 71, 5),
    "all but a strip": box(0, 0, 40, WIDTH),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_right_and_its_surroundings_are_wrong(name):
    (right,) = find_polarity(OBJECTS[name])
    (wrong,) = find_polarity(1 - OBJECTS[name])
    assert (right.verdict, wrong.verdict) == (RIGHT, WRONG)
    assert right.taken + wrong.taken == pytest.approx(1)
    assert right.border + wrong.border == pytest.approx(1)


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_may_be_meant_is_not_called_wrong(name):
    assert find_polarity(DOUBTFUL[name])[0].verdict == UNSURE


def test_shares_are_of_pixels():
    (found,) = find_polarity(box(0, 0, 30, WIDTH))
    assert found.taken == 0.5
    assert found.border == (80 + 0 + 30 + 30) / 280


def test_each_mask_of_a_batch_is_judged_by_itself():
    batch = torch.cat((OBJECTS["soft"], 1 - OBJECTS["in the middle"], NOTHING))
    assert [found.verdict for found in find_polarity(batch)] == [RIGHT, WRONG, UNSURE]


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="mask must be"):
        find_polarity(torch.zeros(4, 5))

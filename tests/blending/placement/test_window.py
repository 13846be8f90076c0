"""Windows, boxes and compositing."""

import itertools

import numpy as np
import pytest
import torch

from blending.placement.window import Window, bounding_box, composite, crop, pick, window_box


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator)


def bits(tensor):
    return tensor.contiguous().view(torch.int32)


def test_composite_by_hand():
    mask = torch.tensor([[[[0.0, 0.25, 0.5, 1.0]]]])
    mixed = composite(torch.full((1, 3, 1, 4), 0.8), torch.full((1, 3, 1, 4), 0.4), mask)
    wanted = torch.tensor([0.8, 0.7, 0.6, 0.4]).expand(1, 3, 1, 4)
    torch.testing.assert_close(mixed, wanted)


def test_composite_is_the_formula_in_every_sample():
    background, x, mask = random(2, 3, 5, 7), random(2, 3, 5, 7, seed=1), random(2, 1, 5, 7, seed=2)
    b, u, m = (tensor.double().numpy() for tensor in (background, x, mask))
    wanted = torch.from_numpy(m * u + (1 - m) * b).float()
    torch.testing.assert_close(composite(background, x, mask), wanted)


def test_composite_is_exact_where_the_mask_is_zero_or_one():
    # Cubes have all the bits of a float32; torch.rand stops at 2^-24, where sums are exact.
    background, x = random(1, 3, 40, 40) ** 3, random(1, 3, 40, 40, seed=1) ** 3
    mask = (random(1, 1, 40, 40, seed=2) > 0.5).float()
    wanted = torch.where(mask > 0, x, background)
    assert torch.equal(bits(composite(background, x, mask)), bits(wanted))


def test_composite_is_the_background_bit_for_bit_where_x_is():
    background, mask = random(1, 3, 40, 40) ** 3, random(1, 1, 40, 40, seed=1)
    assert torch.equal(bits(composite(background, background.clone(), mask)), bits(background))


def test_pick_takes_one_of_many_or_the_only_one():
    many, one = random(3, 1, 2, 2), random(1, 1, 2, 2)
    assert torch.equal(pick(many, 2), many[2][None])
    assert torch.equal(pick(one, 2), one)


def test_crop_is_a_view_of_rows_and_columns():
    picture = torch.arange(12.0).reshape(1, 1, 3, 4)
    window = crop(picture, (1, 2, 2, 1))
    assert window.tolist() == [[[[6.0], [10.0]]]]
    window.zero_()
    assert picture[0, 0, 1:, 2].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("box", "margin", "wanted"),
    [
        ((50, 40, 10, 20), 16, (34, 24, 42, 52)),
        ((50, 40, 10, 20), 0, (50, 40, 10, 20)),
        ((3, 5, 10, 20), 16, (0, 0, 29, 41)),
        ((90, 110, 10, 10), 16, (74, 94, 26, 26)),  # ends at the frame: 100 and 120
        ((0, 0, 100, 120), 64, (0, 0, 100, 120)),
    ],
)
def test_the_window_is_the_box_and_its_margin_in_the_frame(box, margin, wanted):
    assert window_box(box, margin, (1, 3, 100, 120)) == wanted


def test_every_window_is_inside_the_frame_and_holds_its_box_and_margin():
    frame = (1, 3, 37, 41)
    for top, left, margin in itertools.product(range(0, 37, 3), range(0, 41, 3), (0, 7, 16)):
        height, width = min(5, 37 - top), min(9, 41 - left)
        row, column, tall, wide = window_box((top, left, height, width), margin, frame)
        assert (row, column) == (max(top - margin, 0), max(left - margin, 0))
        assert min(top + height + margin, 37) == row + tall
        assert min(left + width + margin, 41) == column + wide


def test_the_bounding_box_holds_every_true_pixel_and_no_more():
    rng = np.random.default_rng(0)
    for _ in range(30):
        support = rng.random((7, 9)) < 0.06
        support[rng.integers(7), rng.integers(9)] = True
        rows, columns = np.nonzero(support)
        top, left = rows.min(), columns.min()
        wanted = (top, left, rows.max() - top + 1, columns.max() - left + 1)
        assert bounding_box(torch.from_numpy(support)[None, None]) == wanted


def test_the_scenes_support_and_paste_follow_its_mask():
    mask = torch.tensor([[[[0.0, 0.5, 1.0]]]])
    window = Window(
        source=torch.full((1, 3, 1, 3), 0.2),
        mask=mask,
        source_valid=torch.ones_like(mask),
        target=torch.full((1, 3, 1, 3), 0.8),
        box=(0, 0, 1, 3),
    )
    assert window.support.tolist() == [[[[False, True, True]]]]
    wanted = torch.tensor([0.8, 0.5, 0.2]).expand(1, 3, 1, 3)
    torch.testing.assert_close(window.paste, wanted)

"""Windows: their boxes, what is laid out in them, compositing."""

import itertools
from pathlib import Path

import pytest
import torch

from blending.placement.box import Box
from blending.placement.window import Window, composite, lay_out, pick, region_box, window_box
from blending.settings import RefineSettings


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


@pytest.mark.parametrize(
    ("box", "margin", "wanted"),
    [
        (Box(50, 40, 10, 20), 16, Box(34, 24, 42, 52)),
        (Box(50, 40, 10, 20), 0, Box(50, 40, 10, 20)),
        (Box(3, 5, 10, 20), 16, Box(0, 0, 29, 41)),
        (Box(90, 110, 10, 10), 16, Box(74, 94, 26, 26)),  # ends at the frame: 100 and 120
        (Box(0, 0, 100, 120), 64, Box(0, 0, 100, 120)),
        (Box(50, 40, 10, 20), None, Box(0, 0, 100, 120)),
    ],
)
def test_the_window_is_the_box_and_its_margin_in_the_frame(box, margin, wanted):
    assert window_box(box, margin, (1, 3, 100, 120)) == wanted


def test_every_window_is_inside_the_frame_and_holds_its_box_and_margin():
    frame = (1, 3, 37, 41)
    for top, left, margin in itertools.product(range(0, 37, 3), range(0, 41, 3), (0, 7, 16)):
        height, width = min(5, 37 - top), min(9, 41 - left)
        window = window_box(Box(top, left, height, width), margin, frame)
        assert (window.top, window.left) == (max(top - margin, 0), max(left - margin, 0))
        assert min(top + height + margin, 37) == window.bottom
        assert min(left + width + margin, 41) == window.right


OBJECT = Box(30, 50, 10, 20)


@pytest.mark.parametrize(
    ("region", "wanted"),
    [("object", OBJECT), ("band", Box(18, 38, 34, 44)), ("picture", Box(0, 0, 100, 120))],
)
def test_what_the_refine_stage_may_change_by_its_region(region, wanted):
    settings = RefineSettings(region=region, band=12, margin=32)  # a margin changes nothing
    assert region_box(OBJECT, settings, (1, 1, 100, 120)) == wanted


def test_a_band_ends_at_the_frame():
    settings = RefineSettings(region="band", band=40)
    assert region_box(OBJECT, settings, (1, 1, 100, 120)) == Box(0, 10, 80, 100)
    assert region_box(OBJECT, settings, (1, 1, 45, 75)) == Box(0, 10, 45, 65)


def laid_out_by_loop(tensor, at, box):
    """Pixel by pixel: what of a tensor, lying at `at`, is seen in `box`; 0 elsewhere."""
    found = torch.zeros(*tensor.shape[:2], box.height, box.width)
    for row, column in itertools.product(range(box.height), range(box.width)):
        r, c = row + box.top - at.top, column + box.left - at.left
        if 0 <= r < at.height and 0 <= c < at.width:
            found[..., row, column] = tensor[..., r, c]
    return found


def test_what_is_laid_out_lies_where_it_belongs_and_what_sticks_out_is_cut_off():
    tensor = 1 + random(2, 3, 4, 5)
    for top, left, height, width in itertools.product((1, 3, 5), (0, 4, 6), (1, 3, 12), (2, 11)):
        at, box = Box(3, 4, 4, 5), Box(top, left, height, width)
        if all(at.intersection(box).size):
            assert torch.equal(lay_out(tensor, at, box), laid_out_by_loop(tensor, at, box))


def test_laid_out_on_a_frame_all_of_it_is_seen():
    tensor = torch.tensor([[[[1.0, 2.0]]]])
    found = lay_out(tensor, Box(1, 0, 1, 2), Box(0, 0, 3, 3))
    assert found.tolist() == [[[[0, 0, 0], [1, 2, 0], [0, 0, 0]]]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.bool])
def test_on_a_much_larger_frame_it_keeps_its_type(dtype):
    tensor = (random(2, 1, 2, 2) > 0.5).to(dtype)
    found = lay_out(tensor, Box(7, 6, 2, 2), Box(0, 0, 9, 8))
    assert found.dtype == dtype
    assert torch.equal(found[..., 7:, 6:], tensor)
    assert not found[..., :7, :].any()
    assert not found[..., :6].any()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells what is resident")
def test_on_a_large_frame_a_small_part_takes_little_memory():
    def resident():
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    part, before = torch.ones(1, 3, 8, 8), resident()
    found = lay_out(part, Box(3000, 2000, 8, 8), Box(0, 0, 4000, 4000))
    assert found.numel() * found.element_size() == 192e6
    assert found.max() == 1  # reading takes none, either
    assert resident() - before < 20e6


def test_a_windows_support_and_paste_follow_its_mask():
    mask = torch.tensor([[[[0.0, 0.5, 1.0]]]])
    window = Window(
        source=torch.full((1, 3, 1, 3), 0.2),
        mask=mask,
        source_valid=torch.ones_like(mask),
        target=torch.full((1, 3, 1, 3), 0.8),
        box=Box(0, 0, 1, 3),
    )
    assert window.support.tolist() == [[[[False, True, True]]]]
    wanted = torch.tensor([0.8, 0.5, 0.2]).expand(1, 3, 1, 3)
    torch.testing.assert_close(window.paste, wanted)

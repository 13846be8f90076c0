import pytest
import torch

from blending.cutout.matte import matte

SIZE = 72
ROW, COLUMN = torch.meshgrid(*[torch.arange(SIZE) + 0.5] * 2, indexing="ij")
RED, BLUE = (torch.tensor(c).view(1, 3, 1, 1) for c in ([0.8, 0.2, 0.1], [0.2, 0.4, 0.9]))


def disc(radius, row=36.0, column=36.0):
    """Antialiased: its area is that of the circle to a pixel or two."""
    far = torch.hypot(ROW - row, COLUMN - column)
    return (radius - far + 0.5).clamp(0, 1)[None, None]


def over(alpha, own=RED, old=BLUE):
    return alpha * own + (1 - alpha) * old


def test_a_rest_is_removed_and_the_object_stays():
    true, mask = disc(20), (disc(26) > 0).float()
    found = matte(over(true), mask, 10)
    assert (found.alpha <= mask).all()
    assert (true - found.alpha).clamp_min(0).sum() <= 0.005 * true.sum()
    assert (found.alpha - true).clamp_min(0).sum() <= 0.03 * (mask - true).sum()
    assert found.confidence[0] > 0.9


def test_a_hole_s_rim_is_cleaned_too():
    ring, mask = disc(28) - disc(14), (disc(28) - disc(10)).clamp(0, 1)
    found = matte(over(ring), mask, 8)
    assert (ring - found.alpha).clamp_min(0).sum() <= 0.01 * ring.sum()
    assert (found.alpha - ring).clamp_min(0).sum() <= 0.05 * (mask - ring).sum()


def test_a_clean_soft_mask_keeps_its_bits():
    true = disc(20)
    found = matte(over(true), true, 12)
    assert torch.equal(found.alpha, true)
    assert found.confidence[0] > 0.9


def test_a_mast_stays():
    mast = ((COLUMN > 35) & (COLUMN < 38) & (ROW > 6) & (ROW < 40)).float()[None, None]
    true = torch.maximum(disc(14, 50), mast)
    mask = (torch.nn.functional.max_pool2d(true, 9, 1, 4) > 0).float()
    found = matte(over(true), mask, 6)
    at = mast > 0
    assert found.alpha[at].mean() > 0.97
    assert (found.alpha - true).clamp_min(0).sum() <= 0.06 * (mask - true).sum()


@pytest.mark.parametrize("own", [BLUE, BLUE + 0.01])
def test_an_object_like_its_background_is_left_alone(own):
    mask = disc(22)
    found = matte(over(disc(16), own), mask, 10)
    assert torch.equal(found.alpha, mask)
    assert found.confidence[0] < 0.1


def test_nothing_outside_keeps_the_mask():
    mask = disc(20)
    found = matte(over(mask), mask, 10, (mask > 0).float())
    assert torch.equal(found.alpha, mask)
    assert found.confidence == (0.0,)
    whole = torch.ones_like(mask)
    assert torch.equal(matte(over(mask), whole, 10).alpha, whole)


def test_no_width_and_no_mask_change_nothing():
    true = disc(20)
    for mask, width in ((disc(26), 0), (true * 0, 12)):
        found = matte(over(true), mask, width)
        assert torch.equal(found.alpha, mask)
        assert torch.equal(found.share, mask)
        assert found.confidence == (0.0,)


def test_the_frame_is_no_edge():
    true, mask = disc(30, 72, 10), (disc(36, 72, 10) > 0).float()
    found = matte(over(true), mask, 10)
    assert (found.alpha[..., -1, :24] == 1).all()
    assert (found.alpha - true).clamp_min(0).sum() <= 0.03 * (mask - true).sum()


def test_alpha_in_between_lies_at_the_contour_only():
    true, mask = disc(20), (disc(29) > 0).float()
    alpha = matte(over(true), mask, 12).alpha[0, 0]
    between = (alpha > 0) & (alpha < 1)
    far = (torch.hypot(ROW - 36, COLUMN - 36) - 20).abs()
    assert far[between].max() < 2


def test_rows_equal_single_runs_and_nothing_else_is_read():
    true = torch.cat([disc(20), disc(15, 30, 30)])
    mask = torch.cat([(disc(24) > 0).float(), (disc(19, 30, 30) > 0).float()])
    source = over(true)
    before = source.clone(), mask.clone()
    found = matte(source, mask, 8)
    for row in range(2):
        alone = matte(source[row : row + 1], mask[row : row + 1], 8)
        assert torch.equal(alone.alpha, found.alpha[row : row + 1])
        assert alone.confidence[0] == found.confidence[row]
    assert torch.equal(source, before[0])
    assert torch.equal(mask, before[1])
    shared = matte(source[:1], mask, 8)
    assert torch.equal(shared.alpha[:1], found.alpha[:1])


def test_far_pixels_do_not_matter():
    true, mask = disc(9), (disc(12) > 0).float()
    padded = [torch.nn.functional.pad(p, (60, 60, 60, 60)) for p in (over(true), mask)]
    found = matte(*padded, 6, torch.nn.functional.pad(torch.ones_like(mask), (60, 60, 60, 60)))
    assert torch.equal(found.alpha[..., 60:-60, 60:-60], matte(over(true), mask, 6).alpha)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype):
    true, mask = disc(20), (disc(24) > 0).to(dtype)
    found = matte(over(true).to(dtype), mask, 8)
    assert found.alpha.dtype == dtype
    wide = matte(over(true).to(dtype).float(), mask.float(), 8)
    assert torch.equal(found.alpha.float(), wide.alpha.to(dtype).float())


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (19, 1), (33, 18)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_any_size(size, value):
    draw = torch.Generator().manual_seed(3)
    source, mask = torch.rand(1, 3, *size, generator=draw), torch.full((1, 1, *size), value)
    mask[..., : size[1] // 2] *= torch.rand(1, 1, size[0], size[1] // 2, generator=draw)
    found = matte(source, mask, 5)
    assert found.alpha.isfinite().all()
    assert (found.alpha <= mask).all()
    assert (found.alpha >= 0).all()


def test_mistakes_are_named():
    source, mask = torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    with pytest.raises(ValueError, match=r"width must be in \[0, 128\], got 200"):
        matte(source, mask, 200)
    with pytest.raises(TypeError, match="width"):
        matte(source, mask, 2.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"source must be \(B, 3, H, W\), got \(1, 4, 8, 8\)"):
        matte(torch.zeros(1, 4, 8, 8), mask, 2)
    with pytest.raises(ValueError, match="mask"):
        matte(source, mask[..., :4], 2)
    with pytest.raises(ValueError, match="source_valid"):
        matte(source, mask, 2, mask[..., :4])

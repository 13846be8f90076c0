import pytest
import torch

from blending.cutout.foreground import continued, foreground


def disc(size=48, radius=14.0, soft=3.0):
    row, column = torch.meshgrid(*[torch.arange(size) + 0.5] * 2, indexing="ij")
    far = torch.hypot(row - size / 2, column - size / 2)
    return ((radius - far) / soft + 0.5).clamp(0, 1)[None, None]


RED, BLUE = (torch.tensor(c).view(1, 3, 1, 1) for c in ([0.8, 0.2, 0.1], [0.2, 0.4, 0.9]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_flat_colours_come_back(dtype):
    alpha = disc().to(dtype)
    source = alpha * RED.to(dtype) + (1 - alpha) * BLUE.to(dtype)
    found = foreground(source, alpha)
    assert found.dtype == dtype
    torch.testing.assert_close(found, RED.to(dtype).expand_as(found), atol=0.01, rtol=0)


def test_opaque_pixels_keep_their_bits():
    alpha = disc()
    source = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    found = foreground(source, alpha)
    assert torch.equal(found[(alpha == 1).expand_as(found)], source[(alpha == 1).expand_as(found)])


def test_without_a_background_soft_pixels_lean_to_the_interior():
    """By alpha, as U is the source then; faint ones come from their neighbours, too."""
    alpha = disc().clamp_min(0)
    source = torch.where(alpha >= 0.99, RED, BLUE).expand(1, 3, 48, 48)
    found = foreground(source, alpha, (alpha > 0).float())
    half = (alpha > 0.5) & (alpha < 0.99)
    expected = alpha * BLUE + (1 - alpha) * RED
    at = half.expand_as(found)
    torch.testing.assert_close(found[at], expected[at], atol=0.01, rtol=0)
    faint = (alpha > 0) & (alpha < 0.05)
    assert (found - RED).abs().sum(1)[faint[:, 0]].max() < 0.7 * (BLUE - RED).abs().sum()


def test_no_pure_pixel_changes_nothing():
    source = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    alpha = torch.full((1, 1, 9, 7), 0.5)
    assert torch.equal(foreground(source, alpha), source)


def test_rows_equal_single_runs_and_inputs_stay():
    alpha = torch.cat([disc(), disc(radius=9), torch.full((1, 1, 48, 48), 0.4)])
    source = torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(2))
    before = source.clone(), alpha.clone()
    together = foreground(source, alpha)
    for row in range(3):
        assert torch.equal(
            together[row : row + 1], foreground(source[row : row + 1], alpha[row : row + 1])
        )
    assert torch.equal(source, before[0])
    assert torch.equal(alpha, before[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_computed_in_float32(dtype):
    alpha = disc().to(dtype)
    source = (alpha.float() * RED + (1 - alpha.float()) * BLUE).to(dtype)
    found = foreground(source, alpha)
    assert torch.equal(found, foreground(source.float(), alpha.float()).to(dtype))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (17, 5)])
def test_any_size(size):
    source, alpha = torch.rand(1, 3, *size), torch.rand(1, 1, *size)
    found = foreground(source, alpha)
    assert found.shape == source.shape
    assert found.isfinite().all()


def test_mistakes_are_named():
    source, alpha = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match="alpha must"):
        foreground(source, alpha + 2)
    with pytest.raises(ValueError, match="source_valid"):
        foreground(source, alpha, alpha[..., :2])
    with pytest.raises(TypeError):
        foreground(source.long(), alpha)


def test_continued_keeps_constants_and_what_is_nearest():
    known = torch.zeros(1, 1, 13, 10, dtype=torch.float64)
    known[..., 3, 4] = 1
    image = torch.full((1, 2, 13, 10), 0.3, dtype=torch.float64)
    torch.testing.assert_close(continued(image, known), image, atol=1e-9, rtol=0)
    assert torch.equal(continued(image, known * 0), torch.zeros_like(image))
    known[..., 11, 9] = 1
    image[..., 11, 9] = 0.9
    found = continued(image, known)
    assert (found[..., 1, 1] < 0.6).all()
    assert (found[..., 12, 8] > 0.6).all()

import json

import pytest
import torch
from scipy.ndimage import distance_transform_edt

from blending.cutout.clean import clean_cutout

SIZE = 72
ROW, COLUMN = torch.meshgrid(*[torch.arange(SIZE) + 0.5] * 2, indexing="ij")
RED, BLUE = (torch.tensor(c).view(1, 3, 1, 1) for c in ([0.8, 0.2, 0.1], [0.2, 0.4, 0.9]))


def disc(radius, row=36.0, column=36.0):
    far = torch.hypot(ROW - row, COLUMN - column)
    return (radius - far + 0.5).clamp(0, 1)[None, None]


def over(alpha):
    return alpha * RED + (1 - alpha) * BLUE


TRUE, ROUGH = disc(20), (disc(26) > 0).float()


def test_colours_are_the_object_s_where_it_is_left_and_three_pixels_beside_it():
    found = clean_cutout(over(TRUE), ROUGH, 10)
    near = (distance_transform_edt(found.alpha[0, 0] == 0) < 4) & (ROUGH[0, 0] > 0).numpy()
    near = torch.from_numpy(near)[None, None]
    error = (found.source - RED).abs().mean(1, keepdim=True)[near]
    raw = (over(TRUE) - RED).abs().mean(1, keepdim=True)[near]
    assert error.sum() < 0.05 * raw.sum()


def test_beyond_three_pixels_beside_what_is_left_the_source_is_as_it_was():
    source = over(TRUE)
    found = clean_cutout(source, ROUGH, 10)
    far = torch.from_numpy(distance_transform_edt(found.alpha[0, 0] == 0) > 3 * 2**0.5)
    assert (far & (ROUGH[0, 0] > 0)).any()
    assert torch.equal(found.source[..., far], source[..., far])


def test_pixels_outside_the_mask_and_deep_inside_keep_their_bits():
    source = over(TRUE)
    found = clean_cutout(source, ROUGH, 10)
    keep = ((ROUGH == 0) | (disc(12) == 1)).expand_as(source)
    assert torch.equal(found.source[keep], source[keep])


def test_removed_is_the_difference():
    found = clean_cutout(over(TRUE), ROUGH, 10)
    assert torch.equal(found.removed, ROUGH - found.alpha)
    assert (found.removed >= 0).all()


def test_no_width_returns_the_inputs():
    source = over(TRUE)
    found = clean_cutout(source, ROUGH, 0)
    assert torch.equal(found.source, source)
    assert torch.equal(found.alpha, ROUGH)
    assert not found.removed.any()
    assert found.figures["removed"] == [0.0]


def test_nothing_valid_outside_cleans_colours_only():
    """A pasted picture whose alpha is the mask, blue in its soft pixels still."""
    soft = disc(20)
    source = over(soft)
    found = clean_cutout(source, soft, 10, (soft > 0).float())
    assert torch.equal(found.alpha, soft)
    mixed = (soft > 0.05) & (soft < 0.95)
    before, after = (
        (picture - RED).abs().mean(1, keepdim=True)[mixed].mean()
        for picture in (source, found.source)
    )
    assert after < 0.75 * before
    assert found.confidence == (0.0,)


def test_a_clean_hard_mask_gets_its_colours_cleaned():
    mask = (TRUE >= 0.5).float()
    source = over(TRUE)
    found = clean_cutout(source, mask, 10)
    assert torch.equal(found.alpha, mask)
    mixed = (TRUE < 0.95) & (mask > 0)
    before, after = (
        (picture - RED).abs().mean(1, keepdim=True)[mixed].mean()
        for picture in (source, found.source)
    )
    assert after < 0.5 * before


def test_figures_are_json_and_in_pixels():
    found = clean_cutout(over(TRUE), ROUGH, 10)
    figures = json.loads(json.dumps(found.figures))
    assert figures["width"] == 10
    taken = (ROUGH - found.alpha).sum().item()
    assert figures["removed"] == [pytest.approx(taken, abs=0.06)]
    assert figures["removed_share"] == [pytest.approx(taken / ROUGH.sum().item(), abs=1e-4)]
    assert figures["confidence"] == [pytest.approx(found.confidence[0], abs=1e-3)]


@pytest.mark.parametrize("masks", [1, 2])
def test_rows_equal_single_runs(masks):
    source = torch.cat([over(TRUE), over(disc(17))])
    mask = torch.cat([ROUGH, (disc(23) > 0).float()])[:masks]
    found = clean_cutout(source, mask, 8)
    assert found.source.shape == (2, 3, SIZE, SIZE)
    assert found.alpha.shape == found.removed.shape == (2, 1, SIZE, SIZE)
    for row in range(2):
        alone = clean_cutout(source[row : row + 1], mask[row % masks][None], 8)
        assert torch.equal(alone.source, found.source[row : row + 1])
        assert torch.equal(alone.alpha, found.alpha[row : row + 1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes_and_inputs_stay(dtype):
    source, mask = over(TRUE).to(dtype), ROUGH.to(dtype)
    before = source.clone(), mask.clone()
    found = clean_cutout(source, mask, 8)
    assert found.source.dtype == found.alpha.dtype == found.removed.dtype == dtype
    assert torch.equal(source, before[0])
    assert torch.equal(mask, before[1])


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (13, 1), (31, 22)])
def test_any_size(size):
    draw = torch.Generator().manual_seed(4)
    source, mask = (torch.rand(1, c, *size, generator=draw) for c in (3, 1))
    found = clean_cutout(source, mask.round(), 3)
    assert found.source.isfinite().all()
    assert found.alpha.isfinite().all()


def test_the_layout_in_memory_does_not_show(noise):
    source, mask = noise(1, 3, SIZE, SIZE), torch.ones(1, 1, SIZE, SIZE)
    mask[..., 8:-8, 8:-8] = 0  # a frame
    plain = clean_cutout(source, mask, 12)
    other = clean_cutout(source.contiguous(memory_format=torch.channels_last), mask, 12)
    assert torch.equal(other.source, plain.source)
    assert torch.equal(other.alpha, plain.alpha)


def test_an_empty_mask():
    found = clean_cutout(over(TRUE), TRUE * 0, 12)
    assert torch.equal(found.source, over(TRUE))
    assert found.figures["removed_share"] == [0.0]


def test_figures_say_what_was_recoloured_and_whether_a_background_was_known():
    """A rough mask, one over the whole picture, one with nothing valid around it."""
    soft = disc(20)
    mask = torch.cat([ROUGH, torch.ones_like(ROUGH), soft])
    valid = torch.cat([torch.ones_like(ROUGH)] * 2 + [(soft > 0).float()])
    source = over(soft).expand(3, -1, -1, -1)
    found = clean_cutout(source, mask, 10, valid)
    assert found.figures["background_known"] == [True, False, False]
    changed = ((found.source != source).any(1, keepdim=True) & (mask > 0)).flatten(1).sum(1)
    assert found.figures["recoloured"] == changed.tolist()
    assert found.figures["pixels"] == (mask > 0).flatten(1).sum(1).tolist()
    assert changed[1] == 0  # nothing soft, nothing known
    assert changed[2] > 0
    one_valid = clean_cutout(source, soft, 10, valid[2:])
    assert one_valid.figures["background_known"] == [False] * 3


def test_it_tells_before_each_picture_and_may_be_ended():
    told = []
    source = over(TRUE).expand(3, -1, -1, -1)
    clean_cutout(source, ROUGH, 4, on_picture=lambda done, of: told.append((done, of)))
    assert told == [(0, 3), (1, 3), (2, 3)]

    def end(done, of):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clean_cutout(source, ROUGH, 4, on_picture=end)

"""Laplacian panels against the same pictures made with NumPy and SciPy."""

import json

import numpy as np
import pytest
import torch
from scipy import ndimage

from blending import PoissonSettings, poisson_stage
from blending.placement.place import place
from blending.quality.laplacian_panels import laplacian_panels
from blending.quality.metrics import (
    background_error,
    gradient_error,
    seam_error,
    seam_peak,
    seam_share,
)

ROW, COLUMN = 30, 40
MARGIN = 24  # as documented


def field(picture):
    """The Laplacian of (3, H, W); neighbours beyond the frame drop out."""
    return np.stack([-ndimage.laplace(plane, mode="nearest") for plane in picture])


@pytest.fixture
def case(photo, disc, noise):
    """A blend to look at and its placed source: 20 x 22 on 90 x 110 pixels."""
    source, mask = photo(20, 22), disc(20, 22, 8)
    placed = place(source, 0.4 + 0.2 * noise(1, 3, 90, 110), mask, ROW, COLUMN)
    return noise(1, 3, 90, 110, seed=1), placed


@pytest.fixture
def expected(case):
    """What the panels are made of, as arrays over the whole target, and the window shown."""
    image, placed = case
    target = placed.target[0].numpy().astype(np.float64)
    inside = placed.full_mask[0, 0].numpy() > 0
    source = np.zeros_like(target)
    own = field(placed.source[0].numpy().astype(np.float64))
    source[:, ROW : ROW + 20, COLUMN : COLUMN + 22] = own
    guidance = np.where(inside, source, field(target))
    found = field(image[0].numpy().astype(np.float64))
    seen = ndimage.binary_dilation(inside)
    residual = np.where(seen, np.abs(found - guidance), 0)
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    top, left = (first - MARGIN for first in (rows[0], columns[0]))
    box = (
        slice(None),
        slice(max(top, 0), rows[-1] + 1 + MARGIN),
        slice(max(left, 0), columns[-1] + 1 + MARGIN),
    )
    scale = np.quantile(np.abs(guidance[box]), 0.98)
    fields = {"source": source, "target": field(target), "guidance": guidance, "result": found}
    return {name: values[box] for name, values in fields.items()}, residual[box], scale


def test_fields_are_grey_at_zero_and_white_at_full_scale(case, expected):
    panels = laplacian_panels(*case)
    fields, _, scale = expected
    for name, values in fields.items():
        shown = (0.5 + 0.5 * values / scale).clip(0, 1)
        np.testing.assert_allclose(getattr(panels, name)[0], shown, atol=1e-4)


def test_full_scale_is_the_98th_percentile_of_the_guidance_shown(case, expected):
    (figures,) = laplacian_panels(*case).report["pictures"]
    assert figures["full_scale_levels"] == pytest.approx(255 * expected[2], rel=1e-4)


def test_the_residual_goes_from_black_over_red_and_yellow_to_white(case, expected):
    _, residual, scale = expected
    level = 3 * (residual / scale).mean(0)
    heat = np.stack([level, level - 1, level - 2]).clip(0, 1)
    shown = laplacian_panels(*case).residual[0]
    np.testing.assert_allclose(shown, heat, atol=1e-3)
    assert heat[2].max() > 0  # the case reaches every colour
    assert (heat[0] == 0).any()


def test_a_perfect_result_has_no_residual(photo):
    target = photo(40, 48)
    mask = torch.zeros(1, 1, 40, 48)
    mask[..., 15:25, 20:30] = 1
    panels = laplacian_panels(target, place(target, target, mask))
    assert (panels.residual == 0).all()
    assert torch.equal(panels.result, panels.target)


def test_figures_are_those_of_the_metrics_for_result_and_paste(case):
    image, placed = case
    (figures,) = laplacian_panels(image, placed).report["pictures"]
    mask = placed.full_mask
    own = torch.from_numpy(field(placed.source[0].numpy()))
    guidance = torch.from_numpy(field(placed.target[0].numpy()))[None]
    window = guidance[..., ROW : ROW + 20, COLUMN : COLUMN + 22]
    inside = mask[..., ROW : ROW + 20, COLUMN : COLUMN + 22] > 0
    window.copy_(torch.where(inside, own, window))
    for name, picture in (("result", image), ("paste", placed.paste)):
        assert figures[name] == pytest.approx(
            {
                "seam": seam_error(picture, guidance, mask),
                "seam_peak": seam_peak(picture, guidance, mask),
                "seam_share": seam_share(picture, guidance, mask),
                "gradient": gradient_error(picture, guidance, mask),
                "background": background_error(picture, placed.target, mask),
            },
            rel=1e-4,
            abs=1e-6,
        )
    assert figures["paste"]["background"] == 0
    assert figures["result"]["background"] > 1


def test_panels_show_the_masks_and_24_pixels_around_them(case, expected):
    panels = laplacian_panels(*case)
    size = expected[0]["source"].shape[1:]
    for name in ("source", "target", "guidance", "result", "residual"):
        assert getattr(panels, name).shape == (1, 3, *size)
    assert size < (90, 110)


def test_a_batch_gives_one_row_for_each_picture(case):
    image, placed = case
    images = torch.cat((image, placed.paste))
    batch = laplacian_panels(images, placed)
    for sample in (0, 1):
        single = laplacian_panels(images[sample : sample + 1], placed)
        assert torch.equal(batch.result[sample : sample + 1], single.result)
        assert batch.report["pictures"][sample] == single.report["pictures"][0]


def test_alpha_is_left_out(case):
    image, placed = case
    panels = laplacian_panels(torch.cat((image, image[:, :1]), 1), placed)
    assert torch.equal(panels.result, laplacian_panels(image, placed).result)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_panels_have_the_images_dtype(dtype, case):
    image, placed = case
    panels = laplacian_panels(image.to(dtype), placed)
    assert panels.residual.dtype == dtype
    assert 0 <= panels.result.min() <= panels.result.max() <= 1


def test_an_empty_picture_of_a_batch_is_grey_and_the_report_says_so(photo, disc):
    source, target = photo(20, 20), photo(40, 40, 250, 20)
    masks = torch.cat((torch.zeros(1, 1, 20, 20), disc(20, 20, 7)))
    panels = laplacian_panels(target, place(source, target, masks, 5, 5))
    assert (panels.guidance[0] == 0.5).all()
    assert (panels.residual[0] == 0).all()
    assert not (panels.guidance[1] == 0.5).all()
    assert panels.report["pictures"][0] == {"empty": True}
    assert "empty" not in panels.report["pictures"][1]


def test_a_flat_guidance_has_a_full_scale_of_one_level():
    flat, mask = torch.full((1, 3, 20, 20), 0.5), torch.zeros(1, 1, 20, 20)
    mask[..., 8:12, 8:12] = 1
    (figures,) = laplacian_panels(flat, place(flat, flat, mask)).report["pictures"]
    assert figures["full_scale_levels"] == pytest.approx(1)


def test_the_report_of_a_mask_without_a_ring_is_valid_json(photo):
    placed = place(photo(20, 20), photo(20, 20, 250, 20), torch.ones(1, 1, 20, 20))
    report = laplacian_panels(placed.paste, placed).report
    json.dumps(report, allow_nan=False)  # NaN is no JSON; strict readers refuse it


@pytest.mark.parametrize("gradients", ["mixed", "monochrome"])
def test_an_exact_blend_has_no_residual_beside_the_gradients_it_was_made_with(gradients, photo):
    target, source = 0.3 + 0.4 * photo(40, 44), 0.3 + 0.4 * photo(40, 44, 250, 20)
    mask = torch.zeros(1, 1, 40, 44)
    mask[..., 10:30, 10:34] = 1
    placed = place(source, target, mask)
    blend = poisson_stage(placed, PoissonSettings(method="exact", gradients=gradients)).image
    figures = [
        laplacian_panels(blend, placed, name).report["pictures"][0]["result"]["gradient"]
        for name in (gradients, "import")
    ]
    assert figures[0] < 0.1 < figures[1]


def test_an_exact_blend_has_no_line_at_the_masks_edge(photo):
    target, source = 0.3 + 0.4 * photo(40, 44), 0.3 + 0.4 * photo(40, 44, 250, 20)
    mask = torch.zeros(1, 1, 40, 44)
    mask[..., 10:30, 10:34] = 1
    placed = place(source, target, mask)
    blend = poisson_stage(placed, PoissonSettings(method="exact", bleed=1)).image
    panels = laplacian_panels(blend, placed)
    (profile,) = panels.profiles
    assert panels.residual.max() < 0.02
    assert max(profile.result) < 0.5 < 5 < max(profile.paste)  # levels; a paste's seam is seen


def test_gradients_of_another_name_are_refused(case):
    with pytest.raises(ValueError, match="gradients must be one of import, mixed, monochrome"):
        laplacian_panels(*case, gradients="both")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(1, 3, 90, 111), "image must have the size of target, 110 x 90 pixels"),
        (torch.zeros(1, 2, 90, 110), r"image must be \(B, 3 or 4, H, W\)"),
        (torch.full((1, 3, 90, 110), 255.0), r"image must be in \[0, 1\]"),
    ],
)
def test_a_picture_that_does_not_fit_is_refused(image, message, case):
    with pytest.raises(ValueError, match=message):
        laplacian_panels(image, case[1])


def test_batches_that_do_not_fit_are_refused(photo):
    target = photo(20, 20).repeat(2, 1, 1, 1)
    placed = place(target, target, torch.ones(1, 1, 20, 20))
    with pytest.raises(ValueError, match="batch sizes must be N with N or 1 with N"):
        laplacian_panels(photo(20, 20).repeat(3, 1, 1, 1), placed)


def test_the_panels_have_their_names_in_the_order_of_their_making(case):
    panels = laplacian_panels(*case)
    assert list(panels.by_name) == ["source", "target", "guidance", "result", "residual"]
    assert all(getattr(panels, name) is panel for name, panel in panels.by_name.items())


def test_a_plain_pastes_profile_is_its_own(photo, disc):
    placed = place(photo(40, 40), photo(90, 90, 250, 20), disc(40, 40, 14), 20, 25)
    (profile,) = laplacian_panels(placed.paste, placed).profiles
    assert profile.result == profile.paste
    # The steps across the edge are in the pixels on either side and nowhere else.
    far = [size for d, size in zip(profile.distances, profile.paste, strict=True) if abs(d) > 3]
    assert max(far) < 1e-3
    assert np.argmax(profile.paste) in (23, 24)


def test_changes_outside_the_mask_are_seen(photo, disc):
    placed = place(photo(40, 40), photo(90, 90, 250, 20), disc(40, 40, 14), 20, 25)
    image = placed.paste
    image[..., 20, :] = 0.9
    (profile,) = laplacian_panels(image, placed).profiles
    assert max(profile.result[:10]) > 1

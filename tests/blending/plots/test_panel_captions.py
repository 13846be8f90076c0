"""Captioned panels and profiles, of plain tensors and lists."""

from types import SimpleNamespace

import pytest
import torch

from blending.plots.panel_captions import NARROWEST, STRIP, panel_sheets, profile_plots

NAMES = ("source", "target", "guidance", "result", "residual")
SCALE = {"full_scale_levels": 12.3}


@pytest.fixture
def panels(noise):
    """Five panels of one picture, 76 x 80."""
    return {name: noise(1, 3, 76, 80, seed=seed) for seed, name in enumerate(NAMES)}


def profile(values, paste=None):
    """What a plot reads of a profile, from one pixel and a half outside to as far inside."""
    return SimpleNamespace(distances=[-1.5, -0.5, 0.5, 1.5], result=values, paste=paste or values)


def test_each_panel_lies_whole_times_larger_under_its_caption(panels):
    sheets = panel_sheets(panels, [SCALE])
    times = 4  # 4 · 80 = 320, the narrowest
    assert sheets.shape == (5, 3, STRIP + times * 76, times * 80)
    for sheet, name in zip(sheets, NAMES, strict=True):
        shown = panels[name][0].repeat_interleave(times, 1).repeat_interleave(times, 2)
        assert torch.equal(sheet[:, STRIP:], shown)


def test_panels_are_taken_in_the_order_that_they_are_given(panels):
    some = {name: panels[name] for name in ("residual", "source")}
    sheets = panel_sheets(some, [SCALE])
    assert len(sheets) == 2
    everything = panel_sheets(panels, [SCALE])
    assert torch.equal(sheets, everything[[4, 0]])


def test_captions_differ_and_the_residuals_bar_is_coloured(panels):
    strips = panel_sheets(panels, [SCALE])[..., :STRIP, :]
    assert len({strip.numpy().tobytes() for strip in strips}) == 5
    colour = strips.amax(1) - strips.amin(1)
    assert (colour[:4] < 0.1).all()
    assert (colour[4] > 0.9).sum() > 200


def bar(strip):
    """The middle row of a caption's bar, between its numbers, (3, W)."""
    row = strip[:, 41, 90:-110]
    assert row.shape[1] > 100
    return row


def test_the_bars_go_from_dark_to_light_and_over_red_and_yellow(panels):
    strips = panel_sheets(panels, [SCALE])[..., :STRIP, :]
    grey, heat = bar(strips[0]), bar(strips[4])
    assert (grey.diff(dim=1) >= 0).all()
    assert torch.equal(grey[0], grey[2])
    # Red rises first, then green, then blue.
    assert (heat[0] >= heat[1]).all()
    assert (heat[1] >= heat[2]).all()
    assert ((heat[0] > 0.95) & (heat[1] < 0.2)).any()
    assert ((heat[1] > 0.95) & (heat[2] < 0.2)).any()


def test_the_caption_tells_the_scale(panels):
    one, other = (panel_sheets(panels, [{"full_scale_levels": v}]) for v in (12.3, 45.6))
    assert torch.equal(one[..., STRIP:, :], other[..., STRIP:, :])
    for first, second in zip(one, other, strict=True):
        assert not torch.equal(first[:, 30:STRIP], second[:, 30:STRIP])
        assert torch.equal(first[:, :30], second[:, :30])  # the name stands above


def test_wide_panels_are_not_enlarged_and_tall_ones_get_a_ground(noise):
    wide = noise(1, 3, 30, 400)
    sheet = panel_sheets({"source": wide}, [SCALE])
    assert sheet.shape == (1, 3, STRIP + 30, 400)
    assert torch.equal(sheet[..., STRIP:, :], wide)
    tall = noise(1, 3, 1500, 40)
    sheet = panel_sheets({"source": tall}, [SCALE])
    assert sheet.shape == (1, 3, STRIP + 1500, NARROWEST)
    ground = (NARROWEST - 40) // 2
    assert torch.equal(sheet[..., STRIP:, ground : ground + 40], tall)
    for beside in (sheet[..., STRIP:, :ground], sheet[..., STRIP:, ground + 40 :]):
        assert (beside == 0.1).all()


def test_all_panels_of_a_picture_come_before_those_of_the_next(noise):
    panels = {name: noise(3, 3, 20, 400, seed=seed) for seed, name in enumerate(NAMES[:2])}
    sheets = panel_sheets(panels, [SCALE] * 3)
    assert len(sheets) == 6
    for place, sheet in enumerate(sheets):
        sample, name = divmod(place, 2)
        assert torch.equal(sheet[:, STRIP:], panels[NAMES[name]][sample])


def test_an_empty_picture_says_so(noise):
    panels = {name: noise(2, 3, 20, 400) for name in NAMES}
    sheets = panel_sheets(panels, [{"empty": True}, SCALE])
    assert len(sheets) == 10
    assert not torch.equal(sheets[0, :, :STRIP], sheets[5, :, :STRIP])
    # No numbers and no bar.
    assert sheets[:5, :, 35:STRIP].std() < 0.02
    assert sheets[5:, :, 35:STRIP].std() > 0.1


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_sheets_have_the_panels_dtype(dtype, panels):
    sheets = panel_sheets({name: panel.to(dtype) for name, panel in panels.items()}, [SCALE])
    assert sheets.dtype == dtype
    assert 0 <= sheets.min() <= sheets.max() <= 1


def test_a_profile_for_each_picture():
    plots = profile_plots([profile([1.0, 4, 3, 1]), profile([1.0, 4, 3, 1])])
    assert plots.shape == (2, 3, 600, 960)
    changed = (plots[0] != plots[1]).any(0).any(1).nonzero()
    assert changed.numel() > 0
    assert changed.max() < 60  # the title counts the pictures; the curves are the same


def test_the_result_is_drawn_over_the_pastes_curve_in_another_colour():
    apart = profile_plots([profile([1.0, 1, 1, 1], [5.0, 5, 5, 5])])[0]
    alike = profile_plots([profile([5.0, 5, 5, 5])])[0]
    field = (slice(None), slice(99, 533), slice(95, 720))

    def has(plot, colour):
        wanted = torch.tensor(colour)[:, None, None] / 255
        return bool(((plot[field] - wanted).abs().amax(0) < 0.02).any())

    white, orange = (255.0, 255, 255), (0xE6, 0x9F, 0.0)
    assert has(apart, white)
    assert has(apart, orange)
    assert has(alike, white)
    assert not has(alike, orange)  # below the result's broader line


def test_the_note_is_the_mean_of_the_two_pixels_at_the_edge():
    # 4 and 3: 3.5 levels, whatever lies farther off.
    one, same, other = (
        profile_plots([profile([9.0, 9, 9, 9], paste)])[0, :, 96:, 740:]
        for paste in ([1.0, 4, 3, 1], [2.0, 5, 2, 5], [1.0, 4, 4, 1])
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_mask_without_an_edge_has_a_title_alone():
    nothing = SimpleNamespace(distances=[], result=[], paste=[])
    (plot,) = profile_plots([nothing])
    assert plot[:, 96:].std() < 0.05
    assert plot[:, :60].max() > 0.8

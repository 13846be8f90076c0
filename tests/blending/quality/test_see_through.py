"""Ghosts of known strength: an alpha blend shows the share of the target that it was given."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from blending.quality.object_view import object_view
from blending.quality.see_through import see_through


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.7, 1.0])
def test_an_alpha_blend_shows_the_targets_share(share, scene, view_of):
    paste, target, _ = scene
    # Blended in sRGB and measured in CIELAB, which is curved: hence not exact.
    rim, inside = see_through(view_of((1 - share) * paste + share * target))
    assert rim == pytest.approx(share, abs=0.05)
    assert inside == pytest.approx(share, abs=0.05)


def test_a_blend_in_cielab_is_exact(of_lab, disc, noise):
    noises = [ndimage.gaussian_filter(noise(3, 120, 120, seed=n), (0, 1, 1)) for n in (0, 1)]
    paste, target = (50 + 40 * (field - 0.5) for field in noises)
    mask = disc(120, 120, 40)
    pictures = [of_lab(planes) for planes in (0.7 * paste + 0.3 * target, paste, target)]
    assert see_through(object_view(*pictures, mask)) == pytest.approx((0.3, 0.3), abs=0.003)


def test_a_see_through_rim_alone(scene, view_of):
    paste, target, mask = scene
    depth = ndimage.distance_transform_edt(mask[0, 0].numpy())
    ghost = torch.from_numpy(0.5 * (depth <= 12))
    rim, inside = see_through(view_of((1 - ghost) * paste + ghost * target))
    # Detail is compared over 6 pixels: a part of what lies further inside is in the rim's figure.
    assert 0.3 < rim < 0.5
    assert abs(inside) < rim / 4


def test_an_objects_own_changes_are_not_the_target(scene, view_of, noise):
    paste, _, _ = scene
    grain = 0.1 * (noise(*paste.shape, seed=5).double() - 0.5)
    for result in (0.5 * paste + 0.2, paste + grain, 1 - paste):
        assert see_through(view_of(result)) == pytest.approx((0, 0), abs=0.05)


def test_a_ghost_in_an_object_of_one_colour_is_seen(flat, photo, disc):
    target, mask = photo(140, 150, 250, 20).double(), disc(140, 150, 45)
    paste = torch.where(mask > 0, flat(140, 150, 50, 20, -10), target)
    ghost = 0.6 * paste + 0.4 * target
    assert see_through(object_view(ghost, paste, target, mask)) == pytest.approx(
        (0.4, 0.4), abs=0.05
    )


def test_a_target_without_detail_shows_nothing(flat, photo, disc):
    mask, target = disc(140, 150, 45), flat(140, 150, 70, 0, -20)
    paste = torch.where(mask > 0, photo(140, 150).double(), target)
    ghost = (255 * (0.6 * paste + 0.4 * target)).round() / 255
    eight_bits = (255 * target).round() / 255
    found = see_through(object_view(ghost, paste, eight_bits, mask))
    assert all(map(math.isnan, found))


def test_a_paste_with_the_targets_own_detail_has_no_figure(photo, disc):
    """A repaired crop, its colours drifted: whatever shows the one shows the other."""
    target, mask = photo(140, 150, 250, 20).double(), disc(140, 150, 45)
    paste = torch.where(mask > 0, 0.9 * target + 0.03, target)
    for result in (target, paste, 0.5 * (paste + target)):
        assert all(map(math.isnan, see_through(object_view(result, paste, target, mask))))


def test_the_formula_in_numpy(scene, view_of, photo):
    """The regression at every pixel by SciPy's Gaussians, edge pixels repeated; no crop."""
    paste, target, mask = scene
    result = 0.5 * paste + 0.3 * target + 0.2 * photo(140, 150, 0, 300).double()
    view = view_of(result)

    def blurred(plane, sigma):
        return ndimage.gaussian_filter(plane, sigma, mode="nearest")

    details = [
        np.stack([blurred(plane, 0.7) - blurred(plane, 6) for plane in lab[0].numpy()])
        for lab in (view.paste, view.target, view.result)
    ]
    p, t, r = (detail * mask[0].numpy() for detail in details)
    pp, tt, pt, pr, tr = (
        blurred((a * b).sum(0), 6) for a, b in ((p, p), (t, t), (p, t), (p, r), (t, r))
    )
    with np.errstate(invalid="ignore", divide="ignore"):  # far outside all products are 0
        share = (tr * pp - pt * pr) / (tt * pp - pt**2)
        trust = tt - pt**2 / pp
    depth = ndimage.distance_transform_edt(mask[0, 0].numpy())
    expected = []
    for region in ((depth > 1) & (depth <= 12), depth > 12):
        chosen = region & (trust > np.percentile(trust[region], 40))
        expected.append(np.average(share[chosen], weights=trust[chosen]))
    assert see_through(view) == pytest.approx(expected, rel=1e-3)
    assert min(expected) > 0.1


def test_strips_change_nothing(scene, view_of, in_strips):
    paste, target, _ = scene
    view = view_of(0.6 * paste + 0.4 * target)
    expected = see_through(view)
    assert in_strips(see_through, view) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("radius", [0, 3, 11])
def test_few_pixels_have_no_figure(radius, scene, disc):
    paste, target, _ = scene
    rim, inside = see_through(
        object_view(paste, paste, target, disc(141, 151, radius)[..., 1:, 1:])
    )
    assert math.isnan(inside)
    assert math.isnan(rim) == (radius < 11)
    assert all(map(math.isnan, see_through(object_view(paste, paste, target, 0 * target[:, :1]))))

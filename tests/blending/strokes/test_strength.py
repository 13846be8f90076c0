"""How strongly to paint: by the place's texture, the object's thickness, what there is to do."""

import pytest
import torch

from blending.placement.box import full_box
from blending.placement.window import Window
from blending.strokes.strength import stroke_strength


@pytest.fixture
def at_place(noise, disc):
    """at_place(contrast, radius): a bright disc in a place with a grain of this contrast."""

    def make(contrast, radius=50):
        mask = disc(160, 160, radius)
        target = 0.4 + contrast * (noise(1, 1, 160, 160) - 0.5).expand(-1, 3, -1, -1)
        source = torch.full_like(target, 0.8)
        return Window(source, mask, torch.ones_like(mask), target, full_box(mask.shape))

    return make


def test_a_smooth_place_has_no_strokes_to_give_and_a_rough_one_has(at_place):
    assert stroke_strength(at_place(0.0)) == 0
    found = [stroke_strength(at_place(contrast)) for contrast in (0.02, 0.06, 0.1, 0.3)]
    assert found == sorted(found)
    assert found[0] == 0 and found[-1] > 0.9


def test_a_thin_object_does_not_bear_them(at_place):
    found = [stroke_strength(at_place(0.3, radius)) for radius in (3, 20, 30, 60)]
    assert found == sorted(found)
    assert found[0] == 0 and found[-1] > 0.9


def test_what_is_there_already_is_not_painted(at_place):
    window = at_place(0.3)
    same = Window(window.target, window.mask, window.source_valid, window.target, window.box)
    assert stroke_strength(same) == 0


def test_the_object_s_own_pixels_are_not_its_place(at_place, noise):
    window = at_place(0.0)
    rough = torch.where(window.support, noise(1, 3, 160, 160), window.target)
    hidden = Window(window.source, window.mask, window.source_valid, rough, window.box)
    assert stroke_strength(hidden) == 0


def test_another_picture_is_the_texture_if_there_is_one(at_place, noise):
    window = at_place(0.0)
    assert stroke_strength(window, noise(1, 3, 90, 70)) > 0.9
    assert stroke_strength(at_place(0.3), torch.full((1, 3, 90, 70), 0.5)) == 0


def test_an_object_over_the_whole_window_has_no_place(at_place):
    window = at_place(0.3)
    whole = torch.ones_like(window.mask)
    covered = Window(window.source, whole, whole, window.target, window.box)
    assert stroke_strength(covered) == 0

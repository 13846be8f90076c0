"""Whether a source continues its target: repaired crops, new objects, objects pasted before."""

import pytest
import torch

from blending.image.filters import gaussian_blur
from blending.placement.box import full_box
from blending.placement.window import Window, composite
from blending.stages.continuity import Relation, is_there_already, relation


def make_window(source, target, mask):
    return Window(source, mask, torch.ones_like(mask), target, full_box(mask.shape))


@pytest.fixture
def scene(noise):
    rough = gaussian_blur(noise(1, 3, 60, 60), 2.0, 6)
    return 0.5 + 0.08 * (rough - rough.mean()) / rough.std()


def test_a_repaired_crop_continues_its_target(scene, disc):
    crop = make_window((scene - 0.1) / 0.8, scene, disc(60, 60, 18))
    assert relation(crop) == Relation(1, 0)


def test_an_object_of_another_scene_does_not(photo, disc):
    window = make_window(photo(60, 60), photo(60, 60, 250, 20), disc(60, 60, 18))
    assert relation(window) == Relation(0, 0)


def test_an_object_that_was_pasted_before_shows_the_place_and_is_new(scene, disc):
    mask = disc(60, 60, 18)
    pasted = composite(scene, torch.full_like(scene, 0.95), mask)
    window = make_window(pasted, scene, mask)
    assert relation(window) == Relation(0, 1)


def test_a_patch_that_differs_little_at_its_edge_still_continues(scene, disc):
    """A repainted part 10 levels too light: that is the seam that is to go."""
    mask = disc(60, 60, 18)
    window = make_window(composite(scene, scene + 0.04, mask), scene, mask)
    assert relation(window).continues > 0.9


def test_what_is_there_already_continues_itself_be_it_flat(disc):
    flat = torch.full((1, 3, 40, 40), 0.3)
    same, lighter = (make_window(flat + more, flat, disc(40, 40, 9)) for more in (0, 0.2))
    assert is_there_already(same)
    assert relation(same) == Relation(1, 0)
    assert not is_there_already(lighter)
    assert relation(lighter) == Relation(0, 0)

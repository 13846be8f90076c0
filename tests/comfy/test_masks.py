"""Load Mask on a server: every kind of file gives the mask that it shows."""

import numpy as np
import pytest

from tests.comfy.graphs import load_mask, save, scene, show_mask, square

pytestmark = pytest.mark.comfy

GOOD_MASKS = {
    "grey.png": lambda: (square(40, 48), None),
    "palette.png": lambda: (square(40, 48), "P"),
    "rgb.png": lambda: (np.stack([square(40, 48)] * 3, 2), None),
    "deep16.png": lambda: (square(40, 48).astype(np.uint16) * 257, None),
    "name with spaces é 蒙版.png": lambda: (square(40, 48), None),
}


@pytest.mark.parametrize("name", GOOD_MASKS)
def test_every_kind_of_mask_file_gives_the_same_mask(server, name):
    array, mode = GOOD_MASKS[name]()
    server.put(name, array, mode)
    outcome = server.run({"3": load_mask(name), "4": show_mask("3"), "9": save("4")})
    assert not outcome.error
    assert (server.saved(outcome)[..., 0] == square(40, 48)).all()


def test_opaque_alpha_takes_the_source(server):
    server.put("rgba.png", np.dstack([scene(4, 40, 48), square(40, 48)]))
    nodes = {"3": load_mask("rgba.png", channel="alpha"), "4": show_mask("3"), "9": save("4")}
    outcome = server.run(nodes)
    assert (server.saved(outcome)[..., 0] == square(40, 48)).all()

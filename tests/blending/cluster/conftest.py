"""Small pictures and manifests of them."""

import json

import numpy as np
import pytest
from PIL import Image

from blending.cluster.jobs import Jobs


@pytest.fixture
def pictures(tmp_path):
    """A folder with a source, a mask and two targets."""
    draw = np.random.default_rng(5)
    for name, size in {"source": (24, 20), "target": (48, 40), "other": (48, 40)}.items():
        pixels = draw.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    mask = np.zeros((24, 20), np.uint8)
    mask[4:20, 4:16] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def a_row(number=0, **changes):
    """Fields of a row that is blended at once, without the network."""
    fields = {
        "source": "source.png",
        "mask": "mask.png",
        "target": "other.png" if number % 3 == 2 else "target.png",
        "at": [number % 7, number % 5],
        "preset": "seam-repair",
        "out": f"{number}.png",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


@pytest.fixture
def row():
    """row(number, **changes): fields of a row; None takes a field away."""
    return a_row


@pytest.fixture
def manifest(pictures):
    """manifest(rows): the path of a JSON Lines file beside the pictures."""

    def write(rows, name="rows.jsonl"):
        path = pictures / name
        path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture
def jobs(manifest, pictures):
    """jobs(rows, **settings): the jobs of these rows, with results in the folder `out`."""

    def make(rows, **settings):
        return list(Jobs(manifest(rows), pictures / "out", **settings))

    return make

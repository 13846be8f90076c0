"""A batch's results, as small as can be; and thumbnails made without other processes."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from blending.cluster.files import digest
from blending.gallery import make

OPTIONS = {"at": [10, 10], "scale": 1.0, "mask_channel": None, "invert_mask": False, "preset": "x"}


@pytest.fixture(autouse=True)
def in_threads(monkeypatch):
    """Thumbnails are made by this process: a new one loads torch for seconds."""
    monkeypatch.setattr(
        make, "ProcessPoolExecutor", lambda count, *_, **__: ThreadPoolExecutor(count)
    )


@pytest.fixture
def batch(tmp_path):
    """A folder of four results, as a batch has left it; row 3 failed."""
    folder = tmp_path / "results"
    folder.mkdir()
    for name, size, colour in (("source", (20, 20), "red"), ("target", (120, 90), "blue")):
        Image.new("RGB", size, colour).save(tmp_path / f"{name}.png")
    Image.new("L", (20, 20), 255).save(tmp_path / "mask.png")
    lines = []
    for line in range(1, 5):
        files = {name: str(tmp_path / f"{name}.png") for name in ("source", "mask", "target")}
        one = {"line": line, "out": f"{line}.png", "files": files, "options": OPTIONS}
        one |= {"request": f"r{line}", "inputs": f"i{line}", "status": "done"}
        files["out"] = str(folder / one["out"])
        if line == 3:
            one |= {"status": "failed", "error": "of its own fault"}
        else:
            Image.new("RGB", (120, 90), (0, 50 * line, 0)).save(files["out"])
            one["output"] = digest(files["out"])
        lines.append(json.dumps(one))
    (folder / "results.jsonl").write_text("\n".join(lines) + "\n")
    return folder

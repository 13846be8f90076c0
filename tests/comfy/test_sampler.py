"""The sampler group of the example runs: a checkpoint, a few steps, a stitched picture.

Its weights are random, so that the picture means nothing; the graph does.
"""

import json

import numpy as np
import pytest

from tests.comfy.checkpoint import write_checkpoint
from tests.comfy.graphs import MUTED, look, to_prompt
from tests.comfy.server import PACK, Server

pytestmark = pytest.mark.comfy
EXAMPLE = PACK / "example_workflows" / "4 Repair a part after a sampler.json"
PICTURE, CROP = 1, 2  # ids of its nodes
WIDTH = 128  # pixels of the crop, in place of the example's 768


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """0.6 GB, gone when the tests are over: pytest keeps the folders of its last three runs."""
    path = write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "random-sd15.safetensors")
    yield path
    path.unlink()


@pytest.fixture
def loaded(server, checkpoint) -> str:
    """The checkpoint among the server's own, by name."""
    folder = server.base / "models" / "checkpoints"
    folder.mkdir(exist_ok=True)
    link = folder / checkpoint.name
    if not link.exists():
        link.symlink_to(checkpoint)
    return checkpoint.name


def sampling(server: Server, checkpoint: str) -> tuple[dict, dict[str, str]]:
    """The muted group of the example, switched on, small, and what feeds it; ids by their types.

    Without the crop that was repainted before: it has the example's own proportions.
    """
    workflow = json.loads(EXAMPLE.read_text())
    muted = [node for node in workflow["nodes"] if node["mode"]]
    for node in workflow["nodes"]:
        node["mode"] = 0 if node in muted or node["id"] in (PICTURE, CROP) else MUTED
    prompt = to_prompt(workflow, server.get("/object_info"))
    ids = {node["type"]: str(node["id"]) for node in muted}
    prompt[str(CROP)]["inputs"]["width"] = WIDTH
    prompt[ids["CheckpointLoaderSimple"]]["inputs"]["ckpt_name"] = checkpoint
    prompt[ids["KSampler"]]["inputs"]["steps"] = 2
    return prompt, ids


def test_the_examples_sampler_group_runs_and_the_rest_keeps_its_bits(server, loaded):
    prompt, ids = sampling(server, loaded)
    stitch = ids["DIB_StitchWithoutSeam"]
    prompt |= {"90": look(ids["VAEDecode"]), "91": look(stitch, 0), "92": look(stitch, 1)}
    prompt |= {"93": look(str(PICTURE), 0)}
    before = len(server.log.read_text())
    outcome = server.run(prompt)
    assert not outcome.error
    crop, repaired, changed, given = (server.looked(outcome, f"9{n}") for n in range(4))
    assert crop.shape[2] == WIDTH
    assert np.isfinite(crop).all()
    assert repaired.shape == given.shape
    outside = changed == 0
    assert (repaired == given)[outside].all()
    assert not (repaired == given)[~outside].all()
    assert "1 crop stitched exactly" in outcome.text(stitch)
    assert outcome.outputs[ids["SaveImage"]]["images"]
    # Every weight had its place: nothing was missing, nothing left over.
    words = server.log.read_text()[before:].lower()
    assert not [
        word for word in ("missing", "unexpected", "left over", "not loaded") if word in words
    ]

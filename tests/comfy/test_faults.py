"""Nodes in which a read or an allocation fails: an error on the page, and a server that goes on.

By default a few of the places; COMFYUI_FAULTS in the environment says how many.
"""

import json
import os
import random
import uuid

import numpy as np
import pytest

from tests.comfy.graphs import arm, disarm, every_stage, node, put_pictures
from tests.faults import ERRORS

pytestmark = pytest.mark.comfy
FAULTS = int(os.environ.get("COMFYUI_FAULTS", "4"))
SEED = 18


def told(server, prompt: dict) -> dict:
    return json.loads(server.run({"1": prompt}).outputs["1"]["text"][0])


@pytest.mark.parametrize("kind", ["files", "memory"])
def test_a_fault_ends_a_prompt_and_the_next_is_what_it_was(server, kind):
    put_pictures(server, 64, 72)
    first = server.saved(server.run(every_stage()))
    server.run(every_stage() | {"6": arm(kind, -1, "")})
    places = told(server, disarm())["places"]
    print(f"{server.comfy.version}: {kind}, {places} places")
    errors = [name for name in ERRORS[kind] if name != "interrupt"]  # no console, no Ctrl-C
    draw = random.Random(SEED)
    for turn in range(FAULTS):
        number, error = draw.randrange(places), errors[turn % len(errors)]
        outcome = server.run(every_stage() | {"6": arm(kind, number, error)})
        failed = told(server, disarm())["failed"]
        assert failed, (number, error)
        if outcome.error:
            assert {name.split("_")[0] for name in outcome.faulty} == {"DIB"}, failed
        else:  # such as a limit of memory that cannot be read
            assert np.array_equal(server.saved(outcome), first), failed
        models = told(server, node("PROBE_Models", nonce=uuid.uuid4().hex))
        assert models == {"known": [], "alive": 0}, failed
        again = server.run(every_stage())
        assert not again.error, failed
        assert np.array_equal(server.saved(again), first), failed

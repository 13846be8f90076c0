"""Nodes want no network, no other program and no pickle: in these servers they could not have it.

`probes.py` sees to that for every test of this folder; here is whether it does.
"""

import pytest

from tests.comfy.graphs import node

pytestmark = pytest.mark.comfy


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "socket."),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("import pickle; pickle.loads(pickle.dumps(print))", "pickle.find_class"),
    ],
)
def test_the_packs_own_code_is_kept_from_it(server, code, event):
    outcome = server.run({"1": node("PROBE_Guard", code=code)})
    assert event in outcome.error
    assert "must not happen" in outcome.error


def test_other_code_of_the_pack_runs(server):
    outcome = server.run({"1": node("PROBE_Guard", code="import json; json.loads('1')")})
    assert outcome.error == ""
    assert outcome.outputs["1"]["text"] == ["done"]

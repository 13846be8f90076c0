"""A server that is used for long: many prompts, many cancels, and it is what it was.

By default few. COMFYUI_PROMPTS and COMFYUI_CANCELS in the environment say how many; 500 and 100
are what is promised.
"""

import os
import random
import threading
import time

import numpy as np
import pytest

from tests.comfy.graphs import again, every_stage, graph, poisson, put_pictures, refine, save

pytestmark = pytest.mark.comfy
PROMPTS = int(os.environ.get("COMFYUI_PROMPTS", "55"))
CANCELS = int(os.environ.get("COMFYUI_CANCELS", "8"))
MOST_GROWTH = 20e6  # bytes
WARM_UP = max(5, PROMPTS // 10)  # prompts in which allocators, thread pools and caches fill
LONGEST = 1.0  # seconds until a cancel has taken effect, of a server that has a core for itself
LONGEST_BESIDE_OTHERS = 6.0
SEED = 18


def small() -> dict:
    """Both stages on small pictures, always the same, and never from the cache."""
    first = poisson(target=["6", 0], column=9, row=8, preset="fast", max_evaluations=1)
    second = refine(target=["6", 0], max_evaluations=1)
    return graph(n6=again(), n4=first, n5=second, n9=save("5"))


def test_prompts_in_a_row_give_the_same_bytes_and_do_not_grow_the_server(server):
    put_pictures(server, 48, 56)

    def run() -> np.ndarray:
        outcome = server.run(small())
        assert not outcome.error
        assert {"4", "5"} <= set(outcome.ran)
        return server.saved(outcome)

    def memory() -> int:
        """Without what ComfyUI keeps of earlier results: newer versions keep all while they can."""
        server.post("/free", {"unload_models": True, "free_memory": True})
        run()
        return server.memory()

    first = run()
    for _ in range(WARM_UP - 1):
        assert np.array_equal(run(), first)
    before = memory()
    for _ in range(PROMPTS - WARM_UP):
        assert np.array_equal(run(), first)
    growth = memory() - before
    print(f"{server.comfy.version}: {PROMPTS} prompts, {growth / 1e6:.1f} MB")
    assert growth < MOST_GROWTH


class Cancel:
    """A press of Cancel some seconds after a prompt began.

    Attributes:
        node: that ran by then.
        waited: seconds until the prompt had ended.
        computed: seconds that the server computed meanwhile.
    """

    def __init__(self, server, after: float) -> None:
        self.server, self.node, self.waited, self.computed = server, "", None, None
        self.timer, self.pressed = threading.Timer(after, self._press), None

    def _press(self) -> None:
        self.pressed = time.monotonic(), self.server.busy()
        self.server.post("/interrupt", {})

    def on_message(self, message: dict) -> None:
        kind = message["type"]
        if kind == "execution_start":
            self.timer.start()
        if kind == "executing" and self.pressed is None:
            self.node = message["data"]["node"]
        if kind == "execution_interrupted":
            self.waited = time.monotonic() - self.pressed[0]
            self.computed = self.server.busy() - self.pressed[1]
        if kind == "execution_success":
            self.timer.cancel()


def test_cancels_at_random_moments_take_effect_and_leave_the_next_run_as_it_was(server):
    put_pictures(server, 224, 256)
    began = time.monotonic()
    whole = server.run(every_stage())
    seconds = time.monotonic() - began
    assert not whole.error
    first, whole = server.saved(server.run(small())), server.saved(whole)
    draw, seen = random.Random(SEED), []
    while len(seen) < CANCELS:
        cancel = Cancel(server, seconds * draw.random())
        outcome = server.run(every_stage(), on_message=cancel.on_message)
        cancel.timer.join()
        assert not outcome.error
        if cancel.waited is None:  # it had ended by then
            continue
        seen.append(cancel)
        assert min(cancel.waited, cancel.computed) < LONGEST, cancel.node
        assert cancel.waited < LONGEST_BESIDE_OTHERS, cancel.node
        assert np.array_equal(server.saved(server.run(small())), first)
    assert np.array_equal(server.saved(server.run(every_stage())), whole)
    for node in sorted({cancel.node for cancel in seen}):
        own = [cancel for cancel in seen if cancel.node == node]
        waited, computed = (max(getattr(c, what) for c in own) for what in ("waited", "computed"))
        words = (
            f"node {node}: {len(own)} cancels, at most {waited:.2f} s, {computed:.2f} s computed"
        )
        print(f"{server.comfy.version}: {words}")

"""Batches on Ray: the same bytes, whoever is lost on the way, and nothing outside is talked to."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from blending.cluster.run import BatchSettings, run

pytestmark = pytest.mark.cluster
with warnings.catch_warnings():  # Ray's own
    warnings.simplefilter("ignore")
    pytest.importorskip(
        "ray.data", reason='RAY IS NOT TESTED HERE: pip install -e ".[cluster-test]"'
    )
    import pyarrow

    from blending.cluster.ray_pool import COLUMNS, RayPool, _received

ROOT = Path(__file__).parents[3]
ROWS = 16
PATIENCE = 240  # seconds

# Two nodes of one core; words on the standard input take the second away and bring it back.
NODES = """
import sys
from ray._private.node import Node
from ray.cluster_utils import Cluster

Node.start_api_server = lambda *_, **__: None
node = {"num_cpus": 1, "object_store_memory": 2**27}
checks = {"health_check_period_ms": 500, "health_check_failure_threshold": 4}
head = node | {"include_dashboard": False, "_system_config": checks}
cluster = Cluster(initialize_head=True, head_node_args=head)
second = cluster.add_node(**node)
print(cluster.address, flush=True)
for word in sys.stdin:
    if word.strip() == "remove":
        cluster.remove_node(second, allow_graceful=False)
    else:
        second = cluster.add_node(**node)
    print("done", flush=True)
cluster.shutdown()
"""
DRIVER = """
import sys
from blending.cluster.run import BatchSettings, run

def show(record):
    print("record", record["line"], record["status"], record["worker"], flush=True)

run(sys.argv[1], sys.argv[2], BatchSettings(cluster=sys.argv[3]), on_record=show)
"""
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


def started(script, *arguments, **streams):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | ALONE,
        text=True,
        stdout=subprocess.PIPE,
        **streams,
    )


class Nodes:
    """The cluster's process."""

    def __init__(self, process):
        self.process = process
        self.address = process.stdout.readline().strip()

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@pytest.fixture(scope="module")
def nodes():
    with started(NODES, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        yield Nodes(process)
        process.stdin.close()  # its word to end
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A manifest of paintings, and the bytes that one worker on this machine makes of them."""
    folder = tmp_path_factory.mktemp("cluster")
    draw = np.random.default_rng(5)
    for name, size in {"source": (48, 40), "target": (96, 80)}.items():
        coarse = draw.integers(0, 256, (size[0] // 8, size[1] // 8, 3), np.uint8)
        Image.fromarray(coarse).resize(size[::-1], Image.BICUBIC).save(folder / f"{name}.png")
    mask = np.zeros((48, 40), np.uint8)
    mask[8:40, 8:32] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    files = {name: f"{name}.png" for name in ("source", "mask", "target")}
    rows = [files | {"at": [n % 9, n % 7], "out": f"{n}.png"} for n in range(ROWS)]
    manifest = folder / "rows.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(manifest, folder / "local", BatchSettings(workers=1)).done == ROWS
    return manifest, written(folder / "local")


def written(folder):
    """Every file but the records, hidden ones, too, with its bytes."""
    paths = [path for path in folder.rglob("*") if path.name != "results.jsonl"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def heard(process):
    """The records that a driver tells of, among Ray's own words: (line, status, worker)."""
    for text in process.stdout:
        if text.startswith("record "):
            _, line, status, worker = text.split()
            yield int(line), status, worker


def after_both_work(records):
    """What is heard until each of two workers has done a row."""
    told = []
    while len({worker for _, _, worker in told}) < 2:
        told.append(next(records))
    return told


def assert_whole(out, told, expected):
    """Every row once among what was told and in the records; the bytes of one machine."""
    assert sorted(line for line, _, _ in told) == list(range(1, ROWS + 1))
    assert {status for _, status, _ in told} == {"done"}
    texts = (out / "results.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(text)["line"] for text in texts] == list(range(1, ROWS + 1))
    assert written(out) == expected


@pytest.mark.parametrize("loss", ["nothing", "a worker", "a node"])
def test_two_nodes_make_the_bytes_of_one_machine_whatever_is_lost(
    loss, nodes, undisturbed, tmp_path
):
    manifest, expected = undisturbed
    with started(DRIVER, manifest, tmp_path / "out", nodes.address) as driver:
        records = heard(driver)
        told = after_both_work(records)
        assert len(told) < ROWS - 4  # there is work left to be lost
        if loss == "a worker":
            os.kill(int(told[-1][2].split(":")[1]), signal.SIGKILL)
        if loss == "a node":
            nodes.tell("remove")
        told += records
    if loss == "a node":
        nodes.tell("add")
    assert driver.returncode == 0
    assert_whole(tmp_path / "out", told, expected)
    workers = {worker for _, _, worker in told}
    assert len(workers) == (3 if loss == "a worker" else 2) or loss == "a node"


def test_a_driver_that_is_killed_goes_on_where_it_was(nodes, undisturbed, tmp_path):
    manifest, expected = undisturbed
    out = tmp_path / "out"
    with started(DRIVER, manifest, out, nodes.address) as driver:
        records = heard(driver)
        told = [next(records) for _ in range(4)]
        driver.kill()
        told += records
    whole, _, _ = (out / "results.jsonl").read_text("utf-8").rpartition("\n")
    recorded = {json.loads(text)["line"] for text in whole.splitlines()}
    assert {line for line, _, _ in told} <= recorded
    assert len(recorded) < ROWS
    with started(DRIVER, manifest, out, nodes.address) as driver:
        again = list(heard(driver))
    assert driver.returncode == 0
    kept = [one for one in again if one[1] == "kept"]
    assert {line for line, _, _ in kept} == recorded
    first = [(line, "done", "") for line in recorded]
    assert_whole(out, first + [one for one in again if one not in kept], expected)


def test_a_record_that_comes_again_counts_once_and_a_page_is_done_with_its_last():
    def block(*rows):
        made = [(ticket, of, json.dumps({"line": line})) for ticket, of, line in rows]
        return pyarrow.table(dict(zip(COLUMNS, zip(*made, strict=True), strict=True)))

    blocks = [block((3, 2, 7)), block((3, 2, 7), (0, 1, 1)), block((3, 2, 8)), block((3, 2, 8))]
    dataset = SimpleNamespace(iter_batches=lambda **_: blocks)
    done = []
    feed = SimpleNamespace(done=SimpleNamespace(remote=done.append))
    assert [record["line"] for record in _received(dataset, feed)] == [7, 1, 8]
    assert done == [0, 3]


def test_a_worker_with_other_code_ends_the_run():
    block = pyarrow.table({"ticket": [-1], "rows": [0], "record": ["every node must"]})
    dataset = SimpleNamespace(iter_batches=lambda **_: [block])
    with pytest.raises(ConnectionError, match="every node must"):
        list(_received(dataset, None))


LOCAL = """
import sys
from pathlib import Path
import psutil
from blending.cluster.run import BatchSettings, run

seen = set()
source = Path(sys.argv[3])
content = source.read_bytes()

def look(record):
    for process in (own := psutil.Process(), *own.children(recursive=True)):
        for one in process.net_connections("inet"):
            seen.update(end.ip for end in (one.laddr, one.raddr) if end)

def vanish(count):
    source.unlink()

settings = BatchSettings(cluster="local", workers=2)
first = run(sys.argv[1], sys.argv[2], settings, on_start=vanish, on_record=look)
source.write_bytes(content)
second = run(sys.argv[1], sys.argv[2], settings)
print("counts", first.done, first.failed, second.kept, second.failed, *sorted(seen))
"""


def test_a_local_cluster_stays_on_the_loopback_and_keeps_what_is_done(undisturbed, tmp_path):
    """One row fails, and is not tried again: so there are fewer rows than Ray has tickets for."""
    manifest, expected = undisturbed
    rows = [json.loads(text) for text in manifest.read_text().splitlines()]
    lost = manifest.parent / "lost.png"
    lost.write_bytes((manifest.parent / "source.png").read_bytes())
    rows[2]["source"] = "lost.png"
    fewer = manifest.parent / "fewer.jsonl"
    fewer.write_text("".join(json.dumps(row) + "\n" for row in rows[:4]))
    with started(LOCAL, fewer, tmp_path / "out", lost) as driver:
        *counts, places = driver.stdout.read().partition("counts ")[2].split(maxsplit=4)
    assert counts == ["3", "1", "3", "1"]
    assert {"127.0.0.1"} <= set(places.split()) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert written(tmp_path / "out") == {
        name: expected[name] for name in ("0.png", "1.png", "3.png")
    }


@pytest.mark.parametrize("address", ["here", "ray://host:1", "host:port", ":6379", ""])
def test_an_address_is_local_auto_or_a_host_with_its_port(address):
    with pytest.raises(ValueError, match=r'cluster must be "local", "auto" or HOST:PORT, got'):
        RayPool(address, 1)


def test_where_nothing_answers_it_is_told_at_once():
    with (
        pytest.raises(ConnectionError, match=r"cluster must answer at 127\.0\.0\.1:1, got: "),
        RayPool("127.0.0.1:1", 1).opened(1),
    ):
        pass


def test_workers_that_need_nothing_are_counted():
    with pytest.raises(ValueError, match="workers must be given where cpus_per_worker is 0"):
        RayPool("auto", 1, cpus=0)
    assert RayPool("auto", 1, cpus=0, workers=3).most == 3

"""Files by path and by address: those of S3 are served by moto on the loopback."""

import hashlib
import json
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec

import pytest
from safetensors.torch import load_file, save_file

from blending.cluster.files import digest, exists, fetch, is_uri, join, local_copy, upload
from blending.cluster.run import BatchSettings, run

IS_INSTALLED = find_spec("pyarrow") and find_spec("moto")
needs_server = pytest.mark.skipif(
    not IS_INSTALLED, reason='S3 IS NOT TESTED HERE: pip install -e ".[cluster-test]"'
)
SERVER = """
import sys
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
print("port", server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("s3://bucket/a.png", True),
        ("gs://bucket/a", True),
        ("a.png", False),
        ("C:\\a.png", False),
        ("c://a.png", False),
        ("/a//b.png", False),
        ("s3:/a", False),
    ],
)
def test_an_address_has_a_scheme_of_two_letters_or_more(name, is_one):
    assert is_uri(name) is is_one


def test_a_path_is_its_own_copy(tmp_path):
    with local_copy(tmp_path / "a.png") as path:
        assert path == tmp_path / "a.png"


def test_a_digest_is_of_the_bytes(tmp_path):
    content = os.urandom(3 * 2**20 + 5)
    (tmp_path / "a").write_bytes(content)
    assert digest(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    assert exists(tmp_path / "a")
    assert not exists(tmp_path / "b")


def test_what_is_no_file_has_no_digest(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(FileNotFoundError, match="file not found: "):
            digest(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_without_a_writer_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError, match="file not found: "):
        digest(tmp_path / "pipe")


def test_names_are_joined_to_folders_and_addresses():
    assert join("s3://bucket/folder/", "a/b.png") == "s3://bucket/folder/a/b.png"
    assert join("folder", "a/b.png") == os.path.join("folder", "a", "b.png")


@pytest.mark.parametrize("use", [exists, lambda path: fetch(path, None)])
def test_without_the_extra_an_address_is_refused(monkeypatch, use):
    monkeypatch.setitem(sys.modules, "pyarrow.fs", None)
    with pytest.raises(ValueError, match=r'pip install "\.\[cluster\]"; got s3://bucket/a\.png'):
        use("s3://bucket/a.png")


@pytest.fixture(scope="module")
def bucket():
    """The address of an empty bucket, on a server that ends with these tests."""
    command = [sys.executable, "-c", SERVER]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with (
        subprocess.Popen(command, text=True, **streams) as server,
        pytest.MonkeyPatch.context() as at,
    ):
        line = next(line for line in server.stdout if line.startswith("port "))
        at.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.split()[1]}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            at.setenv(name, "test")
        at.setenv("AWS_REGION", "us-east-1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pyarrow.fs import FileSystem
        FileSystem.from_uri("s3://pictures?allow_bucket_creation=true")[0].create_dir("pictures")
        yield "s3://pictures"
        server.stdin.close()


@pytest.mark.cluster
@needs_server
@pytest.mark.parametrize("name", ["a.png", "a b/ü?x=1#%20.png"])
def test_a_file_at_an_address_comes_back_as_it_went(bucket, tmp_path, name):
    (tmp_path / "there").write_bytes(content := os.urandom(2**20 + 7))
    address = join(f"{bucket}/files", name)
    assert not exists(address)
    with pytest.raises(FileNotFoundError, match="file not found: s3://pictures/files/a"):
        fetch(address, tmp_path / "back")
    upload(tmp_path / "there", address)
    assert exists(address)
    with local_copy(address) as copy:
        assert copy.suffix == ".png"
        assert copy.read_bytes() == content
    assert not copy.exists()


@pytest.mark.cluster
@needs_server
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://pictures", "an address must be SCHEME://BUCKET/NAME, got s3://pictures"),
        ("s3:///a.png", "of a scheme that pyarrow knows, got s3:///a.png: Missing bucket name"),
        ("http://host/a.png", "of a scheme that pyarrow knows, got http://host/a.png"),
    ],
)
def test_what_is_no_address_of_a_file_is_told(bucket, address, words):
    with pytest.raises(ValueError, match=words):
        exists(address)


@pytest.mark.cluster
@needs_server
def test_a_batch_whose_files_all_lie_at_addresses(bucket, manifest, row, pictures, tmp_path):
    """Run, kept, repaired: the bytes of a run on this machine."""
    rows = [row(n, out=f"deep/{n} ?.png") for n in range(3)]
    run(manifest(rows), pictures / "local", BatchSettings(workers=1))
    for name in ("source.png", "mask.png", "target.png", "other.png"):
        upload(pictures / name, f"{bucket}/in/{name}")
    upload(manifest([*rows, row(3, source="missing.png")]), f"{bucket}/in/rows.jsonl")

    def again(**how):
        settings = BatchSettings(workers=1, **how)
        given = f"{bucket}/in/rows.jsonl", f"{bucket}/out", settings
        summary = run(*given, records=tmp_path / "records")
        return summary.done, summary.kept, summary.failed

    assert again() == (3, 0, 1)
    results = (tmp_path / "records" / "results.jsonl").read_text("utf-8").splitlines()
    assert json.loads(results[3])["error"] == f"file not found: {bucket}/in/missing.png"
    for one in rows:
        with local_copy(f"{bucket}/out/{one['out']}") as copy:
            assert copy.read_bytes() == (pictures / "local" / one["out"]).read_bytes()
    assert again() == (0, 3, 1)
    upload(pictures / "other.png", f"{bucket}/out/{rows[1]['out']}")  # not what was made there
    upload(pictures / "source.png", f"{bucket}/in/missing.png")
    assert again(retry_failed=True) == (1, 2, 1)
    assert again(overwrite=True, retry_failed=True) == (1, 3, 0)


@pytest.mark.cluster
@needs_server
def test_a_bucket_that_is_not_there_is_told(bucket, manifest, row, pictures, tmp_path):
    path = manifest([row(0, out="0.png")])
    one = BatchSettings(workers=1)
    assert run(path, "s3://nowhere/out", one, records=tmp_path / "records").failed == 1
    record = json.loads((tmp_path / "records" / "results.jsonl").read_text("utf-8"))
    assert record["step"] == "write"
    assert "The specified bucket does not exist" in record["error"]
    with pytest.raises(FileNotFoundError, match=r"file not found: s3://nowhere/rows\.jsonl"):
        run("s3://nowhere/rows.jsonl", tmp_path / "out", one)
    assert not (tmp_path / "out").exists()


@pytest.mark.cluster
@needs_server
def test_weights_at_an_address_are_loaded_once_while_they_stay(
    bucket, jobs, row, pictures, random_weights, monkeypatch
):
    from blending.cluster import files
    from blending.cluster.work import Work

    address = f"{bucket}/weights.safetensors"
    upload(random_weights, address)
    fetched, work, inputs = [], Work(1), []
    monkeypatch.setattr(files, "fetch", lambda path, to: (fetched.append(path), fetch(path, to)))
    same = {"at": [0, 0], "target": "target.png", "weights": address}
    for job in jobs([row(n, **same) for n in range(4)]):
        if job.line == 4:
            tensors = {name: tensor / 2 for name, tensor in load_file(random_weights).items()}
            save_file(tensors, pictures / "other", metadata={"size": "another, too"})
            upload(pictures / "other", address)
        work.read(task := work.begin(job))
        work.blend(task)
        record = work.write(task)
        assert record["status"] == "done", record
        inputs.append(record["inputs"])
        assert fetched == [address] * (4 if job.line == 4 else 2)  # its digest, then the network
    assert inputs[0] == inputs[1] == inputs[2] != inputs[3]

"""Files by path; addresses need the extra (and have tests of their own)."""

import hashlib
import os

import pytest

from blending.cluster.files import digest, exists, is_uri, join, local_copy


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

"""Which files a run has written when it ends early."""

import os

from blending.cli.outputs import Outputs


def test_a_file_counts_as_written_once_another_has_its_place(tmp_path):
    new, old, kept = (str(tmp_path / name) for name in ("new", "old", "kept"))
    for path in (old, kept):
        (tmp_path / path).write_bytes(b"1234")
    outputs = Outputs([new, old, kept])
    assert outputs.words == "nothing written"
    (tmp_path / "part").write_bytes(b"5678")  # of the same size, in the same moment
    os.utime(tmp_path / "part", ns=(0, os.stat(old).st_mtime_ns))
    os.replace(tmp_path / "part", old)
    assert outputs.words == f"{old} written"
    (tmp_path / "new").touch()
    assert outputs.words == f"{new} and {old} written"
    assert Outputs().words == "nothing written"
